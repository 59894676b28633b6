"""A provider for soaks, in a process of its own: whole answers after a while, streams at a pace, floods.

Run as a script; it prints its port. It speaks OpenAI's chat dialect, and does what the model's name says:
`whole` and `slow` answer after a while, `now` at once, `stream` says `PIECES` words `EVERY_S` apart, `quick`
ten times as fast, `flood` writes as fast and for as long as it is read.
"""

import asyncio
import json
import socket
import time

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


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            asked = json.loads(await reader.readexactly(length))
            if asked["model"] in WAITS_S:
                await asyncio.sleep(WAITS_S[asked["model"]])
                writer.write(_WHOLE)
                continue
            writer.write(_HEAD)
            if asked["model"] == "flood":
                while True:
                    writer.write(_FLOOD)
                    await writer.drain()
            if asked["model"] == "quick":
                for _ in range(PIECES):
                    writer.write(_WORD)
                    await asyncio.sleep(EVERY_S / 10)
                writer.write(_END)
                continue
            for _ in range(PIECES):
                writer.write(_piece(f"{time.monotonic_ns()} "))
                await asyncio.sleep(EVERY_S)
            writer.write(_END)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until killed."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    server = await asyncio.start_server(serve, sock=sock, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
