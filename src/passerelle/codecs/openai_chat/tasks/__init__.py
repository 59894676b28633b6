"""What OpenAI's API does beside chat, by operation, and the rankings its likes have added to it."""

from typing import Any, Final

from passerelle.codecs.base import TaskClientSide, TaskProviderSide
from passerelle.codecs.openai_chat.tasks.embed import EmbedClient, EmbedProvider
from passerelle.codecs.openai_chat.tasks.moderate import ModerateClient, ModerateProvider
from passerelle.codecs.openai_chat.tasks.rerank import RerankClient, RerankProvider
from passerelle.core.request import Operation

CLIENTS: Final[dict[Operation, TaskClientSide[Any, Any]]] = {
    "embed": EmbedClient(),
    "moderate": ModerateClient(),
    "rerank": RerankClient(),
}
PROVIDERS: Final[dict[Operation, TaskProviderSide[Any, Any]]] = {
    "embed": EmbedProvider(),
    "moderate": ModerateProvider(),
    "rerank": RerankProvider(),
}
