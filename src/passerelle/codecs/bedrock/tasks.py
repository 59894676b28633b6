"""What Bedrock does beside chat, by operation. Callers of its dialect ask for none of it."""

from typing import Any, Final

from passerelle.codecs.base import TaskProviderSide
from passerelle.codecs.bedrock.embed import EmbedProvider
from passerelle.codecs.bedrock.pictures import PicturesProvider
from passerelle.codecs.bedrock.rerank import RerankProvider
from passerelle.core.request import Operation

PROVIDERS: Final[dict[Operation, TaskProviderSide[Any, Any]]] = {
    "edit_image": PicturesProvider(),
    "embed": EmbedProvider(),
    "generate_image": PicturesProvider(),
    "rerank": RerankProvider(),
}
