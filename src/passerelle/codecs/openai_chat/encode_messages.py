"""Core's messages as chat messages: what OpenAI's API demands of a conversation, whoever wrote it.

Rules (OpenAI API errors and SDK 3.54 types, read 2026-11-22):

- after an assistant's `tool_calls` come their `tool` messages at once, one for each call;
- a `tool` message is text: pictures of a tool's result follow in a user message, labelled;
- a call's id has at most 40 characters and is not used twice; a tool's name is `[A-Za-z0-9_-]{1,64}`;
- an assistant says text and refusals; its thoughts go back only to servers that read them
  (`reasoning_content_field`), since others refuse the field (Groq: "property 'reasoning_content' is
  unsupported"). DeepSeek refuses a tool call in its thinking mode *without* the field, even an empty one.
"""

from collections import deque
from typing import Any, Final

from passerelle.codecs.custom import wrap
from passerelle.codecs.names import digest, fit_id, fit_name
from passerelle.codecs.openai_chat.encode_parts import cache_control, encode_part, encode_text
from passerelle.codecs.openai_chat.losses import Journey
from passerelle.codecs.openai_chat.opaque import ORIGIN, encode_details, signed, thoughts
from passerelle.codecs.openai_chat.turns import short_id
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Json = dict[str, Any]

ID_LIMIT: Final = 40
_NO_RESULT: Final = "(no result was given)"
_SEE_BELOW: Final = "(the result is in the next user message)"


def encode_messages(messages: tuple[Message, ...], journey: Journey) -> list[Json]:
    """The conversation. What cannot be carried is reported to `journey`."""
    short = "short_call_ids" in journey.quirks
    pairs = _Pairs(messages, short=short)
    written: list[Json] = []
    beside: list[Json] = []  # media that must wait for a user's message
    for at, message in enumerate(messages):
        if message.role == "tool":
            for place, part in enumerate(message.parts):
                if (at, place) in pairs.orphans and isinstance(part, ToolResultPart):
                    sent = short_id(part.call_id) if short else fit_id(part.call_id, "call_", ID_LIMIT)
                    written.append(_result(part, message, sent, beside, journey))
            continue
        if message.role == "user":
            asked = _user(message, beside, journey)
            if asked["content"] or not message.parts:
                written.append(asked)
            beside = []
            continue
        if beside:
            written.append({"role": "user", "content": beside})
            beside = []
        if message.role == "assistant":
            said = _assistant(message, pairs, at, beside, journey)
            if said is not None:
                written.append(said)
                written.extend(_answers(message, pairs, at, beside, journey))
        elif message.parts or journey.own:  # one without parts holds what only its dialect can be told
            written.append(_instructions(message, journey))
    if beside or not written:
        written.append({"role": "user", "content": beside or ""})
    return written


class _Pairs:
    """Which result answers which call, and the id both are sent with."""

    def __init__(self, messages: tuple[Message, ...], *, short: bool) -> None:
        self.ids: dict[tuple[int, int], str] = {}
        self.answers: dict[tuple[int, int], tuple[ToolResultPart, Message]] = {}
        self.orphans: set[tuple[int, int]] = set()
        # By id, the unanswered calls of each turn, the latest turn last.
        open_: dict[str, list[deque[tuple[int, int]]]] = {}
        times: dict[str, int] = {}
        for at, message in enumerate(messages):
            for place, part in enumerate(message.parts):
                if isinstance(part, ToolCallPart):
                    seen = times[part.id] = times.get(part.id, 0) + 1
                    again = part.id if seen == 1 else f"{part.id}#{seen}"
                    if short:
                        self.ids[at, place] = short_id(again)
                    elif seen == 1:
                        self.ids[at, place] = fit_id(part.id, "call_", ID_LIMIT)
                    else:
                        self.ids[at, place] = "call_" + digest(again, 32)
                    turns = open_.setdefault(part.id, [])
                    if not turns or turns[-1][0][0] != at:
                        turns.append(deque())
                    turns[-1].append((at, place))
                elif isinstance(part, ToolResultPart):
                    if waiting := open_.get(part.call_id):
                        # Calls of one turn that share an id are answered in order; else the latest is meant.
                        self.answers[waiting[-1].popleft()] = (part, message)
                        if not waiting[-1]:
                            waiting.pop()
                    else:
                        self.orphans.add((at, place))


