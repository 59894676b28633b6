"""Where in an answer a fault comes, and the answer up to there, in any dialect.

A streamed answer is a list of frames: the lead-in (lifecycle, roles), four pieces of content, the ends. A
fault comes in the place of one of them, so that all before it came whole. A whole answer is cut at a byte.
"""

import json
from dataclasses import dataclass
from typing import Literal, get_args

from tests.faultd import LAST_CHUNK, Send, Step, Wait, chunk, chunked_head
from tests.gateway.faulty import SECRET_WORDS
from tests.gateway.stage import SECRET, frames, lead_in, whole_body
from tests.upstream_answers import PIECES

from passerelle.codecs.eventstream import event_headers, exception_headers, write_frame
from passerelle.core.request import Dialect

Position = Literal["before", "first", "middle", "last"]
POSITIONS: tuple[Position, ...] = get_args(Position)
APART_S = 0.04
"""Between content and what goes wrong after it: what comes in one read may still be taken over."""
TELLS = f"{SECRET_WORDS}, and your key was {SECRET}"
"""What a failing provider says of itself: for the operator, without the key, and never for the caller."""
_AT: dict[Position, int] = {"before": 0, "first": 0, "middle": 2, "last": len(PIECES)}


@dataclass(frozen=True)
class Scene:
    """One answer that a provider begins, and where it goes wrong."""

    dialect: Dialect
    stream: bool
    at: Position
    canary: str = ""
    """Where nobody may ever be led."""
    body: bytes = b""
    """The whole answer, where it is none to a chat."""

    @property
    def whole(self) -> bytes:
        """The body of the whole answer."""
        return self.body or whole_body(self.dialect)

    @property
    def told(self) -> bool:
        """Content has come, whole, before the fault."""
        return self.stream and self.at in ("middle", "last")

    @property
    def heard(self) -> int:
        """How many pieces of content come before the fault."""
        if self.dialect == "gemini" and self.at == "last":
            return len(PIECES) - 1  # its last piece is its end as well
        return _AT[self.at]

    def begun(self) -> list[Step]:
        """The answer up to the fault."""
        if not self.stream:
            return self._begun_whole()
        said = frames(self.dialect)
        place = self._place
        if self.at == "before":
            return [Send(chunked_head())]
        steps: list[Step] = [Send(chunked_head() + b"".join(chunk(f) for f in said[: lead_in(self.dialect)]))]
        for frame in said[lead_in(self.dialect) : place]:
            steps += [Send(chunk(frame)), Wait(APART_S)]
        return steps

    def _begun_whole(self) -> list[Step]:
        body = self.whole
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        if self.at == "before":
            return [Send(head[:40])]
        return [Send(head + body[: self._place])]

    @property
    def _place(self) -> int:
        """The frame, or the byte, in whose place the fault comes."""
        if not self.stream:
            size = len(self.whole)
            return {"before": 0, "first": 0, "middle": size // 2, "last": size - 1}[self.at]
        return 0 if self.at == "before" else lead_in(self.dialect) + self.heard

    @property
    def frame(self) -> bytes:
        """The frame in whose place the fault comes."""
        return frames(self.dialect)[self._place]

    @property
    def rest(self) -> bytes:
        """That frame and all that follows it, on the wire."""
        return b"".join(chunk(frame) for frame in frames(self.dialect)[self._place :]) + LAST_CHUNK

    @property
    def but_the_end(self) -> bytes:
        """That frame and all that follows it but the one that ends the answer, on the wire."""
        return b"".join(chunk(frame) for frame in frames(self.dialect)[self._place : -1])

    @property
    def after(self) -> bytes:
        """All that follows that frame, on the wire."""
        return b"".join(chunk(frame) for frame in frames(self.dialect)[self._place + 1 :]) + LAST_CHUNK


def event(dialect: Dialect, data: bytes) -> bytes:
    """A frame of content with these bytes for its payload."""
    if dialect == "bedrock":
        return write_frame(event_headers("contentBlockDelta"), data)
    name = {
        "anthropic": b"event: content_block_delta\n",
        "openai_responses": b"event: response.output_text.delta\n",
    }.get(dialect, b"")
    return name + b"data: " + data + b"\n\n"


def comment(dialect: Dialect) -> bytes:
    """A frame that says nothing."""
    if dialect == "bedrock":
        return write_frame(event_headers("ping"), b"{}")
    return b": ping\n\n"


def error_said(dialect: Dialect) -> bytes:
    """A body that is an error in the dialect's shape."""
    said: dict[str, object] = {"message": TELLS, "type": "server_error", "code": "server_error"}
    if dialect == "gemini":
        said = {"code": 503, "message": TELLS, "status": "UNAVAILABLE"}
    elif dialect == "anthropic":
        return json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": TELLS}}).encode()
    elif dialect == "bedrock":
        return json.dumps({"message": TELLS}).encode()
    elif dialect == "openai_responses":
        return json.dumps(
            {"type": "error", "sequence_number": 4, "code": "server_error", "message": TELLS, "param": None}
        ).encode()
    return json.dumps({"error": said}).encode()


def error_frame(dialect: Dialect) -> bytes:
    """The dialect's own error inside a stream."""
    if dialect == "bedrock":
        return write_frame(exception_headers("internalServerException"), error_said(dialect))
    name = b"event: error\n" if dialect in ("anthropic", "openai_responses") else b""
    return name + b"data: " + error_said(dialect) + b"\n\n"
