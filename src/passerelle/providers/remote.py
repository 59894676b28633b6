"""What all providers reached over HTTP share: a table of routes, ready-made headers, one way to send.

Nothing of a request decides where it goes: host and path come from the entry and the deployment. Of the
caller's headers only those in `forward` pass, and never one that could carry a credential.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from re import Pattern
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Call, Content, Deadlines, Reply, SendError

if TYPE_CHECKING:
    from passerelle.providers.auth.token import TokenHeader

Headers = Sequence[tuple[bytes, bytes]]

JSON_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
)
STREAM_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
)


class HttpSender(Protocol):
    """What a provider needs of the HTTP client: `http.HttpClient`, or a fake."""

    def request(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: bytes | Content,
        *,
        deadlines: Deadlines,
        remaining_s: float,
    ) -> Coroutine[Any, Any, Reply]:
        """Send and wait for the response head. Raises `SendError`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class RemoteProvider:
    """A provider whose path depends on dialect and operation alone (Gemini's also has the model in it)."""

    def __init__(
        self,
        name: str,
        client: HttpSender,
        auth: "AuthHeader | TokenHeader",
        *,
        routes: Mapping[tuple[Dialect, Operation], str],
        forward: frozenset[str] = frozenset({"idempotency-key", "traceparent"}),
        fixed: Mapping[Dialect, tuple[tuple[str, str], ...]] | None = None,
        root: str = "",
    ) -> None:
        """`root`: the path, with the version, that errands are below."""
        self.name = name
        self._root = root
        self._client = client
        self._auth = auth
        self._token: TokenHeader | None = None if isinstance(auth, AuthHeader) else auth
        self._routes = dict(routes)
        self._forward = {header: header.encode() for header in forward}
        self._fixed = {
            dialect: tuple((n.encode(), v.encode()) for n, v in headers)
            for dialect, headers in (fixed or {}).items()
        }
        """Sent with every call of a dialect unless a forwarded header of the same name takes its place."""
        self._usual: dict[
            tuple[Dialect, bool], tuple[tuple[bytes, bytes] | None, tuple[tuple[bytes, bytes], ...]]
        ] = {}
        """The headers of calls that forward none, with the credential they were made with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def hidden(self) -> Pattern[str] | None:
        """See `Provider.hidden`."""
        return self._auth.hidden

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Whether `operation` has a path in the deployment's own dialect."""
        return (deployment.dialect, operation) in self._routes

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:
        """Send one call. Raises `SendError`; a dialect or operation not spoken here is `not_found`."""
        token = self._token_of(call)
        return self._send(call) if token is None else self._send_with(token, call)

    def _send(self, call: Call) -> Coroutine[Any, Any, Reply]:
        return self._client.request(
            "POST",
            self._path(call),
            self._headers(call),
            call.body,
            deadlines=call.deadlines,
            remaining_s=call.remaining_s,
        )

    async def _send_with(self, token: "TokenHeader", call: Call) -> Reply:
        """Send with a token that is still good; once more with a new one when it is refused as none."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + call.remaining_s
        await token.ready(call.remaining_s)
        shown = token.header()
        reply = await self._send(_until(call, ends_at - loop.time()))
        if reply.status != 401:
            return reply
        left_s = ends_at - loop.time()
        if left_s <= 0 or not await token.renew(shown, left_s):
            return reply
        await reply.aclose()
        return await self._send(_until(call, ends_at - loop.time()))

    async def errand(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Content = b"",
        content_type: str = "application/json",
        dialect: Dialect,
        headers: Sequence[tuple[str, str]] = (),
        extra: Headers = (),
        deadlines: Deadlines,
        remaining_s: float,
    ) -> Reply:
        """What is no call of a model: `path`, made by an adapter, below the entry's own address, with the
        entry's credential. `headers` are a caller's, of which what may be forwarded is; `extra` the adapter's
        own. Raises `SendError`."""
        wire = [(b"accept", b"*/*"), *extra]
        if body:
            wire.append((b"content-type", content_type.encode()))
        ends_at = asyncio.get_running_loop().time() + remaining_s
        if self._token is not None:
            await self._token.ready(remaining_s)
        shown = self._auth.header()
        if shown is not None:
            wire.append(shown)
        said = [
            (self._forward[name], value.encode())
            for name, value in headers
            if name in self._forward and value.isascii() and value.isprintable()
        ]
        named = {name for name, _ in said}
        wire += [*said, *(pair for pair in self._fixed.get(dialect, ()) if pair[0] not in named)]
        reply = await self._client.request(
            method, self._errand_path(path), wire, body, deadlines=deadlines, remaining_s=remaining_s
        )
        left_s = ends_at - asyncio.get_running_loop().time()
        if reply.status != 401 or self._token is None or left_s <= 0:
            return reply
        if not await self._token.renew(shown, left_s):
            return reply
        await reply.aclose()
        fresh = self._auth.header()
        wire = [pair for pair in wire if pair is not shown]
        left_s = max(0.001, ends_at - asyncio.get_running_loop().time())
        return await self._client.request(
            method, self._errand_path(path), wire if fresh is None else [*wire, fresh], body,
            deadlines=deadlines, remaining_s=left_s,
        )  # fmt: skip

    def _errand_path(self, path: str) -> str:
        """The path of an errand."""
        return self._root + path

    async def aclose(self) -> None:
        """Close the connections."""
        if self._token is not None:
            await self._token.aclose()
        await self._client.aclose()

    def _path(self, call: Call) -> str:
        try:
            return self._routes[call.dialect, call.operation]
        except KeyError:
            raise self._unknown(call) from None

    def _unknown(self, call: Call) -> SendError:
        return SendError(
            "not_found",
            f"provider `{self.name}` has no `{call.operation}` in the dialect `{call.dialect}`; correct the "
            f"`dialect` of deployment `{call.deployment.id}`",
            sent=False,
        )

    def _headers(self, call: Call) -> Headers:
        auth = self._shown(call)
        if call.content_type != "application/json":
            kind = (b"content-type", call.content_type.encode())
            return (kind, *[pair for pair in self._make_usual(call, auth) if pair[0] != b"content-type"])
        if not call.headers:
            known = self._usual.get((call.dialect, call.stream))
            if known is None or known[0] is not auth:
                known = self._usual[call.dialect, call.stream] = (auth, self._make_usual(call, auth))
            return known[1]
        headers = list(STREAM_HEADERS if call.stream else JSON_HEADERS)
        if auth is not None:
            headers.append(auth)
        fixed = self._fixed.get(call.dialect)
        sent = set()
        for name, value in call.headers:
            raw = self._forward.get(name)
            if raw is not None and value.isascii() and value.isprintable():
                headers.append((raw, value.encode()))
                sent.add(raw)
        if fixed:
            headers.extend(pair for pair in fixed if pair[0] not in sent)
        return headers

    def _shown(self, call: Call) -> tuple[bytes, bytes] | None:
        """The header with the credential, as this call shows it."""
        return self._auth.header()

    def _token_of(self, call: Call) -> "TokenHeader | None":
        """The token that this call shows, for a provider that wants one."""
        return self._token

    def _make_usual(self, call: Call, auth: tuple[bytes, bytes] | None) -> tuple[tuple[bytes, bytes], ...]:
        usual = STREAM_HEADERS if call.stream else JSON_HEADERS
        return (*usual, *(() if auth is None else (auth,)), *self._fixed.get(call.dialect, ()))


def _until(call: Call, remaining_s: float) -> Call:
    return msgspec.structs.replace(call, remaining_s=max(remaining_s, 0.001))
