"""A provider of Chat Completions answers: whole, as chunks with the habits of its house, or with an error."""

import json
from typing import Any

from tests.conformance.house import ChatRules, House
from tests.conformance.talk import (
    Answer,
    Call,
    Json,
    Refusal,
    Text,
    Thought,
    cut,
    words,
)

_FINISH = {"stop": "stop", "length": "length", "calls": "tool_calls", "filter": "content_filter"}


def usage_of(answer: Answer, rules: ChatRules) -> Json:
    """Its own way of counting."""
    usage = answer.usage
    prompt = usage.input + usage.cached + usage.written
    made = usage.output + (0 if rules.reasoning_apart else usage.reasoning)
    said: Json = {"prompt_tokens": prompt, "completion_tokens": made}
    said["total_tokens"] = prompt + usage.output + usage.reasoning
    if rules.counts == "deepseek":
        said |= {"prompt_cache_hit_tokens": usage.cached, "prompt_cache_miss_tokens": usage.input}
    if rules.counts != "plain":
        details = {"cached_tokens": usage.cached}
        said["prompt_tokens_details"] = details | (
            {"cache_write_tokens": usage.written} if usage.written else {}
        )
        said["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return said


def say(answer: Answer, house: House, body: Json) -> Json:
    """A chat completion."""
    rules = house.chat
    message: Json = {"role": "assistant", "content": words(answer.parts) or None}
    if rules.counts == "openai":
        message |= {"refusal": None, "annotations": []}
    for part in answer.parts:
        if isinstance(part, Thought) and rules.thinks == "content":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}], "closed": True}
            message["content"] = [thinking, {"type": "text", "text": message["content"] or ""}]
        elif isinstance(part, Thought):
            message[rules.thinks or "reasoning_content"] = part.text
        elif isinstance(part, Refusal):
            message["refusal"] = part.text
    calls = [_said_call(p) for p in answer.parts if isinstance(p, Call)]
    if calls:
        message["tool_calls"] = calls
    if answer.citations:
        message["annotations"] = [_cited(url) for url in answer.citations]
    choice: Json = {"index": 0, "message": message, "finish_reason": _FINISH[answer.finish]}
    choice["logprobs"] = _logprobs(answer.logprobs) if answer.logprobs else None
    head = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1767225600}
    return {
        **head,
        "model": house.true_model(body["model"]),
        "choices": [choice],
        "usage": usage_of(answer, rules),
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def _said_call(part: Call) -> Json:
    if part.free is not None:
        return {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": part.free}}
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.text}}


def _cited(url: str) -> Json:
    place = {"url": url, "title": "Source", "start_index": 0, "end_index": 4}
    return {"type": "url_citation", "url_citation": place}


def _logprobs(tokens: tuple[str, ...]) -> Json:
    said = [{"token": t, "logprob": -0.25, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens]
    return {"content": said, "refusal": None}


def stream(answer: Answer, house: House, body: Json) -> list[str]:
    """The same as chunks, with the habits of the house."""
    rules = house.chat
    base = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1767225600}
    base["model"] = house.true_model(body["model"])
    frames: list[str] = []

    def send(value: Json) -> None:
        frames.append(f"data: {json.dumps({**base, **value})}\n\n")

    def chunk(delta: Json, finish: str | None = None, logprobs: Any = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        told = {"usage": usage_of(answer, rules)} if finish and rules.usage_at_end else {}
        send({"choices": [choice], **told})

    if rules.filters:
        send({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": []})
    if rules.comments:
        frames.append(": PROCESSING\n\n")
    chunk({"role": "assistant", "content": "", **({"refusal": None} if rules.counts == "openai" else {})})
    count = 0
    for part in answer.parts:
        if isinstance(part, Thought):
            for piece in cut(part.text):
                if rules.thinks == "content":
                    inner = [{"type": "text", "text": piece}]
                    chunk({"content": [{"type": "thinking", "thinking": inner}]})
                else:
                    chunk({rules.thinks or "reasoning_content": piece, "content": None})
        elif isinstance(part, Text):
            tokens = [*answer.logprobs]
            for piece in answer.pieces or cut(part.text):
                chunk({"content": piece}, None, _logprobs((tokens.pop(0),)) if tokens else None)
        elif isinstance(part, Refusal):
            for piece in cut(part.text):
                chunk({"refusal": piece})
        elif isinstance(part, Call):
            _stream_call(part, count, rules, chunk)
            count += 1
    if answer.citations:
        chunk({"annotations": [_cited(url) for url in answer.citations]})
    chunk({}, _FINISH[answer.finish])
    if (body.get("stream_options") or {}).get("include_usage") and not rules.usage_at_end:
        send({"choices": [], "usage": usage_of(answer, rules)})
    return [*frames, "data: [DONE]\n\n"]


def _stream_call(part: Call, at: int, rules: ChatRules, chunk: Any) -> None:
    if part.free is not None:
        opening: Json = {"index": at, "id": part.id, "type": "custom"}
        chunk({"tool_calls": [opening | {"custom": {"name": part.name, "input": ""}}]})
        for piece in cut(part.free):
            chunk({"tool_calls": [{"index": at, "custom": {"input": piece}}]})
        return
    opening = {"index": at, "id": part.id, "type": "function"}
    if rules.whole_calls:
        chunk({"tool_calls": [opening | {"function": {"name": part.name, "arguments": part.text}}]})
        return
    chunk({"tool_calls": [opening | {"function": {"name": part.name, "arguments": ""}}]})
    for piece in part.pieces or cut(part.text):
        chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})


_ERRORS = {
    400: ("invalid_request_error", "invalid_value"), 401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", None), 404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", None), 429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", None), 503: ("server_error", None), 529: ("server_error", None),
}  # fmt: skip


def problem(status: int, message: str) -> Json:
    """Its error body."""
    kind, code = _ERRORS[status]
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def broken(frames: list[str]) -> list[str]:
    """A stream that says an error after half of its content."""
    error = f"data: {json.dumps(problem(500, 'The server had an error'))}\n\n"
    return [*frames[: len(frames) // 2], error]


def true_call_id(house: House, number: int) -> str:
    """An id as this provider makes them."""
    return f"a1B2c3D4{number}" if house.chat.ids.pattern.endswith("{9}") else f"call_{number}Zx8"
