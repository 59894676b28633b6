"""Where a prompt is to be cached, when its caller's dialect has no way to say so.

Anthropic, and Claude on Bedrock, cache what is marked and nothing else; OpenAI, Gemini, DeepSeek and their
likes cache long prompts by themselves, so their callers never learnt to mark. A conversation of theirs that
goes to Claude gets the marks that Anthropic's own clients set: after the instructions (which stand after
the tools), and after the last two turns that are not the model's, so that this request reads what the last
one wrote.

A write costs a quarter more than plain input and a read a tenth of it, so a prefix must be read back once to
pay. That is so when the conversation is already under way, or when tools make it go on; one question alone,
or a prompt too short to be cached, is left unmarked. The numbers: platform.claude.com/docs, "Prompt caching"
(four marks at most, five minutes, from 1,024 tokens on, 4,096 for some models), read 2026-11-22.
"""

from typing import Any, Final

from msgspec.structs import replace

from passerelle.core.message import Message, Part, TextPart, ToolCallPart, ToolResultPart
from passerelle.core.request import Dialect, Request

_CLAUDE_ON_BEDROCK: Final = "anthropic.claude"


def marks(dialect: Dialect, model: str) -> bool:
    """Whether a place that speaks `dialect` caches `model`'s prompts where they are marked, and only there.

    Of Bedrock's models Claude. Nova caches by itself, refuses marks on tools (NousResearch/hermes-agent
    issue 97281) and right behind a tool's result (aws-samples/bedrock-engineer pull 71), and the service's
    own table of what takes marks has come to list Claude alone (danny-avila/LibreChat pull 13843); so what
    its callers mark goes along, and nothing is marked for them. All read 2026-11-22.
    """
    return dialect == "anthropic" or (dialect == "bedrock" and _CLAUDE_ON_BEDROCK in model)


LEAST_CHARS: Final = 16_384
"""About 4,096 tokens: what every model that caches will cache."""

_TURNS: Final = 2
_MARK: Final = "5m"


def with_breakpoints(request: Request) -> Request:
    """`request` with marks where it is worth it. Unchanged when the caller marked anything itself."""
    if _marked(request) or not _goes_on(request) or not _is_long(request):
        return request
    messages = list(request.messages)
    leading = 0
    while leading < len(messages) and messages[leading].role in ("system", "developer"):
        leading += 1
    changes: dict[str, Any] = {}
    if leading:
        messages[leading - 1] = _with_mark(messages[leading - 1])
    elif request.tools and request.tools[-1].kind != "builtin":
        changes["tools"] = (*request.tools[:-1], replace(request.tools[-1], cache=_MARK))
    left = _TURNS
    for at in range(len(messages) - 1, leading - 1, -1):
        if messages[at].role == "assistant" or (
            at + 1 < len(messages) and messages[at + 1].role != "assistant"
        ):
            continue  # the turn goes on in the next message, which is marked
        messages[at] = _with_mark(messages[at])
        left -= 1
        if not left:
            break
    return replace(request, messages=tuple(messages), **changes)


def _marked(request: Request) -> bool:
    return any(tool.cache for tool in request.tools) or any(
        getattr(part, "cache", None) for message in request.messages for part in message.parts
    )


def _goes_on(request: Request) -> bool:
    return bool(request.tools) or any(message.role == "assistant" for message in request.messages)


def _is_long(request: Request) -> bool:
    left = LEAST_CHARS
    for tool in request.tools:
        left -= len(tool.description or "") + len(str(tool.parameters or ""))
        if left <= 0:
            return True
    for message in request.messages:
        for part in message.parts:
            left -= _size(part)
        if left <= 0:
            return True
    return False


def _size(part: Part) -> int:
    if isinstance(part, TextPart):
        return len(part.text)
    if isinstance(part, ToolResultPart):
        return sum(len(inner.text) for inner in part.content if isinstance(inner, TextPart))
    if isinstance(part, ToolCallPart):
        return len(part.arguments)
    return 0


def _with_mark(message: Message) -> Message:
    """The message with its last part that can be marked; empty text cannot."""
    for at in range(len(message.parts) - 1, -1, -1):
        part = message.parts[at]
        if not hasattr(part, "cache") or (isinstance(part, TextPart) and not part.text.strip()):
            continue
        return replace(
            message, parts=(*message.parts[:at], replace(part, cache=_MARK), *message.parts[at + 1 :])
        )
    return message
