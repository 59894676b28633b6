"""Operations that are no conversation (`core.request.TASKS`), between a caller's dialect and a provider's."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from passerelle.codecs import registry
from passerelle.codecs.base import (
    MAX_EVENT_BYTES,
    Encoded,
    ReplyContext,
    StreamingTask,
    StreamWatcher,
    Target,
    TaskClientSide,
    TaskProviderSide,
)
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.event import Failed
from passerelle.core.request import Dialect, Operation
from passerelle.core.usage import NO_USAGE
from passerelle.gateway.estimate import usage_from_bytes
from passerelle.gateway.outbound import Answer, Outbound
from passerelle.gateway.trip import Ask, Trip

_PICTURES: Final[frozenset[Operation]] = frozenset({"generate_image", "edit_image"})
WHOLE: Final[Mapping[str, frozenset[Operation]]] = {
    "flux_job": _PICTURES,
    "image_ratio": _PICTURES,
    "speech_base64": frozenset({"speak"}),
}
"""Quirks of servers, and what they never stream."""


def asked(operation: Operation, dialect: Dialect) -> TaskClientSide[Any, Any]:
    """The task as callers of the dialect ask for it. Raises `ProblemError` where it has none."""
    side = registry.task_client(operation, dialect)
    if side is None:
        raise invalid("This dialect has no such operation; use OpenAI's, `/v1/embeddings` and the like.")
    return side


def relayed(trip: Trip, dialect: Dialect, target: Target) -> Outbound | None:
    """The caller's own body, where the task can be relayed. Raises `ProblemError` for a place without it."""
    ask = trip.ask
    if dialect != ask.dialect or not trip.envelope.relayable:
        return None
    body = _spoken(trip, dialect).relay_request(ask.body, target)
    if body is None:
        return None
    return Outbound(body, dialect, target.model, relayed=True, content_type=ask.target.content_type)


def encoded(trip: Trip, ask: Ask, dialect: Dialect, target: Target) -> Encoded:
    """The task in the place's words; read once for all attempts. Raises `ProblemError`."""
    if trip.task is None:
        trip.task = asked(trip.envelope.operation, ask.dialect).decode_request(ask.body, ask.target)
    return _spoken(trip, dialect).encode_request(trip.task, target)


def gathers(trip: Trip, dialect: Dialect, target: Target) -> bool:
    """Whether the caller's stream is to be made of a whole answer: the place streams none, or none that its
    caller knows.
    """
    if not trip.envelope.stream:
        return False
    return dialect != trip.ask.dialect or any(
        trip.envelope.operation in WHOLE.get(quirk, ()) for quirk in target.quirks
    )


def answer(trip: Trip, outbound: Outbound, data: bytes, context: ReplyContext, content_type: str) -> Answer:
    """A provider's whole answer in the caller's language. Raises `AnswerError`."""
    spoken = _spoken(trip, outbound.dialect)
    if outbound.relayed:
        watched = spoken.watch_response(data)
        return Answer(data, watched.model, watched.usage, None)
    response = spoken.decode_response(data, content_type)
    if not response.model:
        response = msgspec.structs.replace(response, model=outbound.model)
    if response.usage.source == "none":  # every answer states it, in either dialect's SDK or in its books
        response = msgspec.structs.replace(response, usage=usage_from_bytes(trip.envelope, 0))
    told = msgspec.structs.replace(context, model=outbound.model)
    whole = asked(trip.envelope.operation, trip.ask.dialect).encode_response(response, trip.task, told)
    return Answer(whole.body, response.model, response.usage, None, whole.content_type)


def watcher(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    """What a provider's answer to a task goes through on its way to a caller that wants a stream."""
    if outbound.gathered:
        return Gathered(lambda data: answer(trip, outbound, data, context, ""))
    spoken: Any = _spoken(trip, outbound.dialect)
    side: StreamingTask = spoken  # only tasks that stream have envelopes that ask for it
    return side.stream_watcher(trip.envelope)


def _spoken(trip: Trip, dialect: Dialect) -> TaskProviderSide[Any, Any]:
    """The task as a provider's dialect has it."""
    side = registry.task_provider(trip.envelope.operation, dialect)
    if side is None:
        raise invalid(f"`{trip.envelope.model}` is at a place without this; ask for another model.")
    return side


class Gathered:
    """A `StreamWatcher` for a provider that gives a task's whole answer at once: the stream is made of it."""

    def __init__(self, told: Callable[[bytes], Answer]) -> None:
        """`told(data)` is the answer as the caller's stream. It raises `AnswerError`."""
        self._told = told
        self._held = bytearray()
        self.model = ""
        self.usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Nothing yet."""
        self._held += data
        if len(self._held) > MAX_EVENT_BYTES:
            self.failed = Failed("oversized", f"the provider's answer is longer than {MAX_EVENT_BYTES} bytes")
        return b""

    def close(self) -> bytes:
        """All of it."""
        if self.failed is not None:
            return b""
        try:
            told = self._told(bytes(self._held))
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        self.model, self.usage = told.model, told.usage
        self.content = self.done = True
        return told.body
