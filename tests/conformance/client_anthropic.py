"""A client of Anthropic's Messages: what it writes, and what its SDK would refuse to read.

Facts: types of the `anthropic` SDK 2.12 and how its `MessageStream` accumulates events
(`lib/streaming/_messages.py`), read 2026-11-22.
"""

import json
from typing import Any

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
    Usage,
    events,
    legal,
    unsayable,
)

LABEL = "Messages"
DIALECT = "anthropic"
PATH = "/v1/messages"
LOST = {
    "image_url": "image", "document": "document", "thought": "thinking", "name": "title",
    "parallel": "tool_choice.disable_parallel_tool_use", "schema": "output_config.format",
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop": "stop_sequences",
    "effort": "thinking", "budget": "thinking", "show": "thinking.display", "user": "metadata.user_id",
    "tier": "service_tier", "cache": "cache_control", "choice": "tool_choice", "max_tokens": "max_tokens",
    "strict": "strict", "result_image": "image",
}  # fmt: skip


def write(ask: Ask, model: str) -> tuple[str, Json]:
    """Path and body."""
    for value, name in (
        (ask.seed, "no `seed`"), (ask.presence, "no penalties"), (ask.frequency, "no penalties"),
        (ask.n, "no `n`"), (ask.logprobs, "no logprobs"), (ask.metadata, "no metadata but a user"),
        (ask.verbosity, "no `verbosity`"), (ask.cache_key, "no cache key"),
    ):  # fmt: skip
        unsayable(value is not None, f"{name} in this dialect")
    unsayable(ask.json, "no JSON without a schema in this dialect")
    turns = list(ask.turns)
    body: Json = {"model": model, "max_tokens": ask.max_tokens or 1024}
    if turns and turns[0].role == "system":
        body["system"] = [_block(part) for part in turns.pop(0).parts]
    unsayable(any(turn.role == "developer" for turn in turns), "no `developer` in this dialect")
    body["messages"] = [{"role": t.role, "content": [_block(p) for p in t.parts]} for t in turns]
    if ask.stream:
        body["stream"] = True
    if ask.tools:
        body["tools"] = [_tool(tool) for tool in ask.tools]
    if ask.choice is not None or ask.parallel is not None:
        body["tool_choice"] = _choice(ask)
    for name, value in (("temperature", ask.temperature), ("top_p", ask.top_p), ("top_k", ask.top_k)):
        if value is not None:
            body[name] = value
    if ask.stop:
        body["stop_sequences"] = list(ask.stop)
    if ask.budget is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": ask.budget}
    elif ask.effort == "off":
        body["thinking"] = {"type": "disabled"}
    elif ask.effort is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": ask.effort}
    if ask.show:
        body.setdefault("thinking", {"type": "adaptive"})["display"] = "summarized"
    if ask.schema is not None:
        form = {"type": "json_schema", "schema": ask.schema}
        body["output_config"] = body.get("output_config", {}) | {"format": form}
    if ask.user is not None:
        body["metadata"] = {"user_id": ask.user}
    if ask.tier is not None:
        body["service_tier"] = ask.tier
    return PATH, body | ask.raw.get(DIALECT, {})


def _choice(ask: Ask) -> Json:
    word = ask.choice or "auto"
    choice: Json = {"type": {"required": "any"}.get(word, word)}
    if word.startswith("="):
        choice = {"type": "tool", "name": word[1:]}
    return choice if ask.parallel is None else choice | {"disable_parallel_tool_use": not ask.parallel}


def _tool(tool: Tool) -> Json:
    unsayable(tool.free, "no tools of free text in this dialect")
    said: Json = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
    if tool.strict:
        said["strict"] = True
    return said | ({"cache_control": {"type": "ephemeral"}} if tool.cache else {})


def _block(part: Part) -> Json:
    match part:
        case Text():
            block: Json = {"type": "text", "text": part.text}
            return block | ({"cache_control": {"type": "ephemeral"}} if part.cache else {})
        case Image(url="") | Document():
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            if isinstance(part, Image):
                return {"type": "image", "source": source}
            return {"type": "document", "source": source, "title": part.name}
        case Image():
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        case Sound():
            unsayable(True, "no sound in this dialect")
        case Thought():
            block = {"type": "thinking", "thinking": part.text, "signature": part.proof}
            return part.proof if isinstance(part.proof, dict) else block
        case Refusal():
            return {"type": "text", "text": part.text}
        case Call():
            unsayable(part.free is not None, "no tools of free text in this dialect")
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.args}
        case Result():
            content = [_block(p) for p in part.parts]
            block = {"type": "tool_result", "tool_use_id": part.call, "content": content}
            return block | ({"is_error": True} if part.error else {})
    raise AssertionError(part)


_FINISH: dict[str, Finish] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "calls",
    "refusal": "filter",
}  # fmt: skip


