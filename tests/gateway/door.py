"""The front door: requests as callers send them in each dialect, over a plain socket, and what comes back.

No SDK stands between: the tests see every status, header and byte.
"""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any, get_args
from urllib.parse import quote, urlsplit

from tests.upstream_bedrock import read_frames

from passerelle.core.request import Dialect

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
QUESTION = "What of the bridge at Avignon?"
ERROR_TYPES: dict[int, tuple[str, str, str, str]] = {
    400: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    401: ("authentication_error", "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException"),
    403: ("permission_error", "permission_error", "PERMISSION_DENIED", "AccessDeniedException"),
    404: ("invalid_request_error", "not_found_error", "NOT_FOUND", "ResourceNotFoundException"),
    405: ("invalid_request_error", "invalid_request_error", "UNIMPLEMENTED", "UnknownOperationException"),
    413: ("invalid_request_error", "request_too_large", "INVALID_ARGUMENT", "ValidationException"),
    429: ("rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException"),
    502: ("server_error", "api_error", "UNAVAILABLE", "ModelErrorException"),
    503: ("server_error", "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException"),
    504: ("server_error", "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException"),
}
"""What each dialect calls an error of a status: OpenAI's `type`, Anthropic's `type`, Google's `status`, and
Amazon's exception."""
AMAZON_STATUSES = {401: 403, 502: 424, 504: 408}
"""Where Amazon has a status of its own for the same."""


@dataclass(frozen=True)
class Asked:
    """A request, ready to be sent."""

    path: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)

    @property
    def receipt(self) -> str:
        """The receipt's id."""
        return self.headers["x-passerelle-receipt"]


def content(dialect: Dialect, model: str, /, *, stream: bool = False, text: str = QUESTION) -> dict[str, Any]:
    """A good body in the dialect."""
    match dialect:
        case "openai_chat":
            body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
        case "openai_responses":
            body = {"model": model, "input": text}
        case "anthropic":
            messages = [{"role": "user", "content": text}]
            body = {"model": model, "max_tokens": 256, "messages": messages}
        case "gemini":
            return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        case "bedrock":
            return {"messages": [{"role": "user", "content": [{"text": text}]}]}
    return {**body, "stream": True} if stream else body


def path_of(dialect: Dialect, model: str, *, stream: bool = False) -> str:
    """Where the dialect sends it."""
    match dialect:
        case "openai_chat":
            return "/v1/chat/completions"
        case "openai_responses":
            return "/v1/responses"
        case "anthropic":
            return "/v1/messages"
        case "gemini":
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{model}:{verb}"
        case "bedrock":
            return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"


def asked(
    dialect: Dialect, model: str, /, *, stream: bool = False, text: str = QUESTION, **more: Any
) -> Asked:
    """A good request in the dialect; `more` are further fields of the body."""
    body = {**content(dialect, model, stream=stream, text=text), **more}
    return Asked(path_of(dialect, model, stream=stream), json.dumps(body).encode())


class Door:
    """A caller with a key. Every request has a connection of its own."""

    def __init__(self, base_url: str, token: str | None = None, *, timeout_s: float = 20.0) -> None:
        parts = urlsplit(base_url)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.token = token
        self.timeout_s = timeout_s

    def send(self, ask: Asked, **headers: str) -> Answer:
        """Send, and read the whole answer. Keyword names become headers, `_` as `-`."""
        response, connection = self.begin(ask, **headers)
        try:
            return Answer(response.status, _headers(response), response.read())
        finally:
            connection.close()

    def begin(self, ask: Asked, **headers: str) -> tuple[HTTPResponse, HTTPConnection]:
        """Send, and read the head alone; the caller closes the connection."""
        connection = HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        sent = {"content-type": "application/json", **ask.headers}
        if self.token is not None:
            sent["authorization"] = f"Bearer {self.token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(ask.method, ask.path, ask.body or None, sent)
        return connection.getresponse(), connection

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path."""
        return self.send(Asked(path, b"", "GET"), **headers)

    def raw(self, data: bytes, *, until_closed: bool = False) -> bytes:
        """Bytes as they are, and what was said to them: up to the end, or as far as one answer goes."""
        with socket.create_connection((self.host, self.port), timeout=self.timeout_s) as connection:
            connection.sendall(data)
            said = b""
            while piece := _receive(connection):
                said += piece
                if not until_closed and _whole(said):
                    break
            return said


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def _whole(said: bytes) -> bool:
    head, end, body = said.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


@dataclass(frozen=True)
class Said:
    """An error, read in the dialect's own shape."""

    type: str
    message: str
    param: str | None
    code: str | None


