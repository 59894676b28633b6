"""What Gemini does beside chat, by operation."""

from typing import Any, Final

from passerelle.codecs.base import TaskClientSide, TaskProviderSide
from passerelle.codecs.gemini.embed import EmbedClient, EmbedProvider
from passerelle.codecs.gemini.images import ImagesProvider
from passerelle.codecs.gemini.rank import RankProvider
from passerelle.codecs.gemini.speech import SpeechProvider
from passerelle.core.request import Operation

CLIENTS: Final[dict[Operation, TaskClientSide[Any, Any]]] = {"embed": EmbedClient()}
PROVIDERS: Final[dict[Operation, TaskProviderSide[Any, Any]]] = {
    "edit_image": ImagesProvider(),
    "embed": EmbedProvider(),
    "generate_image": ImagesProvider(),
    "rerank": RankProvider(),
    "speak": SpeechProvider(),
}
