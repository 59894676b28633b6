"""What a caller hears of a stream that broke, read as strictly as one that did not.

Whole answers and whole streams are read by the clients of `tests/conformance`, which refuse what an SDK could
not take. Here are streams that end in an error: legal up to there, the error last and alone, and nothing that
looks like a normal end.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.conformance import client_anthropic, client_bedrock, client_chat, client_gemini, client_responses
from tests.conformance.amazon import frames
from tests.conformance.talk import IllegalError, events, legal, words
from tests.gateway.door import Answer, read_error, text_of

from passerelle.codecs.eventstream import event_headers, write_frame
from passerelle.core.request import Dialect

Json = dict[str, Any]
_CLIENTS: dict[Dialect, Any] = {
    "openai_chat": client_chat,
    "openai_responses": client_responses,
    "anthropic": client_anthropic,
    "gemini": client_gemini,
    "bedrock": client_bedrock,
}
_TYPES: dict[Dialect, str] = {"bedrock": "application/vnd.amazon.eventstream"}


def whole_text(dialect: Dialect, said: Answer, *, stream: bool) -> str:
    """The words of a complete answer. Raises `IllegalError` where it is none, or not of the dialect."""
    client = _CLIENTS[dialect]
    _typed(dialect, said, stream=stream)
    if stream:
        answer = client.read_stream(_known(dialect, said.body))
    else:
        answer = client.read(said.json)
        legal(words(answer.parts) == text_of(dialect, said), "two readers read two things")
    legal(answer.finish == "stop", f"it ended as `{answer.finish}`")
    return words(answer.parts)


def broken_text(dialect: Dialect, said: Answer) -> str:
    """The words of a stream that ends in an error. Raises `IllegalError` for anything else."""
    _typed(dialect, said, stream=True)
    return _BROKEN[dialect](said.body)


def error_kind(dialect: Dialect, said: Answer) -> str:
    """The kind of a whole error, as the dialect calls it. Raises `IllegalError`."""
    legal(said.status >= 400, f"an error with status {said.status}")
    legal(said.headers["content-type"].startswith("application/"), "an error that is no JSON")
    legal(int(said.headers["content-length"]) == len(said.body), "an error of another length")
    return read_error(dialect, said).type


def _known(dialect: Dialect, raw: bytes) -> bytes:
    """A stream without the events that no SDK knows yet: all pass them over."""
    if b"novelty" not in raw:
        return raw
    if dialect == "bedrock":
        return raw.replace(write_frame(event_headers("novelty"), b'{"a": 1}'), b"")
    return b"\n\n".join([event for event in raw.split(b"\n\n") if b"novelty" not in event])


def _typed(dialect: Dialect, said: Answer, *, stream: bool) -> None:
    legal(said.status == 200, f"status {said.status}: {said.body[:200]!r}")
    expected = _TYPES.get(dialect, "text/event-stream") if stream else "application/json"
    legal(said.headers["content-type"].startswith(expected), f"it is {said.headers['content-type']}")


def _ended(named: list[tuple[str, Json]], errors: frozenset[str]) -> tuple[list[tuple[str, Json]], Json]:
    """What came before the error, and the error: one, and the last."""
    legal(bool(named), "nothing was said")
    at = [number for number, (name, _) in enumerate(named) if name in errors]
    legal(len(at) == 1, f"{len(at)} errors")
    legal(at[0] == len(named) - 1, "something after the error")
    return named[:-1], named[-1][1]


def _worded(error: Json) -> None:
    legal(isinstance(error.get("message"), str) and bool(error["message"]), "an error without words")


def _chat(raw: bytes) -> str:
    said = events(raw)
    legal(all(data != "[DONE]" for _, data in said), "`[DONE]` beside an error")
    chunks: list[Json] = [json.loads(data) for _, data in said]
    before, last = _ended([("error" if "error" in c else "chunk", c) for c in chunks], frozenset({"error"}))
    legal({"message", "type", "param", "code"} <= last["error"].keys(), "an error of another shape")
    _worded(last["error"])
    text = ""
    legal(len({chunk["id"] for _, chunk in before}) <= 1, "several ids")
    legal(len({chunk["model"] for _, chunk in before}) <= 1, "several models")
    for number, (_, chunk) in enumerate(before):
        legal(chunk["object"] == "chat.completion.chunk", "no chunk")
        (choice,) = chunk["choices"]
        legal(choice.get("finish_reason") is None, "an ending that was none")
        legal(("role" in choice["delta"]) == (number == 0), "the role is said once, first")
        text += choice["delta"].get("content") or ""
    return text


def _responses(raw: bytes) -> str:
    said: list[tuple[str, Json]] = []
    for name, data in events(raw):
        event = json.loads(data)
        legal(event["type"] == name, f"an event named `{name}` is `{event['type']}`")
        said.append((event["type"], event))
    numbers = [event["sequence_number"] for _, event in said]
    legal(numbers == list(range(len(said))), f"events are numbered {numbers}")
    legal(not any(name in ("response.completed", "response.incomplete") for name, _ in said), "it was ended")
    if (
        said[-1][0] == "response.failed"
    ):  # the API says a failure twice: see `codecs/openai_responses/stream_out`
        legal(said[-1][1]["response"]["status"] == "failed", "a failure of another status")
        _worded(said.pop()[1]["response"]["error"])
    before, last = _ended(said, frozenset({"error", "response.failed"}))
    _worded(last)
    text, item, part = "", False, False
    for number, (name, event) in enumerate(before):
        legal((name == "response.created") == (number == 0), "`response.created` comes once, first")
        if name == "response.output_item.added":
            item = True
        elif name == "response.content_part.added":
            legal(item, "a part outside an item")
            part = True
        elif name == "response.output_text.delta":
            legal(part, "words outside a part")
            text += event["delta"]
    return text


def _anthropic(raw: bytes) -> str:
    said: list[tuple[str, Json]] = []
    for name, data in events(raw):
        event = json.loads(data)
        legal(event["type"] == name, f"an event named `{name}` is `{event['type']}`")
        if name != "ping":
            said.append((event["type"], event))
    before, last = _ended(said, frozenset({"error"}))
    _worded(last["error"])
    legal(bool(last["error"]["type"]), "an error of no type")
    text, opened = "", -1
    for number, (name, event) in enumerate(before):
        legal((name == "message_start") == (number == 0), "`message_start` comes once, first")
        legal(name not in ("message_delta", "message_stop"), "an ending that was none")
        if name == "content_block_start":
            legal(event["index"] == opened + 1, "blocks are not counted from 0")
            opened += 1
        elif name == "content_block_delta":
            legal(event["index"] == opened, "a delta outside its block")
            text += event["delta"].get("text", "")
    return text


def _gemini(raw: bytes) -> str:
    chunks: list[Json] = [json.loads(data) for _, data in events(raw)]
    before, last = _ended([("error" if "error" in c else "chunk", c) for c in chunks], frozenset({"error"}))
    _worded(last["error"])
    legal(
        isinstance(last["error"]["code"], int) and bool(last["error"]["status"]), "an error of another shape"
    )
    text = ""
    for _, chunk in before:
        legal(bool(chunk["modelVersion"]), "no model")
        for candidate in chunk.get("candidates", ()):
            legal(not candidate.get("finishReason"), "an ending that was none")
            text += "".join(part.get("text", "") for part in candidate["content"].get("parts", ()))
    legal(len({chunk["responseId"] for _, chunk in before}) <= 1, "several ids")
    return text


def _bedrock(raw: bytes) -> str:
    said = [(kind, {"name": name, **payload}) for kind, name, payload in frames(raw)]
    before, last = _ended(said, frozenset({"exception", "error"}))
    _worded(last)
    text = ""
    for number, (_, event) in enumerate(before):
        legal((event["name"] == "messageStart") == (number == 0), "`messageStart` comes once, first")
        legal(event["name"] not in ("messageStop", "metadata"), "an ending that was none")
        text += event.get("delta", {}).get("text", "")
    return text


_BROKEN: dict[Dialect, Callable[[bytes], str]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
}

__all__ = ["IllegalError", "broken_text", "error_kind", "whole_text"]
