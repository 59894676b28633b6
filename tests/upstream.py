"""A replayed provider: real HTTP on loopback, answering each dialect with recorded-shaped payloads.

What it says stands in `upstream_answers` and `upstream_openai`, how it fails in `upstream_troubles`; both
depend on the request alone. Every exchange is kept for the test to look at.
"""

import asyncio
import email
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests import upstream_answers as answers
from tests import upstream_bedrock as bedrock
from tests import upstream_openai as openai
from tests.upstream_answers import (
    CACHED_TOKENS,
    CITY,
    CITY_PIECES,
    EMBEDDING_TOKENS,
    INPUT_TOKENS,
    MODELS,
    OUTPUT_TOKENS,
    PIECES,
    REASONING_TOKENS,
    TEXT,
    wants_tool,
)
from tests.upstream_troubles import (
    HICCUP_S,
    SLOW_S,
    STATUSES,
    WAITS_S,
    in_stream,
    problem,
    trouble_of,
)

__all__ = [
    "CACHED_TOKENS",
    "CITY",
    "CITY_PIECES",
    "INPUT_TOKENS",
    "MODELS",
    "OUTPUT_TOKENS",
    "PIECES",
    "REASONING_TOKENS",
    "TEXT",
    "Exchange",
    "Upstream",
    "wants_tool",
]

_APART_S = 0.05
"""Between content and what goes wrong after it."""


@dataclass
class Exchange:
    """One request as the provider saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Upstream:
    """The provider, in a thread with its own loop. `base_url` once started."""

    exchanges: list[Exchange] = field(default_factory=list)
    port: int = 0
    _hiccups: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> "Upstream":
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(start())
            self._loop.run_forever()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._server.close()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rest = head.decode().split("\r\n")
                method, path, _ = line.split(" ", 2)
                headers = {n.lower(): v.strip() for n, _, v in (r.partition(":") for r in rest if r)}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                body = read_body(raw, headers.get("content-type", ""))
                self.exchanges.append(Exchange(method, path, headers, body))
                if bedrock.asked(path) is not None:
                    await self._amazon(writer, path, headers, body, raw)
                else:
                    await self._answer(writer, path.partition("?")[0], body)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        trouble = await self._trouble(answers.asked_model(path, body))
        if trouble in STATUSES:
            _json(writer, problem(trouble, path), STATUSES[trouble], wait_s=WAITS_S.get(trouble))
            return
        for ending, whole, stream in _ANSWERS:
            if path.endswith(ending):
                streamed = body.get("stream") or body.get("stream_format") == "sse"
                if stream is None or not (whole is None or streamed):
                    assert whole is not None
                    said = whole(path, body)
                    if isinstance(said, bytes):
                        _sound(writer, said)
                    else:
                        _json(writer, said, cut=trouble == "cut")
                else:
                    await _stream(writer, stream(path, body), trouble, path)
                return
        _json(writer, {"error": {"message": "no such path"}}, status=404)

    async def _trouble(self, model: str) -> str | None:
        """What goes wrong with this request."""
        trouble = trouble_of(model)
        if trouble == "hiccup":
            return self._hiccup(model)
        if trouble == "slow":
            await asyncio.sleep(SLOW_S)
            return None
        return trouble

    def _hiccup(self, model: str) -> str | None:
        """Busy the first time; after that only for those who did not wait."""
        asked, now = self._hiccups.get(model), time.monotonic()
        if asked is not None and now - asked >= HICCUP_S:
            del self._hiccups[model]
            return None
        self._hiccups[model] = now
        return "hiccup"

    async def _amazon(
        self,
        writer: asyncio.StreamWriter,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any],
        raw: bytes,
    ) -> None:
        model, verb = bedrock.asked(path) or ("", "")
        trouble = await self._trouble(model)
        wrong = bedrock.objection(path, headers, body, raw)
        if wrong is not None:
            _json(writer, {"message": wrong}, 400, more=(b"x-amzn-errortype: ValidationException",))
        elif trouble in STATUSES:
            said, told = bedrock.problem(trouble)
            more = tuple(f"{name}: {value}".encode() for name, value in told.items())
            status = bedrock.status_of(trouble)
            _json(writer, json.loads(said), status, wait_s=WAITS_S.get(trouble), more=more)
        elif verb in bedrock.STREAMS:
            await _stream(writer, bedrock.STREAMS[verb](path, body), trouble, path)
        else:
            counted = (b"x-amzn-bedrock-input-token-count: %d" % EMBEDDING_TOKENS,) if "texts" in body else ()
            _json(writer, bedrock.WHOLE[verb](path, body), cut=trouble == "cut", more=counted)


def read_body(raw: bytes, content_type: str) -> dict[str, Any]:
    """A JSON body, or a form's fields, files as `(file name, type, bytes)`, lists where a name came again."""
    if not content_type.startswith("multipart/form-data"):
        return json.loads(raw) if raw else {}
    form = email.message_from_bytes(b"content-type: %b\r\n\r\n%b" % (content_type.encode(), raw))
    found: dict[str, Any] = {}
    for part in form.get_payload():
        name = str(part.get_param("name", header="content-disposition"))
        content: Any = part.get_payload(decode=True)
        filename = part.get_filename()
        value = content.decode() if filename is None else (filename, part.get_content_type(), content)
        if name.endswith("[]"):
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


