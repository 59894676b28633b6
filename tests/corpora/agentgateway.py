"""agentgateway's golden files (Apache-2.0): what it makes of each body, beside what this gateway makes of it.

A file `NAME.FROM-TO.snap` or `NAME.TO.snap` holds the expected translation of `NAME.json`. A body must agree
field by field; a stream must mean the same to who reads it, for no two gateways cut alike. What an expected
file says of usage (`parsed`) is compared as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext, Target
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.request import Dialect, Operation
from passerelle.core.usage import Usage
from passerelle.gateway.translate import Translation

DIALECTS: dict[str, Dialect] = {
    "anthropic": "anthropic",
    "completions": "openai_chat",
    "gemini": "gemini",
    "gemini-native": "gemini",
    "messages": "anthropic",
    "openai": "openai_chat",
    "responses": "openai_responses",
    "vertex-gemini": "gemini",
}
"""Their names for what is spoken."""
Difference = tuple[str, Any, Any]
"""Where, what they say, what we say."""
ABSENT = "(absent)"
BLANKED = ("[id]", "[date]", "call_xxx", "input-model")
"""What stands in their files for a value that is another in each run."""


class Golden(NamedTuple):
    """One expected file, read."""

    path: Path
    source: Path
    """The body it is made of."""
    said: Any
    """The body they make; for a stream its bytes."""
    parsed: Any
    """What they read in it."""


def goldens(root: Path) -> Iterator[Golden]:
    """Every expected file."""
    for path in sorted(root.rglob("*.snap")):
        _, _, body = path.read_text("utf-8").split("---\n", 2)
        stem = path.name.split(".")[0]
        kind = ".bin" if path.stem.endswith("-streaming") else ".json"
        sources = [one for one in path.parent.glob(f"{stem}*") if one.suffix != ".snap"]
        sources = [one for one in sources if one.name.split(".")[0] == stem]
        source = next((one for one in sources if one.suffix == kind), sources[0])
        if not path.stem.endswith("-streaming"):
            whole = json.loads(body)
            if isinstance(whole, list):
                yield Golden(path, source, whole, {})
            else:
                yield Golden(path, source, whole.get("request", whole.get("response")), whole["parsed"])
            continue
        stream, _, parsed = body.rpartition("\n\n{") if "\n\n{" in body else (body, "", "}")
        yield Golden(path, source, stream.strip().encode() + b"\n\n", json.loads("{" + parsed))


def flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its path. Null is as good as absent, and so is a count of zero."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from flat(inner, f"{at}[{index}]")
    elif value is not None and not (value == 0 and at.startswith("usage.")):
        yield at, value


def plain(value: Any) -> Any:
    """What may be written in two ways, in one: a text alone, and what is said by leaving it out."""
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {name: plain(inner) for name, inner in value.items() if (name, inner) != ("stream", False)}
    match found.get("content"):
        case [{"type": "text" | "input_text", "text": str(text), **more}] if not more and "role" in found:
            found["content"] = text
    return found


def differences(theirs: Any, ours: Any) -> list[Difference]:
    """Where two JSON values differ."""
    a, b = dict(flat(plain(theirs))), dict(flat(plain(ours)))
    return [
        (at, a.get(at, ABSENT), b.get(at, ABSENT))
        for at in dict.fromkeys([*a, *b])
        if a.get(at, ABSENT) != b.get(at, ABSENT) and not (a.get(at) in BLANKED and b.get(at))
    ]


def asked(source: bytes, dialect: Dialect, other: Dialect, at: Target, operation: Operation = "chat") -> Any:
    """What we send of a request of `dialect` to a place that speaks `other`."""
    path = PathTarget(operation, at.model if dialect == "gemini" else None)
    envelope = registry.client(dialect).envelope(source, path)
    target = replace(at, model=at.model or envelope.model, operation=operation)
    if dialect == other:
        return json.loads(registry.provider(other).relay_request(source, target, envelope))
    request = registry.client(dialect).decode_request(source, path)
    return json.loads(registry.provider(other).encode_request(request, target).body)


def task_asked(source: bytes, operation: Operation, other: Dialect, at: Target) -> Any:
    """What we send of a task that OpenAI's dialect asks for."""
    client, side = registry.task_client(operation, "openai_chat"), registry.task_provider(operation, other)
    assert client is not None
    assert side is not None
    request = client.decode_request(source, PathTarget(operation))
    target = replace(at, model=at.model or request.model)
    relayed = side.relay_request(source, target) if other == "openai_chat" else None
    said = json.loads(relayed or side.encode_request(request, target).body)
    return said[0] if other == "bedrock" and len(said) == 1 else said  # `providers/bedrock` sends one by one


