"""A provider of Messages: reads a request as Anthropic would, refusing what it refuses, and answers.

Facts, read 2026-11-22: `anthropic` SDK 2.12 `message_create_params` for fields and blocks;
platform.claude.com/docs, "Working with messages", "Handle tool calls", "Extended thinking" and
"Troubleshooting thinking" for the order of turns, the pairing of calls and results, and what goes with
thinking; the errors quoted in `codecs/anthropic/write_turns.py` and `models.py`.
"""

import json
import re
from typing import Any

from tests.conformance.house import House
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
    Role,
    Text,
    Thought,
    Tool,
    Turn,
    cut,
    need,
)

_KNOWN = frozenset({
    "model", "messages", "max_tokens", "system", "stream", "tools", "tool_choice", "temperature", "top_p",
    "top_k", "stop_sequences", "metadata", "service_tier", "thinking", "output_config", "container",
    "context_management", "mcp_servers", "inference_geo", "cache_control", "speed",
})  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_BLOCKS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "context", "citations", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
}
_STRICT_UNKNOWN = {"minimum", "maximum", "minLength", "maxLength", "multipleOf", "maxItems"}


def hear(body: Json, house: House) -> Ask:
    """The request as Anthropic understands it. Raises `RefusedError`."""
    model = body["model"]
    modern = model.startswith("claude-opus-5")
    unknown = sorted(body.keys() - _KNOWN)
    need(not unknown, f"{unknown}: Extra inputs are not permitted")
    need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: Field required")
    marks = [0]
    system = body.get("system") or []
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system
    turns = [Turn("system", tuple([_block(b, marks) for b in system]))] if system else []
    turns += _turns(body["messages"], marks, modern=modern)
    tools = tuple([_tool(tool, marks) for tool in body.get("tools") or ()])
    need(marks[0] <= 4, "A maximum of 4 blocks with cache_control may be provided")
    thinking = body.get("thinking") or {"type": "disabled"}
    config = body.get("output_config") or {}
    budget = _thinking(thinking, config, body, modern=modern)
    choice, parallel = _choice(body.get("tool_choice"), tools, thinks=thinking["type"] != "disabled")
    for name in ("temperature", "top_p", "top_k"):
        need(name not in body or not modern, f"`{name}` is not supported by this model")
    need(
        not ("temperature" in body and "top_p" in body), "`temperature` and `top_p` cannot both be specified"
    )
    need(body.get("temperature") is None or 0 <= body["temperature"] <= 1, "temperature: range: 0..1")
    stops = tuple(body.get("stop_sequences") or ())
    need(all(stop.strip() for stop in stops), "stop_sequences: each must contain non-whitespace")
    form = config.get("format")
    schema = None
    if form is not None:
        need(form["type"] == "json_schema" and form.keys() <= {"type", "schema"}, "output_config.format")
        schema = form["schema"]
        _closed(schema)
    metadata = body.get("metadata") or {}
    need(metadata.keys() <= {"user_id"}, "metadata: Extra inputs are not permitted")
    need(body.get("service_tier") in (None, "auto", "standard_only"), "service_tier: auto or standard_only")
    return Ask(
        tuple(turns),
        bool(body.get("stream")),
        body["max_tokens"],
        tools,
        choice,
        parallel,
        body.get("temperature"),
        body.get("top_p"),
        body.get("top_k"),
        stop=stops,
        effort=config.get("effort")
        or ("off" if body.get("thinking", {}).get("type") == "disabled" else None),
        budget=budget,
        show=thinking.get("display") == "summarized" or (budget is not None and not modern),
        schema=schema,
        user=metadata.get("user_id"),
        tier=body.get("service_tier"),
        raw=body,
    )


def _thinking(thinking: Json, config: Json, body: Json, *, modern: bool) -> int | None:
    kind = thinking["type"]
    budget = thinking.get("budget_tokens")
    effort = config.get("effort")
    if kind == "enabled":
        need(not modern, "thinking.type: `enabled` is not supported by this model; use `adaptive`")
        need(budget is not None and budget >= 1024, "budget_tokens: at least 1024")
        need(budget < body["max_tokens"], "`max_tokens` must be greater than `thinking.budget_tokens`")
        need(body.get("temperature", 1) == 1, "`temperature` may only be 1 when thinking is enabled")
        need(body.get("top_p", 1) >= 0.95 and "top_k" not in body, "`top_p`, `top_k` with thinking")
    elif kind == "adaptive":
        need(modern, "adaptive thinking is not supported on this model")
    elif "thinking" in body:
        need(not modern, "thinking cannot be disabled on this model")
    need(effort is None or modern, "This model does not support the effort parameter.")
    need(effort in (None, "low", "medium", "high", "xhigh", "max"), "output_config.effort")
    return budget


