"""Core's answer as a `chat.completion`.

`Response.extra["openai_chat"]`, as `response` made it, goes back to its places.
"""

from typing import Any

import msgspec

from passerelle.codecs.base import ReplyContext
from passerelle.codecs.custom import custom_names, unwrapped
from passerelle.codecs.media import to_data_url
from passerelle.codecs.openai_chat.citations import encode_citation
from passerelle.codecs.openai_chat.finish import encode_finish
from passerelle.codecs.openai_chat.identity import answer_id, call_id, is_legacy, service_tier
from passerelle.codecs.openai_chat.losses import merged
from passerelle.codecs.openai_chat.opaque import ORIGIN, encode_details, signed, thoughts
from passerelle.codecs.openai_chat.usage import encode_usage
from passerelle.core.message import (
    AudioPart,
    ImagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import Response

Json = dict[str, Any]

_json = msgspec.json.Encoder()


def encode_response(response: Response, context: ReplyContext) -> bytes:
    """The answer as a `chat.completion`."""
    own = (response.extra or {}).get(ORIGIN)
    beside: Json = own if isinstance(own, dict) else {}
    legacy = is_legacy(context.request)
    refused = any(isinstance(part, RefusalPart) for part in response.parts)
    called = any(isinstance(part, ToolCallPart) for part in response.parts)
    message = merged(_message(response, context, legacy=legacy), beside.get("message", {}))
    choice: Json = {
        "index": 0,
        "message": message,
        "logprobs": _own_logprobs(response.logprobs),
        "finish_reason": encode_finish(response.finish, refused=refused, legacy=legacy and called),
    }
    if response.stop_sequence is not None:
        choice["stop_reason"] = response.stop_sequence
    body: Json = {
        "id": answer_id(context.id),
        "object": "chat.completion",
        "created": context.created_s,
        "model": response.model or context.model,
        "choices": [merged(choice, beside.get("choice", {})), *beside.get("choices", ())],
    }
    if response.usage.source != "none":
        body["usage"] = encode_usage(response.usage)
    tier = service_tier(response.service_tier)
    if tier is not None:
        body["service_tier"] = tier
    return _json.encode(merged(body, beside.get("answer", {})))


def _own_logprobs(logprobs: Any) -> Any:
    """Log probabilities in this dialect's shape, or None: other dialects' have another."""
    return (
        logprobs if isinstance(logprobs, dict) and ("content" in logprobs or "refusal" in logprobs) else None
    )


def _message(response: Response, context: ReplyContext, *, legacy: bool) -> Json:
    words: list[str] = []
    length = 0
    annotations: list[Json] = []
    citations: list[Json] = []
    refusals: list[str] = []
    reasoning: list[ReasoningPart] = []
    calls: list[Json] = []
    images: list[Json] = []
    more: Json = {}
    customs = custom_names(context.request)
    used: set[str] = set()
    for part in response.parts:
        if isinstance(part, TextPart):
            words.append(part.text)
            for citation in part.citations:
                annotation = encode_citation(citation, length, length + len(part.text))
                (citations if annotation is None else annotations).append(annotation or citation)
            length += len(part.text)
        elif isinstance(part, ToolCallPart):
            identifier = part.id if part.id and part.id not in used else call_id(context.id, len(calls))
            used.add(identifier)  # some servers name two calls alike
            calls.append(_encode_call(part, identifier, customs))
        elif isinstance(part, ReasoningPart):
            reasoning.append(part)
        elif isinstance(part, RefusalPart):
            refusals.append(part.text)
        elif isinstance(part, ImagePart):
            url = part.url if part.data is None else to_data_url(part.media_type or "image/png", part.data)
            images.append({"type": "image_url", "image_url": {"url": url}})
        elif isinstance(part, AudioPart):
            more["audio"] = _encode_sound(part, context)
    message: Json = {
        "role": "assistant",
        "content": "".join(words) if words else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    shown = thoughts(reasoning)
    if shown:
        message["reasoning_content"] = shown
    if details := encode_details(reasoning):
        message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if citations:
        message["citations"] = citations
    if images:
        message["images"] = images
    message.update(more)
    if calls and legacy:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    if not words and not calls and not refusals and not more:
        message["content"] = ""
    return message


def _encode_call(part: ToolCallPart, identifier: str, customs: frozenset[str]) -> Json:
    if part.kind == "custom" or part.name in customs:
        said = part.arguments if part.kind == "custom" else unwrapped(part.arguments)
        call: Json = {"id": identifier, "type": "custom"}
        call["custom"] = {"name": part.name, "input": said}
    else:
        call = {"id": identifier, "type": "function"}
        call["function"] = {"name": part.name, "arguments": part.arguments or "{}"}
    if part.signature is not None:
        call["extra_content"] = signed(part.signature)
    return call


def _encode_sound(part: AudioPart, context: ReplyContext) -> Json:
    own = (part.extra or {}).get(ORIGIN)
    audio: Json = {
        "id": part.id or "audio_" + answer_id(context.id),
        "data": part.data or "",
        "expires_at": context.created_s + 3600,
        "transcript": part.transcript or "",
    }
    return merged(audio, own) if isinstance(own, dict) else audio
