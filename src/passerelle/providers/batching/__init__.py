"""Providers' own batch services: many requests handed over at once, asked for until they are done.

base       what a service is, and how an errand to it fails          openai     files and batches
anthropic  message batches
"""

from passerelle.core.model import BatchDialect
from passerelle.providers.batching.anthropic import AnthropicBatches
from passerelle.providers.batching.base import BatchServiceClient
from passerelle.providers.batching.openai import OpenAiBatches
from passerelle.providers.remote import RemoteProvider

__all__ = ["BatchServiceClient", "service_of"]


def service_of(
    dialect: BatchDialect, provider: RemoteProvider, headers: tuple[tuple[str, str], ...] = ()
) -> BatchServiceClient:
    """The batch service of a provider that speaks `dialect`. `headers`: the protocol headers that a batch was
    made with; the version and betas of Anthropic's go with every errand."""
    if dialect == "openai":
        return OpenAiBatches(provider)
    said = tuple(header for header in headers if header[0] in ("anthropic-version", "anthropic-beta"))
    return AnthropicBatches(provider, said)
