"""Keeping a caller's connection while its answer is waited for: delivery by `verified`.

Nothing is said at first, so that an answer, or an error, that comes soon has its own status. After
`delivery.keepalive_s` of silence the head goes out (a 200, with the receipt's name), and from then on the
dialect's harmless frame as often. What comes later is said in the body: the answer, or the dialect's own
error inside a stream. A whole answer's body has no place for an error that a client could not take for an
answer: there the error's words are followed by a torn connection, and every SDK raises.

What is harmless where (the SDKs themselves, read and tried 2026-11-22; `tests/contract/test_verified.py`):

    whole answers                 white space before the JSON value
    Chat Completions, Responses   an SSE comment
    Messages                      `event: ping`
    Gemini                        an empty line, in SSE and before a JSON array
    Bedrock streams               an event of a type that the operation does not have, which boto3 skips
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final

from passerelle.codecs import registry
from passerelle.codecs.base import ReplyContext
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.request import TASKS
from passerelle.gateway.road import read
from passerelle.gateway.translate import fresh_error
from passerelle.gateway.trip import Ask, Delivery
from passerelle.server.answer import STALLED_READER_S, Watch
from passerelle.server.route import Arrival

_BLANK: Final = b" "
log = logging.getLogger("passerelle.server")


async def patiently(
    arrival: Arrival, ask: Ask, travel: Coroutine[None, None, Delivery], *, every_s: float
) -> Delivery | None:
    """What `travel` gives if it comes before the first silence of `every_s` ends; None when the caller was
    told all of it here. Raises `ProblemError` for an error that has its own status.
    """
    try:
        patience = Patience(arrival, ask, every_s)
    except ProblemError:  # it cannot be read, which the road says too, with a receipt
        return await travel
    patience.begin()
    try:
        try:
            delivery = await travel
        finally:
            await patience.stop()
    except ProblemError as error:
        if not patience.speaking:
            raise
        await patience.fail(error.problem)
        return None
    except Exception as error:
        # Any, because the head has gone out: nobody above can answer any more, and the caller must be told.
        if not patience.speaking:
            raise
        log.exception("unexpected failure", extra={"request_id": arrival.request_id})
        await patience.fail(Problem("internal", f"Passerelle failed unexpectedly: {type(error).__name__}."))
        return None
    if not patience.speaking:
        return delivery
    await patience.deliver(delivery)
    return None


class Patience:
    """Keeps one caller's connection. `begin`, then `stop`; after it, if `speaking`, `deliver` or `fail`."""

    def __init__(self, arrival: Arrival, ask: Ask, every_s: float) -> None:
        self._arrival = arrival
        self._ask = ask
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        envelope = read(ask)
        self._stream = envelope.stream
        self._task_stream = envelope.operation in TASKS
        self._context = ReplyContext(
            id=ask.receipt_id[4:],
            model=envelope.model,
            created_s=ask.at_ns // 1_000_000_000,
            json_array=ask.target.json_array,
            speaker=ask.target.speaker,
        )
        self.speaking = False
        """The head has gone out."""

    def begin(self) -> None:
        """Let the time of silence begin."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """No further frame goes out."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise error

    async def deliver(self, delivery: Delivery) -> None:
        """The answer, after frames have gone out. Raises `CancelledError` when the caller stops reading."""
        if delivery.chunks is None:
            await self._end(delivery.body)
            return
        watch = Watch(self._arrival, stalled_after_s=STALLED_READER_S)
        watch.start()
        try:
            async for chunk in delivery.chunks:
                watch.pulse += 1
                watch.sending = True
                await self._send(chunk)
                watch.sending = False
            await self._end(b"")
        finally:
            watch.stop()
            await delivery.chunks.aclose()

    async def fail(self, problem: Problem) -> None:
        """The error, after frames have gone out."""
        if self._stream:
            await self._end(fresh_error(self._ask, self._context, problem, task=self._task_stream))
            return
        encoded = registry.client(self._ask.dialect).encode_problem(problem, self._arrival.request_id)
        await self._send(encoded.body)
        # The body stays without its end, and the server closes the connection of an answer without one.
        if self._arrival.exchange is not None:
            self._arrival.exchange.break_off()

    async def _keep(self) -> None:
        frame, content_type = _BLANK, "application/json"
        if self._stream:
            encoder = registry.client(self._ask.dialect).stream_encoder(self._context)
            frame, content_type = encoder.keepalive(), encoder.content_type
        await asyncio.sleep(self._every_s)
        headers = [
            (b"content-type", content_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"x-request-id", self._arrival.request_id.encode()),
            (b"x-passerelle-generation", self._arrival.generation),
            (b"x-passerelle-receipt", self._ask.receipt_id.encode()),
        ]
        if self._ask.dialect == "anthropic":
            headers.append((b"request-id", self._arrival.request_id.encode()))
        elif self._ask.dialect == "bedrock":
            headers.append((b"x-amzn-requestid", self._arrival.request_id.encode()))
        self.speaking = self._arrival.answered = True
        await self._arrival.send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            await self._send(frame)
            await asyncio.sleep(self._every_s)

    async def _send(self, data: bytes) -> None:
        await self._arrival.send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end(self, data: bytes) -> None:
        await self._arrival.send({"type": "http.response.body", "body": data})
