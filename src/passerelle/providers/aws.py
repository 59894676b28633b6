"""How Amazon wants to be shown who asks: a Bedrock API key as a bearer token, or a signature of access keys.

Bedrock API keys go in `Authorization: Bearer` (docs.aws.amazon.com/bedrock "Use an Amazon Bedrock API
key"); access keys sign each request (`sigv4`). Both read 2026-11-22. Keys are read through their references
each time they are needed, so that rotated ones are seen.
"""

from re import Pattern
from typing import Final

import msgspec

from passerelle.core.errors import PasserelleError
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import SendError
from passerelle.providers.entry import AwsEntry, Credential
from passerelle.providers.failures import hiding
from passerelle.providers.sigv4 import AwsKeys, Header, Signer

CONTENT_TYPE: Final = "application/json"


class Bearer:
    """A Bedrock API key."""

    def __init__(self, provider: str, credential: Credential | None) -> None:
        self._auth = AuthHeader(provider, credential, "bearer")

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds the key in words of the provider's."""
        return self._auth.hidden

    def headers(self, path: str, body: bytes) -> list[Header]:
        """The headers to add. Raises `SendError("auth")`."""
        header = self._auth.header()
        return [] if header is None else [header]


class Signed:
    """Access keys, or temporary ones with their session token."""

    def __init__(self, provider: str, aws: AwsEntry, signer: Signer) -> None:
        self._provider = provider
        self._aws = aws
        self._signer = signer
        self._seen: AwsKeys | None = None
        self._before: AwsKeys | None = None
        """What they were before they changed: calls under way still show them."""
        self._hidden: tuple[AwsKeys | None, Pattern[str] | None] = (None, None)

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds the keys in words of the provider's: Amazon quotes the headers it could not verify."""
        if self._hidden[0] is not self._seen:
            texts = [
                text
                for keys in (self._seen, self._before)
                if keys is not None
                for text in msgspec.structs.astuple(keys)
                if text
            ]
            self._hidden = self._seen, hiding(texts)
        return self._hidden[1]

    def headers(self, path: str, body: bytes) -> list[Header]:
        """The headers to add. Raises `SendError("auth")`."""
        return self._signer.headers(self._keys(), "POST", path, body, CONTENT_TYPE)

    def _keys(self) -> AwsKeys:
        aws = self._aws
        token = None if aws.session_token is None else self._read("session_token", aws.session_token)
        keys = AwsKeys(
            self._read("access_key_id", aws.access_key_id),
            self._read("secret_access_key", aws.secret_access_key),
            token,
        )
        if keys != self._seen:
            self._before, self._seen = self._seen, keys
        return keys

    def _read(self, name: str, credential: Credential) -> str:
        try:
            value = credential()
        except PasserelleError as error:  # it says where the credential should be, never what it is
            raise SendError(
                "auth", f"`aws.{name}` of provider `{self._provider}` cannot be read: {error}", sent=False
            ) from error
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise SendError(
                "auth",
                f"`aws.{name}` of provider `{self._provider}` is empty or holds characters that no key has; "
                "check what it points to",
                sent=False,
            )
        return value