def task_answered(source: bytes, operation: Operation, dialect: Dialect, asked: bytes) -> tuple[Any, Usage]:
    """What a caller of OpenAI's dialect gets of an answer to `asked`."""
    client, side = registry.task_client(operation, "openai_chat"), registry.task_provider(operation, dialect)
    assert client is not None
    assert side is not None
    if dialect == "openai_chat":
        return json.loads(source), side.watch_response(source).usage
    body = b"[%b]" % source if dialect == "bedrock" else source
    response = side.decode_response(body, "application/json")
    request = client.decode_request(asked, PathTarget(operation))
    context = ReplyContext("req_01TEST", request.model, 123)
    return json.loads(client.encode_response(response, request, context).body), response.usage


def answered(source: bytes, dialect: Dialect, other: Dialect) -> tuple[Any, Usage]:
    """What a caller of `other` gets of an answer of `dialect`, and the usage seen."""
    side = registry.provider(dialect)
    if dialect == other:
        return json.loads(source), side.watch_response(source).usage
    response = side.decode_response(source)
    hello = b'{"model":"m","input":"hi"}'
    request = registry.client("openai_responses").decode_request(hello, PathTarget("chat"))
    context = ReplyContext("req_01TEST", response.model or "m", 123, request=request)
    return json.loads(registry.client(other).encode_response(response, context)), response.usage


def streamed(source: bytes, dialect: Dialect, other: Dialect) -> tuple[bytes, Usage]:
    """The same of a stream."""
    if dialect == other:
        path = PathTarget("chat")
        hello = (
            b'{"model":"m","stream":true,"max_tokens":9,"stream_options":{"include_usage":true},"input":"hi",'
        )
        hello += b'"messages":[{"role":"user","content":"hi"}]}'
        watcher = registry.provider(dialect).stream_watcher(registry.client(dialect).envelope(hello, path))
        said = watcher.feed(source) + watcher.close()
        return said, watcher.usage
    hello = b'{"model":"m","input":"hi"}'
    request = registry.client("openai_responses").decode_request(hello, PathTarget("chat"))
    encoder = registry.client(other).stream_encoder(ReplyContext("req_01TEST", "m", 123, request=request))
    translation = Translation(registry.provider(dialect).stream_decoder(), encoder)
    said = translation.feed(source) + translation.close()
    if translation.failed is not None:
        raise AnswerError(translation.failed.message)
    return said, translation.usage


def meaning(stream: bytes, dialect: Dialect) -> dict[str, Any]:
    """What a reader of a stream ends up with."""
    decoder = registry.provider(dialect).stream_decoder()
    events: list[Event] = [*decoder.feed(stream), *decoder.close()]
    parts: dict[int, dict[str, Any]] = {}
    found: dict[str, Any] = {}
    for event in events:
        match event:
            case Started(model):
                found["model"] = model
            case PartStarted(index):
                parts[index] = {
                    "kind": event.kind,
                    "name": event.name,
                    "id": None,
                    "text": "",
                    "signature": None,
                }
                if event.kind == "tool_call":
                    parts[index]["id"] = event.id
            case PartDelta(index):
                parts[index]["text"] += event.text
                parts[index]["signature"] = event.signature or parts[index]["signature"]
            case UsageReported(usage):
                found["input_tokens"] = usage.total_input_tokens
                found["output_tokens"] = usage.total_output_tokens
                found["cache_read_tokens"] = usage.cache_read_tokens
            case Finished():
                found["finish"] = event.finish
            case Failed():
                found["failed"] = event.message
            case _:
                pass
    return {
        **found,
        "parts": [part for part in parts.values() if part["text"] or part["kind"] == "tool_call"],
    }


