"""A stored response as a stream: the shortest legal one that says all of it.

What was streamed is not kept event by event, so words come in one delta each and numbers count anew. A
caller that was cut off and asks for what follows a number always gets the last event, which holds everything.

The order is `stream_out`'s.
"""

from typing import Any

import msgspec

from passerelle.codecs.openai_responses.conversation import event
from passerelle.codecs.splice import join, split

_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder()

_CALLS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
_TERMINAL = {"completed": "response.completed", "incomplete": "response.incomplete"}


def replayed(response: bytes, *, after: int = -1) -> bytes:
    """The events of `response` whose numbers are above `after`, and its last in any case."""
    said: list[tuple[str, dict[str, Any]]] = []
    fields = split(response)
    items: list[dict[str, Any]] = _any.decode(fields.get("output", msgspec.Raw(b"[]")))
    status = _any.decode(fields.get("status", msgspec.Raw(b'"completed"')))
    begun = {
        **fields,
        "status": msgspec.Raw(b'"in_progress"'),
        "output": msgspec.Raw(b"[]"),
        "usage": msgspec.Raw(b"null"),
    }
    early = msgspec.Raw(join(begun))
    said += [("response.created", {"response": early}), ("response.in_progress", {"response": early})]
    for place, item in enumerate(items):
        said += _item(place, item)
    out = [_event(kind, number, more) for number, (kind, more) in enumerate(said) if number > after]
    last = max(len(said), after + 1)
    out.append(_event(_TERMINAL.get(status, "response.failed"), last, {"response": msgspec.Raw(response)}))
    return b"".join(out)


def _event(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    return event(kind, _encoder.encode({"type": kind, "sequence_number": number, **fields}))


def _item(place: int, item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    kind = item.get("type")
    at = {"output_index": place, "item_id": item.get("id")}
    inside: list[tuple[str, dict[str, Any]]] = []
    empty = item
    if kind == "message":
        empty = {**item, "status": "in_progress", "content": []}
        for index, part in enumerate(item.get("content") or ()):
            inside += _part({**at, "content_index": index}, part)
    elif kind in _CALLS:
        body, name = _CALLS[kind]
        empty = {**item, "status": "in_progress", body: ""}
        inside += [
            (f"{name}.delta", {**at, "delta": item.get(body, "")}),
            (f"{name}.done", {**at, body: item.get(body, ""), "name": item.get("name")}),
        ]
    elif kind == "reasoning":
        empty = {**item, "summary": []}
        for index, part in enumerate(item.get("summary") or ()):
            inside += _summary({**at, "summary_index": index}, part)
    return [
        ("response.output_item.added", {"output_index": place, "item": empty}),
        *inside,
        ("response.output_item.done", {"output_index": place, "item": item}),
    ]


def _part(at: dict[str, Any], part: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    field = "refusal" if part.get("type") == "refusal" else "text"
    name = "response.refusal" if field == "refusal" else "response.output_text"
    words = part.get(field, "")
    more: dict[str, Any] = {} if field == "refusal" else {"logprobs": part.get("logprobs") or []}
    return [
        ("response.content_part.added", {**at, "part": {**part, field: ""}}),
        (f"{name}.delta", {**at, "delta": words, **more}),
        (f"{name}.done", {**at, field: words, **more}),
        ("response.content_part.done", {**at, "part": part}),
    ]


def _summary(at: dict[str, Any], part: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    name = "response.reasoning_summary_text"
    words = part.get("text", "")
    return [
        ("response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}),
        (f"{name}.delta", {**at, "delta": words}),
        (f"{name}.done", {**at, "text": words}),
        ("response.reasoning_summary_part.done", {**at, "part": part}),
    ]
