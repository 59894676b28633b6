"""Black Forest Labs: pictures made by jobs that one submits, asks after, and fetches.

From docs.bfl.ai ("Get started", "Polling", "Errors", read 2026-11-22): `POST /v1/{model}` with `x-key` gives
`{"id", "polling_url"}`; `GET polling_url` gives a `status`, and once it is `Ready` the address of the
picture, which is good for ten minutes. Both addresses may be of another host of theirs (`api.eu.bfl.ai`,
`delivery-….bfl.ai`), and of no one else's: anything else is refused unread. The picture's own address is
called without the key. To the road all this is one call, answered in OpenAI's form, with the megapixels that
the job was said to be billed for (`input_mp` and `output_mp` of their OpenAPI description, read alike).
"""

import asyncio
import binascii
from collections.abc import Awaitable, Callable
from re import Pattern
from urllib.parse import urlsplit

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.request import Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.http.origin import Origin, parse_origin
from passerelle.providers.remote import JSON_HEADERS, HttpSender
from passerelle.providers.replies import WholeReply

MakeClient = Callable[[Origin], HttpSender]
Sleep = Callable[[float], Awaitable[None]]

FIRST_LOOK_S = 0.5
"""The quickest models take about a second."""
MOST_APART_S = 2.0
_MOST_ORIGINS = 16
_SERVED = frozenset[Operation]({"generate_image", "edit_image"})
_WAITING = frozenset({"pending", "queued", "processing", "preparing"})
_REFUSED = frozenset({"request moderated", "content moderated"})
_THEIRS = (".bfl.ai", ".bfl.ml")


class _Job(msgspec.Struct):
    id: str
    polling_url: str
    input_mp: float | None = None
    output_mp: float | None = None


class _Result(msgspec.Struct):
    sample: str | None = None


class _State(msgspec.Struct):
    status: str
    result: _Result | None = None


_job_decoder = msgspec.json.Decoder(_Job)
_state_decoder = msgspec.json.Decoder(_State)
_json = msgspec.json.Encoder()