def read_error(dialect: Dialect, answer: Answer) -> Said:
    """The error in `answer`, after checking that it is whole and of the dialect."""
    body = answer.json
    if dialect == "bedrock":
        assert set(body) == {"message"}
        assert answer.headers["x-amzn-requestid"] == answer.headers["x-request-id"]
        return Said(answer.headers["x-amzn-errortype"], body["message"], None, None)
    error = body["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    match dialect:
        case "openai_chat" | "openai_responses":
            assert set(error) == {"message", "type", "param", "code"}
            assert answer.headers["x-request-id"]
            return Said(error["type"], error["message"], error["param"], error["code"])
        case "anthropic":
            assert body["type"] == "error"
            assert body["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
            return Said(error["type"], error["message"], None, error.get("details", {}).get("error_code"))
        case "gemini":
            assert error["code"] == answer.status
            fields = {name: value for detail in error["details"] for name, value in detail.items()}
            violations = fields.get("fieldViolations", [{}])
            return Said(error["status"], error["message"], violations[0].get("field"), fields.get("reason"))


def names_field(dialect: Dialect, said: Said, name: str) -> bool:
    """Whether the error names a field, where the dialect does that."""
    worded = dialect in ("anthropic", "bedrock")
    return name in said.message if worded else said.param == name or name in said.message


def error_type(dialect: Dialect, status: int) -> str:
    """What the dialect calls an error of that status."""
    openai, anthropic, gemini, bedrock = ERROR_TYPES[status]
    return {"anthropic": anthropic, "gemini": gemini, "bedrock": bedrock}.get(dialect, openai)


def status_of(dialect: Dialect, status: int) -> int:
    """The status with which the dialect says what others say with `status`."""
    return AMAZON_STATUSES.get(status, status) if dialect == "bedrock" else status


@dataclass
class Stream:
    """A stream, read to where it ended."""

    text: str = ""
    ended: bool = False
    """The dialect's own normal end was said."""
    error: dict[str, Any] | None = None
    """The dialect's own in-band error."""
    events: list[Any] = field(default_factory=list)


def events_of(data: bytes) -> Iterator[tuple[str, str]]:
    """(event, data) of every server-sent event; comments are left out."""
    for block in data.decode().replace("\r\n", "\n").split("\n\n"):
        name, lines = "", []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                lines.append(line[5:].strip())
        if lines:
            yield name, "\n".join(lines)


def read_stream(dialect: Dialect, data: bytes) -> Stream:
    """What a stream's bytes say, in any of the dialects."""
    stream = Stream()
    if dialect == "bedrock":
        for headers, event in read_frames(data):
            assert not stream.ended or "usage" in event
            stream.events.append(event)
            if headers[":message-type"] == "exception":
                stream.error = {"type": headers[":exception-type"], **event}
            stream.text += event.get("delta", {}).get("text", "")
            stream.ended = stream.ended or "stopReason" in event
        return stream
    for _, text in events_of(data):
        assert not stream.ended or stream.error is None, "an end and an error exclude each other"
        if text == "[DONE]":
            stream.ended = stream.error is None
            continue
        event = json.loads(text)
        stream.events.append(event)
        _take(dialect, stream, event)
    return stream


def _take(dialect: Dialect, stream: Stream, event: Any) -> None:
    if "error" in event and dialect in ("openai_chat", "gemini"):
        stream.error = event["error"]
        return
    match dialect:
        case "openai_chat":
            for choice in event["choices"]:
                stream.text += choice["delta"].get("content") or ""
        case "openai_responses":
            if event["type"] == "response.output_text.delta":
                stream.text += event["delta"]
            elif event["type"] == "response.completed":
                stream.ended = True
            elif event["type"] == "response.failed":
                stream.error = event["response"]["error"]
            elif event["type"] == "error":
                stream.error = event
        case "anthropic":
            if event["type"] == "content_block_delta":
                stream.text += event["delta"].get("text", "")
            elif event["type"] == "message_stop":
                stream.ended = True
            elif event["type"] == "error":
                stream.error = event["error"]
        case "gemini":
            for candidate in event.get("candidates", []):
                stream.text += "".join(p.get("text", "") for p in candidate["content"].get("parts", []))
                stream.ended = stream.ended or candidate.get("finishReason") == "STOP"


def text_of(dialect: Dialect, answer: Answer) -> str:
    """The words of a whole answer."""
    body = answer.json
    match dialect:
        case "openai_chat":
            return str(body["choices"][0]["message"]["content"])
        case "openai_responses":
            items: Iterable[Any] = (c for o in body["output"] for c in o.get("content", []))
            return "".join(item["text"] for item in items)
        case "anthropic":
            return "".join(block.get("text", "") for block in body["content"])
        case "gemini":
            return "".join(part["text"] for part in body["candidates"][0]["content"]["parts"])
        case "bedrock":
            return "".join(block.get("text", "") for block in body["output"]["message"]["content"])