def counts(usage: Usage) -> dict[str, Any]:
    """Usage under the names of their `parsed`."""
    if usage.source == "none":
        return {}
    return {
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


TASKS: dict[str, tuple[Operation, bytes]] = {
    "embeddings": ("embed", b'{"model":"m","input":["a","b"]}'),
    "gemini-embeddings": ("embed", b'{"model":"m","input":"a"}'),
    "rerank": ("rerank", b'{"model":"m","query":"q","documents":["a","b","c"]}'),
}
"""What is no conversation, by the folder or file it stands in, and a question to its answers."""
PLACES: dict[str, tuple[Dialect, Target]] = {
    **{name: (dialect, Target("")) for name, dialect in DIALECTS.items()},
    "cohere": ("openai_chat", Target("")),
    "bedrock": ("bedrock", Target("anthropic.claude-opus-4-6-v1")),
    "bedrock-cohere": ("bedrock", Target("cohere.embed-english-v3")),
    "bedrock-nova": ("bedrock", Target("amazon.nova-2-multimodal-embeddings-v1:0")),
    "bedrock-titan": ("bedrock", Target("amazon.titan-embed-text-v2:0")),
    "vertex": ("anthropic", Target("", quirks=frozenset({"on_vertex"}))),
}
"""Where a request goes, by the name in an expected file: what is spoken there, and how."""


def compared(golden: Golden) -> tuple[str, list[Difference]] | None:
    """How the file was compared, and where we differ; None for what has no counterpart here."""
    folder, to = golden.path.parent.name, golden.path.stem.rpartition(".")[2]
    try:
        if "requests" in golden.path.parts:
            return _compared_request(golden, folder, to)
        return _compared_answer(golden, folder, to)
    except (AnswerError, ProblemError) as error:
        return "refused", [("", "(taken)", str(error))]


def _compared_request(golden: Golden, folder: str, to: str) -> tuple[str, list[Difference]] | None:
    body = golden.source.read_bytes()
    if to not in PLACES or folder == "policies":
        return None
    other, at = PLACES[to]
    if folder in TASKS:
        operation, _ = TASKS[folder]
        if golden.source.stem == "cohere-v4":
            at = Target("")
        if to == "vertex":
            model = "text-embedding-005" if operation == "embed" else ""
            other, at = "gemini", Target(model, quirks=frozenset({"on_vertex"}))
        if (operation, to) == ("rerank", "bedrock"):
            at = Target("cohere.rerank-v3-5:0")
        if registry.task_provider(operation, other) is None:
            return None
        return f"{operation} → {to}", differences(golden.said, task_asked(body, operation, other, at))
    from_ = "messages" if folder == "count-tokens" else folder
    if (folder, to) == ("responses", "gemini"):
        to, (other, at) = "completions", PLACES["completions"]  # Google's OpenAI-compatible endpoint
    operation = "count_tokens" if folder == "count-tokens" else "chat"
    if DIALECTS[from_] == "gemini":
        at = replace(at, model="replaceme")
    ours = asked(body, DIALECTS[from_], other, at, operation)
    return f"request {from_} → {to}", differences(golden.said, ours)


def _compared_answer(golden: Golden, folder: str, to: str) -> tuple[str, list[Difference]] | None:
    body = golden.source.read_bytes()
    name = golden.path.name.split(".")[0]
    if name in TASKS:
        operation, question = TASKS[name]
        dialect = PLACES[to][0]
        if to == "vertex":
            dialect = "gemini"
        if registry.task_provider(operation, dialect) is None:
            return None
        question = question.replace(b'"m"', json.dumps(golden.said.get("model", "m")).encode())
        ours, usage = task_answered(body, operation, dialect, question)
        return f"{operation} answer of {to}", differences(golden.said, ours) + _miscounted(golden, usage)
    streaming = to.endswith("-streaming")
    from_, _, to = to.removesuffix("-streaming").rpartition("-")
    if folder == "detect":
        return None
    if to == "detect":
        to = from_
    if (from_, to) == ("gemini", "native"):
        to = "gemini"
    source, target = PLACES[from_][0], PLACES[to][0]
    if not streaming:
        ours, usage = answered(body, source, target)
        return f"answer {from_} → {to}", differences(golden.said, ours) + _miscounted(golden, usage)
    stream, usage = streamed(body, source, target)
    found = differences(meaning(golden.said, target), meaning(stream, target))
    return f"stream {from_} → {to}", found + _miscounted(golden, usage)


def _miscounted(golden: Golden, usage: Usage) -> list[Difference]:
    """Where the usage they read is not what we read. What only one of us tells apart counts as agreed."""
    seen = counts(usage)
    read = {name: count for name, count in golden.parsed.items() if name in seen}
    return [(f"parsed.{name}", read[name], seen[name]) for name in read if read[name] != seen[name]]
