"""What a simulated model says: a function of the request alone.

A token is a word with the space after it; JSON counts four characters a token. That is nobody's
tokenizer, but the usage reported is exactly what was counted, in the answer and in the stream alike.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from passerelle.core.event import (
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.message import (
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Request, Tool
from passerelle.core.response import FinishReason, Response
from passerelle.core.usage import Usage
from passerelle.providers.simulated.schema import instance
from passerelle.providers.simulated.script import Script

_FILLER = tuple(
    word
    for line in (
        "every answer here is made from a hash of the question so that a demonstration can be repeated",
        "word for word and a test can tell one request from another without any model or any network",
    )
    for word in line.split()
)

_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = 256
_NOTICE = "[simulated by {model}; no model was called]"
_REFUSAL = "This simulated model was told to refuse this request."


class Answer(msgspec.Struct, frozen=True):
    """An answer before it is cut into events or put together."""

    model: str
    id: str
    pieces: tuple[str, ...]
    """Tokens of the text, of the refusal, or of the tool's arguments."""
    kind: Literal["text", "refusal", "tool_call"]
    finish: FinishReason
    usage: Usage
    tool: Tool | None = None
    """The tool called, for `tool_call`."""

    def events(self) -> Iterator[Event]:
        """The answer as a stream. One `PartDelta` a token."""
        yield Started(model=self.model, id=self.id)
        if self.tool is not None:
            yield PartStarted(
                0, "tool_call", id=self._call_id(), name=self.tool.name, tool_kind=_tool_kind(self.tool)
            )
        else:
            yield PartStarted(0, "refusal" if self.kind == "refusal" else "text")
        for piece in self.pieces:
            yield PartDelta(0, piece)
        yield PartEnded(0)
        yield UsageReported(self.usage)
        yield Finished(self.finish)

    def response(self) -> Response:
        """The answer whole."""
        text = "".join(self.pieces)
        part: Part
        if self.tool is not None:
            part = ToolCallPart(self._call_id(), self.tool.name, text, kind=_tool_kind(self.tool))
        elif self.kind == "refusal":
            part = RefusalPart(text)
        else:
            part = TextPart(text)
        return Response((part,), self.finish, model=self.model, id=self.id, usage=self.usage)

    def _call_id(self) -> str:
        return f"call_{self.id[:20]}"


def answer(request: Request, script: Script, *, model: str, digest: bytes, refuse: bool) -> Answer:
    """What the model `model` says to `request`, whose body hashes to `digest`."""
    tool = None if refuse or not script.call_tools else _wanted_tool(request)
    finish: FinishReason = "stop"
    kind: Literal["text", "refusal", "tool_call"] = "text"
    if refuse:
        kind, pieces, finish = "refusal", _tokens(_REFUSAL), "refusal"
    elif tool is not None:
        arguments = instance(tool.parameters or {}, digest) if tool.kind == "function" else "simulated"
        kind, pieces, finish = "tool_call", _json_tokens(arguments), "tool_calls"
    elif request.output.kind != "text":
        pieces = _json_tokens(instance(request.output.schema or {"type": "object"}, digest))
    else:
        pieces = _words(script, model=model, digest=digest)
    limit = request.max_output_tokens
    if kind == "text" and limit is not None and limit < len(pieces):
        pieces, finish = pieces[:limit], "length"
    return Answer(
        model=model,
        id=digest.hex()[:32],
        pieces=tuple(pieces),
        kind=kind,
        finish=finish,
        usage=Usage(input_tokens=prompt_tokens(request), output_tokens=len(pieces)),
        tool=tool,
    )


def _words(script: Script, *, model: str, digest: bytes) -> list[str]:
    notice = _NOTICE.format(model=model)
    if script.answers:
        chosen = script.answers[int.from_bytes(digest[:4], "big") % len(script.answers)]
        return _tokens(f"{notice} {chosen}")
    words = _tokens(notice + " ")
    first = digest[0] % len(_FILLER)
    more = max(0, script.answer_tokens - len(words))
    return words + [_FILLER[(first + n) % len(_FILLER)] + " " for n in range(more)]


def _tokens(text: str) -> list[str]:
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + ([words[-1]] if words[-1] else [])


def _json_tokens(value: Any) -> list[str]:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return [text[n : n + 4] for n in range(0, len(text), 4)]


def _tool_kind(tool: Tool) -> Literal["function", "custom"]:
    return "custom" if tool.kind == "custom" else "function"


def _wanted_tool(request: Request) -> Tool | None:
    callable_ = [tool for tool in request.tools if tool.kind != "builtin"]
    choice = request.tool_choice
    if not callable_ or (choice is not None and choice.mode == "none"):
        return None
    if request.messages and request.messages[-1].role == "tool":
        return None
    if choice is not None and choice.mode == "tool":
        return next((tool for tool in callable_ if tool.name == choice.name), None)
    return callable_[0]


def prompt_tokens(request: Request) -> int:
    """The size of the prompt in tokens of ours."""
    total = sum(_MESSAGE_TOKENS + sum(map(_part_tokens, m.parts)) for m in request.messages)
    for tool in request.tools:
        total += len(_tokens(tool.description or "")) + len(msgspec.json.encode(tool.parameters)) // 4
    return total


def _part_tokens(part: Part) -> int:
    if isinstance(part, TextPart | RefusalPart | ReasoningPart):
        return len(part.text.split())
    if isinstance(part, ToolCallPart):
        return len(part.arguments) // 4 + 1
    if isinstance(part, ToolResultPart):
        return sum(map(_part_tokens, part.content))
    return _MEDIA_TOKENS