_ANSWERS: tuple[tuple[str, Callable[..., Any] | None, Callable[..., list[str]] | None], ...] = (
    ("/chat/completions", openai.chat, openai.chat_stream),
    ("/responses", openai.responses, openai.responses_stream),
    ("/messages", answers.anthropic, answers.anthropic_stream),
    (":generateContent", answers.gemini, None),
    (":streamGenerateContent", None, answers.gemini_stream),
    ("/embeddings", openai.embeddings, None),
    ("/images/generations", openai.images, openai.images_stream),
    ("/images/edits", openai.images, openai.images_stream),
    ("/audio/speech", openai.speech, openai.speech_stream),
    ("/audio/transcriptions", openai.transcription, openai.transcription_stream),
    ("/audio/translations", openai.transcription, None),
    ("/moderations", openai.moderations, None),
    ("/rerank", openai.rerank, None),
    (":embedContent", answers.gemini_embedding, None),
    (":batchEmbedContents", answers.gemini_embeddings, None),
    ("/count_tokens", answers.anthropic_count, None),
    (":countTokens", answers.gemini_count, None),
)
"""How a path ends, and what is said there whole and streamed."""


def _json(
    writer: asyncio.StreamWriter,
    value: object,
    status: int = 200,
    *,
    wait_s: int | None = None,
    cut: bool = False,
    more: tuple[bytes, ...] = (),
) -> None:
    data = json.dumps(value).encode()
    after = b"" if wait_s is None else b"retry-after: %d\r\n" % wait_s
    after += b"".join(b"%b\r\n" % header for header in more)
    writer.write(
        b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\nx-request-id: up_1\r\n" % status
        + b"%bcontent-length: %d\r\n\r\n" % (after, len(data))
        + (data[: len(data) // 2] if cut else data)
    )
    if cut:
        writer.close()


def _sound(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: %d\r\n\r\n" % len(data))
    writer.write(data)


async def _stream(
    writer: asyncio.StreamWriter, frames: Sequence[str | bytes], trouble: str | None, path: str
) -> None:
    amazon = bedrock.asked(path) is not None
    kind = b"application/vnd.amazon.eventstream" if amazon else b"text/event-stream"
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-request-id: up_1\r\n"
        b"transfer-encoding: chunked\r\n\r\n" % kind
    )
    for frame in frames if trouble is None else frames[: len(frames) // 2]:
        writer.write(_chunk(frame))
    if trouble is not None:
        await writer.drain()
        # The content must be on its way before the trouble: what comes in one read may still be taken over.
        await asyncio.sleep(_APART_S)
    if trouble == "sick":
        writer.write(_chunk(bedrock.in_stream() if amazon else in_stream(path)))
    if trouble == "cut":
        writer.close()
    else:
        writer.write(b"0\r\n\r\n")


def _chunk(frame: str | bytes) -> bytes:
    data = frame.encode() if isinstance(frame, str) else frame
    return b"%x\r\n%b\r\n" % (len(data), data)
