"""`input` → messages.

Responses has one flat list of items where core has turns. Reasoning, words and calls of the model that
follow each other become one `assistant` message, outputs that follow each other one `tool` message. What
an item says beside that (its id, its status, the model's `phase`) is kept in `memo`.

An item core has no part for (a web search the provider ran, a compaction, next week's novelty) is an
empty `TextPart` whose `extra` holds it whole under its type: it goes back unchanged to this dialect and
any other reports it by that name. An output goes where its call goes: that of a call core has no part for
stays whole beside it.

A `local_shell_call` is a call of the function `local_shell`, which other dialects can be told of: Codex
answers it with a `function_call_output` (openai/codex, `codex-rs/protocol/src/models.rs`).
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from passerelle.codecs.openai_reading import (
    Json,
    an_object,
    left,
    missing,
    need_text,
    take_list,
    take_text,
    wrong,
)
from passerelle.codecs.openai_responses.compaction import KINDS, reopened
from passerelle.codecs.openai_responses.content_in import content_in, image_in, raw_part
from passerelle.codecs.openai_responses.tools import ADDITIONAL, DIALECT, Names
from passerelle.codecs.sealed import Sealed, unseal
from passerelle.core.errors import ProblemError, invalid
from passerelle.core.message import (
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

LOCAL_SHELL: Final = "local_shell"
"""The tool behind a `local_shell_call`, by the name its declaration has."""

ROLES: dict[str, Role] = {
    "user": "user",
    "system": "system",
    "developer": "developer",
    "assistant": "assistant",
}


def reference(at: str) -> ProblemError:
    """An item named by id, which only a stored conversation could resolve."""
    return invalid(
        f"`{at}` is an `item_reference`, and this key may not keep conversations; send the whole item in "
        "`input` (an SDK that writes references by itself does so with `store` set to false), or use a key "
        "made with `passerelle keys create --store-conversations`.",
        at,
    )


def messages_in(items: list[Any], names: Names) -> list[Message]:
    """The turns of `input`. Raises `ProblemError` naming the item and field at fault."""
    turns = _Turns()
    for i, item in enumerate(items):
        at = f"input[{i}]"
        fields = an_object(item, at)
        kind = fields.get("type")
        if kind is None and "role" not in fields and isinstance(fields.get("id"), str):
            raise reference(at)
        match kind:
            case "message" | None:
                fields.pop("type", None)
                _message(fields, at, i, turns)
            case "reasoning":
                del fields["type"]
                _reasoning(fields, at, turns)
            case "function_call" | "custom_tool_call":
                _call(fields, at, names, turns)
            case "local_shell_call" if _has_id(fields) and isinstance(fields.get("action"), dict):
                turns.call(_shell_call(fields))
            case "local_shell_call_output" if isinstance(fields.get("output"), str):
                turns.answer(_shell_result(fields, at))
            case "function_call_output" | "custom_tool_call_output":
                if _has_id(fields) and fields["call_id"] in turns.opaque:
                    turns.say(raw_part(kind, fields, "item"))
                else:
                    _result(fields, at, turns)
            case "item_reference":
                raise reference(at)
            case str() if kind in KINDS and (summary := reopened(fields)) is not None:
                turns.add(Message("user", (TextPart(summary),)))
            case "additional_tools":  # its tools are among the request's: see `tools`
                turns.add(Message("developer", (), memo={ADDITIONAL: fields}))
            case "image_generation_call" if isinstance(fields.get("result"), str):
                turns.say(image_in(fields))
            case str():
                if _has_id(fields):
                    turns.opaque.add(fields["call_id"])
                turns.say(raw_part(kind, fields, "item"))
            case _:
                raise wrong(f"{at}.type", "a string", kind)
    return turns.close()


class _Turns:
    """Items gathered into messages."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._said: list[Part] = []
        self._results: list[ToolResultPart] = []
        self._calls: dict[str, str] = {}
        self._signatures: dict[str, str] = {}
        self.opaque: set[str] = set()
        """Ids of calls that stay whole: their outputs do too."""

    def add(self, message: Message) -> None:
        self._flush()
        self._messages.append(message)

    def say(self, *parts: Part) -> None:
        if self._results:
            self._flush()
        self._said.extend(parts)

    def call(self, part: ToolCallPart) -> None:
        self._calls[part.id] = part.name
        self.opaque.discard(part.id)
        self.say(part)

    def answer(self, part: ToolResultPart) -> None:
        if self._said:
            self._flush()
        self._results.append(replace(part, name=self._calls.get(part.call_id)))

    def sign(self, call_id: str, signature: str) -> None:
        """The seal of a call's thought signature, which stands before or after the call."""
        self._signatures[call_id] = signature

    def _flush(self) -> None:
        if self._said:
            self._messages.append(Message("assistant", tuple(self._said)))
            self._said = []
        if self._results:
            self._messages.append(Message("tool", tuple(self._results)))
            self._results = []

    def close(self) -> list[Message]:
        self._flush()
        if self._signatures:
            self._messages = [self._signed(message) for message in self._messages]
        return self._messages

    def _signed(self, message: Message) -> Message:
        if message.role != "assistant":
            return message
        parts = tuple(
            replace(part, signature=self._signatures.get(part.id)) if isinstance(part, ToolCallPart) else part
            for part in message.parts
        )
        return replace(message, parts=parts)


