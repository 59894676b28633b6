"""A client of OpenAI's Responses: what it writes, and what its SDK would refuse to read.

Facts: types of the `openai` SDK 3.54 (`response_create_params`, `response_stream_event`, and the order its
`ResponseStream` accumulates events in), read 2026-11-22.
"""

import json
from typing import Any

from tests.conformance.client_chat import error
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
    Finish,
    Image,
    Json,
    Part,
    Refusal,
    Result,
    Sound,
    Text,
    Thought,
    Tool,
    Turn,
    Usage,
    events,
    legal,
    unsayable,
)

__all__ = ["DIALECT", "LABEL", "LOST", "error", "read", "read_stream", "stream_error", "write"]

LABEL = "Responses"
DIALECT = "openai_responses"
PATH = "/v1/responses"
LOST = {
    "image": "input_image", "image_url": "input_image", "document": "input_file", "sound": "input_audio",
    "thought": "reasoning",
    "parallel": "parallel_tool_calls", "json": "text.format", "schema": "text.format",
    "temperature": "temperature", "top_p": "top_p", "logprobs": "top_logprobs", "effort": "reasoning.effort",
    "show": "reasoning.summary", "user": "user", "metadata": "metadata", "tier": "service_tier",
    "verbosity": "text.verbosity", "cache_key": "prompt_cache_key", "strict": "strict",
    "choice": "tool_choice", "name": "filename", "max_tokens": "max_output_tokens",
    "result_image": "input_image", "include": "include",
}  # fmt: skip


def write(ask: Ask, model: str) -> tuple[str, Json]:
    """Path and body."""
    unsayable(ask.top_k is not None, "no `top_k` in this dialect")
    unsayable(ask.stop, "no `stop` in this dialect")
    unsayable(ask.seed is not None, "no `seed` in this dialect")
    unsayable(ask.presence is not None or ask.frequency is not None, "no penalties in this dialect")
    unsayable(ask.n is not None, "no `n` in this dialect")
    unsayable(ask.budget is not None, "no budget in tokens in this dialect")
    turns = list(ask.turns)
    body: Json = {"model": model}
    if turns and turns[0].role == "system":
        (first,) = turns.pop(0).parts
        assert isinstance(first, Text)
        unsayable(first.cache, "no `cache_control` in this dialect")
        body["instructions"] = first.text
    body["input"] = [item for turn in turns for item in _items(turn)]
    body["store"] = False
    if ask.tools:
        body["tools"] = [_tool(tool) for tool in ask.tools]
    if ask.choice is not None:
        named = {"type": "function", "name": ask.choice[1:]}
        body["tool_choice"] = named if ask.choice.startswith("=") else ask.choice
    for name, value in (
        ("parallel_tool_calls", ask.parallel), ("max_output_tokens", ask.max_tokens),
        ("temperature", ask.temperature), ("top_p", ask.top_p), ("user", ask.user),
        ("metadata", ask.metadata), ("service_tier", ask.tier), ("prompt_cache_key", ask.cache_key),
        ("stream", ask.stream or None),
    ):  # fmt: skip
        if value is not None:
            body[name] = value
    if ask.effort or ask.show:
        effort = {"effort": "none" if ask.effort == "off" else ask.effort} if ask.effort else {}
        body["reasoning"] = effort | ({"summary": "auto"} if ask.show else {})
        body["include"] = ["reasoning.encrypted_content"]
    text: Json = {} if ask.verbosity is None else {"verbosity": ask.verbosity}
    if ask.json:
        text["format"] = {"type": "json_object"}
    if ask.schema is not None:
        text["format"] = {"type": "json_schema", "name": "answer", "schema": ask.schema, "strict": True}
    if text:
        body["text"] = text
    if ask.logprobs is not None:
        body |= {"top_logprobs": ask.logprobs, "include": ["message.output_text.logprobs"]}
    return PATH, body | ask.raw.get(DIALECT, {})


def _tool(tool: Tool) -> Json:
    unsayable(tool.cache, "no `cache_control` in this dialect")
    if tool.free:
        return {"type": "custom", "name": tool.name, "description": tool.description}
    named: Json = {"type": "function", "name": tool.name, "description": tool.description}
    return named | {"parameters": tool.schema, "strict": tool.strict}


