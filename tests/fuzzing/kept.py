"""Decoders of what is kept: batches and their results, and stored conversations."""

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
from tests.fuzzing.dialogue import check_problem
from tests.fuzzing.limits import check_json, check_size

from passerelle.codecs.elements import ElementsError
from passerelle.codecs.openai_responses import PROVIDER
from passerelle.codecs.openai_responses import conversation as talk
from passerelle.codecs.splice import split
from passerelle.core.errors import ProblemError
from passerelle.providers.batching.anthropic import AnthropicBatches
from passerelle.providers.batching.base import BatchServiceClient
from passerelle.providers.batching.openai import OpenAiBatches
from passerelle.server.v1 import batches, conversations, message_batches

_RULES: Final = cast("Any", SimpleNamespace(batches=SimpleNamespace(max_lines=50), longest_line=1 << 20))
STAMP: Final = talk.Stamp("resp_01", "resp_00", "conv_01")


def conversation(data: bytes) -> None:
    """A Responses request: what it asks of what is stored, and its conversation built anew."""
    try:
        found = talk.asked(data)
    except ProblemError as error:
        check_problem(error, "openai_responses")
        return
    body = talk.rebuilt(data, found.items)
    check_size(body, data, growth=2)
    again = talk.asked(body)
    assert again.items == found.items
    assert (again.previous_id, again.conversation_id, again.store) == (None, None, None)
    assert "store" not in split(talk.unstored(data))
    kept = talk.asked(talk.without(body, frozenset({0, 2}))).items
    assert kept == tuple(item for place, item in enumerate(found.items) if place not in (0, 2))


def items(data: bytes) -> None:
    """Items added to a conversation: kept as they came, and listed."""
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        given = msgspec.json.decode(fields.get("items", b"[]"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    try:
        kept = conversations._checked(given)
    except ProblemError as error:
        check_problem(error, "openai_responses")
        return
    assert kept == [bytes(item) for item in given]
    talk.ids(kept)
    left = talk.answerable([(item, "p") for item in kept])
    assert {item for item, _ in left} <= set(kept)
    for number, item in enumerate(kept):
        talk.is_opaque(item)
        assert talk.own_id(item, "t", number)
        listed = talk.listed(item, f"item_{number}", frozenset())
        assert listed["id"]
        check_json(msgspec.json.encode(listed), item)


def kept_stream(data: bytes) -> None:
    """A stream whose responses are named by us."""
    for event, _ in talk.frames(data):
        kind = talk.event_type(event)
        if kind not in talk.LIFECYCLE:
            continue
        try:
            told = STAMP.put_event(event, stored=True)
        except (
            msgspec.DecodeError,
            KeyError,
        ):  # as a provider's stream has them, the watcher failed it first
            continue
        try:
            event.decode()
        except UnicodeDecodeError:  # what a provider relayed says so is passed on as it came
            continue
        response = check_json(talk.response_in(told), event)
        assert (response["id"], response["store"]) == ("resp_01", True)
        if kind in talk.ENDINGS and _passes(event):
            check_size(talk.shown(talk.response_in(told), frozenset()), event)


def _passes(event: bytes) -> bool:
    """Whether a stream that ends with the event is told, and may be kept."""
    watcher = PROVIDER.stream_watcher(None)
    return bool(watcher.feed(b"data: %b\n\n" % event)) and watcher.failed is None


def _makes(read: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        try:
            read(data)
        except ProblemError as error:
            check_problem(error, "anthropic")

    return run


class _Draft:
    """Takes what is written and keeps nothing."""

    def write(self, data: bytes) -> None:
        """Nothing is written."""


_NOWHERE: Final = cast("Any", SimpleNamespace(files=SimpleNamespace(draft=lambda *_: _Draft())))
_BATCH: Final = cast("Any", SimpleNamespace(org_id="", input_file_id=""))


def message_batch(data: bytes) -> None:
    """The making of a batch of messages, its body coming in two pieces."""
    taking = message_batches._Taking(_NOWHERE, _RULES, _BATCH)
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        taking.feed(piece)
    with contextlib.suppress(ElementsError):
        taking._elements.finish()


MAKES_MESSAGES = _makes(message_batch)
MAKES = _makes(batches._read)


def results(service: BatchServiceClient) -> Callable[[bytes], None]:
    """The lines of a provider's results."""

    def run(data: bytes) -> None:
        for line in data.split(b"\n"):
            found = service.read(line)
            if found is not None:
                assert 0 <= found.number < 10**9
                assert len(found.body) <= len(line)

    return run


SERVICES: Final[dict[str, BatchServiceClient]] = {
    "openai": OpenAiBatches(cast("Any", None)),
    "anthropic": AnthropicBatches(cast("Any", None)),
}
