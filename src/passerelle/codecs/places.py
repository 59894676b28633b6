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
}
"""The field that holds the conversation."""


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


def _tools(conversation: Any, root: str, dialect: Dialect) -> Iterator[tuple[str, Any, bool]]:
    """Every call and result: where it stands, its call's id, and whether it is a result."""
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
                parts = item.get("parts")
                for at, part in enumerate(parts if isinstance(parts, list) else ()):
                    for name, result in (("functionCall", False), ("functionResponse", True)):
                        said = part.get(name)
                        if isinstance(said, dict):
                            yield f"{root}[{index}].parts[{at}]", said.get("id"), result
            case "anthropic":
                return  # its own callers are relayed, or checked by the provider