class BflProvider:
    """One entry. Obeys `providers.base.Provider`."""

    def __init__(
        self,
        name: str,
        origin: Origin,
        base_path: str,
        auth: AuthHeader,
        make_client: MakeClient,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = name
        self._origin = origin
        self._root = base_path if base_path.endswith("/v1") else f"{base_path}/v1"
        self._auth = auth
        self._make_client = make_client
        self._sleep = sleep
        self._clients: dict[Origin, HttpSender] = {}

    @property
    def hidden(self) -> Pattern[str] | None:
        """See `Provider.hidden`."""
        return self._auth.hidden

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Pictures, and nothing else."""
        return operation in _SERVED

    async def send(self, call: Call) -> Reply:
        """The finished picture. Raises `SendError`, `timeout` when the job takes longer than it may."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(call.deadlines.first_content_s, call.remaining_s)
        path = f"{self._root}/{call.deployment.upstream_model}"
        submitted = await self._ask(call, "POST", self._origin, path, until, body=call.body)
        if submitted.status != 200:
            return submitted
        try:
            job = _job_decoder.decode(await _whole(submitted))
        except msgspec.DecodeError:
            raise SendError("protocol", "the provider's answer to a job names no `polling_url`") from None
        origin, polling = self._place(job.polling_url)
        pause_s = FIRST_LOOK_S
        while True:
            if loop.time() + pause_s >= until:
                raise SendError("timeout", "the provider's job was not done in time")
            await self._sleep(pause_s)
            pause_s = min(pause_s * 1.5, MOST_APART_S)
            reply = await self._ask(call, "GET", origin, polling, until)
            if reply.status != 200:
                return reply
            try:
                state = _state_decoder.decode(await _whole(reply))
            except msgspec.DecodeError:
                raise SendError("protocol", "the provider's job has no readable `status`") from None
            said = state.status.lower()
            if said == "ready":
                return await self._fetch(call, state, until, _pixels(job))
            if said in _REFUSED:
                return _failed(
                    400, f"{state.status}: the provider's filter refused it", "content_policy_violation"
                )
            if said not in _WAITING:
                return _failed(502, f"the provider's job ended as `{state.status[:60]}`", "upstream_error")

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def _fetch(self, call: Call, state: _State, until: float, pixels: int | None) -> Reply:
        """The picture itself, from where it lies."""
        if state.result is None or not state.result.sample:
            raise SendError("protocol", "the provider's job is ready and has no picture")
        origin, path = self._place(state.result.sample)
        reply = await self._ask(call, "GET", origin, path, until, with_key=False)
        if reply.status != 200:
            return reply
        kind = reply.headers.get("content-type", "").partition(";")[0]
        data = await _whole(reply)
        if not data or not kind.startswith("image/"):
            raise SendError("protocol", f"the provider's picture came as `{kind[:60]}`")
        picture = {"b64_json": binascii.b2a_base64(data, newline=False).decode("ascii")}
        answer = {"data": [picture], "model": call.deployment.upstream_model, "billed_pixels": pixels}
        form = kind.removeprefix("image/")
        return WholeReply(
            200, {"content-type": "application/json"}, _json.encode({**answer, "output_format": form})
        )

    async def _ask(
        self,
        call: Call,
        method: str,
        origin: Origin,
        path: str,
        until: float,
        *,
        body: bytes = b"",
        with_key: bool = True,
    ) -> Reply:
        headers = list(JSON_HEADERS if body else ())
        auth = self._auth.header() if with_key else None
        if auth is not None:
            headers.append(auth)
        remaining_s = until - asyncio.get_running_loop().time()
        if remaining_s <= 0:
            raise SendError("timeout", "the provider's job was not done in time")
        client = self._client(origin)
        return await client.request(
            method, path, headers, body, deadlines=call.deadlines, remaining_s=remaining_s
        )

    def _client(self, origin: Origin) -> HttpSender:
        client = self._clients.get(origin)
        if client is None:
            if len(self._clients) >= _MOST_ORIGINS:
                raise SendError("protocol", "the provider names more hosts than it can have")
            client = self._clients[origin] = self._make_client(origin)
        return client

    def _place(self, url: str) -> tuple[Origin, str]:
        """Where an address of the provider's leads. Raises `SendError` when that is not the provider."""
        parts = urlsplit(url)
        try:
            origin, path = parse_origin(parts._replace(query="", fragment="").geturl())
        except ValueError as error:
            raise SendError("protocol", f"the provider gave an address that is none: {error}") from None
        if origin != self._origin and not (
            origin.scheme == "https"
            and origin.port == 443
            and self._origin.host.endswith(_THEIRS)
            and origin.host.endswith(_THEIRS)
        ):
            raise SendError("protocol", f"the provider sends to `{origin.host[:80]}`, which is not its own")
        query = parts.query
        if not query.isascii() or not query.isprintable() or " " in query:
            raise SendError("protocol", "the provider gave an address with characters to escape")
        return origin, f"{path or '/'}?{query}" if query else path or "/"


def bfl(name: str, base_url: str, auth: AuthHeader, make_client: MakeClient) -> BflProvider:
    """Black Forest Labs' API."""
    origin, base_path = parse_origin(base_url)
    return BflProvider(name, origin, base_path, auth, make_client)


def _pixels(job: _Job) -> int | None:
    """What is billed, given and made together; None when the job does not say. A picture's first megapixel is
    charged whole, however small it is.
    """
    if job.output_mp is None:
        return None
    return round(1e6 * (max(1.0, job.output_mp) + max(0.0, job.input_mp or 0.0)))


async def _whole(reply: Reply) -> bytes:
    try:
        return await reply.read()
    finally:
        await reply.aclose()


def _failed(status: int, message: str, code: str) -> Reply:
    body = _json.encode({"error": {"message": message, "type": "invalid_request_error", "code": code}})
    return WholeReply(status, {"content-type": "application/json"}, body)
