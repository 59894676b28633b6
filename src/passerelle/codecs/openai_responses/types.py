"""The wire, typed: only the fields each reader needs. Unknown ones are skipped.

Source: openai-python 3.54, `types/responses/` (generated from OpenAI's specification), read 2026-11-22.
"""

from typing import Any

import msgspec

from passerelle.codecs.openai_responses.usage import WireUsage


class Error(msgspec.Struct):
    """`error` of a response, of an error body, or an `error` event."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    param: Any = None


class Incomplete(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class ItemHead(msgspec.Struct):
    """An output item, as far as its kind and whether it holds anything."""

    type: str = ""
    content: Any = None


class WireResponse(msgspec.Struct):
    """A response object, in a body or in a lifecycle event."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    error: Error | str | None = None
    incomplete_details: Incomplete | None = None
    output: list[ItemHead] | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None


class Glance(msgspec.Struct):
    """What is read of every stream event before anything else."""

    type: str = ""
    delta: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item_id: str | None = None
    logprobs: Any = None


class RelayGlance(msgspec.Struct):
    """What a relay reads of every stream event."""

    type: str = ""
    delta: Any = None


class ItemEvent(msgspec.Struct):
    """`response.output_item.added` and `.done`."""

    item: dict[str, Any] | None = None


class PartEvent(msgspec.Struct):
    """`response.content_part.added` and `.done`."""

    part: dict[str, Any] | None = None


class DoneEvent(msgspec.Struct):
    """The `.done` events of words, arguments and inputs: each repeats the whole."""

    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    annotation: dict[str, Any] | None = None


class ResponseEvent(msgspec.Struct):
    """The lifecycle and terminal events."""

    response: WireResponse | None = None


class HeadEvent(msgspec.Struct):
    """`response.output_item.added` and `.done`, as far as a relay looks."""

    item: ItemHead | None = None


class Whole(msgspec.Struct):
    """The items of a response, whole."""

    output: list[dict[str, Any]] | None = None


class WholeEvent(msgspec.Struct):
    """A lifecycle event, for its items."""

    response: Whole | None = None


class ErrorEvent(msgspec.Struct):
    """An `error` event in its own form, or with an `error` object inside, as compatible servers write it."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    param: Any = None
    error: Error | str | None = None


glance = msgspec.json.Decoder(Glance)
glance_relay = msgspec.json.Decoder(RelayGlance)
item_event = msgspec.json.Decoder(ItemEvent)
part_event = msgspec.json.Decoder(PartEvent)
done_event = msgspec.json.Decoder(DoneEvent)
response_event = msgspec.json.Decoder(ResponseEvent)
head_event = msgspec.json.Decoder(HeadEvent)
whole_event = msgspec.json.Decoder(WholeEvent)
error_event = msgspec.json.Decoder(ErrorEvent)