def _instructions(message: Message, journey: Journey) -> Json:
    role = message.role
    if role == "developer" and "no_developer_role" in journey.quirks:
        role = "system"
    parts: list[Json] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            if (encoded := encode_text(part, journey)) is not None:
                parts.append(encoded)
        else:
            journey.drop(_name(part))
    return _finished({"role": role, "content": _content(parts, journey, "\n\n")}, message, journey)


def _user(message: Message, beside: list[Json], journey: Journey) -> Json:
    said = [encode_part(part, journey) for part in message.parts]
    parts = [*beside, *[encoded for encoded in said if encoded is not None]]
    return _finished({"role": "user", "content": _content(parts, journey, "\n\n")}, message, journey)


def _assistant(message: Message, pairs: _Pairs, at: int, beside: list[Json], journey: Journey) -> Json | None:
    """The assistant's message, or None when nothing of it can be said here."""
    words: list[Json] = []
    refusals: list[str] = []
    reasoning: list[ReasoningPart] = []
    calls: list[Json] = []
    more: Json = {}
    annotations: list[Json] = []
    for place, part in enumerate(message.parts):
        if isinstance(part, TextPart):
            if part.citations and journey.own:
                annotations.extend(part.citations)
                part = TextPart(part.text, part.cache, (), part.extra, part.memo)
            if (encoded := encode_text(part, journey)) is not None:
                words.append(encoded)
        elif isinstance(part, ToolCallPart):
            calls.append(_call(part, pairs.ids[at, place], journey))
        elif isinstance(part, ReasoningPart):
            reasoning.append(part)
        elif isinstance(part, RefusalPart):
            refusals.append(part.text)
        elif isinstance(part, AudioPart):
            _own_audio(part, more, words, journey)
        elif isinstance(part, ImagePart):
            _own_image(part, more, beside, journey)
        else:
            journey.drop(_name(part))
    said: Json = {"role": "assistant", "content": _content(words, journey, "") if words else None}
    _think(said, reasoning, calls, journey)
    if refusals:
        said["refusal"] = "".join(refusals)
    if annotations:
        said["annotations"] = annotations
    said.update(more)
    if calls:
        said["tool_calls"] = calls
    if said["content"] is None and not calls and not refusals and "audio" not in said:
        if message.parts and not more:
            return None  # only what was reported as lost
        said["content"] = ""
    return _finished(said, message, journey)


def _think(said: Json, reasoning: list[ReasoningPart], calls: list[Json], journey: Journey) -> None:
    own = [part for part in reasoning if part.origin == ORIGIN]
    if "reasoning_content_field" in journey.quirks:
        if own or calls:
            said["reasoning_content"] = thoughts(own)
        if journey.own and (details := encode_details(own)):
            said["reasoning_details"] = details
        if len(own) != len(reasoning):
            journey.drop("reasoning")
    elif reasoning:
        journey.drop("reasoning")


def _call(part: ToolCallPart, sent: str, journey: Journey) -> Json:
    name = fit_name(part.name)
    if part.kind == "custom" and "custom_tools" not in journey.quirks:
        wrapped = {"name": name, "arguments": wrap(part.arguments)}
        call: Json = {"id": sent, "type": "function", "function": wrapped}
    elif part.kind == "custom":
        call = {"id": sent, "type": "custom", "custom": {"name": name, "input": part.arguments}}
    else:
        function = {"name": name, "arguments": part.arguments or "{}"}
        call = {"id": sent, "type": "function", "function": function}
    if part.signature is not None:
        if journey.own:
            call["extra_content"] = signed(part.signature)
        else:
            journey.drop("reasoning")
    if part.cache is not None:
        if journey.own:
            call["cache_control"] = cache_control(part.cache)
        else:
            journey.drop("cache_control")
    return journey.extras(call, part.extra)


