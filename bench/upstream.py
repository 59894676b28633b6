"""The mock provider: a bare uvloop protocol, whole answers at once and streams at a fixed pace.

Run as `python -m bench.upstream PORT EVENTS RATE`. Each streamed piece carries the monotonic nanosecond at
which it was written, so that whoever receives it knows its transit exactly.
"""

import asyncio
import sys
import time

import uvloop

from bench import payloads


class Mock(asyncio.Protocol):
    """Answers by path: `/v1/messages` in Anthropic's dialect, everything else in OpenAI's."""

    events = 100
    rate = 50.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""
        self.streaming: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.streaming is not None:
            self.streaming.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            self.answer(head.split(b" ", 2)[1], b'"stream":true' in body or b'"stream": true' in body)

    def answer(self, path: bytes, stream: bool) -> None:
        anthropic = path.startswith(b"/v1/messages")
        if not stream:
            data = ANTHROPIC if anthropic else OPENAI
            self.transport.write(data)
            return
        self.transport.write(STREAM_HEAD)
        self.streaming = asyncio.create_task(self.stream(anthropic))

    async def stream(self, anthropic: bool) -> None:
        chunk = payloads.anthropic_chunk if anthropic else payloads.openai_chunk
        if anthropic:
            self.piece(payloads.ANTHROPIC_START)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(self.events):
            self.piece(chunk(str(time.monotonic_ns())))
            if self.rate:
                due += 1 / self.rate
                await asyncio.sleep(max(0.0, due - loop.time()))
        self.piece(payloads.ANTHROPIC_END if anthropic else payloads.OPENAI_END)
        self.transport.write(b"0\r\n\r\n")

    def piece(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))


def _whole(data: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)
    return head + data


OPENAI = _whole(payloads.openai_answer())
ANTHROPIC = _whole(payloads.anthropic_answer())
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


async def main() -> None:
    """Serve until killed."""
    Mock.events, Mock.rate = int(sys.argv[2]), float(sys.argv[3])
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
