"""What the replayed provider says in OpenAI's two dialects, and its embeddings."""

from collections.abc import Callable
from typing import Any

from tests.upstream_answers import (
    CACHED_TOKENS,
    EMBEDDING_MODEL,
    EMBEDDING_TOKENS,
    INPUT_TOKENS,
    MODELS,
    OUTPUT_TOKENS,
    PROOF,
    REASONING_TOKENS,
    THOUGHT,
    THOUGHT_PIECES,
    VECTOR,
    Body,
    calls,
    data_frame,
    ending,
    event_frame,
    named,
    thinks,
    words,
)

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
    made = calls(path, body)
    text = words(path, body)[0]
    message: Body = {"role": "assistant", "content": text or None, "refusal": None}
    if made:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(named(path, body, made), 1)
        ]
    if thinks(path, body):
        message["reasoning_content"] = THOUGHT
    finish = _chat_finish(path, body)
    return {
        "id": "chatcmpl-replay",
        "object": "chat.completion",
        "created": 1767225600,
        "model": MODELS["openai_chat"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _CHAT_USAGE,
        "service_tier": "default",
    }


def _chat_finish(path: str, body: Body) -> str:
    ends = ending(path, body)
    return "tool_calls" if calls(path, body) else ends[0] if ends else "stop"


def chat_stream(path: str, body: Body) -> list[str]:
    """The same as chunks."""

    def chunk(delta: Body, finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_frame({**base, "choices": [choice], "usage": None})

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
    frames += [chunk({"content": piece}) for piece in words(path, body)[1]]
    for n, (name, _) in enumerate(named(path, body, made)):
        opening = {"index": n, "id": f"call_{n + 1}", "type": "function"}
        frames.append(chunk({"tool_calls": [{**opening, "function": {"name": name, "arguments": ""}}]}))
        for piece in made[n][1]:
            frames.append(chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}))
    frames.append(chunk({}, _chat_finish(path, body)))
    if body.get("stream_options", {}).get("include_usage"):
        frames.append(data_frame({**base, "choices": [], "usage": _CHAT_USAGE}))
    return [*frames, "data: [DONE]\n\n"]


def embeddings(_: str, body: Body) -> Body:
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


def _call_item(number: int, name: str, arguments: str, status: str) -> Body:
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def _thought_item(proof: str | None) -> Body:
    summary = [{"type": "summary_text", "text": THOUGHT}]
    item: Body = {"type": "reasoning", "id": "rs_1", "summary": [] if proof is None else summary}
    return item if proof is None else {**item, "encrypted_content": proof}


def _message_item(text: str | None, status: str) -> Body:
    content: list[Body] = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
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
    ends = ending(path, body)
    why = ends[3] if ends and not made else None
    text = words(path, body)[0]
    output = [_thought_item(PROOF)] if thinks(path, body) else []
    if text:
        output.append(_message_item(text, "incomplete" if why else "completed"))
    output += [
        _call_item(n, name, arguments, "completed")
        for n, (name, arguments) in enumerate(named(path, body, made), 1)
    ]
    return {
        "id": "resp_replay",
        "object": "response",
        "created_at": 1767225600,
        "status": "incomplete" if why else "completed",
        "error": None,
        "incomplete_details": {"reason": why} if why else None,
        "instructions": None,
        "metadata": {},
        "model": MODELS["openai_responses"],
        "output": output,
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
        numbered.append(event_frame({"type": kind, "sequence_number": len(numbered), **fields}))

    whole = responses(path, body)
    early = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    say("response.created", response=early)
    say("response.in_progress", response=early)
    arguments = [pieces for _, pieces in calls(path, body)]
    for index, item in enumerate(whole["output"]):
        place: Body = {"item_id": item["id"], "output_index": index}
        if item["type"] == "reasoning":
            _say_thought(say, place, item)
        elif item["type"] == "message":
            _say_message(say, place, item, words(path, body)[1])
        else:
            _say_call(say, place, item, arguments.pop(0))
    say("response.incomplete" if whole["status"] == "incomplete" else "response.completed", response=whole)
    return numbered


def _say_thought(say: Callable[..., None], place: Body, item: Body) -> None:
    index = place["output_index"]
    part = {"type": "summary_text", "text": ""}
    place = {**place, "summary_index": 0}
    say("response.output_item.added", output_index=index, item=_thought_item(None))
    say("response.reasoning_summary_part.added", **place, part=part)
    for piece in THOUGHT_PIECES:
        say("response.reasoning_summary_text.delta", **place, delta=piece)
    say("response.reasoning_summary_text.done", **place, text=THOUGHT)
    say("response.reasoning_summary_part.done", **place, part={**part, "text": THOUGHT})
    say("response.output_item.done", output_index=index, item=item)


def _say_message(say: Callable[..., None], place: Body, item: Body, pieces: tuple[str, ...]) -> None:
    index, (part,) = place["output_index"], item["content"]
    place = {**place, "content_index": 0}
    say("response.output_item.added", output_index=index, item=_message_item(None, "in_progress"))
    say("response.content_part.added", **place, part={**part, "text": ""})
    for piece in pieces:
        say("response.output_text.delta", **place, delta=piece, logprobs=[])
    say("response.output_text.done", **place, text=part["text"], logprobs=[])
    say("response.content_part.done", **place, part=part)
    say("response.output_item.done", output_index=index, item=item)


def _say_call(say: Callable[..., None], place: Body, item: Body, pieces: tuple[str, ...]) -> None:
    index = place["output_index"]
    opening = {**item, "arguments": "", "status": "in_progress"}
    say("response.output_item.added", output_index=index, item=opening)
    for piece in pieces:
        say("response.function_call_arguments.delta", **place, delta=piece)
    say("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])
    say("response.output_item.done", output_index=index, item=item)
