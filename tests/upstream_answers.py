"""What the replayed provider says, in each dialect: payloads in the shape of recorded ones.

A request decides by itself what it gets: a call of the `weather` tool when tools are offered and none was
answered yet (two calls when the model's name ends in `-twice`, one after some thinking when in `-thinks`),
JSON when a schema is demanded, words otherwise.
"""

import json
from typing import Any

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
}
"""The true model names the replayed providers give."""
EMBEDDING_MODEL = "embedding-replay"


def asked_model(path: str, body: Body) -> str:
    """The model asked for, in the body or in the path."""
    said: str = body.get("model") or path.partition("?")[0].rpartition("/")[2].partition(":")[0]
    return said


def wants_tool(body: Body) -> bool:
    """Tools are offered and the last turn is not a tool's answer, in any dialect."""
    if not body.get("tools"):
        return False
    last = (body.get("messages") or body.get("contents") or body.get("input") or [{}])[-1]
    said = json.dumps(last)
    answered = (
        '"role": "tool"' in said
        or '"tool_result"' in said
        or "functionResponse" in said
        or "function_call_output" in said
    )
    return not answered


def wants_json(body: Body) -> bool:
    """A schema is demanded of the answer, in any dialect."""
    return bool(
        body.get("response_format", {}).get("type") == "json_schema"
        or body.get("text", {}).get("format", {}).get("type") == "json_schema"
        or body.get("output_config", {}).get("format", {}).get("type") == "json_schema"
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


def _words(body: Body) -> tuple[str, tuple[str, ...]]:
    return (JSON_TEXT, JSON_PIECES) if wants_json(body) else (TEXT, PIECES)


def _data(value: object) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _event(value: Body) -> str:
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n"


# --- OpenAI chat

_CHAT_USAGE = {
    "prompt_tokens": INPUT_TOKENS + CACHED_TOKENS,
    "completion_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "total_tokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


def chat(path: str, body: Body) -> Body:
    """A chat completion."""
    message: Body = {"role": "assistant", "content": _words(body)[0], "refusal": None}
    finish = "stop"
    made = calls(path, body)
    if made:
        tool_calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
            for n, (arguments, _) in enumerate(made, 1)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": tool_calls, "refusal": None}
        if thinks(path, body):
            message["reasoning_content"] = THOUGHT
        finish = "tool_calls"
    return {
        "id": "chatcmpl-replay",
        "object": "chat.completion",
        "created": 1767225600,
        "model": MODELS["openai_chat"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _CHAT_USAGE,
        "service_tier": "default",
    }


def chat_stream(path: str, body: Body) -> list[str]:
    """The same as chunks."""

    def chunk(delta: Body, finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**base, "choices": [choice], "usage": None})

    base = {
        "id": "chatcmpl-replay",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": MODELS["openai_chat"],
    }
    made = calls(path, body)
    frames = [chunk({"role": "assistant", "content": None if made else ""})]
    if thinks(path, body):
        frames += [chunk({"reasoning_content": piece}) for piece in THOUGHT_PIECES]
    for n, (_, pieces) in enumerate(made):
        function = {"name": "weather", "arguments": ""}
        opening = {"index": n, "id": f"call_{n + 1}", "type": "function", "function": function}
        frames.append(chunk({"tool_calls": [opening]}))
        frames += [chunk({"tool_calls": [{"index": n, "function": {"arguments": p}}]}) for p in pieces]
    if made:
        frames.append(chunk({}, "tool_calls"))
    else:
        frames += [chunk({"content": piece}) for piece in _words(body)[1]]
        frames.append(chunk({}, "stop"))
    if body.get("stream_options", {}).get("include_usage"):
        frames.append(_data({**base, "choices": [], "usage": _CHAT_USAGE}))
    return [*frames, "data: [DONE]\n\n"]


def openai_embeddings(_: str, body: Body) -> Body:
    """Vectors, as numbers or base64."""
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector: object = list(VECTOR)
    if body.get("encoding_format") == "base64":
        vector = "AAAAPwAAAL8="
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, _ in enumerate(inputs)],
        "model": EMBEDDING_MODEL,
        "usage": {"prompt_tokens": EMBEDDING_TOKENS, "total_tokens": EMBEDDING_TOKENS},
    }


# --- OpenAI responses

_RESPONSES_USAGE = {
    "input_tokens": INPUT_TOKENS + CACHED_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
    "total_tokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
}


def _call_item(number: int, arguments: str, status: str) -> Body:
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": "weather",
        "arguments": arguments,
        "status": status,
    }


