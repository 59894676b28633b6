"""OpenAI Chat Completions, as callers speak it and as OpenAI and its many likes are spoken to; and its
embeddings.

In: `envelope` the quick look · `request`, `messages`, `content` the whole. Out: `encode_request`,
`encode_messages`, `encode_parts`, and `losses`, what they leave behind. Answers: `response_decode`,
`response_encode` whole · `stream_decode`, `stream_parts`, `stream_encode`, `wire` streamed · `relay`,
`watch` untranslated. What they judge and name by: `usage`, `finish`, `errors`, `answers`, `opaque`,
`citations`, `identity`. `tasks` is what the same API does beside chat.
"""

from passerelle.codecs.base import ClientSide, ProviderSide
from passerelle.codecs.openai_chat.sides import ChatClient, ChatProvider

CLIENT: ClientSide = ChatClient()
PROVIDER: ProviderSide = ChatProvider()

__all__ = ["CLIENT", "PROVIDER"]
