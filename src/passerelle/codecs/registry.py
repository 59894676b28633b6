"""Every dialect by name. A dialect is imported when it is first spoken."""

from functools import cache
from typing import assert_never

from passerelle.codecs.base import ClientSide, EmbedClientSide, EmbedProviderSide, ProviderSide
from passerelle.core.request import Dialect


@cache
def client(dialect: Dialect) -> ClientSide:
    """The dialect as callers speak it."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.CLIENT
        case "openai_responses":
            from passerelle.codecs import openai_responses

            return openai_responses.CLIENT
        case "anthropic":
            from passerelle.codecs import anthropic

            return anthropic.CLIENT
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.CLIENT
        case "bedrock":
            from passerelle.codecs import bedrock

            return bedrock.CLIENT
        case _:
            assert_never(dialect)


@cache
def provider(dialect: Dialect) -> ProviderSide:
    """The dialect as providers are spoken to."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.PROVIDER
        case "openai_responses":
            from passerelle.codecs import openai_responses

            return openai_responses.PROVIDER
        case "anthropic":
            from passerelle.codecs import anthropic

            return anthropic.PROVIDER
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.PROVIDER
        case "bedrock":
            from passerelle.codecs import bedrock

            return bedrock.PROVIDER
        case _:
            assert_never(dialect)


@cache
def embed_client(dialect: Dialect) -> EmbedClientSide | None:
    """The dialect's embeddings as callers ask for them, or None where it has none."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.EMBED_CLIENT
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.EMBED_CLIENT
        case "openai_responses" | "anthropic" | "bedrock":
            return None
        case _:
            assert_never(dialect)


@cache
def embed_provider(dialect: Dialect) -> EmbedProviderSide | None:
    """The dialect's embeddings as providers are asked for them, or None where it has none."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.EMBED_PROVIDER
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.EMBED_PROVIDER
        case "openai_responses" | "anthropic" | "bedrock":
            return None
        case _:
            assert_never(dialect)
