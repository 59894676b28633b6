"""Credentials: one extractor for every dialect's carrier, one verdict for the same key."""

import asyncio
from urllib.parse import parse_qs

from passerelle.core.errors import Problem, ProblemError
from passerelle.core.principal import Permission, Principal
from passerelle.server.route import Arrival
from passerelle.store import Store, StoreUnavailable
from passerelle.store.token import parse as parse_token

_SIGV4 = b"aws4-hmac-sha256"
_CATCH_UP_S = 5.0
"""How long a key nobody here knows may wait for the database."""
_HOW = (
    "send a Passerelle key as `Authorization: Bearer psk_…`, `x-api-key` or `x-goog-api-key`; "
    "create one with `passerelle keys create --name NAME`"
)


def credential(arrival: Arrival) -> str | None:
    """The first credential found, in a fixed order of carriers; None when there is none."""
    head = arrival.head
    if head is None:
        return _found(arrival)
    if head.token is None:
        head.token = _found(arrival)
    return head.token


def _found(arrival: Arrival) -> str | None:
    headers = arrival.headers
    bearer = headers.get(b"authorization")
    if bearer is not None:
        scheme, _, token = bearer.partition(b" ")
        if scheme.lower() == b"bearer" and token:
            return token.strip().decode("latin-1")
        if scheme.lower() == _SIGV4:
            return _access_key_id(token)
    for name in (b"x-api-key", b"x-goog-api-key", b"api-key"):
        value = headers.get(name)
        if value:
            return value.strip().decode("latin-1")
    query: bytes = arrival.scope.get("query_string", b"")
    if b"key=" in query:
        values = parse_qs(query.decode("latin-1")).get("key")
        if values:
            return values[0]
    return None


def _access_key_id(signature: bytes) -> str | None:
    """Our key where AWS SDKs put an access key id:
    `Credential=psk_…/20261122/eu-west-1/bedrock/aws4_request`.

    boto3 refuses a bearer token on plain HTTP, so there this is a key's only way in. The key is the whole
    proof, as in any other carrier: the signature, made with whatever secret, is not looked at, and whoever
    it names is nobody at AWS to us.
    """
    for field in signature.split(b","):
        name, _, value = field.strip().partition(b"=")
        if name == b"Credential":
            return value.partition(b"/")[0].decode("latin-1") or None
    return None


def known_caller(store: Store, arrival: Arrival) -> Principal | None:
    """Who is asking, if that is plain at once: nearly always. Raises `StoreUnavailable`."""
    token = credential(arrival)
    entry = None if token is None else store.identity.authenticate(token)
    return entry.principal if entry is not None and entry.state == "active" else None


async def authenticate(store: Store, arrival: Arrival) -> Principal:
    """Who is asking. A key that is known here costs no look at the database; one that is not may have been
    made a moment ago by another process, so it is refused only after a look that began later than it came.

    Raises `ProblemError(unauthenticated)`, and `StoreUnavailable` when a key cannot be told from a
    stranger's: not knowing is never a refusal.
    """
    token = credential(arrival)
    if token is None:
        raise ProblemError(
            Problem("unauthenticated", f"No API key was sent; {_HOW}.", code="missing_api_key")
        )
    entry = store.identity.authenticate(token)
    if entry is None and parse_token(token) is not None:
        try:
            await asyncio.wait_for(asyncio.wrap_future(store.catch_up()), _CATCH_UP_S)
        except TimeoutError as error:
            raise StoreUnavailable("the database does not say whose key this is") from error
        entry = store.identity.authenticate(token)
    if entry is None:
        raise ProblemError(
            Problem(
                "unauthenticated",
                f"The API key is not one of this gateway's; {_HOW}.",
                code="invalid_api_key",
            )
        )
    if entry.state != "active":
        raise ProblemError(
            Problem(
                "unauthenticated",
                f"The API key `{entry.key.id}` is {entry.state}; ask for a new one.",
                code=f"{entry.state}_api_key",
            )
        )
    return entry.principal


def authorise(principal: Principal, permission: Permission) -> None:
    """Raises `ProblemError(permission_denied)` unless the caller's role has it."""
    if permission not in principal.permissions:
        raise ProblemError(
            Problem(
                "permission_denied",
                f"This needs the permission `{permission}`, which the role `{principal.role}` does not have; "
                "use a key whose role has it.",
            )
        )