def read(body: Json) -> Answer:
    """A whole answer. Raises `IllegalError`."""
    legal(body["type"] == "message" and body["role"] == "assistant", "not an assistant's message")
    legal(isinstance(body["id"], str) and body["id"].startswith("msg_"), "an id that is no message's")
    legal({"stop_reason", "stop_sequence", "usage", "model"} <= body.keys(), "a field is missing")
    parts: list[Part] = []
    cited: list[str] = []
    for block in body["content"]:
        parts.append(_read_block(block))
        cited += [c["url"] for c in block.get("citations") or () if "url" in c]
    finish = _FINISH[body["stop_reason"]]
    called = any(isinstance(part, Call) for part in parts)
    legal(not called or finish == "calls", f"calls, and `stop_reason` is `{body['stop_reason']}`")
    return Answer(
        tuple(parts),
        finish,
        _usage(body["usage"]),
        body["model"],
        body["stop_sequence"],
        citations=tuple(cited),
    )


def _read_block(block: Json) -> Part:
    kind = block["type"]
    if kind == "text":
        legal(block["text"], "a text block without words")
        legal("citations" in block or True, "")
        return Text(block["text"])
    if kind == "thinking":
        legal(isinstance(block["signature"], str), "a thought without a signature field")
        return Thought(block["thinking"], block)
    if kind == "redacted_thinking":
        return Thought("", block)
    legal(kind == "tool_use", f"a block of kind `{kind}`")
    legal(
        block["id"].replace("_", "").replace("-", "").isalnum(), f"an id that cannot go back: {block['id']}"
    )
    legal(isinstance(block["input"], dict), "arguments are no object")
    return Call(block["name"], block["input"], block["id"])


def _usage(usage: Json) -> Usage:
    cached = usage["cache_read_input_tokens"] or 0
    written = usage["cache_creation_input_tokens"] or 0
    details = usage.get("output_tokens_details") or {}
    reasoning = details.get("thinking_tokens") or 0
    return Usage(usage["input_tokens"], cached, written, usage["output_tokens"] - reasoning, reasoning)


_DELTAS = {
    "text_delta": ("text", "text"),
    "citations_delta": ("text", "citation"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}


def read_stream(raw: bytes) -> Answer:
    """A streamed answer: one `message_start`, blocks one after the other, `message_delta`, `message_stop`."""
    said: list[Json] = []
    for name, data in events(raw):
        event = json.loads(data)
        legal(event["type"] == name, f"an event named `{name}` is `{event['type']}`")
        if name != "ping":
            said.append(event)
    legal(said[0]["type"] == "message_start", "the first event is not `message_start`")
    legal([e["type"] for e in said].count("message_start") == 1, "several `message_start`")
    legal([e["type"] for e in said[-2:]] == ["message_delta", "message_stop"], "no orderly end")
    message = said[0]["message"]
    legal(message["content"] == [] and message["stop_reason"] is None, "a start that is no start")
    legal("input_tokens" in message["usage"], "no usage at the start")
    blocks: list[Json] = []
    current: Json | None = None
    text = ""
    for event in said[1:-2]:
        kind = event["type"]
        if kind == "content_block_start":
            legal(current is None, "a block inside a block")
            legal(event["index"] == len(blocks), "blocks are not counted from 0")
            current, text = dict(event["content_block"]), ""
            if current["type"] == "tool_use":
                legal(current["input"] == {}, "a call opens with input")
        elif kind == "content_block_delta":
            legal(current is not None and event["index"] == len(blocks), "a delta outside its block")
            text += _grow(current or {}, event["delta"])
        else:
            legal(kind == "content_block_stop" and current is not None, f"a stray `{kind}`")
            if current and current["type"] == "tool_use":
                current["input"] = json.loads(text or "{}")
            blocks.append(current or {})
            current = None
    legal(current is None, "a block was never closed")
    end = said[-2]
    legal("output_tokens" in end["usage"], "no usage at the end")
    usage = message["usage"] | {k: v for k, v in end["usage"].items() if v is not None}
    return read({**message, "content": blocks, **end["delta"], "usage": usage})


def _grow(block: Json, delta: Json) -> str:
    kind, name = _DELTAS[delta["type"]]
    legal(block["type"] == kind, f"a `{delta['type']}` inside a block `{block['type']}`")
    if name == "citation":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    elif name == "partial_json":
        return str(delta[name])
    else:
        block[name] = block.get(name, "") + delta[name]
    return ""


def error(status: int, body: Json) -> str:
    """The kind of error its SDK sees, after checking the shape."""
    legal(body["type"] == "error", "`type` is not `error`")
    legal(isinstance(body["error"]["message"], str) and body["error"]["message"], "an error without words")
    legal("request_id" in body, "no `request_id`")
    return str(body["error"]["type"])


def stream_error(raw: bytes) -> bool:
    """Whether the SDK would raise on this stream."""
    return any(name == "error" and json.loads(data)["error"]["type"] for name, data in events(raw))


def count(ask: Ask, model: str) -> tuple[str, Json]:
    """The question of how large a prompt is."""
    _, body = write(ask, model)
    return f"{PATH}/count_tokens", {k: body[k] for k in ("model", "messages", "system", "tools") if k in body}


def read_count(body: Json) -> Any:
    """Its answer."""
    return body["input_tokens"]
