"""How each provider wants to be shown the credential.

OpenAI and nearly everybody like it take `Authorization: Bearer`; Azure's own keys go in `api-key`
(learn.microsoft.com "Azure OpenAI REST API reference", authentication), Anthropic's in `x-api-key`
(platform.claude.com/docs/en/api/overview), Google's in `x-goog-api-key` (ai.google.dev/api), Black Forest
Labs' in `x-key` (docs.bfl.ai). All read 2026-11-22. Never in the URL: URLs are logged.
"""

from re import Pattern
from typing import Literal

from passerelle.core.errors import PasserelleError
from passerelle.providers.base import SendError
from passerelle.providers.entry import Credential
from passerelle.providers.failures import hiding

Carrier = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key", "x-key"]

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def openai_carrier(host: str) -> Carrier:
    """Where an OpenAI-like server at `host` looks for the key."""
    return "api-key" if host.endswith(_AZURE_HOSTS) else "bearer"


class AuthHeader:
    """The header that carries a provider's credential, rebuilt only when the credential changes."""

    __slots__ = ("_before", "_carrier", "_credential", "_header", "_hidden", "_provider", "_seen")

    def __init__(self, provider: str, credential: Credential | None, carrier: Carrier) -> None:
        self._provider = provider
        self._credential = credential
        self._carrier = carrier
        self._seen: str | None = None
        self._before: str | None = None
        """What it was before it changed: calls under way still show it."""
        self._hidden: tuple[str | None, Pattern[str] | None] = (None, None)
        self._header: tuple[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"AuthHeader({self._provider!r}, {self._carrier!r})"

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds the credential in words of the provider's; None before one was shown."""
        if self._hidden[0] != self._seen:
            self._hidden = self._seen, hiding(filter(None, (self._seen, self._before)))
        return self._hidden[1]

    def header(self) -> tuple[bytes, bytes] | None:
        """The header as it must be sent now; None for a provider that needs no credential.

        Raises `SendError("auth")` when the credential cannot be read or could not stand in a header.
        """
        if self._credential is None:
            return None
        try:
            value = self._credential()
        except PasserelleError as error:  # it says where the credential should be, never what it is
            raise SendError(
                "auth", f"the credential of provider `{self._provider}` cannot be read: {error}", sent=False
            ) from error
        if value is None:
            return None
        if value != self._seen or self._header is None:
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise SendError(
                    "auth",
                    f"the credential of provider `{self._provider}` is empty or holds characters that no key "
                    "has; check what its `credential` setting points to",
                    sent=False,
                )
            if self._carrier == "bearer":
                self._header = (b"authorization", b"Bearer " + value.encode())
            else:
                self._header = (self._carrier.encode(), value.encode())
            self._before, self._seen = self._seen, value
        return self._header
