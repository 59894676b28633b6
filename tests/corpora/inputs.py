"""Every body of the corpora that is no expected file, given to what reads it: taken, or refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from tests.corpora.agentgateway import TASKS
from tests.corpora.reasons import not_read

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope, PathTarget, StreamDecoder, StreamingTask
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Failed
from passerelle.core.request import Dialect, Operation
from passerelle.providers.failures import classify

Kind = Literal["request", "answer", "stream", "error"]


class Input(NamedTuple):
    """One body, and how it is to be read."""

    name: str
    """The file's, below the corpora."""
    kind: Kind
    dialect: Dialect
    operation: Operation
    body: bytes
    status: int = 200
    headers: dict[str, str] | None = None


_FOLDERS: dict[str, Dialect] = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "bedrock-cohere": "bedrock",
    "bedrock-nova": "bedrock",
    "cohere": "openai_chat",
    "completions": "openai_chat",
    "count-tokens": "anthropic",
    "embeddings": "openai_chat",
    "gemini": "gemini",
    "messages": "anthropic",
    "openai": "openai_chat",
    "rerank": "openai_chat",
    "responses": "openai_responses",
    "vertex": "gemini",
    "vertex-gemini": "gemini",
}
_OWN: dict[str, tuple[Kind, Dialect, Operation]] = {
    "anthropic_with_system.json": ("request", "anthropic", "chat"),
    "gemini_with_system.json": ("request", "gemini", "chat"),
    "openai_with_messages.json": ("request", "openai_chat", "chat"),
    "openai_with_inputs.json": ("request", "openai_responses", "chat"),
    "openai_with_text_input.json": ("request", "openai_responses", "chat"),
    "bedrock-basic.bin": ("stream", "bedrock", "chat"),
    "bedrock-broken.bin": ("stream", "bedrock", "chat"),
    "broken-sse": ("stream", "openai_chat", "chat"),
    "stream-image-generation": ("stream", "openai_chat", "generate_image"),
    "chat_with_tools.json": ("answer", "openai_chat", "chat"),
    "responses.json": ("answer", "openai_responses", "chat"),
    "responses_stream.txt": ("stream", "openai_responses", "chat"),
}
"""Files whose folder does not say it all."""
_PATHS: dict[str, Operation] = {
    "/chat/completions": "chat",
    "/embeddings": "embed",
    "/images/generations": "generate_image",
}


def files(root: Path) -> list[Path]:
    """Every file of the corpora."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def inputs(root: Path, path: Path) -> Iterator[Input]:
    """What a file holds. Nothing for an expected file (see `agentgateway`) or one of `reasons.NOT_READ`."""
    name = path.relative_to(root).as_posix()
    body = path.read_bytes()
    if path.suffix == ".yaml":
        yield from _recorded(name, body)
        return
    if path.suffix == ".snap" or not_read(name):
        return
    if path.name in _OWN:
        kind, dialect, operation = _OWN[path.name]
        yield Input(name, kind, dialect, operation, body)
        return
    dialect = _FOLDERS[path.parent.name]
    operation = "count_tokens" if path.parent.name == "count-tokens" else "chat"
    if "requests" in path.parts:
        operation = TASKS[path.parent.name][0] if path.parent.name in TASKS else operation
        yield Input(name, "request", dialect, operation, body)
        return
    operation = TASKS[path.stem][0] if path.stem in TASKS else operation
    streams = path.stem.startswith("stream") or path.stem.endswith("stream") or path.suffix == ".bin"
    yield Input(name, "stream" if streams else "answer", dialect, operation, body)


def _recorded(name: str, file: bytes) -> Iterator[Input]:
    for exchange in yaml.load(file, Loader=yaml.CSafeLoader)["interactions"]:
        asked, said = exchange["request"], exchange["response"]
        status = said["code"]
        path = next((one for one in _PATHS if asked["url"].endswith(one)), None)
        headers = {key.lower(): values[0] for key, values in said["headers"].items()}
        body = said["body"].encode()
        if path is not None:
            operation = _PATHS[path]
            yield Input(
                f"{name} request", "request", "openai_chat", operation, asked["body"].encode(), status < 400
            )
            streams = headers.get("content-type", "").startswith("text/event-stream")
            if status < 400:
                yield Input(
                    f"{name} answer", "stream" if streams else "answer", "openai_chat", operation, body
                )
        elif "transcription" in name:
            yield Input(f"{name} answer", "answer", "openai_chat", "transcribe", body)
        if status >= 400:
            yield Input(f"{name} answer", "error", "openai_chat", "chat", body, status, headers)


def refusal(one: Input) -> str | None:
    """Why the body is refused here; None when it is taken, and all of it read."""
    try:
        match one.kind:
            case "request":
                _ask(one)
            case "answer":
                _answer(one)
            case "stream":
                return _stream(one)
            case "error":
                failure = classify(one.status, one.headers or {}, one.body, provider="p", now_s=0.0)
                return None if failure.kind in ("invalid_request", "not_found") else failure.kind
    except (AnswerError, ProblemError) as error:
        return str(error)
    return None


def _ask(one: Input) -> None:
    path = PathTarget(one.operation, "m" if one.dialect in ("gemini", "bedrock") else None)
    side: Any = registry.client(one.dialect)
    if one.operation not in ("chat", "count_tokens"):
        side = registry.task_client(one.operation, one.dialect)
    side.envelope(one.body, path)
    side.decode_request(one.body, path)


def _answer(one: Input) -> None:
    if one.operation == "chat":
        side = registry.provider(one.dialect)
        side.watch_response(one.body)
        side.decode_response(one.body)
        return
    task = registry.task_provider(one.operation, one.dialect)
    if task is None:
        raise AnswerError(f"nothing here asks for `{one.operation}` in the dialect `{one.dialect}`")
    body = b"[%b]" % one.body if one.dialect == "bedrock" else one.body
    task.decode_response(body, "application/json")


def _stream(one: Input) -> str | None:
    envelope = Envelope(one.operation, "m", stream=True)
    if one.operation != "chat":
        task: Any = registry.task_provider(one.operation, one.dialect)
        side: StreamingTask = task
        watcher = side.stream_watcher(envelope)
        watcher.feed(one.body)
        watcher.close()
        return watcher.failed.message if watcher.failed is not None else None
    decoder: StreamDecoder = registry.provider(one.dialect).stream_decoder()
    last = [*decoder.feed(one.body), *decoder.close()][-1]
    return last.message if isinstance(last, Failed) else None
