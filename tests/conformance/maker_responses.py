"""A provider of Responses: reads a request as OpenAI would, refusing what it refuses, and answers.

Facts, read 2026-11-22: `openai` SDK 3.54 `response_create_params` for fields and item kinds; error reports
quoted in the codec (`codecs/openai_responses/items_out.py`) for calls and outputs; ids of 64 characters;
`max_output_tokens` ≥ 16; `input_text` is refused in the assistant's turns and `output_text` in others.
"""

import json
from typing import Any

from tests.conformance.hear_chat import strict_schema
from tests.conformance.house import House
from tests.conformance.maker_agent import as_responses
from tests.conformance.say_chat import problem
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
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
    cut,
    need,
)

__all__ = ["broken", "hear", "problem", "say", "stream", "true_call_id"]

_KNOWN = frozenset({
    "background", "context_management", "conversation", "include", "input", "instructions",
    "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation", "parallel_tool_calls",
    "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature",
    "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
_INCLUDES = ("reasoning.encrypted_content", "message.output_text.logprobs", "web_search_call.action.sources")


def hear(body: Json, house: House) -> Ask:
    """The request as OpenAI understands it. Raises `RefusedError`."""
    body = as_responses(body) if house.agent else body
    model = body["model"]
    reasons = house.agent or model in ("gpt-5.4", "gpt-5")
    unknown = sorted(body.keys() - _KNOWN)
    need(not unknown, f"Unknown parameter: {unknown}")
    turns = [Turn("system", (Text(body["instructions"]),))] if body.get("instructions") else []
    items = body["input"]
    need(items, "`input` is empty")
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    turns += _items(items)
    tools = tuple([tool for entry in body.get("tools") or () for tool in _tools(entry)])
    choice = _choice(body.get("tool_choice"), tools)
    limit = body.get("max_output_tokens")
    need(limit is None or limit >= 16, "integer below minimum value. Expected a value >= 16")
    for name in body.get("include") or ():
        need(name in _INCLUDES, f"`include` of {name}")
        need(name != _INCLUDES[0] or reasons, "Encrypted content is not supported with this model.")
    reasoning = body.get("reasoning") or {}
    need(not reasoning or reasons, "Unsupported parameter: 'reasoning.effort' with this model")
    text = body.get("text") or {}
    form = text.get("format") or {"type": "text"}
    schema = form.get("schema")
    if form["type"] == "json_schema":
        need(form.get("name"), "Missing required parameter: 'text.format.name'")
        if form.get("strict"):
            strict_schema(form["schema"])
    if form["type"] == "json_object":
        need("json" in json.dumps(body["input"]).lower(), "'input' must contain the word 'json'")
    need(text.get("verbosity") in (None, "low", "medium", "high"), "`text.verbosity`")
    tops = body.get("top_logprobs")
    need(len(body.get("safety_identifier") or "") <= 64, "`safety_identifier` is too long")
    effort = reasoning.get("effort")
    return Ask(
        tuple(turns),
        bool(body.get("stream")),
        limit,
        tools,
        choice,
        body.get("parallel_tool_calls"),
        body.get("temperature"),
        body.get("top_p"),
        logprobs=tops if _INCLUDES[1] in (body.get("include") or ()) else None,
        effort="off" if effort == "none" else effort,
        show=bool(reasoning.get("summary")),
        json=form["type"] == "json_object",
        schema=schema,
        user=body.get("safety_identifier") or body.get("user"),
        metadata=body.get("metadata"),
        tier=body.get("service_tier"),
        verbosity=text.get("verbosity"),
        cache_key=body.get("prompt_cache_key"),
        raw=body,
    )


def _items(items: list[Json]) -> list[Turn]:
    turns: list[Turn] = []
    open_: dict[str, str] = {}
    seen: set[str] = set()
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "message":
            turns.append(Turn(item["role"], tuple(_content(item))))
        elif kind == "reasoning":
            follows = items[at + 1].get("type", "message") if at + 1 < len(items) else ""
            need(follows in ("message", "function_call", "custom_tool_call", "reasoning"), _ALONE)
            need(item["id"].startswith("rs_") and len(item["id"]) <= 64, "`id` of a reasoning item")
            need(item.get("encrypted_content"), "a reasoning item that was not stored has no content")
            text = "".join([piece["text"] for piece in item["summary"]])
            turns.append(Turn("assistant", (Thought(text, item["encrypted_content"]),)))
        elif kind in ("function_call", "custom_tool_call"):
            ident = item["call_id"]
            need(0 < len(ident) <= 64, f"Invalid 'call_id': string too long ({len(ident)})")
            need(ident not in seen, f"Duplicate call id {ident}")
            seen.add(ident)
            open_[ident] = kind
            turns.append(Turn("assistant", (_call(item, kind),)))
        else:
            need(kind in ("function_call_output", "custom_tool_call_output"), f"an item of type {kind}")
            ident = item["call_id"]
            need(open_.pop(ident, "") + "_output" == kind, f"No tool call found for call_id {ident}")
            output = item["output"]
            parts = [Text(output)] if isinstance(output, str) else [_piece(p, "user") for p in output]
            turns.append(Turn("user", (Result(ident, tuple(parts)),)))  # type: ignore[arg-type]
    need(not open_, f"No tool output found for function call {list(open_)}")
    return turns


_ALONE = "Item of type 'reasoning' was provided without its required following item"


def _content(item: Json) -> list[Part]:
    content = item["content"]
    need(content, "a message says nothing")
    return [Text(content)] if isinstance(content, str) else [_piece(p, item["role"]) for p in content]


def _piece(piece: Json, role: str) -> Part:
    kind = piece["type"]
    own = role == "assistant"
    allowed = (
        ("output_text", "refusal") if own else ("input_text", "input_image", "input_file", "input_audio")
    )
    need(kind in allowed, f"Invalid value: '{kind}'. Supported values are: {allowed}")
    if kind == "input_image":
        url = piece["image_url"]
        if url.startswith("data:"):
            head, _, data = url.partition(";base64,")
            return Image(data, head[5:])
        return Image(url=url)
    if kind == "input_file":
        head, _, data = piece["file_data"].partition(";base64,")
        need(piece.get("filename"), "a file has a name")
        return Document(data, piece["filename"], head[5:])
    if kind == "input_audio":
        return Sound(piece["input_audio"]["data"])
    if kind == "refusal":
        return Refusal(piece["refusal"])
    need(piece["text"] or not own, "a text without words")
    return Text(piece["text"])


def _call(item: Json, kind: str) -> Call:
    if kind == "custom_tool_call":
        return Call(item["name"], {}, item["call_id"], free=item["input"])
    args = json.loads(item["arguments"])
    need(isinstance(args, dict), "arguments are no object")
    return Call(item["name"], args, item["call_id"])


def _tools(entry: Json) -> list[Tool]:
    if entry["type"] == "namespace":
        need(entry["tools"], "a namespace without tools")
        return [tool for inner in entry["tools"] for tool in _tools(inner)]
    need(entry["type"] in ("function", "custom"), f"a tool of type {entry['type']}")
    need(entry["name"].replace("_", "").replace("-", "").isalnum(), f"a name: {entry['name']}")
    need(len(entry["name"]) <= 64, "string too long. Expected a string with maximum length 64")
    if entry["type"] == "custom":
        return [Tool(entry["name"], entry.get("description", ""), free=True)]
    strict = entry.get("strict", True)
    if strict:
        strict_schema(entry["parameters"])
    return [Tool(entry["name"], entry.get("description", ""), entry["parameters"], bool(strict))]


def _choice(choice: Any, tools: tuple[Tool, ...]) -> str | None:
    if choice is None:
        return None
    need(tools, "Tool choice is only allowed when 'tools' are specified")
    if isinstance(choice, str):
        return choice
    need(choice["name"] in [tool.name for tool in tools], "Tool choice not found in 'tools' parameter")
    return f"={choice['name']}"


# --- what it says


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    given = usage.input + usage.cached + usage.written
    made = usage.output + usage.reasoning
    details = {"cached_tokens": usage.cached} | (
        {"cache_write_tokens": usage.written} if usage.written else {}
    )
    return {
        "input_tokens": given,
        "input_tokens_details": details,
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": given + made,
    }


def _output(answer: Answer) -> list[Json]:
    items: list[Json] = []
    for at, part in enumerate(answer.parts):
        match part:
            case Thought():
                summary = [{"type": "summary_text", "text": part.text}]
                proof = {"encrypted_content": part.proof} if part.proof else {}
                items.append({"type": "reasoning", "id": f"rs_{at}", "summary": summary, **proof})
            case Text() | Refusal():
                items.append(_message(answer, part, at))
            case Call(free=None):
                named = {"call_id": part.id, "name": part.name, "arguments": part.text}
                items.append({"type": "function_call", "id": f"fc_{at}", **named, "status": "completed"})
            case Call():
                named = {"call_id": part.id, "name": part.name, "input": part.free}
                items.append({"type": "custom_tool_call", "id": f"ctc_{at}", **named, "status": "completed"})
            case _:
                raise AssertionError(part)
    return items


def _message(answer: Answer, part: Text | Refusal, at: int) -> Json:
    content: Json = {"type": "refusal", "refusal": part.text}
    if isinstance(part, Text):
        place = {"type": "url_citation", "title": "Source", "start_index": 0, "end_index": 4}
        cited = [{**place, "url": url} for url in answer.citations]
        told = [{"token": t, "logprob": -0.25, "bytes": [], "top_logprobs": []} for t in answer.logprobs]
        content = {"type": "output_text", "text": part.text, "annotations": cited, "logprobs": told}
    named = {"type": "message", "id": f"msg_{at}", "role": "assistant", "status": "completed"}
    return {**named, "content": [content]}


def say(answer: Answer, house: House, body: Json) -> Json:
    """A response."""
    why = {"length": "max_output_tokens", "filter": "content_filter"}.get(answer.finish)
    refused = any(isinstance(part, Refusal) for part in answer.parts)
    cut_short = why is not None and not refused
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 1767225600,
        "status": "incomplete" if cut_short else "completed",
        "error": None,
        "incomplete_details": {"reason": why} if cut_short else None,
        "instructions": None,
        "metadata": {},
        "model": house.true_model(body["model"]),
        "output": _output(answer),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": _usage(answer),
        "service_tier": "default",
    }


def stream(answer: Answer, house: House, body: Json) -> list[str]:
    """The same as events."""
    frames: list[str] = []

    def send(kind: str, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": len(frames), **fields}
        frames.append(f"event: {kind}\ndata: {json.dumps(event)}\n\n")

    whole = say(answer, house, body)
    early = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    send("response.created", response=early)
    send("response.in_progress", response=early)
    for at, item in enumerate(whole["output"]):
        _stream_item(at, item, answer, send)
    send(f"response.{whole['status']}", response=whole)
    return frames


def _stream_item(at: int, item: Json, answer: Answer, send: Any) -> None:
    place: Json = {"item_id": item["id"], "output_index": at}
    kind = item["type"]
    opening = {**item, "status": "in_progress"} if "status" in item else dict(item)
    if kind == "message":
        (part,) = item["content"]
        send("response.output_item.added", output_index=at, item={**opening, "content": []})
        spot = {**place, "content_index": 0}
        refusal = part["type"] == "refusal"
        name, field = ("refusal", "refusal") if refusal else ("output_text", "text")
        bare = {"type": "refusal", "refusal": ""} if refusal else {**part, "text": "", "annotations": []}
        send("response.content_part.added", **spot, part=bare)
        tokens = list(part.get("logprobs") or ())
        for piece in answer.pieces or cut(part[field]):
            told = {"logprobs": [tokens.pop(0)] if tokens else []} if not refusal else {}
            send(f"response.{name}.delta", **spot, delta=piece, **told)
        for number, cited in enumerate(part.get("annotations") or ()):
            send("response.output_text.annotation.added", **spot, annotation_index=number, annotation=cited)
        told = {} if refusal else {"logprobs": part["logprobs"]}
        send(f"response.{name}.done", **spot, **{field: part[field]}, **told)
        send("response.content_part.done", **spot, part=part)
    elif kind == "reasoning":
        hidden = {k: v for k, v in item.items() if k != "encrypted_content"}
        send("response.output_item.added", output_index=at, item={**hidden, "summary": []})
        spot = {**place, "summary_index": 0}
        send("response.reasoning_summary_part.added", **spot, part={"type": "summary_text", "text": ""})
        for piece in cut(item["summary"][0]["text"]):
            send("response.reasoning_summary_text.delta", **spot, delta=piece)
        send("response.reasoning_summary_text.done", **spot, text=item["summary"][0]["text"])
        send("response.reasoning_summary_part.done", **spot, part=item["summary"][0])
    else:
        custom = kind == "custom_tool_call"
        field, name = (
            ("input", "custom_tool_call_input") if custom else ("arguments", "function_call_arguments")
        )
        send("response.output_item.added", output_index=at, item={**opening, field: ""})
        for piece in cut(item[field]):
            send(f"response.{name}.delta", **place, delta=piece)
        send(f"response.{name}.done", **place, **{field: item[field]})
    send("response.output_item.done", output_index=at, item=item)


def broken(frames: list[str]) -> list[str]:
    """A stream that fails after half of its content."""
    half = frames[: len(frames) // 2]
    event = {"type": "error", "sequence_number": len(half), "code": "server_error", "message": "Sorry"}
    return [*half, f"event: error\ndata: {json.dumps({**event, 'param': None})}\n\n"]


def true_call_id(house: House, number: int) -> str:
    """An id as OpenAI makes them."""
    return f"call_{number}Zx8"
