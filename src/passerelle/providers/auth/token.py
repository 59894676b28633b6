"""A token of a token endpoint: kept while it is good, renewed before it ends, fetched once for all who wait.

When it is asked for. Never at the start: the first call fetches it. In the last part of its life
(`_RENEW_S`, or a tenth of a short life) it is renewed beside the calls, which go on with the one there is.
After a 401 the call's provider may ask for another at once (`renew`), at most once in `_FORCED_EVERY_S`: a
credential that is refused for good must not make two requests of each. After a failure it is not asked for
again within a growing pause, so that a broken credential does not make a storm.

Tokens, secrets and assertions are in no message, log or repr. What the endpoint says of a failure is
repeated without them: it names what is wrong (`AADSTS7000215`, `invalid_grant`), which the operator needs.
"""

import asyncio
import time
from collections.abc import Callable
from re import Pattern
from typing import Protocol

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import FailureKind
from passerelle.providers.base import Deadlines, Reply, SendError
from passerelle.providers.failures import hiding, sanitise

_RENEW_S = 300.0
_SPARE_S = 20.0
"""A token is not shown in its last seconds: it must still be good when the request arrives."""
_UNSAID_LIFE_S = 300.0
_LONGEST_LIFE_S = 86_400.0
_FORCED_EVERY_S = 30.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_DEADLINES = Deadlines(connect_s=5.0, headers_s=15.0)
_FETCH_S = 20.0

FORM = (
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"accept", b"application/json"),
)


class Asking(msgspec.Struct, frozen=True):
    """A request for a token. Its repr shows nothing."""

    body: bytes
    secrets: tuple[str, ...]
    """What in it must never be repeated."""

    def __repr__(self) -> str:
        return "Asking(…)"


class Grant(Protocol):
    """By what right a token is asked for."""

    path: str
    """Of the token endpoint, below the origin its client is bound to."""

    def ask(self) -> Asking:
        """The request, from the credential as it is now. May read files and compute: called off the event
        loop. Raises `SendError("auth")` when the credential is not there or is not one.
        """
        ...


class TokenSender(Protocol):
    """What is needed of the HTTP client: `http.HttpClient`, or a fake."""

    async def request(
        self,
        method: str,
        path: str,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes,
        *,
        deadlines: Deadlines,
        remaining_s: float,
    ) -> Reply:
        """Send and wait for the response head. Raises `SendError`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class _Said(msgspec.Struct):
    """RFC 6749 §5.1 and §5.2. Entra's first version gave `expires_in` as text."""

    access_token: str = ""
    expires_in: float | str | None = None
    error: object = None
    error_description: str = ""


_said = msgspec.json.Decoder(_Said)


