"""The local model as a provider: an OpenAI-compatible client of the engine on loopback, with a bounded queue.

llama.cpp's server speaks OpenAI Chat and Anthropic Messages (both seen right on the wire, xllamacpp
2026.10.11549); its Responses stream leaves out `output_index` and `sequence_number`, so that dialect is not
offered.
The bound is the connection pool's: as many connections as the engine has slots, `max_queue` calls waiting.
"""

import asyncio
from collections.abc import Callable
from re import Pattern

from msgspec.structs import replace

from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.local.endpoint import Endpoint
from passerelle.providers.local.options import LocalOptions
from passerelle.providers.local.supervise import Supervisor
from passerelle.providers.openai_like import FORWARD, openai_routes
from passerelle.providers.remote import HttpSender, RemoteProvider

MAX_TIMEOUTS = 3
"""So many timeouts in a row, and nothing in between, mean that the engine is stuck."""

MakeClient = Callable[[str], HttpSender]
"""A client for `http://127.0.0.1:PORT`."""


class LocalProvider:
    """A configured provider entry of kind `local`. Use it from one event loop."""

    def __init__(
        self,
        name: str,
        options: LocalOptions,
        *,
        make_client: MakeClient,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.name = name
        self.hidden: Pattern[str] | None = None
        self.supervisor = supervisor or Supervisor(options)
        self._make_client = make_client
        self._max_queue = options.max_queue
        routes = openai_routes("/v1")
        del routes["openai_responses", "chat"]
        if not options.embeddings:
            del routes["openai_chat", "embed"]
        self._routes: dict[tuple[Dialect, Operation], str] = routes
        self._endpoint: Endpoint | None = None
        self._remote: RemoteProvider | None = None
        self._timeouts = 0

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Chat; vectors when the options say so; counts in Anthropic's dialect."""
        return (deployment.dialect, operation) in self._routes

    async def start(self) -> None:
        """Have the engine ready before the first call. Raises `SendError`."""
        await self.supervisor.endpoint()

    async def send(self, call: Call) -> Reply:
        """Send to the engine, starting it if need be. Raises `SendError`."""
        # A place in the queue may take as long as the answers before it: not the time to make a connection.
        patient = replace(call, deadlines=replace(call.deadlines, connect_s=call.deadlines.headers_s))
        try:
            reply = await self._try(patient)
        except SendError as error:
            if error.failure != "transport" or error.sent:
                self._note(error)
                raise
            # Nobody there, and nothing sent: another worker's engine has ended. Find the new one.
            reply = await self._try(patient)
        self._timeouts = 0
        return reply

    async def aclose(self) -> None:
        """Close connections, and stop the engine if it is ours."""
        remote, self._remote = self._remote, None
        if remote is not None:
            await remote.aclose()
        await self.supervisor.aclose()

    async def _try(self, call: Call) -> Reply:
        try:
            async with asyncio.timeout(min(call.remaining_s, call.deadlines.headers_s)):
                endpoint = await self.supervisor.endpoint()
        except TimeoutError:
            raise SendError("timeout", "the local engine is not ready yet", sent=False) from None
        remote = await self._remote_at(endpoint)
        try:
            return await remote.send(call)
        except SendError as error:
            if error.failure == "transport":
                self.supervisor.suspect(endpoint)
            elif error.failure == "overloaded":  # the pool's words speak of connections
                raise SendError(
                    "overloaded",
                    f"the local model is busy and {self._max_queue} calls wait for it; try again, or raise "
                    "`max_queue` in the `[local]` settings",
                    sent=False,
                ) from error
            raise

    async def _remote_at(self, endpoint: Endpoint) -> RemoteProvider:
        if self._remote is None or endpoint != self._endpoint:
            old, self._endpoint = self._remote, endpoint
            key = endpoint.key
            self._remote = RemoteProvider(
                self.name,
                self._make_client(endpoint.address),
                AuthHeader(self.name, lambda: key, "bearer"),
                routes=self._routes,
                forward=FORWARD,
                fixed={"anthropic": (("anthropic-version", "2023-06-01"),)},
            )
            if old is not None:
                await old.aclose()
        return self._remote

    def _note(self, error: SendError) -> None:
        if error.failure == "timeout" and error.sent:
            self._timeouts += 1
            if self._timeouts >= MAX_TIMEOUTS:
                self._timeouts = 0
                self.supervisor.kill(f"{MAX_TIMEOUTS} calls in a row got no answer in time")
