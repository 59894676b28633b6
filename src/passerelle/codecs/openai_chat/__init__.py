"""OpenAI Chat Completions, as callers speak it and as OpenAI and its many likes are spoken to; and its
embeddings.

In: `envelope` the quick look · `request`, `messages`, `content` the whole. Out: `encode_request`,
`encode_messages`, `encode_parts`, and `losses`, what they leave behind. Answers: `response_decode`,
`response_encode` whole · `stream_decode`, `stream_parts`, `stream_encode`, `wire` streamed · `relay`,
`watch` untranslated. What they judge and name by: `usage`, `finish`, `errors`, `answers`, `opaque`,
`citations`, `identity`. `embed` is the embeddings.
"""

from passerelle.codecs.base import ClientSide, EmbedClientSide, EmbedProviderSide, ProviderSide
from passerelle.codecs.openai_chat.embed import EmbedClient, EmbedProvider
from passerelle.codecs.openai_chat.sides import ChatClient, ChatProvider

CLIENT: ClientSide = ChatClient()
EMBED_CLIENT: EmbedClientSide = EmbedClient()
EMBED_PROVIDER: EmbedProviderSide = EmbedProvider()
PROVIDER: ProviderSide = ChatProvider()

__all__ = ["CLIENT", "EMBED_CLIENT", "EMBED_PROVIDER", "PROVIDER"]
