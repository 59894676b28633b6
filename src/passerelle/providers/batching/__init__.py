"""Providers' own batch services: many requests handed over at once, asked for until they are done.

base       what a service is, and how an errand to it fails          openai     files and batches; Groq, Azure
anthropic  message batches          gemini     files and batches of one model          mistral    batch jobs
"""

from typing import assert_never

from passerelle.core.model import BatchDialect
from passerelle.providers.batching.base import BatchServiceClient
from passerelle.providers.remote import RemoteProvider

__all__ = ["BatchServiceClient", "service_of"]


def service_of(
    dialect: BatchDialect, provider: RemoteProvider, headers: tuple[tuple[str, str], ...] = ()
) -> BatchServiceClient:
    """The batch service of a provider that speaks `dialect`. `headers`: the protocol headers that a batch was
    made with; the version and betas of Anthropic's go with every errand."""
    match dialect:
        case "openai" | "groq" | "azure":
            from passerelle.providers.batching import openai

            copies = {"openai": openai.OPENAI, "groq": openai.GROQ, "azure": openai.AZURE}
            return openai.OpenAiBatches(provider, copies[dialect])
        case "mistral":
            from passerelle.providers.batching.mistral import MistralBatches

            return MistralBatches(provider)
        case "gemini":
            from passerelle.providers.batching.gemini import GeminiBatches

            return GeminiBatches(provider)
        case "anthropic":
            from passerelle.providers.batching.anthropic import AnthropicBatches

            said = tuple(header for header in headers if header[0] in ("anthropic-version", "anthropic-beta"))
            return AnthropicBatches(provider, said)
        case _:
            assert_never(dialect)
