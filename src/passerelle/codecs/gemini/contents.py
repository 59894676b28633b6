"""Google's `contents` as our messages: roles, and which function response answers which call.

Ids are optional in Google's dialect: a response belongs to the call of that id, or else to the first call of
that name still unanswered. Calls without an id get one made of their place and name, so the same history
gives the same ids every turn, and two calls of one function in a turn never collide.
"""

from collections.abc import Callable
from typing import TypeGuard

from msgspec.structs import replace

from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.parts import mint, read_part
from passerelle.codecs.gemini.signatures import STAND_IN
from passerelle.codecs.gemini.wire import WireError
from passerelle.core.message import (
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    ToolCallPart,
    ToolResultPart,
)

_OWN = "gemini"
_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user", "": "user"}


class _Open:
    """The calls that no response has answered yet."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, str]] = []
        self._answering = False

    def called(self, part: ToolCallPart) -> None:
        if self._answering:  # a new step: what the one before left unanswered stays so
            self._calls.clear()
            self._answering = False
        self._calls.append((part.id, part.name))

    def answered_by(self, identifier: str | None, name: str) -> str | None:
        """The id of the call that a response of `identifier` and `name` belongs to."""
        self._answering = True
        for at, (call_id, called) in enumerate(self._calls):
            if call_id == identifier if identifier else called == name:
                del self._calls[at]
                return call_id
        return identifier


def read_contents(contents: list[wire.Content]) -> tuple[Message, ...]:
    """The conversation. Raises `WireError` naming the part at fault."""
    messages: list[Message] = []
    open_calls = _Open()
    for at, content in enumerate(contents):
        role = _ROLES.get(content.role or "")
        if role is None:
            raise WireError(
                f"`contents[{at}].role` is `{content.role}`: use `user` or `model`", f"contents[{at}].role"
            )
        _read_content(content, role, at, open_calls, messages)
    return tuple(messages)


def _read_content(
    content: wire.Content, role: Role, at: int, open_calls: _Open, messages: list[Message]
) -> None:
    """Adds what `content` says: function responses stand in a message of role `tool`, in their place."""
    extra = content.extra
    parts: list[Part] = []
    kind: Role = role
    if role == "assistant" and _continues(messages) and extra is None:
        parts = list(messages.pop().parts)
    for index, said in enumerate(content.parts or ()):
        part = read_at(said, f"contents[{at}].parts[{index}]", lambda: mint(at, index, _name(said)))  # noqa: B023
        of: Role = role
        if isinstance(part, ToolCallPart):
            open_calls.called(part)
        elif isinstance(part, ToolResultPart):
            of = "tool"
            said_id = said.function_response.id if said.function_response else None
            call_id = open_calls.answered_by(said_id, part.name or "")
            if call_id is not None and call_id != part.call_id:
                part = _answering(part, call_id)
        elif isinstance(part, ReasoningPart) and part.origin != _OWN:
            part = _whole(part, parts)
        elif part.memo:
            part = _told(part)
        if of != kind and parts:
            messages.append(Message(kind, tuple(parts), extra=extra))
            extra = None
            parts = []
        kind = of
        parts.append(part)
    if parts or extra:
        messages.append(Message(kind, tuple(parts), extra=extra))


def _continues(messages: list[Message]) -> bool:
    """Whether the model's next content goes on with its turn: Google's chat helper keeps each chunk of a
    stream as a content of its own.
    """
    return bool(messages) and messages[-1].role == "assistant" and messages[-1].extra is None


def _whole(part: ReasoningPart, before: list[Part]) -> ReasoningPart:
    """A streamed thought of another provider, whole again: its pieces came as parts, its proof with the last.

    Takes the pieces from the end of `before`.
    """
    text = part.text
    while before and _is_piece(piece := before[-1]):
        text = piece.text + text
        before.pop()
    return replace(part, text=text)


def _is_piece(part: Part) -> TypeGuard[ReasoningPart]:
    if not isinstance(part, ReasoningPart):
        return False
    return part.origin == _OWN and part.signature is None and part.extra is None


def read_at(said: wire.Part, path: str, call_id: Callable[[], str]) -> Part:
    """`read_part`, its complaints named by their whole path."""
    try:
        return read_part(said, call_id() if said.function_call or said.function_response else "")
    except WireError as error:
        inner = f"{path}.{error.path}" if error.path else path
        message = error.message
        if error.path:
            message = message.replace(f"`{error.path}`", f"`{inner}`", 1)
        raise WireError(message, inner) from None


def _told(part: Part) -> Part:
    """`part` with the proof on its words or picture among what other dialects report as lost: the model
    that thought may answer worse without it (ai.google.dev, "Thought signatures", read 2026-11-22)."""
    if isinstance(part, RefusalPart) or not part.memo or part.memo.get("thoughtSignature") == STAND_IN:
        return part
    return replace(part, extra={**(part.extra or {}), **part.memo}, memo=None)


def _name(said: wire.Part) -> str:
    named = said.function_call or said.function_response
    return (named.name if named else None) or ""


def _answering(part: ToolResultPart, call_id: str) -> ToolResultPart:
    return ToolResultPart(
        call_id=call_id,
        content=part.content,
        is_error=part.is_error,
        name=part.name,
        extra=part.extra,
    )
