"""Asking Google for a token, as a service account or as a person, and what Google's credential files hold.

From developers.google.com/identity/protocols/oauth2/service-account ("Preparing to make an authorized API
call", the HTTP way): a JWT signed RS256 with the account's key (`iss`, `scope`, `aud`, `iat`, `exp` at most
an hour later) is exchanged at `https://oauth2.googleapis.com/token`; and oauth2/web-server ("Refreshing
an access token") for the file `gcloud auth application-default login` writes. Both read 2026-11-22.

The file's own `token_uri` is not followed: the endpoint is Google's, or the one the operator configured.
"""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import PasserelleError
from passerelle.providers.auth.token import Asking
from passerelle.providers.base import SendError
from passerelle.providers.entry import Credential

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_LIFE_S: Final = 3600
_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class GoogleFile(msgspec.Struct, frozen=True):
    """A credential file of Google's. Its repr shows nothing."""

    type: str = ""
    project_id: str = ""
    quota_project_id: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"GoogleFile({self.type!r})"


_file: Final = msgspec.json.Decoder(GoogleFile)
_encode: Final = msgspec.json.Encoder().encode


def read_file(provider: str, credential: Credential | None) -> GoogleFile | str:
    """The credential as it is now: what its file holds, or an API key as it stands.

    Raises `SendError("auth")` when there is none, or it is of a kind that cannot be used here.
    """
    try:
        text = credential() if credential is not None else None
    except PasserelleError as error:  # it says where the credential should be, never what it is
        raise _unusable(provider, f"cannot be read: {error}") from error
    if not text:
        raise _unusable(provider, "is missing; name a service account's JSON file with `credential`")
    if not text.lstrip().startswith("{"):
        return text
    try:
        held = _file.decode(text)
    except BAD_JSON:
        raise _unusable(provider, "is not a credential file of Google's; download its JSON again") from None
    needed = {
        "service_account": (held.client_email, held.private_key),
        "authorized_user": (held.client_id, held.client_secret, held.refresh_token),
    }.get(held.type)
    if needed is None:
        raise _unusable(
            provider,
            "is a file of another type than `service_account` or `authorized_user`; make a key for a service "
            "account",
        )
    if not all(needed):
        raise _unusable(provider, f"lacks fields that a `{held.type}` file has; download its JSON again")
    return held


class GoogleGrant:
    """A credential file's right to a token."""

    def __init__(
        self,
        provider: str,
        credential: Credential | None,
        *,
        path: str,
        audience: str = TOKEN_URL,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._provider = provider
        self._credential = credential
        self._audience = audience
        self._unix_s = unix_s
        self._key: tuple[str, Any] | None = None

    def __repr__(self) -> str:
        return f"GoogleGrant({self._provider!r})"

    def ask(self) -> Asking:
        """See `token.Grant`."""
        held = read_file(self._provider, self._credential)
        if isinstance(held, str):
            raise _unusable(self._provider, "is an API key, which buys no token")
        if held.type == "authorized_user":
            form = {
                "grant_type": "refresh_token",
                "client_id": held.client_id,
                "client_secret": held.client_secret,
                "refresh_token": held.refresh_token,
            }
            return Asking(urlencode(form).encode(), (held.client_secret, held.refresh_token))
        assertion = self._assertion(held)
        form = {"grant_type": _BEARER, "assertion": assertion}
        return Asking(urlencode(form).encode(), (assertion, assertion.rpartition(".")[2]))

    def _assertion(self, held: GoogleFile) -> str:
        now = int(self._unix_s())
        head = {"alg": "RS256", "typ": "JWT", "kid": held.private_key_id}
        claims = {
            "iss": held.client_email,
            "scope": SCOPE,
            "aud": self._audience,
            "iat": now,
            "exp": now + _LIFE_S,
        }
        signed = f"{_base64(_encode(head))}.{_base64(_encode(claims))}"
        return f"{signed}.{_base64(self._sign(held.private_key, signed.encode()))}"

    def _sign(self, pem: str, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if self._key is None or self._key[0] != pem:
            try:
                key = load_pem_private_key(pem.encode(), password=None)
            except (ValueError, TypeError):  # the words of either may quote the key
                key = None
            if not isinstance(key, rsa.RSAPrivateKey):
                raise _unusable(self._provider, "holds no RSA private key; download its JSON again")
            self._key = (pem, key)
        signature: bytes = self._key[1].sign(data, padding.PKCS1v15(), hashes.SHA256())
        return signature


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unusable(provider: str, what: str) -> SendError:
    return SendError("auth", f"the credential of provider `{provider}` {what}", sent=False)
