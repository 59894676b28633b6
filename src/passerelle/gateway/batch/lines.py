"""The input of a batch: JSON Lines into requests, and what is wrong with each line.

OpenAI's lines are `{custom_id, method, url, body}`; ours of a message batch are `{custom_id, params}`, of a
Gemini batch `{request, metadata}`, both written by the routes that took them. The words for what is wrong are
OpenAI's where it has one: `invalid_json_line`, `duplicate_custom_id`, `url_mismatch`, `empty_file`,
`too_many_tasks`, `missing_required_parameter` (issue 240 of stdapi-ai/stdapi.ai, which lists them, and
OpenAI's Batch guide; read 2026-11-22). Unlike there, lines may name different models: each is planned by
itself.

Nothing here does I/O: lines come from an iterator of bytes cut anywhere.
"""

import re
from array import array
from collections.abc import Iterable, Iterator

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import LineProblem, Surface
from passerelle.core.request import Dialect

ENDPOINTS: dict[str, tuple[Dialect, PathTarget]] = {
    "/v1/chat/completions": ("openai_chat", PathTarget("chat")),
    "/v1/responses": ("openai_responses", PathTarget("chat")),
    "/v1/embeddings": ("openai_chat", PathTarget("embed")),
    "/v1/moderations": ("openai_chat", PathTarget("moderate")),
    "/v1/images/generations": ("openai_chat", PathTarget("generate_image")),
    "/v1/messages": ("anthropic", PathTarget("chat")),
}
"""What may be asked in a batch, and how a line of it is read; Gemini's name their model: see `asked_of`."""
_GEMINI = re.compile(r"/v1beta/models/(?P<model>.+):generateContent")
_MODEL_OPTIONAL = ("/v1/moderations",)

MOST_PROBLEMS = 100
"""Told of one input; the rest will be found when these are mended."""
CUSTOM_ID_LENGTH = 512


class Line(msgspec.Struct, frozen=True):
    """One request of a batch."""

    number: int
    """From 1, blank lines counted."""
    custom_id: str
    """The caller's own mark of it; Gemini's is JSON, or nothing."""
    body: bytes
    """The request as the caller wrote it, byte for byte."""


class Checked(msgspec.Struct, frozen=True):
    """An input looked through."""

    total: int
    problems: tuple[LineProblem, ...]


class _OpenAiLine(msgspec.Struct):
    custom_id: object = None
    method: object = None
    url: object = None
    body: msgspec.Raw = msgspec.Raw()


