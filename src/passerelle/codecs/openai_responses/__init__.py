"""OpenAI Responses (stateless): the dialect's codec, both sides."""