def _message(fields: Json, at: str, place: int, turns: _Turns) -> None:
    named = need_text(fields, "role", at)
    role = ROLES.get(named)
    if role is None:
        known = ", ".join(f"`{name}`" for name in ROLES)
        raise invalid(f"`{at}.role` is `{named}`; use one of {known}.", f"{at}.role")
    if "content" not in fields:
        raise missing(f"{at}.content", "a string or a list of content parts")
    content = fields.pop("content")
    identifier = take_text(fields, "id", at)
    memo = {key: fields.pop(key) for key in ("status", "phase") if fields.get(key) is not None}
    parts = content_in(content, f"{at}.content")
    if role != "assistant":
        turns.add(Message(role, tuple(parts), id=identifier, extra=left(fields), memo=memo or None))
        return
    memo["at"] = place
    if identifier is not None:
        memo["id"] = identifier
    if isinstance(content, str):
        memo["easy"] = True
    rest = {f"message.{key}": value for key, value in (left(fields) or {}).items()}
    for n, part in enumerate(parts):
        if isinstance(part, TextPart):
            extra = {**(part.extra or {}), **rest} if n == 0 and rest else part.extra
            turns.say(replace(part, extra=extra, memo={**(part.memo or {}), **memo}))
        elif isinstance(part, RefusalPart):
            turns.say(replace(part, memo=memo))
        else:
            turns.say(part)


def _reasoning(fields: Json, at: str, turns: _Turns) -> None:
    encrypted = take_text(fields, "encrypted_content", at)
    block = unseal(encrypted) if encrypted else None
    if block is not None and block.call_id is not None:
        turns.sign(block.call_id, block.signature or "")
        return
    turns.say(reasoning_in(fields, encrypted, block, at))


def reasoning_in(fields: Json, encrypted: str | None, block: Sealed | None, at: str) -> ReasoningPart:
    """A reasoning item: its raw words, else its summary, in `text`; a sealed block unsealed."""
    identifier = take_text(fields, "id", at)
    summary = _texts(fields, "summary", at)
    content = _texts(fields, "content", at)
    status = take_text(fields, "status", at)
    words = "".join(content) if content else "\n\n".join(summary)
    if block is not None:
        return ReasoningPart(
            words,
            signature=block.signature,
            encrypted=block.encrypted,
            id=block.id,
            origin=block.origin,
        )
    return ReasoningPart(
        words,
        encrypted=encrypted,
        summary=tuple(summary),
        id=identifier,
        origin=DIALECT,
        extra=left(fields),
        memo=({"status": status} if status else {}) | ({"content": content} if content else {}) or None,
    )


def _texts(fields: Json, name: str, at: str) -> list[str]:
    entries = take_list(fields, name, at) or []
    return [
        need_text(an_object(entry, f"{at}.{name}[{i}]"), "text", f"{at}.{name}[{i}]")
        for i, entry in enumerate(entries)
    ]


def _call(fields: Json, at: str, names: Names, turns: _Turns) -> None:
    turns.call(call_in(fields, at, names))


def call_in(fields: Json, at: str, names: Names) -> ToolCallPart:
    """A call of a function or custom tool, under the tool's flat name."""
    custom = fields.pop("type") == "custom_tool_call"
    call_id = need_text(fields, "call_id", at)
    name = need_text(fields, "name", at)
    namespace = take_text(fields, "namespace", at)
    arguments = need_text(fields, "input" if custom else "arguments", at)
    memo: Json = {key: fields.pop(key) for key in ("id", "status", "caller") if fields.get(key) is not None}
    if namespace is not None:
        memo |= {"namespace": namespace, "name": name}
    return ToolCallPart(
        id=call_id,
        name=names.find(namespace, name),
        arguments=arguments if custom or arguments.strip() else "{}",
        kind="custom" if custom else "function",
        extra=left(fields),
        memo=memo or None,
    )


def _has_id(fields: Json) -> bool:
    return isinstance(fields.get("call_id"), str) and bool(fields["call_id"])


def _shell_call(fields: Json) -> ToolCallPart:
    """A command for the caller's own shell, as a function call that any dialect can say."""
    said = {key: value for key, value in fields["action"].items() if key != "type" and value is not None}
    return ToolCallPart(
        id=fields["call_id"],
        name=LOCAL_SHELL,
        arguments=msgspec.json.encode(said).decode(),
        memo={"item": fields},
    )


def _shell_result(fields: Json, at: str) -> ToolResultPart:
    """Its output in the API's own form, where `id` names the call."""
    called = fields["call_id"] if _has_id(fields) else need_text(dict(fields), "id", at)
    return ToolResultPart(called, (TextPart(fields["output"]),), memo={"item": fields})


def _result(fields: Json, at: str, turns: _Turns) -> None:
    custom = fields.pop("type") == "custom_tool_call_output"
    call_id = need_text(fields, "call_id", at)
    if "output" not in fields:
        raise missing(f"{at}.output", "what the tool answered, as a string or a list of content parts")
    output = fields.pop("output")
    content: list[TextPart | ImagePart | FilePart] = []
    for i, part in enumerate(content_in(output, f"{at}.output")):
        if not isinstance(part, TextPart | ImagePart | FilePart):
            where = f"{at}.output[{i}]"
            raise invalid(f"`{where}` cannot stand in a tool's output; use text, images or files.", where)
        content.append(part)
    kept = ("id", "status", "caller", "name", "namespace")
    memo: Json = {key: fields.pop(key) for key in kept if fields.get(key) is not None}
    if custom:
        memo["custom"] = True
    if isinstance(output, list):
        memo["list"] = True
    turns.answer(ToolResultPart(call_id, tuple(content), extra=left(fields), memo=memo or None))