def _thought_item(proof: str | None) -> Body:
    summary = [{"type": "summary_text", "text": THOUGHT}]
    item: Body = {"type": "reasoning", "id": "rs_1", "summary": [] if proof is None else summary}
    return item if proof is None else {**item, "encrypted_content": proof}


def _message_item(text: str | None, status: str) -> Body:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": status,
        "content": [] if text is None else content,
    }


def responses(path: str, body: Body) -> Body:
    """A response."""
    made = calls(path, body)
    output = [_thought_item(PROOF)] if thinks(path, body) else []
    output += [_call_item(n, arguments, "completed") for n, (arguments, _) in enumerate(made, 1)]
    return {
        "id": "resp_replay",
        "object": "response",
        "created_at": 1767225600,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": MODELS["openai_responses"],
        "output": output or [_message_item(_words(body)[0], "completed")],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": _RESPONSES_USAGE,
    }


def responses_stream(path: str, body: Body) -> list[str]:
    """The same as events."""
    numbered: list[str] = []

    def say(kind: str, **fields: Any) -> None:
        numbered.append(_event({"type": kind, "sequence_number": len(numbered), **fields}))

    whole = responses(path, body)
    early = {**whole, "status": "in_progress", "output": [], "usage": None}
    say("response.created", response=early)
    say("response.in_progress", response=early)
    made = calls(path, body)
    if thinks(path, body):
        place: Body = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        say("response.output_item.added", output_index=0, item=_thought_item(None))
        say("response.reasoning_summary_part.added", **place, part=part)
        for piece in THOUGHT_PIECES:
            say("response.reasoning_summary_text.delta", **place, delta=piece)
        say("response.reasoning_summary_text.done", **place, text=THOUGHT)
        say("response.reasoning_summary_part.done", **place, part={**part, "text": THOUGHT})
        say("response.output_item.done", output_index=0, item=_thought_item(PROOF))
    for n, (arguments, pieces) in enumerate(made, len(whole["output"]) - len(made)):
        item = whole["output"][n]
        place = {"item_id": item["id"], "output_index": n}
        opening = {**item, "arguments": "", "status": "in_progress"}
        say("response.output_item.added", output_index=n, item=opening)
        for piece in pieces:
            say("response.function_call_arguments.delta", **place, delta=piece)
        say("response.function_call_arguments.done", **place, name="weather", arguments=arguments)
        say("response.output_item.done", output_index=n, item=item)
    if not made:
        text, pieces = _words(body)
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        say("response.output_item.added", output_index=0, item=_message_item(None, "in_progress"))
        say("response.content_part.added", **place, part=part)
        for piece in pieces:
            say("response.output_text.delta", **place, delta=piece, logprobs=[])
        say("response.output_text.done", **place, text=text, logprobs=[])
        say("response.content_part.done", **place, part={**part, "text": text})
        say("response.output_item.done", output_index=0, item=whole["output"][0])
    say("response.completed", response=whole)
    return numbered


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
        "content": content or [{"type": "text", "text": _words(body)[0]}],
        "stop_reason": "tool_use" if made else "end_turn",
        "stop_sequence": None,
        "usage": _ANTHROPIC_USAGE,
    }


def anthropic_stream(path: str, body: Body) -> list[str]:
    """The same as events."""
    whole = anthropic(path, body)
    usage: Body = {**_ANTHROPIC_USAGE, "output_tokens": 1, "output_tokens_details": None}
    start = {**whole, "content": [], "stop_reason": None, "usage": usage}
    frames = [_event({"type": "message_start", "message": start}), _event({"type": "ping"})]
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
            deltas = [{"type": "text_delta", "text": p} for p in _words(body)[1]]
        frames.append(_event({"type": "content_block_start", "index": n, "content_block": opening}))
        frames += [_event({"type": "content_block_delta", "index": n, "delta": d}) for d in deltas]
        frames.append(_event({"type": "content_block_stop", "index": n}))
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {
        "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
        "output_tokens_details": {"thinking_tokens": REASONING_TOKENS},
    }
    frames.append(_event({"type": "message_delta", "delta": stop, "usage": usage}))
    return [*frames, _event({"type": "message_stop"})]


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
    """A whole generation."""
    return _generation(_gemini_calls(path, body) or [{"text": _words(body)[0]}], "STOP")


def gemini_stream(path: str, body: Body) -> list[str]:
    """The same as chunks; Gemini gives each call whole."""
    parts = _gemini_calls(path, body) or [{"text": piece} for piece in _words(body)[1]]
    last = len(parts) - 1
    return [_data(_generation([p], "STOP" if i == last else None)) for i, p in enumerate(parts)]


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
