"""Relaying a chat request to a server of the same dialect: a few fields spliced, the rest byte for byte.

Usage in a stream is always asked for; when the caller did not ask, the chunk that reports it is taken out
again (`watch`). Quirks change what a server would refuse; `relay_losses` names what that takes away.
"""

import functools
from typing import Final

import msgspec

from passerelle.codecs.base import Envelope, Target
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.departures import (
    OWN_MESSAGES,
    OWN_SHAPES,
    reshape_fields,
    reshape_messages,
)
from passerelle.codecs.openai_chat.turns import DEMANDS, suited
from passerelle.codecs.splice import join, quoted, split

_json = msgspec.json.Encoder()
_messages_decoder = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_options_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Kind(msgspec.Struct):
    """An object as far as its kind: what else is in it is skipped, and may be anything."""

    type: str = ""
    text: str | None = None


_kind_decoder = msgspec.json.Decoder(_Kind)
_kinds_decoder = msgspec.json.Decoder(list[_Kind])

_IDENTITY: Final = ("metadata", "store", "user", "safety_identifier", "prompt_cache_key")
_SAMPLING: Final = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
)  # fmt: skip

_NOT_HERE: Final = frozenset({"custom_tools"})
"""Quirks that change nothing of a relayed body."""

Fields = dict[str, msgspec.Raw]


@functools.lru_cache(maxsize=1024)
def _named(model: str) -> msgspec.Raw:
    """A model's name in JSON: the same few, again and again."""
    return msgspec.Raw(quoted(model))


def relay_request(body: bytes, target: Target, envelope: Envelope) -> bytes:
    """The caller's body for `target`. `body` has passed `read_envelope`."""
    fields = split(body)
    fields["model"] = _named(target.model)
    quirks = target.quirks
    if "no_stream_options" in quirks:
        fields.pop("stream_options", None)
    elif envelope.stream and not envelope.include_usage:
        _ask_usage(fields)
    if not quirks <= _NOT_HERE:
        _adapt(fields, quirks)
    return join(fields)


def relay_losses(body: bytes, target: Target) -> tuple[str, ...]:
    """What `relay_request` takes out of the caller's body because `target` would refuse it."""
    if target.quirks <= _NOT_HERE:
        return ()
    before = split(body)
    after = split(body)
    _adapt(after, target.quirks)
    lost = [name for name in before if name not in after and not _is_null(before[name])]
    if "max_completion_tokens" in lost and "max_tokens" in after:
        lost.remove("max_completion_tokens")
    if "store" in lost and bytes(before["store"]) == b"false":
        lost.remove("store")  # a server that knows no `store` stores nothing
    if "no_choice_of_none" in target.quirks:
        lost = [name for name in lost if name not in ("tool_choice", "tools")]
    if "seed" in lost and "random_seed" in after:
        lost.remove("seed")
    if "reasoning_effort" in lost and "thinking" in after:
        lost.remove("reasoning_effort")
    if not target.quirks.isdisjoint(OWN_MESSAGES) and reshape_messages(before, target.quirks):
        lost.append("name")
    if "response_format" in after and bytes(after["response_format"]) != bytes(before["response_format"]):
        lost.append("response_format.json_schema")
    return tuple(lost)


def _is_null(value: msgspec.Raw) -> bool:
    return bytes(value) == b"null"


def _ask_usage(fields: Fields) -> None:
    options = fields.get("stream_options")
    if options is None or _is_null(options):
        fields["stream_options"] = msgspec.Raw(b'{"include_usage":true}')
        return
    given = _options_decoder.decode(options)
    given["include_usage"] = msgspec.Raw(b"true")
    fields["stream_options"] = msgspec.Raw(_json.encode(given))


def _adapt(fields: Fields, quirks: frozenset[str]) -> None:
    if "max_tokens_field" in quirks and "max_completion_tokens" in fields:
        limit = fields.pop("max_completion_tokens")
        if not _is_null(limit):
            fields["max_tokens"] = limit
    if "no_parallel_tool_calls_field" in quirks:
        fields.pop("parallel_tool_calls", None)
    if "no_metadata" in quirks:
        for name in _IDENTITY:
            if name != "prompt_cache_key" or "keeps_prompt_cache_key" not in quirks:
                fields.pop(name, None)
    if "no_prompt_cache_key" in quirks:
        fields.pop("prompt_cache_key", None)
    if "no_sampling" in quirks:
        for name in _SAMPLING:
            fields.pop(name, None)
    if "no_json_schema" in quirks and "response_format" in fields:
        _plain_json(fields)
    if "no_developer_role" in quirks or "string_content" in quirks:
        _messages(fields, quirks)
    if not quirks.isdisjoint(OWN_SHAPES):
        reshape_fields(fields, quirks)
    if not quirks.isdisjoint(OWN_MESSAGES):
        reshape_messages(fields, quirks)
    if "messages" in fields and not quirks.isdisjoint(DEMANDS):
        fields["messages"] = suited(fields["messages"], quirks)


def _plain_json(fields: Fields) -> None:
    try:
        wanted = _kind_decoder.decode(fields["response_format"])
    except BAD_JSON:
        return  # the server will say what is wrong with it
    if wanted.type == "json_schema":
        fields["response_format"] = msgspec.Raw(b'{"type":"json_object"}')


def _messages(fields: Fields, quirks: frozenset[str]) -> None:
    """Only the messages that need it change; the others keep their bytes."""
    try:
        messages = _messages_decoder.decode(fields["messages"])
    except msgspec.DecodeError:
        return  # the server will say what is wrong with them
    changed = False
    for message in messages:
        role = message.get("role")
        if "no_developer_role" in quirks and role is not None and bytes(role) == b'"developer"':
            message["role"] = msgspec.Raw(b'"system"')
            changed = True
        content = message.get("content")
        if "string_content" in quirks and content is not None and bytes(content)[:1] == b"[":
            changed |= _join(message, content)
    if changed:
        fields["messages"] = msgspec.Raw(_json.encode(messages))


def _join(message: Fields, content: msgspec.Raw) -> bool:
    """Text parts as one string. With anything else among them the list stays, for the server to judge."""
    try:
        parts = _kinds_decoder.decode(content)
    except BAD_JSON:
        return False
    texts = [part.text for part in parts if part.type == "text" and part.text is not None]
    if len(texts) != len(parts):
        return False
    joint = "" if bytes(message.get("role", b"")) == b'"assistant"' else "\n\n"
    message["content"] = msgspec.Raw(_json.encode(joint.join(texts)))
    return True
