"""Anthropic Messages: the dialect's codec, both sides."""