def _turns(messages: list[Json], marks: list[int], *, modern: bool) -> list[Turn]:
    need(messages and messages[0]["role"] == "user", "messages: first message must use the user role")
    turns: list[Turn] = []
    pending: list[str] = []
    for message in messages:
        role: Role = message["role"]
        need(message.keys() <= {"role", "content"}, "messages: Extra inputs are not permitted")
        need(role in ("user", "assistant") or modern, "messages: Unexpected role 'system'")
        content = message["content"]
        need(content, "messages: content must be non-empty")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        if role != "system":
            need(sorted(results) == sorted(pending), f"`tool_use` ids {pending} and `tool_result` {results}")
            first = [b["type"] for b in blocks[: len(results)]]
            need(set(first) <= {"tool_result"}, "`tool_result` blocks come first in their message")
            pending = [b["id"] for b in blocks if b["type"] == "tool_use"]
            need(len(set(pending)) == len(pending), "`tool_use` ids must be unique")
            need(not pending or role == "assistant", "`tool_use` in a user's turn")
        turns.append(Turn(role, tuple([_block(b, marks) for b in blocks])))
    need(not pending, f"`tool_use` ids were found without `tool_result` blocks: {pending}")
    _unique(turns)
    need(messages[-1]["role"] == "user", "this model does not support assistant message prefill")
    return turns


def _unique(turns: list[Turn]) -> None:
    ids = [part.id for turn in turns for part in turn.parts if isinstance(part, Call)]
    need(len(set(ids)) == len(ids), "`tool_use` ids must be unique")


def _block(block: Json, marks: list[int]) -> Part:
    kind = block["type"]
    need(kind in _BLOCKS, f"a block of type {kind}")
    extra = sorted(block.keys() - _BLOCKS[kind])
    need(not extra, f"{kind}: {extra}: Extra inputs are not permitted")
    marks[0] += "cache_control" in block
    if kind == "text":
        need(block["text"].strip(), "text content blocks must be non-empty")
        return Text(block["text"], "cache_control" in block)
    if kind in ("image", "document"):
        return _media(block, kind)
    if kind in ("thinking", "redacted_thinking"):
        need(kind != "thinking" or block["signature"] == PROOF, "Invalid `signature` in `thinking` block")
        return Thought(block.get("thinking", ""), block.get("signature", block.get("data")))
    if kind == "tool_use":
        need(_ID.fullmatch(block["id"]), "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        need(_NAME.fullmatch(block["name"]), f"tool_use.name: {block['name']}")
        need(isinstance(block["input"], dict), "tool_use.input: Input should be a valid dictionary")
        return Call(block["name"], block["input"], block["id"])
    content = block.get("content") or []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    parts = tuple([_block(b, marks) for b in blocks])
    return Result(block["tool_use_id"], parts, bool(block.get("is_error")))  # type: ignore[arg-type]


PROOF = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk"
"""A signature of its own making: the only one it takes."""


def _media(block: Json, kind: str) -> Part:
    source = block["source"]
    if source["type"] == "url":
        return Image(url=source["url"]) if kind == "image" else Document(source["url"])
    if source["type"] == "text":
        return Document(source["data"], block.get("title", ""), "text/plain")
    need(source["type"] == "base64", f"a source of type {source['type']}")
    kinds = (
        ("image/png", "image/jpeg", "image/gif", "image/webp") if kind == "image" else ("application/pdf",)
    )
    need(source["media_type"] in kinds, f"media_type {source['media_type']}")
    if kind == "image":
        return Image(source["data"], source["media_type"])
    return Document(source["data"], block.get("title", ""), source["media_type"])


def _tool(tool: Json, marks: list[int]) -> Tool:
    need(tool.keys() <= {"name", "description", "input_schema", "strict", "cache_control", "type"}, "tools")
    need(_NAME.fullmatch(tool["name"]), f"tools.name: {tool['name']}")
    schema = tool["input_schema"]
    need(schema.get("type") == "object", "tools.input_schema.type: Field required")
    marks[0] += "cache_control" in tool
    if tool.get("strict"):
        _closed(schema)
    return Tool(
        tool["name"],
        tool.get("description", ""),
        schema,
        bool(tool.get("strict")),
        cache="cache_control" in tool,
    )


def _closed(schema: Json) -> None:
    """Its rules for enforced schemas ("Structured outputs", JSON Schema limitations, read 2026-11-22)."""
    if schema.get("type") == "object":
        need(schema.get("additionalProperties") is False, "'additionalProperties' must be set to false")
        for inner in schema.get("properties", {}).values():
            _closed(inner)
    need(not _STRICT_UNKNOWN & schema.keys(), f"unsupported keywords {_STRICT_UNKNOWN & schema.keys()}")


def _choice(choice: Json | None, tools: tuple[Tool, ...], *, thinks: bool) -> tuple[str | None, bool | None]:
    if choice is None:
        return None, None
    need(tools, "tool_choice may only be specified while providing tools")
    kind = choice["type"]
    need(
        not thinks or kind in ("auto", "none"),
        "Thinking may not be enabled when tool_choice forces tool use.",
    )
    off = choice.get("disable_parallel_tool_use")
    parallel = None if off is None else not off
    need(off is None or kind != "none", "tool_choice.none: Extra inputs are not permitted")
    if kind == "tool":
        need(choice["name"] in [tool.name for tool in tools], f"Tool '{choice['name']}' not found")
        return f"={choice['name']}", parallel
    return {"any": "required"}.get(kind, kind), parallel


# --- what it says

_FINISH = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", "filter": "refusal"}


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output + usage.reasoning,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }


