"""Compaction, `POST /v1/responses/compact`: a conversation made short enough to go on.

    asking    the request that has a model write a summary    compacted   the answer, made of what it wrote
    reopened  a compaction item of ours as what it stands for

OpenAI's own gives an item that only OpenAI can read, which would bind the rest of the conversation to one
maker. Ours holds the summary itself, in the field the API has for it: the next request may go to any model
of any provider, and every SDK sends it back as it came. It is no secret: the caller could have asked for it.

Source: openai-python 3.54, `types/responses/response_compact_params.py`, `compacted_response.py` ("all user
messages, followed by a single compaction item"), `response_compaction_item.py`; read 2026-11-22. System and
developer messages stay too: they are instructions still to be followed.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from passerelle.codecs.openai_reading import decode
from passerelle.codecs.openai_responses.conversation import asked, listed, own_id
from passerelle.codecs.openai_responses.tools import ADDITIONAL
from passerelle.codecs.sealed import Sealed, seal, unseal
from passerelle.codecs.splice import join, split

_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder()

KINDS: Final = frozenset({"compaction", "compaction_summary"})
"""The item's kind, and what Codex called it before (openai/codex, `codex-rs/protocol/src/models.rs`)."""
_ORIGIN: Final = "passerelle"
_STAY: Final = frozenset({"user", "developer", "system"})
_KEPT_FIELDS: Final = frozenset({
    "model", "input", "instructions", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning", "safety_identifier", "service_tier", "tools", "user", "previous_response_id",
})  # fmt: skip
_PROMPT: Final = (
    "The conversation above is about to be replaced by a summary, and whoever goes on with it will see that "
    "summary and the user's messages, nothing else. Write it now. Say what is wanted and why; what was found "
    "out, decided and done, and what failed; every name, number, path, identifier and piece of code that is "
    "still needed, exactly as it stands; and what is left to do next. Answer no question, call no tool, add "
    "no preface: only the summary."
)
_LEAD: Final = (
    "What follows sums up the part of this conversation that is no longer shown: what was said, done and "
    "found out since the messages before it.\n\n"
)


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct, tag="message"):
    content: list[_Part]


class _Said(msgspec.Struct):
    status: str | None = None
    output: list[msgspec.Raw] = []
    usage: msgspec.Raw = msgspec.Raw(b"null")


_said = msgspec.json.Decoder(_Said)
_message = msgspec.json.Decoder(_Message)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def unstored(body: bytes) -> bytes:
    """The request, with nothing said of how its answer is given or kept. Raises `ProblemError`."""
    fields = {name: value for name, value in decode(_fields, body).items() if name in _KEPT_FIELDS}
    fields["store"] = msgspec.Raw(b"false")
    return join(fields)


def asking(body: bytes) -> bytes:
    """The request whose answer is the summary: the conversation as it is, so that a provider finds its cached
    prefix again, and what to do with it. Tools stay declared, for some refuse a conversation that names one
    they were not told of, but none may be called. Raises `ProblemError` naming the field.
    """
    items = _finished([_any.decode(item) for item in asked(body).items])
    fields: dict[str, Any] = dict(split(body))
    tools = (_any.decode(fields["tools"]) if "tools" in fields else None) or []
    tools += _undeclared(items, tools)
    if tools:
        fields["tools"], fields["tool_choice"] = tools, "none"
    fields["input"] = [*items, {"type": "message", "role": "user", "content": _PROMPT}]
    return _encoder.encode(fields)


def compacted(body: bytes, answer: bytes, tail: str, *, created_s: int) -> bytes | None:
    """The compacted conversation of a request and what a model answered to `asking` it; None when that is no
    whole summary. `tail`: the ULID that its ids have.
    """
    said = _said.decode(answer)
    summary = _words(said.output)
    if said.status != "completed" or not summary.strip():
        return None
    kept = [
        listed(item, own_id(item, tail, number), frozenset())
        for number, item in enumerate(asked(body).items)
        if _stays(_any.decode(item))
    ]
    identifier = f"cmp_{tail}"
    sealed = seal(Sealed(_ORIGIN, encrypted=summary, id=identifier))
    item = {"id": identifier, "type": "compaction", "encrypted_content": sealed, "created_by": None}
    return _encoder.encode(
        {
            "id": f"resp_{tail}",
            "object": "response.compaction",
            "created_at": created_s,
            "output": [*kept, item],
            "usage": said.usage,
        }
    )


def reopened(fields: dict[str, Any]) -> str | None:
    """The words that a compaction item of ours stands for; None for any other item."""
    text = fields.get("encrypted_content")
    sealed = unseal(text) if isinstance(text, str) else None
    if sealed is None or sealed.origin != _ORIGIN or sealed.encrypted is None:
        return None
    return _LEAD + sealed.encrypted


def _undeclared(items: Sequence[dict[str, Any]], tools: list[Any]) -> list[dict[str, Any]]:
    """The tools that were called and are declared nowhere, neither in `tools` nor among the items."""
    declared = list(tools)
    for item in items:
        if item.get("type") == ADDITIONAL:
            declared += item.get("tools") or []
    known = {tool.get("name") for tool in declared if isinstance(tool, dict)}
    found: list[dict[str, Any]] = []
    for item in items:
        name, kind = item.get("name"), item.get("type")
        if not isinstance(name, str) or name in known or "namespace" in item:
            continue
        if kind == "function_call":
            schema = {"type": "object", "properties": {}, "additionalProperties": True}
            found.append({"type": "function", "name": name, "parameters": schema, "strict": False})
            known.add(name)
        elif kind == "custom_tool_call":
            found.append({"type": "custom", "name": name})
            known.add(name)
    return found


def _finished(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`items` without calls that have no output: a provider refuses words after them."""
    answered = {item.get("call_id") for item in items if str(item.get("type", "")).endswith("_output")}
    return [
        item
        for item in items
        if not str(item.get("type", "")).endswith("_call")
        or "call_id" not in item
        or item["call_id"] in answered
    ]


def _stays(item: dict[str, Any]) -> bool:
    return item.get("type", "message") == "message" and item.get("role") in _STAY


def _words(output: Sequence[msgspec.Raw]) -> str:
    said: list[str] = []
    for item in output:
        try:
            parts = _message.decode(item).content
        except msgspec.ValidationError:  # an item of another kind
            continue
        said += [part.text for part in parts if part.type == "output_text" and part.text is not None]
    return "".join(said)
