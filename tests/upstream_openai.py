"""What the replayed provider says in OpenAI's two dialects, and its embeddings."""

import base64
from collections.abc import Callable
from typing import Any

from tests.upstream_answers import (
    CACHED_TOKENS,
    EMBEDDING_MODEL,
    EMBEDDING_TOKENS,
    INPUT_TOKENS,
    MODELS,
    OUTPUT_TOKENS,
    PIXEL,
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


_PICTURE_USAGE = {
    "input_tokens": 50,
    "output_tokens": 272,
    "total_tokens": 322,
    "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
}


def images(path: str, body: Body) -> Body:
    """As many pictures as were asked for; xAI's models give addresses, and count no tokens."""
    number = int(body.get("n", 1))
    if "grok" in body["model"] and body.get("response_format") != "b64_json":
        return {"created": 1767225600, "data": [{"url": "https://imgen.example/1.jpeg"}] * number}
    picture = {"b64_json": PIXEL}
    answer: Body = {"created": 1767225600, "data": [picture] * number}
    if "grok" not in body["model"]:
        answer |= {"usage": _PICTURE_USAGE, "output_format": "png", "quality": "low", "size": "1024x1024"}
    return answer


def images_stream(path: str, body: Body) -> list[str]:
    """An unfinished picture, and the finished one."""
    kind = "image_edit" if path.endswith("edits") else "image_generation"
    shared = {"b64_json": PIXEL, "created_at": 1767225600, "size": "1024x1024"}
    shared |= {"quality": "low", "background": "opaque", "output_format": "png"}
    partial = {"type": f"{kind}.partial_image", "partial_image_index": 0, **shared}
    completed = {"type": f"{kind}.completed", "usage": _PICTURE_USAGE, **shared}
    return [event_frame(event) for event in (partial, completed)]


SOUND = b"ID3\x04\x00replayed sound"
SAID = "Sur le pont d'Avignon, l'on y danse."


def speech(path: str, body: Body) -> bytes:
    """A sound."""
    return SOUND


def speech_stream(path: str, body: Body) -> list[str]:
    """The same in two pieces."""
    pieces = [base64.b64encode(piece).decode() for piece in (SOUND[:8], SOUND[8:])]
    deltas = [event_frame({"type": "speech.audio.delta", "audio": piece}) for piece in pieces]
    usage = {"input_tokens": 9, "output_tokens": 70, "total_tokens": 79}
    return [*deltas, event_frame({"type": "speech.audio.done", "usage": usage})]


_HEARD_USAGE = {
    "type": "tokens", "input_tokens": 30, "output_tokens": 12, "total_tokens": 42,
    "input_token_details": {"audio_tokens": 28, "text_tokens": 2},
}  # fmt: skip


def transcription(path: str, body: Body) -> Body:
    """What was said; Whisper counts seconds, and gives segments when asked for all of it."""
    if "whisper" not in body["model"]:
        return {"text": SAID, "usage": _HEARD_USAGE}
    answer: Body = {"text": SAID, "usage": {"type": "duration", "seconds": 4.5}}
    if body["response_format"] == "verbose_json":
        first, second = {"start": 0.0, "end": 2.25}, {"start": 2.25, "end": 4.5}
        texts = SAID.partition(",")
        answer |= {"language": "french", "duration": 4.5, "task": "transcribe"}
        answer["segments"] = [
            {"id": 0, **first, "text": texts[0] + ","},
            {"id": 1, **second, "text": texts[2]},
        ]
    return answer


def transcription_stream(path: str, body: Body) -> list[str]:
    """The same in two pieces."""
    deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in (SAID[:8], SAID[8:])]
    done = {"type": "transcript.text.done", "text": SAID, "usage": _HEARD_USAGE}
    return [event_frame(event) for event in (*deltas, done)]


def moderations(path: str, body: Body) -> Body:
    """A verdict per input; several parts are one input. Like Mistral's, without `flagged`, for its models."""
    given = body["input"]
    texts = given if isinstance(given, list) and isinstance(given[0], str) else [given]
    verdicts = []
    for text in texts:
        held = "harm" in str(text)
        verdict: Body = {
            "categories": {"violence": held, "hate": False},
            "category_scores": {"violence": 0.9},
        }
        if "mistral" not in body["model"]:
            verdict |= {"flagged": held, "category_applied_input_types": {"violence": ["text"]}}
        verdicts.append(verdict)
    return {"id": "modr-replay", "model": "moderation-replay", "results": verdicts}


def rerank(path: str, body: Body) -> Body:
    """The longest document first, in the form of the maker that the model is named after."""
    order = sorted(range(len(body["documents"])), key=lambda at: -len(body["documents"][at]))
    wanted = body.get("top_k", body.get("top_n")) or len(order)
    results = [{"index": at, "relevance_score": 1 / (n + 1)} for n, at in enumerate(order[:wanted])]
    if "voyage" in body["model"]:
        return {"object": "list", "data": results, "model": "rerank-replay", "usage": {"total_tokens": 31}}
    return {"id": "rr-replay", "results": results, "meta": {"billed_units": {"search_units": 1}}}


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