def _said(part: Part, answer: Answer) -> Json | None:
    match part:
        case Text():
            place = {"type": "web_search_result_location", "title": "Source", "encrypted_index": "x"}
            cited = [{**place, "url": url, "cited_text": part.text[:4]} for url in answer.citations]
            return {"type": "text", "text": part.text, "citations": cited or None}
        case Thought():
            return {"type": "thinking", "thinking": part.text, "signature": part.proof or PROOF}
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.args}
        case Refusal():
            return None  # it says so in `stop_reason` only
        case _:
            raise AssertionError(part)


def say(answer: Answer, house: House, body: Json) -> Json:
    """A message."""
    finish = "stop_sequence" if answer.stop_sequence else _FINISH[answer.finish]
    return {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": house.true_model(body["model"]),
        "content": [block for part in answer.parts if (block := _said(part, answer)) is not None],
        "stop_reason": finish,
        "stop_sequence": answer.stop_sequence,
        "usage": _usage(answer),
    }


def stream(answer: Answer, house: House, body: Json) -> list[str]:
    """The same as events."""
    frames: list[str] = []

    def send(kind: str, **fields: Any) -> None:
        frames.append(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n")

    whole = say(answer, house, body)
    early = {**_usage(answer), "output_tokens": 1, "output_tokens_details": None}
    bare = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": early}
    send("message_start", message={**whole, **bare})
    send("ping")
    calls = [part for part in answer.parts if isinstance(part, Call)]
    for at, block in enumerate(whole["content"]):
        opening, deltas = _opened(block, answer, calls)
        send("content_block_start", index=at, content_block=opening)
        for delta in deltas:
            send("content_block_delta", index=at, delta=delta)
        send("content_block_stop", index=at)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    made = {k: whole["usage"][k] for k in ("output_tokens", "output_tokens_details")}
    send("message_delta", delta=ending, usage=made)
    send("message_stop")
    return frames


def _opened(block: Json, answer: Answer, calls: list[Call]) -> tuple[Json, list[Json]]:
    if block["type"] == "text":
        pieces = answer.pieces or cut(block["text"])
        deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in pieces]
        deltas += [{"type": "citations_delta", "citation": c} for c in block["citations"] or ()]
        return {"type": "text", "text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    call = calls.pop(0)
    pieces = ["", *(call.pieces or (cut(call.text) if call.args else ()))]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": p} for p in pieces]


_ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    503: "api_error", 529: "overloaded_error",
}  # fmt: skip


def problem(status: int, message: str) -> Json:
    """Its error body."""
    error = {"type": _ERRORS[status], "message": message}
    return {"type": "error", "error": error, "request_id": "req_up"}


def broken(frames: list[str]) -> list[str]:
    """A stream that says an error after half of its content."""
    error = f"event: error\ndata: {json.dumps(problem(529, 'Overloaded'))}\n\n"
    return [*frames[: len(frames) // 2], error]


def true_call_id(house: House, number: int) -> str:
    """An id as Anthropic makes them."""
    return f"toolu_{number}Zx8"