def _answers(message: Message, pairs: _Pairs, at: int, beside: list[Json], journey: Journey) -> list[Json]:
    """A `tool` message for every call of `message`."""
    written: list[Json] = []
    for place, part in enumerate(message.parts):
        if not isinstance(part, ToolCallPart):
            continue
        sent = pairs.ids[at, place]
        answer = pairs.answers.get((at, place))
        if answer is None:
            written.append({"role": "tool", "tool_call_id": sent, "content": _NO_RESULT})
        else:
            written.append(_result(answer[0], answer[1], sent, beside, journey))
    return written


def _result(part: ToolResultPart, message: Message, sent: str, beside: list[Json], journey: Journey) -> Json:
    texts: list[Json] = []
    media: list[Json] = []
    for item in part.content:
        encoded = encode_part(item, journey)
        if encoded is not None:
            (texts if encoded.get("type") == "text" or isinstance(item, TextPart) else media).append(encoded)
    if media:
        beside.append({"type": "text", "text": f"From the result of tool call {sent}:"})
        beside.extend(media)
        texts = texts or [{"type": "text", "text": _SEE_BELOW}]
    if part.is_error and not journey.own:
        first = texts[0]["text"] if texts else ""
        if not first.lower().startswith("error"):
            texts = [{"type": "text", "text": f"Error: {first}" if first else "Error"}, *texts[1:]]
    said: Json = {"role": "tool", "tool_call_id": sent, "content": _content(texts, journey, "\n")}
    if journey.own:
        if part.name is not None:
            said["name"] = part.name
        if part.cache is not None:
            said["cache_control"] = cache_control(part.cache)
    elif part.cache is not None:
        journey.drop("cache_control")
    return _finished(journey.extras(said, part.extra), message, journey)


def _content(parts: list[Json], journey: Journey, joint: str) -> str | list[Json]:
    """A plain string where it says the same: every server takes it."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"} and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    if "string_content" not in journey.quirks:
        return parts
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    kinds = [str(part["type"]) for part in parts if part["type"] != "text"]
    journey.drop(*[_WIRE_NAMES.get(kind, kind) for kind in kinds])
    if any("cache_control" in part for part in parts):
        journey.drop("cache_control")
    beside = [name for part in parts if part["type"] == "text" for name in part]
    journey.drop(*[name for name in beside if name not in ("type", "text")])
    return joint.join(texts)


def _own_audio(part: AudioPart, more: Json, words: list[Json], journey: Journey) -> None:
    """An earlier spoken answer: by its id where it was made, else by what was said in it."""
    if part.id is not None and journey.own:
        more["audio"] = {"id": part.id}
        return
    if part.transcript:
        words.append({"type": "text", "text": part.transcript})
    journey.drop("audio")


def _own_image(part: ImagePart, more: Json, beside: list[Json], journey: Journey) -> None:
    """An earlier drawn answer: chat's assistants cannot show it, so the next user's message does."""
    encoded = encode_part(part, journey)
    if encoded is None:
        return
    if journey.own:
        more.setdefault("images", []).append(encoded)
        return
    beside.append({"type": "text", "text": "The picture of the assistant's last answer:"})
    beside.append(encoded)


def _finished(said: Json, message: Message, journey: Journey) -> Json:
    if message.name is not None:
        said["name"] = message.name if journey.own else fit_name(message.name)
    return journey.extras(said, message.extra)


_WIRE_NAMES: Final = {"image_url": "image", "input_audio": "audio"}


def _name(part: object) -> str:
    """What a caller calls a part."""
    match part:
        case ImagePart():
            return "image"
        case AudioPart():
            return "audio"
        case FilePart():
            return "file"
        case ReasoningPart():
            return "reasoning"
        case RefusalPart():
            return "refusal"
        case ToolCallPart():
            return "tool_calls"
        case _:
            return "tool_results"
