"""What the replayed provider says: payloads in the shape of recorded ones. OpenAI's are in `upstream_openai`.

A request decides by itself what it gets: a call of the `weather` tool when tools are offered and none was
answered yet (two calls when the model's name ends in `-twice`, one after some thinking when in `-thinks`),
JSON when a schema is demanded, words otherwise.
"""

import json
from typing import Any
from urllib.parse import unquote

Body = dict[str, Any]

TEXT = "The bridge at Avignon has four arches left."
PIECES = ("The bridge ", "at Avignon ", "has four ", "arches left.")
JSON_TEXT = '{"river": "Rhône", "arches": 4}'
JSON_PIECES = ('{"river": "Rh', 'ône", "arch', 'es": 4}')
CITY = '{"city": "Avignon"}'
CITY_PIECES = ('{"city"', ': "Avig', 'non"}')
OTHER_CITY = '{"city": "Arles"}'
OTHER_CITY_PIECES = ('{"city": ', '"Arles"}')
THOUGHT = "Is it windy there? Better ask."
THOUGHT_PIECES = ("Is it windy ", "there? Better ask.")
PROOF = "cHJvb2Ygb2YgdGhvdWdodA=="
"""What the provider wants back with its thoughts: a signature, or their encrypted form."""
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 40, 24, 21, 5
EMBEDDING_TOKENS = 7
VECTOR = (0.5, -0.5)
MODELS = {
    "openai_chat": "gpt-replay-2026-01-01",
    "openai_responses": "gpt-replay-2026-01-01",
    "anthropic": "claude-replay-20260101",
    "gemini": "gemini-replay-001",
    "bedrock": "",
}
"""The true model names the replayed providers give; Converse gives none."""
EMBEDDING_MODEL = "embedding-replay"


def asked_model(path: str, body: Body) -> str:
    """The model asked for, in the body or in the path."""
    _, bedrock, rest = path.partition("?")[0].rpartition("/model/")
    if bedrock:
        return unquote(rest.partition("/")[0])
    said: str = body.get("model") or path.partition("?")[0].rpartition("/")[2].partition(":")[0]
    return said


def wants_tool(body: Body) -> bool:
    """Tools are offered and the last turn is not a tool's answer, in any dialect."""
    if not (body.get("tools") or body.get("toolConfig")):
        return False
    last = (body.get("messages") or body.get("contents") or body.get("input") or [{}])[-1]
    said = json.dumps(last)
    answered = (
        '"role": "tool"' in said
        or '"tool_result"' in said
        or "functionResponse" in said
        or '"toolResult"' in said
        or "function_call_output" in said
    )
    return not answered


def wants_json(body: Body) -> bool:
    """A schema is demanded of the answer, in any dialect."""
    return bool(
        body.get("response_format", {}).get("type") == "json_schema"
        or body.get("text", {}).get("format", {}).get("type") == "json_schema"
        or body.get("output_config", {}).get("format", {}).get("type") == "json_schema"
        or body.get("outputConfig", {}).get("textFormat")
        or {"responseSchema", "responseJsonSchema"} & body.get("generationConfig", {}).keys()
    )


def calls(path: str, body: Body) -> list[tuple[str, tuple[str, ...]]]:
    """The arguments of each call it makes, whole and in pieces."""
    if not wants_tool(body):
        return []
    first, second = (CITY, CITY_PIECES), (OTHER_CITY, OTHER_CITY_PIECES)
    return [first, second] if asked_model(path, body).endswith("-twice") else [first]


def thinks(path: str, body: Body) -> bool:
    """It shows a thought before the call it makes."""
    return wants_tool(body) and asked_model(path, body).endswith("-thinks")


def words(body: Body) -> tuple[str, tuple[str, ...]]:
    """What it says, whole and in pieces."""
    return (JSON_TEXT, JSON_PIECES) if wants_json(body) else (TEXT, PIECES)


def data_frame(value: object) -> str:
    """An event without a name."""
    return f"data: {json.dumps(value)}\n\n"


