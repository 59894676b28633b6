"""Where in a caller's own body something stands, for errors that only translating it brings to light.

Core's messages do not say where they came from, and need not: an error is rare, so the body is looked
through again for it.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from passerelle.core.errors import ProblemError, invalid
from passerelle.core.request import Dialect

_ROOTS: Final[dict[Dialect, str]] = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic": "messages",
    "gemini": "contents",
    "bedrock": "messages",
}
"""The field that holds the conversation."""

_GEMINI_TOOLS: Final = (
    ("functionCall", False),
    ("function_call", False),
    ("functionResponse", True),
    ("function_response", True),
)
"""What a part holds that calls or answers, and whether it answers; protobuf takes either spelling."""

_DOTTED: Final = frozenset({"anthropic", "bedrock"})
"""Dialects whose own errors write a place as `messages.0.content`, not as `messages[0].content`."""

_NAMED_STEPS: Final = 3
"""How far into a value that is nested too deeply its place is told: `tools[0].parameters`."""


class UnpairedError(ProblemError):
    """A tool call without its result, or a result without its call, which the dialect spoken to refuses."""

    def __init__(self, call_id: str, why: str, *, result: bool) -> None:
        """`call_id` as the caller wrote it; `result`: it is the result that stands alone."""
        super().__init__(invalid(f"tool call `{call_id}` {why}").problem)
        self.call_id = call_id
        self.why = why
        self.result = result


class EmptyConversationError(ProblemError):
    """Nothing of the conversation can be said in the dialect spoken to."""

    def __init__(self) -> None:
        super().__init__(
            invalid("the conversation holds nothing to answer; add a message with content").problem
        )


def named_for_caller(error: ProblemError, body: bytes, dialect: Dialect) -> ProblemError:
    """`error` with the field at fault as a caller of `dialect` wrote it in `body`; others as they are."""
    root = _ROOTS[dialect]
    if isinstance(error, EmptyConversationError):
        return invalid(f"`{root}` holds nothing to answer; add a message with content", root)
    if not isinstance(error, UnpairedError):
        return error
    place = root
    for where, call_id, result in _tools(msgspec.json.decode(body).get(root), root, dialect):
        if call_id == error.call_id and result is error.result:
            place = where  # the last: what came before it was paired, or is told next
    return invalid(f"`{place}`: tool call `{error.call_id}` {error.why}", place)


def conversation_of(dialect: Dialect) -> str:
    """The field that holds the conversation."""
    return _ROOTS[dialect]


def nested_too_deeply(body: bytes, dialect: Dialect) -> ProblemError:
    """The problem of a body with a value nested deeper than any walk through it can go, naming the value."""
    what = "is nested too deeply to be said in another dialect; make it flatter, or send less of it"
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return invalid(f"the body {what}")
    place, value = "", fields
    for _ in range(_NAMED_STEPS):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        name, value = max(entries, key=lambda one: _depth(one[1]))
        place += f"[{name}]" if isinstance(name, int) and dialect not in _DOTTED else f".{name}"
        if not isinstance(value, dict | list):
            break
    place = place.removeprefix(".")
    return invalid(f"`{place}` {what}", place)


def _depth(value: Any) -> int:
    """How many objects and lists stand inside one another."""
    depth = 0
    level = [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _tools(conversation: Any, root: str, dialect: Dialect) -> Iterator[tuple[str, Any, bool]]:
    """Every call and result: where it stands, its call's id, and whether it is a result."""
    if isinstance(conversation, dict):  # one turn where a list is wanted, which Gemini's reader takes
        conversation = [conversation]
    for index, item in enumerate(conversation if isinstance(conversation, list) else ()):
        match dialect:
            case "openai_chat":
                yield f"{root}[{index}]", item.get("tool_call_id"), True
                for call in item.get("tool_calls") or ():
                    yield f"{root}[{index}]", call.get("id"), False
            case "openai_responses":
                answers = str(item.get("type")).endswith("_output")
                yield f"{root}[{index}]", item.get("call_id") or item.get("id"), answers
            case "gemini":
                # Google's SDKs take a turn as the bare list of its parts, and one part for a list of one.
                parts = item.get("parts") if isinstance(item, dict) else item
                for at, part in enumerate(parts if isinstance(parts, list) else (parts,)):
                    for name, result in _GEMINI_TOOLS if isinstance(part, dict) else ():
                        said = part.get(name)
                        if isinstance(said, dict):
                            yield f"{root}[{index}].parts[{at}]", said.get("id"), result
            case "anthropic" | "bedrock":
                return  # its own callers are relayed, or checked by the provider
