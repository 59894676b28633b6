"""Answers that are none, in each dialect: what the stage's providers say when they fail."""

import json
from collections.abc import Callable, Sequence

from tests.faultd import Send, Step, Wait, answer, chunk, chunked_head
from tests.gateway.stage import frames, lead_in

from passerelle.codecs.eventstream import exception_headers, write_frame
from passerelle.core.request import Dialect

SECRET_WORDS = "shard 7 ran out of disk"
"""What a failing provider says of itself: for the operator, never for the caller."""
APART_S = 0.02
"""Between two pieces of content, so that they are not read as one."""
Steps = Callable[[Dialect], Sequence[Step]]


def failing(status: int, message: str = SECRET_WORDS, *, code: str | None = None, **headers: str) -> Steps:
    """An error status with a body in the dialect's shape; keyword names become headers."""

    def steps(dialect: Dialect) -> Sequence[Step]:
        said: dict[str, object] = {"message": message, "type": code or "x", "code": code}
        if dialect == "gemini":
            said = {"code": status, "message": message, "status": code or "X"}
        body: dict[str, object] = {"error": said}
        if dialect == "anthropic":
            body = {"type": "error", "error": said}
        elif dialect == "bedrock":
            body = {"message": message, "code": code}
        sent = [("content-type", "application/json"), *((n.replace("_", "-"), v) for n, v in headers.items())]
        return [Send(answer(json.dumps(body).encode(), status=status, headers=sent))]

    return steps


def sent(data: bytes, *then: Step) -> Steps:
    """These bytes, whatever the dialect."""
    return lambda _: [Send(data), *then]


def opened(*pieces: bytes) -> bytes:
    """A streamed answer's head and these pieces of it, not ended."""
    return chunked_head() + b"".join(chunk(piece) for piece in pieces)


def cut_after(dialect: Dialect, pieces: int, *steps: Step) -> list[Step]:
    """So many pieces of content, and then `steps`."""
    said, lead = frames(dialect), lead_in(dialect)
    begun: list[Step] = [Send(opened(*said[: lead + 1])), Wait(APART_S)]
    for piece in said[lead + 1 : lead + pieces]:
        begun += [Send(chunk(piece)), Wait(APART_S)]
    return [*begun, *steps]


def before_content(dialect: Dialect) -> list[bytes]:
    """The frames of a stream that come before its first content."""
    return frames(dialect)[: lead_in(dialect)]


def error_frame(dialect: Dialect) -> bytes:
    """The dialect's own error inside a stream."""
    if dialect == "anthropic":
        body = {"type": "error", "error": {"type": "overloaded_error", "message": SECRET_WORDS}}
        return f"event: error\ndata: {json.dumps(body)}\n\n".encode()
    if dialect == "openai_responses":
        event = {"type": "error", "sequence_number": 4, "param": None}
        event |= {"code": "server_error", "message": SECRET_WORDS}
        return f"event: error\ndata: {json.dumps(event)}\n\n".encode()
    if dialect == "bedrock":
        payload = json.dumps({"message": SECRET_WORDS}).encode()
        return write_frame(exception_headers("internalServerException"), payload)
    code: object = 503 if dialect == "gemini" else "server_error"
    said = {"code": code, "message": SECRET_WORDS, "status": "UNAVAILABLE", "type": "server_error"}
    return f"data: {json.dumps({'error': said})}\n\n".encode()
