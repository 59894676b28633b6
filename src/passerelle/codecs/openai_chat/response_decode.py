"""A provider's whole chat answer into core, or the reason why it is none.

What the answer says beside core's fields travels in `Response.extra["openai_chat"]`, under the level it
stood at (`answer`, `choice`, `message`), with the further choices of `n` > 1 under `choices`: only a
caller of this dialect gets it back, and no other encoder mistakes it for its own.
"""

from typing import Annotated, Any

import msgspec

from passerelle.codecs.base import Watched
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.media import parse_data_url, sniff_audio
from passerelle.codecs.names import digest
from passerelle.codecs.openai_chat.answers import EMPTY, is_empty, parse_answer
from passerelle.codecs.openai_chat.citations import read_sources
from passerelle.codecs.openai_chat.finish import BROKEN, decode_finish
from passerelle.codecs.openai_chat.opaque import (
    ORIGIN,
    decode_details,
    signature_of,
)
from passerelle.codecs.openai_chat.stream_parts import detail_words, image_url, read_piece
from passerelle.codecs.openai_chat.usage import WireUsage, decode_usage
from passerelle.core.errors import AnswerError
from passerelle.core.message import (
    AudioPart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import Response
from passerelle.core.usage import NO_USAGE

Json = dict[str, Any]

_json = msgspec.json.Encoder()


def decode_response(body: bytes) -> Response:
    """Raises `AnswerError` for anything that is not one complete answer."""
    answer = parse_answer(body)
    choices = answer.pop("choices", None)
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise AnswerError("the provider's answer has no `choices`")
    choice: Json = choices[0]
    message = choice.pop("message", None)
    if not isinstance(message, dict):
        raise AnswerError("the provider's answer has no `message`")
    word = choice.pop("finish_reason", None)
    if not isinstance(word, str) or not word:
        raise AnswerError("the provider's answer has no finish reason: it is not complete")
    if (failure := BROKEN.get(word)) is not None:
        raise AnswerError(f"the provider broke the answer off: `{word}`", failure)
    usage = _usage(answer.pop("usage", None))
    identifier = _text(answer.pop("id", None))
    parts = _parts(message, identifier)
    sources = read_sources(answer.get("citations"), answer.get("search_results"))
    if sources and not any(isinstance(part, TextPart) and part.citations for part in parts):
        parts = _cited(parts, tuple(sources))
    finish = decode_finish(
        word,
        called=any(isinstance(part, ToolCallPart) for part in parts),
        refused=any(isinstance(part, RefusalPart) for part in parts),
    )
    stopped_at = choice.pop("stop_reason", None)
    if is_empty(finish, usage, content=bool(parts), stopped_at=stopped_at):
        raise AnswerError(EMPTY)
    for name in ("object", "created"):
        answer.pop(name, None)
    choice.pop("index", None)
    beside = {
        "answer": _kept(answer, "model", "service_tier"),
        "choice": _kept(choice, "logprobs"),
        "message": _kept(message, "role"),
        "choices": choices[1:],
    }
    kept = {name: value for name, value in beside.items() if value}
    return Response(
        parts=tuple(parts),
        finish=finish,
        model=_text(answer.get("model")) or "",
        id=identifier,
        usage=usage,
        stop_sequence=stopped_at if isinstance(stopped_at, str) else None,
        service_tier=_text(answer.get("service_tier")),
        raw_finish=word,
        logprobs=choice.get("logprobs"),
        extra={ORIGIN: kept} if kept else None,
    )


class _WatchedFunction(msgspec.Struct, gc=False):
    name: Annotated[str, msgspec.Meta(min_length=1)]


class _WatchedCall(msgspec.Struct, gc=False):
    """A call of a function that has a name; any other is looked at in full."""

    function: _WatchedFunction


class _WatchedMessage(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_WatchedCall] | None = None


class _WatchedChoice(msgspec.Struct, gc=False):
    message: _WatchedMessage
    finish_reason: str


class _Watched(msgspec.Struct, gc=False):
    choices: list[_WatchedChoice]
    model: str
    usage: WireUsage
    error: Any = None


_watched_decoder = msgspec.json.Decoder(_Watched)


def watch_response(body: bytes) -> Watched:
    """The same judgement, for a relay. Raises `AnswerError` as `decode_response`.

    The plain shape is read in a few microseconds; whatever is not plain is decoded in full.
    """
    try:
        seen = _watched_decoder.decode(body)
    except BAD_JSON:
        return _watch_slowly(body)
    if not seen.choices or seen.error or seen.choices[0].finish_reason in BROKEN:
        return _watch_slowly(body)
    choice = seen.choices[0]
    message = choice.message
    if not (message.content or message.reasoning_content or message.refusal or message.tool_calls):
        return _watch_slowly(body)
    finish = decode_finish(
        choice.finish_reason, called=bool(message.tool_calls), refused=bool(message.refusal)
    )
    return Watched(seen.model, decode_usage(seen.usage), finish)


def _watch_slowly(body: bytes) -> Watched:
    response = decode_response(body)
    return Watched(response.model, response.usage, response.finish)


def _kept(fields: Json, *known: str) -> Json:
    return {name: value for name, value in fields.items() if value is not None and name not in known}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _usage(value: Any) -> Any:
    if not isinstance(value, dict):
        return NO_USAGE
    try:
        return decode_usage(msgspec.convert(value, WireUsage))
    except msgspec.ValidationError:
        return NO_USAGE  # a shape nobody knows: estimated instead


def _parts(message: Json, identifier: str | None) -> list[Part]:
    """Thoughts, words, refusal, sound, pictures, calls: the order in which they were made."""
    words: list[Part] = []
    thought: list[Part] = []
    content = message.pop("content", None)
    if isinstance(content, str):
        if content:
            words.append(TextPart(content))
    elif isinstance(content, list):
        for piece in content:
            kind, text = read_piece(piece)
            if text:
                words.append(ReasoningPart(text, origin=ORIGIN) if kind == "reasoning" else TextPart(text))
    shown = _text(message.pop("reasoning_content", None)) or _text(message.get("reasoning"))
    message.pop("reasoning", None)
    details = message.pop("reasoning_details", None)
    if isinstance(details, list) and details:
        thought.extend(decode_details(details, shown or detail_words(details)))
    elif shown:
        thought.append(ReasoningPart(shown, origin=ORIGIN))
    annotations = message.pop("annotations", None)
    if isinstance(annotations, list) and annotations:
        words = _cited(words, tuple([a for a in annotations if isinstance(a, dict)]))
    parts = [*thought, *words]
    refusal = _text(message.pop("refusal", None))
    if refusal:
        parts.append(RefusalPart(refusal))
    audio = message.pop("audio", None)
    if isinstance(audio, dict):
        parts.append(_sound(audio))
    images = message.pop("images", None)
    for image in images if isinstance(images, list) else ():
        parts.extend(_picture(image))
    calls = message.pop("tool_calls", None)
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        parts.append(_call(call, f"{identifier}:{index}"))
    old = message.pop("function_call", None)
    if isinstance(old, dict):
        parts.append(_call({"function": old}, f"{identifier}:0"))
    return parts


def _cited(words: list[Part], citations: tuple[Json, ...]) -> list[Part]:
    for index in range(len(words) - 1, -1, -1):
        part = words[index]
        if isinstance(part, TextPart):
            return [*words[:index], TextPart(part.text, citations=citations), *words[index + 1 :]]
    return words


def _sound(audio: Json) -> AudioPart:
    data = _text(audio.pop("data", None))
    return AudioPart(
        sniff_audio(data or ""),
        data=data,
        transcript=_text(audio.pop("transcript", None)),
        id=_text(audio.pop("id", None)),
        extra={ORIGIN: audio} if audio else None,
    )


def _picture(image: Any) -> list[Part]:
    url = image_url(image)
    if url is None:
        return []
    inline = parse_data_url(url)
    return [ImagePart(url=url) if inline is None else ImagePart(inline[0], inline[1])]


def _call(call: Any, seed: str) -> ToolCallPart:
    if not isinstance(call, dict):
        raise AnswerError("the provider's answer holds a tool call that is not an object")
    custom = call.get("custom")
    inner = custom if isinstance(custom, dict) else call.get("function")
    name = _text(inner.get("name")) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or name is None:
        raise AnswerError("the provider's answer holds a tool call without a name")
    identifier = _text(call.get("id")) or "call_" + digest(seed, 24)
    if isinstance(custom, dict):
        return ToolCallPart(identifier, name, _text(inner.get("input")) or "", "custom", signature_of(call))
    arguments = inner.get("arguments")
    if isinstance(arguments, dict | list):  # some servers send the object itself
        arguments = _json.encode(arguments).decode()
    return ToolCallPart(identifier, name, _text(arguments) or "{}", "function", signature_of(call))
