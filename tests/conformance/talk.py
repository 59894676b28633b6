"""What is said, in no dialect and in no words of ours: a conversation asked about, and an answer to it.

Every dialect has four independent hands here, none of which knows the codecs: a client that writes an `Ask`
(`client_*`), a provider that reads it, refusing what its owner refuses (`maker_*`), the same provider that
writes an `Answer`, and the same client that reads it, refusing what its SDK could not take. What was asked is
compared with what was heard, and what was answered with what was told.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


class RefusedError(Exception):
    """A provider refuses the request, as its owner would: a 400 with these words."""


class IllegalError(Exception):
    """A client was told what its dialect does not allow."""


def need(condition: object, why: str) -> None:
    """What a provider demands."""
    if not condition:
        raise RefusedError(why)


def legal(condition: object, why: str) -> None:
    """What a client demands."""
    if not condition:
        raise IllegalError(why)


@dataclass(frozen=True)
class Text:
    """Words."""

    text: str
    cache: bool = False


@dataclass(frozen=True)
class Image:
    """A picture, inline or by address."""

    data: str = ""
    media_type: str = "image/png"
    url: str = ""


@dataclass(frozen=True)
class Document:
    """A PDF, inline."""

    data: str
    name: str = "report.pdf"
    media_type: str = "application/pdf"


@dataclass(frozen=True)
class Sound:
    """A WAV, inline."""

    data: str


@dataclass(frozen=True)
class Thought:
    """What the model thought, and its opaque proof in the words of the dialect it travels in."""

    text: str = ""
    proof: Any = None


@dataclass(frozen=True)
class Call:
    """A tool is to be called."""

    name: str
    args: Json
    id: str = ""
    pieces: tuple[str, ...] = ()
    """The argument text as a provider streams it."""
    proof: Any = None
    free: str | None = None
    """The free text of a custom tool's call, in place of `args`."""

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.args)


@dataclass(frozen=True)
class Result:
    """What a tool answered."""

    call: str
    """The call's id."""
    parts: tuple[Text | Image, ...] = ()
    error: bool = False
    name: str = ""


@dataclass(frozen=True)
class Refusal:
    """The model declines, in words."""

    text: str


Part = Text | Image | Document | Sound | Thought | Call | Result | Refusal
Role = Literal["system", "developer", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """One turn; results of tools are the user's."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Tool:
    """A function offered; `free` takes free text."""

    name: str
    description: str = ""
    schema: Json = field(default_factory=dict)
    strict: bool = False
    free: bool = False
    cache: bool = False


@dataclass(frozen=True)
class Ask:
    """A request. None, empty and False mean that nothing is said of it."""

    turns: tuple[Turn, ...] = ()
    stream: bool = False
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    choice: str | None = None
    """`auto`, `none`, `required`, or `=name` for one tool."""
    parallel: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence: float | None = None
    frequency: float | None = None
    logprobs: int | None = None
    n: int | None = None
    effort: str | None = None
    """`off`, `low`, `medium`, `high`; what a budget in tokens comes to, for providers that hear one."""
    budget: int | None = None
    show: bool = False
    """Thoughts are to be shown."""
    json: bool = False
    schema: Json | None = None
    user: str | None = None
    metadata: Json | None = None
    tier: str | None = None
    verbosity: str | None = None
    cache_key: str | None = None
    raw: Json = field(default_factory=dict)
    """Fields of one dialect, as they are, and what a provider was told beyond the rest."""


@dataclass(frozen=True)
class Usage:
    """Tokens in disjoint buckets."""

    input: int = 40
    cached: int = 0
    written: int = 0
    output: int = 21
    reasoning: int = 0


Finish = Literal["stop", "length", "calls", "filter"]


@dataclass(frozen=True)
class Answer:
    """An answer, and what a client was told of one."""

    parts: tuple[Part, ...] = ()
    finish: Finish = "stop"
    usage: Usage = Usage()
    model: str = ""
    stop_sequence: str | None = None
    logprobs: tuple[str, ...] = ()
    """The tokens whose probabilities were told."""
    citations: tuple[str, ...] = ()
    """Addresses cited."""
    pieces: tuple[str, ...] = ()
    """How a provider cuts the text when it streams."""


def cut(text: str, into: int = 3) -> list[str]:
    """`text` in pieces as a stream brings them; a piece may be empty, and never splits a character."""
    size = max(1, len(text) // into)
    return [text[i : i + size] for i in range(0, len(text), size)]


def words(parts: tuple[Part, ...]) -> str:
    """All the text of an answer."""
    return "".join([part.text for part in parts if isinstance(part, Text)])


class UnsayableError(Exception):
    """The client's dialect has no words for it; the message says what is missing."""


def unsayable(condition: object, why: str) -> None:
    """Nothing to ask where the dialect has no words for it."""
    if condition:
        raise UnsayableError(why)


def events(raw: bytes) -> list[tuple[str | None, str]]:
    """Server-sent events: name and data. Comments are skipped, a torn last event is illegal."""
    text = raw.decode()
    legal(not text or text.endswith("\n\n"), "the stream ends inside an event")
    found = []
    for block in text.split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            else:
                legal(not line or line.startswith(":"), f"a line that is no event: {line[:80]}")
        if data:
            found.append((name, "\n".join(data)))
    return found
