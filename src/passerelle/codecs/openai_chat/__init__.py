"""OpenAI Chat Completions, as callers speak it and as OpenAI and its many likes are spoken to; and its
embeddings.

`wire` what streams look like · `envelope` the quick look · `request`, `messages` in · `encode_request`,
`encode_messages`, `encode_parts` out · `response` whole answers · `stream_decode`, `stream_parts`,
`stream_encode` streams · `relay`, `watch` the untranslated road · `usage`, `finish`, `errors`, `answers`
the tables they judge by.
"""

from passerelle.codecs.base import ClientSide, EmbedClientSide, EmbedProviderSide, ProviderSide
from passerelle.codecs.openai_chat.embed import EmbedClient, EmbedProvider
from passerelle.codecs.openai_chat.sides import ChatClient, ChatProvider

CLIENT: ClientSide = ChatClient()
EMBED_CLIENT: EmbedClientSide = EmbedClient()
EMBED_PROVIDER: EmbedProviderSide = EmbedProvider()
PROVIDER: ProviderSide = ChatProvider()

__all__ = ["CLIENT", "EMBED_CLIENT", "EMBED_PROVIDER", "PROVIDER"]
