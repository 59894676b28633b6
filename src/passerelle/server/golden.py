"""Golden sets: requests of any dialect, a JSON document per line, read as they would be at the door.

    {"name": "1", "path": "/v1/messages", "body": {…}, "headers": {"x-passerelle-data-class": "personal"}}

`path` (or `url`, as OpenAI's batches have it) is a model route's; `body` what would be sent there. Optional:
`name`, `headers` (`x-passerelle-*`), `key` (the id of the key it is asked with). Nothing is sent anywhere.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from passerelle.codecs.base import Envelope, PathTarget
from passerelle.core.errors import PasserelleError, ProblemError
from passerelle.core.principal import Principal
from passerelle.core.request import Dialect
from passerelle.gateway.drill.shapes import Case, asked
from passerelle.gateway.road import read
from passerelle.gateway.trip import Ask, Wishes
from passerelle.server.v1 import bedrock, gemini
from passerelle.server.wishes import read_wishes

FIXED: dict[str, tuple[Dialect, PathTarget]] = {
    "/v1/audio/speech": ("openai_chat", PathTarget("speak")),
    "/v1/audio/transcriptions": ("openai_chat", PathTarget("transcribe")),
    "/v1/audio/translations": ("openai_chat", PathTarget("translate")),
    "/v1/chat/completions": ("openai_chat", PathTarget("chat")),
    "/v1/embeddings": ("openai_chat", PathTarget("embed")),
    "/v1/images/edits": ("openai_chat", PathTarget("edit_image")),
    "/v1/images/generations": ("openai_chat", PathTarget("generate_image")),
    "/v1/messages": ("anthropic", PathTarget("chat")),
    "/v1/messages/count_tokens": ("anthropic", PathTarget("count_tokens")),
    "/v1/moderations": ("openai_chat", PathTarget("moderate")),
    "/v1/rerank": ("openai_chat", PathTarget("rerank")),
    "/v1/responses": ("openai_responses", PathTarget("chat")),
    "/v1/responses/input_tokens": ("openai_responses", PathTarget("count_tokens", stream=False)),
    "/v2/rerank": ("openai_chat", PathTarget("rerank")),
}
"""Model routes whose path says everything; a test holds them against the table of routes."""


class BadLine(PasserelleError):
    """A line that is no request; says which and why."""


class Golden(msgspec.Struct, frozen=True):
    """One request of a set."""

    name: str
    envelope: Envelope
    wishes: Wishes
    key: str | None


class _Line(msgspec.Struct, frozen=True):
    body: msgspec.Raw
    path: str = ""
    url: str = ""
    name: str = ""
    custom_id: str = ""
    headers: dict[str, str] = {}
    key: str | None = None


def parse(text: bytes, nobody: Principal) -> Iterator[Golden]:
    """The requests of a set, read by the codecs of their dialects. `nobody` stands for whoever asks.
    Raises `BadLine`.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = msgspec.json.decode(line, type=_Line)
            yield _golden(said, number, nobody)
        except msgspec.MsgspecError as error:
            raise BadLine(f"line {number}: {error}; write a JSON object with `path` and `body`") from error
        except ProblemError as error:
            raise BadLine(f"line {number}: {error.problem.message}") from error


def cases(found: list[Golden], principals: list[Principal]) -> Iterator[Case]:
    """Every request in the name of its own key, or of each of these principals. Raises `BadLine`."""
    by_key = {principal.key_id: principal for principal in principals}
    for one in found:
        if one.key is None:
            for principal in principals:
                yield asked(one.name, principal, one.envelope, one.wishes)
        elif one.key in by_key:
            yield asked(one.name, by_key[one.key], one.envelope, one.wishes)
        else:
            raise BadLine(f"`{one.name}`: `{one.key}` is no active key here; see `passerelle keys list`")


def _golden(said: _Line, number: int, nobody: Principal) -> Golden:
    path = said.path or said.url
    dialect, target = target_of(path)
    headers = {name.lower().encode(): value.encode() for name, value in said.headers.items()}
    wishes = read_wishes(headers)
    ask = Ask(
        principal=nobody,
        dialect=dialect,
        target=target,
        body=bytes(said.body),
        request_id="",
        receipt_id="",
        at_ns=0,
        started_s=0.0,
        wishes=wishes,
    )
    return Golden(said.name or said.custom_id or f"line {number}", read(ask), wishes, said.key)


def target_of(path: str) -> tuple[Dialect, PathTarget]:
    """The dialect and operation of a model route's path. Raises `BadLine` for what is none."""
    path, _, query = path.partition("?")
    known = FIXED.get(path)
    if known is not None:
        return known
    scope: dict[str, Any] = {"path": path, "query_string": query.encode()}
    for prefix in (gemini.PREFIX, gemini.STABLE_PREFIX):
        if path.startswith(prefix):
            return "gemini", gemini.target_of(path[len(prefix) :], scope)
    if path.startswith(bedrock.PREFIX):
        return "bedrock", bedrock.target_of(path[len(bedrock.PREFIX) :])
    raise BadLine(f"`{path}` is no model route; write one such as `/v1/chat/completions`")