def event_frame(value: Body) -> str:
    """An event named by its type."""
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n"


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one pixel."""

# --- Anthropic


def anthropic_count(_: str, __: Body) -> Body:
    """The size of a prompt."""
    return {"input_tokens": INPUT_TOKENS}


_ANTHROPIC_USAGE = {
    "input_tokens": INPUT_TOKENS,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": CACHED_TOKENS,
    "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "output_tokens_details": {"thinking_tokens": REASONING_TOKENS},
    "service_tier": "standard",
}


def anthropic(path: str, body: Body) -> Body:
    """A message."""
    made = calls(path, body)
    content = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": "weather", "input": json.loads(arguments)}
        for n, (arguments, _) in enumerate(made, 1)
    ]
    if thinks(path, body):
        content.insert(0, {"type": "thinking", "thinking": THOUGHT, "signature": PROOF})
    return {
        "id": "msg_replay",
        "type": "message",
        "role": "assistant",
        "model": MODELS["anthropic"],
        "content": content or [{"type": "text", "text": words(body)[0]}],
        "stop_reason": "tool_use" if made else "end_turn",
        "stop_sequence": None,
        "usage": _ANTHROPIC_USAGE,
    }


def anthropic_stream(path: str, body: Body) -> list[str]:
    """The same as events."""
    whole = anthropic(path, body)
    usage: Body = {**_ANTHROPIC_USAGE, "output_tokens": 1, "output_tokens_details": None}
    start = {**whole, "content": [], "stop_reason": None, "usage": usage}
    frames = [event_frame({"type": "message_start", "message": start}), event_frame({"type": "ping"})]
    pieces = [pieces for _, pieces in calls(path, body)]
    for n, block in enumerate(whole["content"]):
        if block["type"] == "tool_use":
            opening = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in ("", *pieces.pop(0))]
        elif block["type"] == "thinking":
            opening = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": p} for p in THOUGHT_PIECES]
            deltas.append({"type": "signature_delta", "signature": PROOF})
        else:
            opening = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": p} for p in words(body)[1]]
        frames.append(event_frame({"type": "content_block_start", "index": n, "content_block": opening}))
        frames += [event_frame({"type": "content_block_delta", "index": n, "delta": d}) for d in deltas]
        frames.append(event_frame({"type": "content_block_stop", "index": n}))
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {
        "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
        "output_tokens_details": {"thinking_tokens": REASONING_TOKENS},
    }
    frames.append(event_frame({"type": "message_delta", "delta": stop, "usage": usage}))
    return [*frames, event_frame({"type": "message_stop"})]


# --- Gemini


def gemini_count(_: str, __: Body) -> Body:
    """The size of a prompt."""
    return {"totalTokens": INPUT_TOKENS}


_EMBEDDING_USAGE = {"promptTokenCount": EMBEDDING_TOKENS, "totalTokenCount": EMBEDDING_TOKENS}


def gemini_embedding(_: str, __: Body) -> Body:
    """One vector."""
    return {"embedding": {"values": list(VECTOR)}, "usageMetadata": _EMBEDDING_USAGE}


def gemini_embeddings(_: str, body: Body) -> Body:
    """A vector for each text."""
    embeddings = [{"values": list(VECTOR)} for _ in body["requests"]]
    return {"embeddings": embeddings, "usageMetadata": _EMBEDDING_USAGE}


_GEMINI_USAGE = {
    "promptTokenCount": INPUT_TOKENS + CACHED_TOKENS,
    "cachedContentTokenCount": CACHED_TOKENS,
    "candidatesTokenCount": OUTPUT_TOKENS,
    "thoughtsTokenCount": REASONING_TOKENS,
    "totalTokenCount": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
}


def gemini(path: str, body: Body) -> Body:
    """A whole generation; a picture or sound where that is asked for."""
    if body.get("generationConfig", {}).get("responseModalities") == ["AUDIO"]:
        sound = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAABAAIAAwA="}
        return _generation([{"inlineData": sound}], "STOP")
    if body.get("generationConfig", {}).get("responseModalities") == ["IMAGE"]:
        return _generation([{"inlineData": {"mimeType": "image/png", "data": PIXEL}}], "STOP")
    return _generation(_gemini_calls(path, body) or [{"text": words(body)[0]}], "STOP")


def gemini_stream(path: str, body: Body) -> list[str]:
    """The same as chunks; Gemini gives each call whole."""
    parts = _gemini_calls(path, body) or [{"text": piece} for piece in words(body)[1]]
    last = len(parts) - 1
    return [data_frame(_generation([p], "STOP" if i == last else None)) for i, p in enumerate(parts)]


def _gemini_calls(path: str, body: Body) -> list[Body]:
    parts: list[Body] = [
        {"functionCall": {"name": "weather", "args": json.loads(arguments)}}
        for arguments, _ in calls(path, body)
    ]
    if thinks(path, body):
        parts[0]["thoughtSignature"] = PROOF
        parts.insert(0, {"text": THOUGHT, "thought": True})
    return parts


def _generation(parts: list[Body], finish: str | None) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": _GEMINI_USAGE,
        "modelVersion": MODELS["gemini"],
        "responseId": "gemini_replay",
    }