def _items(turn: Turn) -> list[Json]:
    items: list[Json] = []
    for part in turn.parts:
        match part:
            case Thought():
                items.append(part.proof or {"type": "reasoning", "id": "rs_1", "summary": []})
            case Call():
                items.append(_call(part))
            case Result():
                unsayable(part.error, "no mark for a tool's error in this dialect")
                items.append(_result(part))
            case _:
                _say(items, turn, _piece(part, own=turn.role == "assistant"))
    return items


def _say(items: list[Json], turn: Turn, piece: Json) -> None:
    if not items or items[-1]["type"] != "message":
        own = {"id": f"msg_{len(items)}", "status": "completed"} if turn.role == "assistant" else {}
        items.append({"type": "message", "role": turn.role, "content": [], **own})
    items[-1]["content"].append(piece)


def _piece(part: Part, *, own: bool) -> Json:
    match part:
        case Text():
            unsayable(part.cache, "no `cache_control` in this dialect")
            kind = {"type": "output_text", "annotations": []} if own else {"type": "input_text"}
            return {**kind, "text": part.text}
        case Image():
            return _image(part)
        case Document():
            data = f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_file", "filename": part.name, "file_data": data}
        case Sound():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": "wav"}}
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
    raise AssertionError(part)


def _image(part: Image) -> Json:
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _call(part: Call) -> Json:
    if part.free is not None:
        return {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.free}
    return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.text}


def _result(part: Result) -> Json:
    output: Any = "".join([p.text for p in part.parts if isinstance(p, Text)])
    if any(isinstance(p, Image) for p in part.parts):
        output = [
            _image(p) if isinstance(p, Image) else {"type": "input_text", "text": p.text} for p in part.parts
        ]
    kind = "custom_tool_call_output" if part.name == "custom" else "function_call_output"
    return {"type": kind, "call_id": part.call, "output": output}


def read(body: Json) -> Answer:
    """A whole answer. Raises `IllegalError`."""
    legal(body["object"] == "response", "`object` is not `response`")
    legal(body["status"] in ("completed", "incomplete"), f"`status` is `{body['status']}`")
    for name in ("id", "created_at", "model", "output", "tools", "tool_choice", "parallel_tool_calls"):
        legal(body.get(name) is not None, f"there is no `{name}`")
    parts: list[Part] = []
    cited: list[str] = []
    tokens: list[str] = []
    for item in body["output"]:
        _read_item(item, parts, cited, tokens)
    finish: Finish = "stop"
    refused = any(isinstance(part, Refusal) for part in parts)
    if body["status"] == "incomplete":
        why = body["incomplete_details"]["reason"]
        finish = {"max_output_tokens": "length", "content_filter": "filter"}[why]  # type: ignore[assignment]
    elif refused:
        finish = "filter"
    elif any(isinstance(part, Call) for part in parts):
        finish = "calls"
    return Answer(
        tuple(parts),
        finish,
        _usage(body["usage"]),
        body["model"],
        logprobs=tuple(tokens),
        citations=tuple(cited),
    )


def _read_item(item: Json, parts: list[Part], cited: list[str], tokens: list[str]) -> None:
    kind = item["type"]
    legal(isinstance(item.get("id"), str) and len(item["id"]) <= 64, f"an item `{kind}` without a fit id")
    if kind == "message":
        legal(item["role"] == "assistant", "a message that is not the assistant's")
        for piece in item["content"]:
            if piece["type"] == "refusal":
                parts.append(Refusal(piece["refusal"]))
                continue
            legal(piece["type"] == "output_text", f"content of kind `{piece['type']}`")
            legal(isinstance(piece["annotations"], list), "`annotations` must stand in a text")
            cited += [a["url"] for a in piece["annotations"] if a["type"] == "url_citation"]
            tokens += [t["token"] for t in piece.get("logprobs") or ()]
            parts.append(Text(piece["text"]))
    elif kind == "reasoning":
        words = [piece["text"] for piece in (*item["summary"], *(item.get("content") or ()))]
        parts.append(Thought("".join(words), item))
    elif kind in ("function_call", "custom_tool_call"):
        legal(0 < len(item["call_id"]) <= 64, "a call's id that cannot be sent back")
        if kind == "custom_tool_call":
            parts.append(Call(item["name"], {}, item["call_id"], free=item["input"]))
        else:
            args = json.loads(item["arguments"])
            legal(isinstance(args, dict), "arguments are no object")
            parts.append(Call(item["name"], args, item["call_id"]))
    else:
        legal(False, f"an item of kind `{kind}`")