class _MessageLine(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _GeminiLine(msgspec.Struct):
    request: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw()


class _Asked(msgspec.Struct):
    model: object = None
    stream: object = None


_openai = msgspec.json.Decoder(_OpenAiLine)
_message = msgspec.json.Decoder(_MessageLine)
_gemini = msgspec.json.Decoder(_GeminiLine)
_asked = msgspec.json.Decoder(_Asked)


def asked_of(endpoint: str) -> tuple[Dialect, PathTarget]:
    """The dialect and the operation of a batch's lines."""
    known = ENDPOINTS.get(endpoint)
    if known is not None:
        return known
    named = _GEMINI.fullmatch(endpoint)
    if named is None:
        raise AssertionError(f"batches are not made of {endpoint}")
    return "gemini", PathTarget("chat", stream=False, model=named["model"])


class LineError(Exception):
    """A line that is no request."""

    def __init__(self, problem: LineProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def cut(chunks: Iterable[bytes], longest: int) -> Iterator[tuple[int, bytes | None]]:
    """The numbered lines that are not blank; None in place of one longer than `longest` bytes."""
    held: list[bytes] = []  # what has come of a line: joined once, for a line may be long and its pieces many
    number = size = 0
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            number += 1
            line = b"".join([*held, end])
            if size > longest or len(line) > longest:
                yield number, None
            elif line.strip():
                yield number, line
            held, size = [], 0
        size += len(rest)
        if size > longest:
            held = []  # too long whatever follows
        else:
            held.append(rest)
    if size > longest:
        yield number + 1, None
    elif (last := b"".join(held)).strip():
        yield number + 1, last


def starts(chunks: Iterable[bytes]) -> "array[int]":
    """Where each line begins, blank ones too, and at last where the input ends: eight bytes a line."""
    found = array("Q", (0,))
    passed = 0
    for chunk in chunks:
        at = chunk.find(b"\n")
        while at >= 0:
            found.append(passed + at + 1)
            at = chunk.find(b"\n", at + 1)
        passed += len(chunk)
    if passed > found[-1]:
        found.append(passed)
    return found


def read_line(surface: Surface, endpoint: str, number: int, text: bytes | None) -> Line:
    """One line as a request. Raises `LineError`."""
    if text is None:
        raise _wrong("line_too_large", "This line is larger than a request may be; split it up.", number)
    if surface == "anthropic":
        message = _message.decode(text)
        return Line(number, message.custom_id, bytes(message.params))
    if surface == "gemini":
        one = _gemini.decode(text)
        return Line(number, bytes(one.metadata).decode(), bytes(one.request))
    try:
        said = _openai.decode(text)
    except BAD_JSON as error:
        raise _wrong("invalid_json_line", "This line is not parseable as valid JSON.", number) from error
    body = bytes(said.body)
    present = {"custom_id": said.custom_id, "method": said.method, "url": said.url, "body": body or None}
    for name, value in present.items():
        if value is None:
            raise _missing(name, number)
    custom_id = said.custom_id
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= CUSTOM_ID_LENGTH:
        raise _wrong(
            "invalid_value",
            f"'custom_id' must be text of 1 to {CUSTOM_ID_LENGTH} characters.",
            number,
            "custom_id",
        )
    if said.method != "POST":
        raise _wrong("invalid_method", "'method' must be 'POST'.", number, "method")
    if said.url != endpoint:
        told = f"'url' must be the endpoint of the batch, '{endpoint}'."
        raise _wrong("url_mismatch", told, number, "url")
    try:
        asked = _asked.decode(body)
    except BAD_JSON as error:
        raise _wrong("invalid_type", "'body' must be an object.", number, "body") from error
    if asked.model is None and endpoint not in _MODEL_OPTIONAL:
        raise _missing("body.model", number)
    if asked.stream:
        told = "Streams cannot be asked for in a batch; leave 'stream' out."
        raise _wrong("unsupported_parameter", told, number, "body.stream")
    return Line(number, custom_id, body)


def read_lines(
    surface: Surface,
    endpoint: str,
    chunks: Iterable[bytes],
    longest: int,
    done: frozenset[int] | set[int] = frozenset(),
) -> Iterator[Line]:
    """The requests of an input that was checked, without the lines `done`."""
    for number, text in cut(chunks, longest):
        if number not in done:
            yield read_line(surface, endpoint, number, text)


def check(surface: Surface, endpoint: str, chunks: Iterable[bytes], *, longest: int, most: int) -> Checked:
    """Look through a whole input."""
    problems: list[LineProblem] = []
    seen: set[str] = set()
    total = 0
    for number, text in cut(chunks, longest):
        total += 1
        if total > most:
            told = f"The batch has more than {most} requests; split it up."
            return Checked(total, (LineProblem("too_many_tasks", told),))
        try:
            line = read_line(surface, endpoint, number, text)
        except LineError as error:
            problems.append(error.problem)
        else:
            if line.custom_id in seen:
                told = "Another line has the same 'custom_id'; each must have its own."
                problems.append(LineProblem("duplicate_custom_id", told, number, "custom_id"))
            seen.add(line.custom_id)
        if len(problems) >= MOST_PROBLEMS:
            break
    if not total:
        problems.append(LineProblem("empty_file", "The input file holds no request; write one on each line."))
    return Checked(total, tuple(problems))


def _missing(name: str, number: int) -> LineError:
    return _wrong("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)


def _wrong(code: str, message: str, number: int, param: str | None = None) -> LineError:
    return LineError(LineProblem(code, message, number, param))
