"""Conversations whose turns hold blocks, tool results among the words, as Messages and Converse have them."""

from collections.abc import Callable
from typing import cast

import msgspec

from passerelle.codecs.fields import JsonObject, array, missing, need_str, obj
from passerelle.core.errors import invalid
from passerelle.core.message import Message, Part, Role, ToolCallPart, ToolResultPart

ReadContent = Callable[[object, str], list[Part]]
"""A dialect's blocks as parts; the path is for what it has to complain of. Raises `ProblemError`."""


def system_of(system: object, read_content: ReadContent) -> tuple[Message, ...]:
    """The instructions beside the conversation, as its first message. Raises `ProblemError`."""
    if system is None:
        return ()
    parts = read_content(system, "system")
    return (Message("system", tuple(parts)),) if parts else ()


def messages_of(messages: object, read_content: ReadContent) -> tuple[Message, ...]:
    """The conversation itself. Raises `ProblemError` naming the field."""
    if messages is None:
        raise missing("messages")
    turns = array(messages, "messages")
    if not turns:
        raise invalid("`messages` is empty; send at least one message", "messages")
    read: list[Message] = []
    tools: dict[str, str] = {}
    for index, turn in enumerate(turns):
        path = f"messages.{index}"
        fields = obj(turn, path)
        role = need_str(fields, "role", path)
        if role not in ("user", "assistant", "system"):
            raise invalid(
                f"`{path}.role` is `{role}`; make it `user`, `assistant` or `system`", f"{path}.role"
            )
        parts = read_content(fields.pop("content", None), f"{path}.content")
        read.extend(_split(cast("Role", role), parts, fields or None, tools))
    return tuple(read)


def _split(role: Role, parts: list[Part], extra: JsonObject | None, tools: dict[str, str]) -> list[Message]:
    """One turn as messages: runs of tool results apart from the words around them, in their order."""
    runs: list[tuple[Role, list[Part]]] = []
    for part in parts:
        if isinstance(part, ToolCallPart):
            tools[part.id] = part.name
        run_role: Role = role
        if isinstance(part, ToolResultPart):
            run_role = "tool"
            name = tools.get(part.call_id)
            if name is not None:
                part = msgspec.structs.replace(part, name=name)
        if not runs or runs[-1][0] != run_role:
            runs.append((run_role, []))
        runs[-1][1].append(part)
    if not runs:
        runs.append((role, []))
    return [
        Message(run_role, tuple(run), extra=extra if index == 0 else None)
        for index, (run_role, run) in enumerate(runs)
    ]
