"""AWS Signature Version 4: headers that prove a request was made with a secret key, made anew for each.

From docs.aws.amazon.com "Create a signed AWS API request" (IAM User Guide, read 2026-11-22): the canonical
request holds the method, the path encoded once more than it is sent (every service but S3), the query, the
signed headers and the hash of the body; its hash, the time and the scope are signed with a key that is
derived for the day, the region and the service. Tested against botocore's own signer.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

_ALGORITHM: Final = "AWS4-HMAC-SHA256"

Header = tuple[bytes, bytes]


class AwsKeys(msgspec.Struct, frozen=True):
    """An identity's keys. Its repr shows nothing of them."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "AwsKeys()"


class Signer:
    """Signs requests to one host and service. Holds the derived key of the day, never logs it."""

    __slots__ = ("_host", "_key", "_known", "_now", "_region", "_service")

    def __init__(self, host: str, region: str, service: str, *, now: Callable[[], float] = time.time) -> None:
        """`host` as the `Host` header says it; `now` gives Unix seconds."""
        self._host = host
        self._region = region
        self._service = service
        self._now = now
        self._known: tuple[str, str] | None = None
        self._key = b""

    def __repr__(self) -> str:
        return f"Signer({self._host!r}, {self._region!r}, {self._service!r})"

    def headers(self, keys: AwsKeys, method: str, path: str, body: bytes, content_type: str) -> list[Header]:
        """The headers to add: time, session token and authorization. `path` as it is sent, without a query;
        `content_type` is signed too, and must be sent as it is."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        signed = {"content-type": content_type, "host": self._host, "x-amz-date": moment}
        added = [(b"x-amz-date", moment.encode())]
        if keys.session_token is not None:
            signed["x-amz-security-token"] = keys.session_token
            added.append((b"x-amz-security-token", keys.session_token.encode()))
        names = ";".join(signed)
        canonical = "\n".join(
            (
                method,
                quote(path, safe="/~"),
                "",
                *[f"{name}:{value}" for name, value in signed.items()],
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            )
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        signature = hmac.new(self._day_key(keys, moment[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
        proof = (
            f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        added.append((b"authorization", proof.encode()))
        return added

    def _day_key(self, keys: AwsKeys, day: str) -> bytes:
        if self._known != (day, keys.secret_access_key):
            key = ("AWS4" + keys.secret_access_key).encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._known, self._key = (day, keys.secret_access_key), key
        return self._key
