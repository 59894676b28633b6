"""What the replayed provider says: payloads in the shape of recorded ones. OpenAI's are in `upstream_openai`.

A request decides by itself what it gets: a call of the `weather` tool when tools are offered and none was
answered yet, JSON when a schema is demanded, words otherwise. The last word of the model's name changes that:
`-twice` makes two calls at once, `-steps` one after the other, `-thinks` thinks before its call, `-ponders`
before its words, `-bare` calls a tool without arguments, `-talks` says its words before the call; `-short`
runs into its limit, `-halts` into a stop sequence, and `-filtered` is stopped by a filter.
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


_RESULTS = (
    '"role": "tool"',
    '"type": "tool_result"',
    '"functionResponse"',
    '"function_call_output"',
    '"toolResult"',
)
_NO_CALLS = ("none", {"type": "none"})


def _turns(body: Body) -> list[Any]:
    asked = body.get("messages") or body.get("contents") or body.get("input") or [{}]
    return asked if isinstance(asked, list) else [asked]


def wants_tool(body: Body) -> bool:
    """Tools are offered, may be called, and the last turn is not a tool's answer, in any dialect."""
    offered = body.get("tools") or body.get("toolConfig")
    if not offered or body.get("tool_choice") in _NO_CALLS:
        return False
    if body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode") == "NONE":
        return False
    turns = [json.dumps(turn) for turn in _turns(body)[-2:]]
    # Where tools take words only, their pictures follow in a user's message.
    kinds = {"input": "input_image", "contents": "inlineData"}
    media = next((kind for name, kind in kinds.items() if name in body), "image_url")
    pictures = len(turns) == 2 and f'"{media}"' in turns[1] and '"role": "user"' in turns[1]
    last = "".join(turns) if pictures else turns[-1]
    return not any(mark in last for mark in _RESULTS)


def results(body: Body) -> int:
    """How many results of tools it holds since the user last spoke, in any dialect."""
    found = 0
    for turn in reversed(_turns(body)):
        said = json.dumps(turn)
        here = sum(said.count(mark) for mark in _RESULTS)
        if not here and isinstance(turn, dict) and turn.get("role") == "user":
            break
        found += here
    return found


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
    first, second = (CITY, CITY_PIECES), (OTHER_CITY, OTHER_CITY_PIECES)
    way = asked_model(path, body).rpartition("-")[2]
    if way == "steps" and (body.get("tools") or body.get("toolConfig")):
        return {0: [first], 1: [second]}.get(results(body), [])
    if not wants_tool(body):
        return []
    if way == "bare":
        return [("{}", ("{}",))]
    return [first, second] if way == "twice" else [first]


def named(path: str, body: Body, made: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Each call's tool, and its arguments whole."""
    bare = asked_model(path, body).endswith("-bare")
    return [("clock" if bare else "weather", arguments) for arguments, _ in made]


def thinks(path: str, body: Body) -> bool:
    """It shows a thought before the call it makes, or before its words."""
    way = asked_model(path, body).rpartition("-")[2]
    return (way == "thinks" and wants_tool(body)) or way == "ponders"


def words(path: str, body: Body) -> tuple[str, tuple[str, ...]]:
    """What it says, whole and in pieces; nothing beside a call, unless it talks."""
    if calls(path, body) and not asked_model(path, body).endswith("-talks"):
        return "", ()
    return (JSON_TEXT, JSON_PIECES) if wants_json(body) else (TEXT, PIECES)


ENDINGS = {
    "short": ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens"),
    "halts": ("stop", "stop_sequence", "STOP", None),
    "filtered": ("content_filter", "refusal", "SAFETY", "content_filter"),
}
"""How an answer ends that does not just stop: in Chat, Messages, Gemini, and why a response is incomplete."""


def ending(path: str, body: Body) -> tuple[str, str, str, str | None] | None:
    """One of `ENDINGS`, if the model's name asks for it."""
    return ENDINGS.get(asked_model(path, body).rpartition("-")[2])


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
    content: list[Body] = []
    if thinks(path, body):
        content.append({"type": "thinking", "thinking": THOUGHT, "signature": PROOF})
    text = words(path, body)[0]
    if text:
        content.append({"type": "text", "text": text})
    content += [
        {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": json.loads(arguments)}
        for n, (name, arguments) in enumerate(named(path, body, made), 1)
    ]
    ends = ending(path, body)
    return {
        "id": "msg_replay",
        "type": "message",
        "role": "assistant",
        "model": MODELS["anthropic"],
        "content": content,
        "stop_reason": "tool_use" if made else ends[1] if ends else "end_turn",
        "stop_sequence": "END" if ends and ends[1] == "stop_sequence" else None,
        "usage": _ANTHROPIC_USAGE,
    }


def _anthropic_pieces(pieces: tuple[str, ...]) -> tuple[str, ...]:
    """An empty one first, and that alone when there are no arguments."""
    return ("",) if pieces == ("{}",) else ("", *pieces)


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
            deltas = [
                {"type": "input_json_delta", "partial_json": p} for p in _anthropic_pieces(pieces.pop(0))
            ]
        elif block["type"] == "thinking":
            opening = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": p} for p in THOUGHT_PIECES]
            deltas.append({"type": "signature_delta", "signature": PROOF})
        else:
            opening = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": p} for p in words(path, body)[1]]
        frames.append(event_frame({"type": "content_block_start", "index": n, "content_block": opening}))
        frames += [event_frame({"type": "content_block_delta", "index": n, "delta": d}) for d in deltas]
        frames.append(event_frame({"type": "content_block_stop", "index": n}))
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    usage = {
        name: told for name, told in _ANTHROPIC_USAGE.items() if name != "service_tier"
    }  # all of it again
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
    parts = _gemini_thoughts(path, body)
    text = words(path, body)[0]
    if text:
        parts.append({"text": text})
    return _generation(parts + _gemini_calls(path, body), _gemini_finish(path, body))


def gemini_stream(path: str, body: Body) -> list[str]:
    """The same as chunks; Gemini gives each call whole."""
    parts = _gemini_thoughts(path, body)
    parts += [{"text": piece} for piece in words(path, body)[1]]
    parts += _gemini_calls(path, body)
    last, finish = len(parts) - 1, _gemini_finish(path, body)
    return [data_frame(_generation([p], finish if i == last else None)) for i, p in enumerate(parts)]


def _gemini_finish(path: str, body: Body) -> str:
    ends = ending(path, body)
    return ends[2] if ends and not calls(path, body) else "STOP"


def _gemini_thoughts(path: str, body: Body) -> list[Body]:
    return [{"text": THOUGHT, "thought": True}] if thinks(path, body) else []


def _gemini_calls(path: str, body: Body) -> list[Body]:
    made = calls(path, body)
    parts: list[Body] = [
        {"functionCall": {"name": name, "args": json.loads(arguments)}}
        for name, arguments in named(path, body, made)
    ]
    if thinks(path, body) and parts:
        parts[0]["thoughtSignature"] = PROOF
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