class TokenHeader:
    """`Authorization: Bearer`, with a token that is fetched and renewed. Use it from one event loop."""

    def __init__(
        self,
        provider: str,
        grant: Grant,
        client: TokenSender,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._grant = grant
        self._client = client
        self._now = monotonic
        self._header: tuple[bytes, bytes] | None = None
        self._renew_at = self._good_until = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._failure: SendError | None = None
        self._not_before = self._forced_at = float("-inf")
        self._pause_s = _FIRST_PAUSE_S
        self._secrets: tuple[str, ...] = ()
        self._hidden: Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"TokenHeader({self._provider!r})"

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds the tokens and secrets that were shown lately in words of the provider's."""
        return self._hidden

    def header(self) -> tuple[bytes, bytes]:
        """The header as it must be sent now. Raises `SendError("auth")` unless `ready` was waited for."""
        if self._header is None:
            raise SendError(
                "auth", f"there is no token for provider `{self._provider}` yet; try again", sent=False
            )
        return self._header

    async def ready(self, limit_s: float) -> None:
        """Wait, at most so long, until there is a token; at once when there is one. Raises `SendError`."""
        now = self._now()
        if now < self._renew_at:
            return
        if now < self._good_until:
            if self._task is None and now >= self._not_before:
                self._start()
            return
        await self._fetched(limit_s)

    async def renew(self, shown: tuple[bytes, bytes] | None, limit_s: float) -> bool:
        """After the provider refused the token `shown`: whether there is another to try. Never raises
        `SendError`: what the provider said of the refusal is the better word.
        """
        if self._header is not shown:
            return True
        now = self._now()
        if self._task is None:
            if now - self._forced_at < _FORCED_EVERY_S:
                return False
            self._forced_at = now
        self._renew_at = self._good_until = float("-inf")
        try:
            await self._fetched(limit_s)
        except SendError:
            return False
        return self._header is not shown

    async def aclose(self) -> None:
        """Stop asking, and close the connections to the endpoint."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._client.aclose()

    async def _fetched(self, limit_s: float) -> None:
        if self._task is None:
            if self._failure is not None and self._now() < self._not_before:
                raise _again(self._failure)
            self._start()
        task = self._task
        if task is None:
            raise AssertionError("a fetch was started")
        try:
            async with asyncio.timeout(min(limit_s, _FETCH_S)):
                await asyncio.shield(task)
        except TimeoutError:
            raise SendError(
                "timeout", f"the token of provider `{self._provider}` did not come in time", sent=False
            ) from None
        if self._now() >= self._good_until:
            raise _again(self._failure or self._error("transport", "the token came and was over"))

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        """Never raises but for cancellation: those who wait read what became of it."""
        try:
            self._keep(await self._asked())
        except SendError as error:
            self._failure = error
            self._not_before = self._now() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            self._task = None

    async def _asked(self) -> _Said:
        asking = await asyncio.to_thread(self._grant.ask)
        self._hide(asking.secrets)
        try:
            reply = await self._client.request(
                "POST", self._grant.path, FORM, asking.body, deadlines=_DEADLINES, remaining_s=_FETCH_S
            )
            try:
                status, body = reply.status, await reply.read()
            finally:
                await reply.aclose()
        except SendError as error:
            raise self._error(error.failure, f"could not be asked for: {error.message}") from error
        try:
            said = _said.decode(body)
        except BAD_JSON:
            said = _Said()
        if status == 200 and said.access_token:
            return said
        words = f"{said.error or ''}: {said.error_description}" if said.error else f"HTTP {status}"
        kind: FailureKind = "auth" if 400 <= status < 500 and status not in (408, 429) else "transport"
        raise self._error(kind, f"was refused: {sanitise(words, 300, self._hidden)}")

    def _keep(self, said: _Said) -> None:
        token = said.access_token
        if not token.isascii() or not token.isprintable() or " " in token:
            raise self._error("protocol", "holds characters that no token has")
        now, life = self._now(), _life_s(said.expires_in)
        self._header = (b"authorization", b"Bearer " + token.encode())
        self._good_until = now + max(life - _SPARE_S, life / 2)
        self._renew_at = min(self._good_until, now + life - min(_RENEW_S, life / 10 + _SPARE_S))
        self._failure, self._not_before, self._pause_s = None, float("-inf"), _FIRST_PAUSE_S
        self._hide((token,))

    def _hide(self, secrets: tuple[str, ...]) -> None:
        """Calls under way still show the last one, so the last few are looked for."""
        self._secrets = (*self._secrets, *(s for s in secrets if s not in self._secrets))[-8:]
        self._hidden = hiding(self._secrets)

    def _error(self, kind: FailureKind, what: str) -> SendError:
        return SendError(kind, f"the token of provider `{self._provider}` {what}", sent=False)


def _again(failure: SendError) -> SendError:
    """The same failure for another who waited for it."""
    return SendError(failure.failure, failure.message, sent=False)


def _life_s(said: float | str | None) -> float:
    try:
        life = float(said) if said is not None else _UNSAID_LIFE_S
    except ValueError:
        life = _UNSAID_LIFE_S
    return min(life, _LONGEST_LIFE_S) if life > 0 else _UNSAID_LIFE_S
