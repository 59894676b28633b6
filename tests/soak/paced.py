"""A provider for soaks, in a process of its own: whole answers after a while, streams at a pace, floods.

Run as a script; it prints its port. It speaks OpenAI's chat dialect, and does what the model's name says:
`whole` and `slow` answer after a while, `now` at once, `stream` says `PIECES` words `EVERY_S` apart, `quick`
ten times as fast, `flood` writes as fast and for as long as it is read. It shares a core with the callers, so
that a piece costs it a timer and a write, and nothing else.
"""

import asyncio
import json
import socket
import time

import uvloop

WAITS_S = {"now": 0.0, "whole": 0.2, "slow": 1.0}
PIECES = 20
EVERY_S = 0.1
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
UNSENT_BYTES = 64 << 10
"""What the kernel takes of an answer beyond what is under way. On loopback it takes megabytes, which no real
network does, and filling them for hundreds of streams would keep a machine busy for a minute."""
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _body(kind: str, **more: object) -> bytes:
    made = {"id": "c", "object": kind, "created": 1, "model": "paced", **more}
    return json.dumps(made).encode()


def _event(data: bytes) -> bytes:
    text = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(text), text)


def _piece(words: str, finish: str | None = None) -> bytes:
    delta = {"content": words} if words else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event(_body("chat.completion.chunk", choices=[choice]))


_WORD = _piece("word ")
_NOW = f"{time.monotonic_ns():020} "
_TIMED = _piece(_NOW).split(_NOW.encode())
"""Around the time of writing, always as many digits: a chunk says its length before."""
_END = b"".join([
    _piece("", "stop"), _event(_body("chat.completion.chunk", choices=[], usage=USAGE)), _event(b"[DONE]"),
    b"0\r\n\r\n",
])  # fmt: skip
_FLOOD = _piece("x" * 4096) * 4


def _whole() -> bytes:
    message = {"role": "assistant", "content": "The bridge stands."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = _body("chat.completion", choices=[choice], usage=USAGE)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


_WHOLE = _whole()


class Talk(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self) -> None:
        self._came = b""
        self._left = 0
        self._flooding = self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may ask."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Some of a request, nearly always all of it."""
        came = self._came = self._came + data
        head, found, body = came.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._came = body[length:]
            self._answer(json.loads(body[:length])["model"])

    def _answer(self, model: str) -> None:
        if model in WAITS_S:
            self._loop.call_later(WAITS_S[model], self._transport.write, _WHOLE)
            return
        self._transport.write(_HEAD)
        if model == "flood":
            self._flooding = True
            self._flood()
            return
        self._left = PIECES
        self._say(model == "quick")

    def _say(self, quick: bool) -> None:
        if self._transport.is_closing():
            return
        if not self._left:
            self._transport.write(_END)
            return
        self._left -= 1
        before, after = _TIMED
        self._transport.write(_WORD if quick else b"%b%020d %b" % (before, time.monotonic_ns(), after))
        self._loop.call_later(EVERY_S / 10 if quick else EVERY_S, self._say, quick)

    def _flood(self) -> None:
        """Until it is not read as fast as it writes: `pause_writing` is called by `write`."""
        while self._flooding:
            self._transport.write(_FLOOD)

    def pause_writing(self) -> None:
        """It is not read as fast as it writes."""
        self._paused, self._flooding = self._flooding, False

    def resume_writing(self) -> None:
        """It is read again."""
        self._flooding = self._paused
        self._flood()

    def connection_lost(self, error: Exception | None) -> None:
        """It left."""
        self._flooding = self._paused = False


async def main() -> None:
    """Serve until killed."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    server = await asyncio.get_running_loop().create_server(Talk, sock=sock, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
