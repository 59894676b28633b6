"""What OpenAI's API does beside chat, by operation, and the rankings its likes have added to it."""

from typing import Any, Final

from passerelle.codecs.base import TaskClientSide, TaskProviderSide
from passerelle.codecs.openai_chat.tasks.draw import ImagesProvider
from passerelle.codecs.openai_chat.tasks.embed import EmbedClient, EmbedProvider
from passerelle.codecs.openai_chat.tasks.images import ImagesClient
from passerelle.codecs.openai_chat.tasks.moderate import ModerateClient, ModerateProvider
from passerelle.codecs.openai_chat.tasks.rerank import RerankClient, RerankProvider
from passerelle.codecs.openai_chat.tasks.speech import SpeechClient, SpeechProvider
from passerelle.codecs.openai_chat.tasks.transcribe import TranscribeClient
from passerelle.codecs.openai_chat.tasks.write_down import TranscribeProvider
from passerelle.core.request import Operation

CLIENTS: Final[dict[Operation, TaskClientSide[Any, Any]]] = {
    "edit_image": ImagesClient("edit_image"),
    "embed": EmbedClient(),
    "generate_image": ImagesClient("generate_image"),
    "moderate": ModerateClient(),
    "rerank": RerankClient(),
    "speak": SpeechClient(),
    "transcribe": TranscribeClient(),
    "translate": TranscribeClient(into_english=True),
}
PROVIDERS: Final[dict[Operation, TaskProviderSide[Any, Any]]] = {
    "edit_image": ImagesProvider("edit_image"),
    "embed": EmbedProvider(),
    "generate_image": ImagesProvider("generate_image"),
    "moderate": ModerateProvider(),
    "rerank": RerankProvider(),
    "speak": SpeechProvider(),
    "transcribe": TranscribeProvider(),
    "translate": TranscribeProvider(),
}
