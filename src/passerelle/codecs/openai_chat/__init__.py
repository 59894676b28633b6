"""OpenAI Chat Completions and Embeddings: the dialect's codec, both sides."""