def _usage(usage: Json) -> Usage:
    given, made = usage["input_tokens_details"], usage["output_tokens_details"]
    total = usage["input_tokens"] + usage["output_tokens"]
    legal(usage["total_tokens"] == total, "`total_tokens` is not the sum")
    cached, written = given["cached_tokens"], given.get("cache_write_tokens") or 0
    reasoning = made["reasoning_tokens"]
    return Usage(
        usage["input_tokens"] - cached - written,
        cached,
        written,
        usage["output_tokens"] - reasoning,
        reasoning,
    )


_PARTS = {
    "response.output_text.delta": ("response.output_text.done", "text"),
    "response.refusal.delta": ("response.refusal.done", "refusal"),
    "response.reasoning_text.delta": ("response.reasoning_text.done", "text"),
    "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
    "response.function_call_arguments.delta": ("response.function_call_arguments.done", "arguments"),
    "response.custom_tool_call_input.delta": ("response.custom_tool_call_input.done", "input"),
}
"""A delta, the event that ends it, and the field of that which must be the sum of the deltas."""


def read_stream(raw: bytes) -> Answer:
    """A streamed answer: numbered events; items and parts opened, filled and closed in turn."""
    said = []
    for name, data in events(raw):
        event = json.loads(data)
        legal(event["type"] == name, f"an event named `{name}` is `{event['type']}`")
        said.append(event)
    numbers = [event["sequence_number"] for event in said]
    legal(numbers == list(range(len(said))), f"events are numbered {numbers[:8]}…")
    legal(said[0]["type"] == "response.created", "the first event is not `response.created`")
    last = said[-1]
    legal(last["type"] in ("response.completed", "response.incomplete"), f"the last is `{last['type']}`")
    opened: dict[int, Json] = {}
    closed: dict[int, Json] = {}
    pieces: dict[tuple[Any, ...], str] = {}
    parts: set[tuple[int, Any]] = set()
    for event in said[1:-1]:
        kind = event["type"]
        at = event.get("output_index")
        if kind == "response.in_progress":
            continue
        if kind == "response.output_item.added":
            legal(at == len(opened), "items are not counted from 0")
            opened[at] = event["item"]
            continue
        legal(at in opened and at not in closed, f"`{kind}` outside its item")
        if kind == "response.output_item.done":
            legal(not [p for p in parts if p[0] == at], "an item closed before its parts")
            legal(event["item"]["id"] == opened[at]["id"], "an item changed its id")
            closed[at] = event["item"]
            continue
        legal(event["item_id"] == opened[at]["id"], f"`{kind}` names another item")
        spot = event.get("content_index", event.get("summary_index"))
        if kind in ("response.content_part.added", "response.reasoning_summary_part.added"):
            parts.add((at, spot))
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            legal((at, spot) in parts, "a part closed that was not open")
            parts.discard((at, spot))
        elif kind in _PARTS:
            legal(spot is None or (at, spot) in parts, f"`{kind}` outside its part")
            pieces[_PARTS[kind][0], at, spot] = pieces.get((_PARTS[kind][0], at, spot), "") + event["delta"]
        else:
            for done, field in _PARTS.values():
                if kind == done:
                    legal(pieces.get((kind, at, spot), "") == event[field], f"`{kind}` is not its deltas")
    legal(opened.keys() == closed.keys(), "an item was never closed")
    response = last["response"]
    legal([closed[at] for at in sorted(closed)] == response["output"], "the output is not its items")
    legal(response["id"] == said[0]["response"]["id"], "the response changed its id")
    models = {event["response"]["model"] for event in said if "response" in event}
    legal(len(models) == 1, f"several models are named: {models}")
    return read(response)


def stream_error(raw: bytes) -> bool:
    """Whether the SDK would raise on this stream."""
    return any(name in ("error", "response.failed") for name, _ in events(raw))
