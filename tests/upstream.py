"""A replayed provider: real HTTP on loopback, answering each dialect with recorded-shaped payloads.

What it answers depends on the request alone: a tool call when tools are offered and none was answered yet,
words otherwise; whole or streamed as asked. Every exchange is kept for the test to look at.
"""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any

TEXT = "The bridge at Avignon has four arches left."
PIECES = ("The bridge ", "at Avignon ", "has four ", "arches left.")
CITY = '{"city": "Avignon"}'
CITY_PIECES = ('{"city"', ': "Avig', 'non"}')
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 40, 24, 21, 5
MODELS = {
    "openai_chat": "gpt-replay-2026-01-01",
    "openai_responses": "gpt-replay-2026-01-01",
    "anthropic": "claude-replay-20260101",
    "gemini": "gemini-replay-001",
}
"""The true model names the replayed providers give."""


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
                body = json.loads(raw) if raw else {}
                self.exchanges.append(Exchange(method, path, headers, body))
                self._answer(writer, path, body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        bare = path.partition("?")[0]
        if bare.endswith("/embeddings"):
            _json(writer, _openai_embeddings(body))
        elif bare.endswith("/chat/completions"):
            _respond(writer, body.get("stream", False), _chat(body), lambda: _chat_stream(body))
        elif bare.endswith("/responses"):
            _respond(writer, body.get("stream", False), _responses(body), lambda: _responses_stream(body))
        elif bare.endswith("/count_tokens"):
            _json(writer, {"input_tokens": INPUT_TOKENS})
        elif bare.endswith("/messages"):
            _respond(writer, body.get("stream", False), _anthropic(body), lambda: _anthropic_stream(body))
        elif bare.endswith(":batchEmbedContents"):
            _json(writer, {"embeddings": [{"values": [0.5, -0.5]} for _ in body["requests"]]})
        elif bare.endswith(":embedContent"):
            _json(writer, {"embedding": {"values": [0.5, -0.5]}})
        elif bare.endswith(":countTokens"):
            _json(writer, {"totalTokens": INPUT_TOKENS})
        elif "GenerateContent" in bare or "generateContent" in bare:
            _respond(
                writer, "streamGenerateContent" in bare, _gemini(body, TEXT), lambda: _gemini_stream(body)
            )
        else:
            _json(writer, {"error": {"message": "no such path"}}, status=404)


def wants_tool(body: dict[str, Any]) -> bool:
    """Tools are offered and the last turn is not a tool's answer, in any dialect."""
    if not body.get("tools"):
        return False
    last = (body.get("messages") or body.get("contents") or body.get("input") or [{}])[-1]
    said = json.dumps(last)
    answered = (
        '"role": "tool"' in said
        or '"tool_result"' in said
        or "functionResponse" in said
        or "function_call_output" in said
    )
    return not answered


def _json(writer: asyncio.StreamWriter, value: object, status: int = 200) -> None:
    data = json.dumps(value).encode()
    writer.write(
        b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\nx-request-id: up_1\r\ncontent-length: %d\r\n\r\n"
        % (status, len(data))
        + data
    )


def _respond(writer: asyncio.StreamWriter, stream: bool, whole: object, events: Any) -> None:
    if not stream:
        _json(writer, whole)
        return
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: up_1\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    for frame in events():
        data = frame.encode()
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    writer.write(b"0\r\n\r\n")


def _data(value: object) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n"


# --- OpenAI chat

_CHAT_USAGE = {
    "prompt_tokens": INPUT_TOKENS + CACHED_TOKENS,
    "completion_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "total_tokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": TEXT, "refusal": None}
    finish = "stop"
    if wants_tool(body):
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": CITY}}
        message = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}
        finish = "tool_calls"
    return {
        "id": "chatcmpl-replay",
        "object": "chat.completion",
        "created": 1767225600,
        "model": MODELS["openai_chat"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _CHAT_USAGE,
        "service_tier": "default",
    }


def _chat_stream(body: dict[str, Any]) -> list[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**base, "choices": [choice], "usage": None})

    base = {
        "id": "chatcmpl-replay",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": MODELS["openai_chat"],
    }
    frames = [chunk({"role": "assistant", "content": None if wants_tool(body) else ""})]
    if wants_tool(body):
        function = {"name": "weather", "arguments": ""}
        frames.append(
            chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
        )
        frames += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": p}}]}) for p in CITY_PIECES]
        frames.append(chunk({}, "tool_calls"))
    else:
        frames += [chunk({"content": piece}) for piece in PIECES]
        frames.append(chunk({}, "stop"))
    if body.get("stream_options", {}).get("include_usage"):
        frames.append(_data({**base, "choices": [], "usage": _CHAT_USAGE}))
    return [*frames, "data: [DONE]\n\n"]


def _openai_embeddings(body: dict[str, Any]) -> dict[str, Any]:
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector: object = [0.5, -0.5]
    if body.get("encoding_format") == "base64":
        vector = "AAAAPwAAAL8="
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, _ in enumerate(inputs)],
        "model": "embedding-replay",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


# --- OpenAI responses

_RESPONSES_USAGE = {
    "input_tokens": INPUT_TOKENS + CACHED_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
    "total_tokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
}


def _response_item(body: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    if wants_tool(body):
        return {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "weather",
            "arguments": CITY if status == "completed" else "",
            "status": status,
        }
    content = [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": status,
        "content": content if status == "completed" else [],
    }


def _responses(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_replay",
        "object": "response",
        "created_at": 1767225600,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": MODELS["openai_responses"],
        "output": [_response_item(body)],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": _RESPONSES_USAGE,
    }


def _responses_stream(body: dict[str, Any]) -> list[str]:
    numbered: list[str] = []

    def say(kind: str, **fields: Any) -> None:
        numbered.append(_event({"type": kind, "sequence_number": len(numbered), **fields}))

    whole = _responses(body)
    early = {**whole, "status": "in_progress", "output": [], "usage": None}
    say("response.created", response=early)
    say("response.in_progress", response=early)
    say("response.output_item.added", output_index=0, item=_response_item(body, "in_progress"))
    if wants_tool(body):
        for piece in CITY_PIECES:
            say("response.function_call_arguments.delta", item_id="fc_1", output_index=0, delta=piece)
        say("response.function_call_arguments.done", item_id="fc_1", output_index=0, arguments=CITY)
    else:
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        say("response.content_part.added", **place, part=part)
        for piece in PIECES:
            say("response.output_text.delta", **place, delta=piece, logprobs=[])
        say("response.output_text.done", **place, text=TEXT, logprobs=[])
        say("response.content_part.done", **place, part={**part, "text": TEXT})
    say("response.output_item.done", output_index=0, item=_response_item(body))
    say("response.completed", response=whole)
    return numbered


# --- Anthropic

_ANTHROPIC_USAGE = {
    "input_tokens": INPUT_TOKENS,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": CACHED_TOKENS,
    "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "service_tier": "standard",
}


def _anthropic(body: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "text", "text": TEXT}
    if wants_tool(body):
        content = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": json.loads(CITY)}
    return {
        "id": "msg_replay",
        "type": "message",
        "role": "assistant",
        "model": MODELS["anthropic"],
        "content": [content],
        "stop_reason": "tool_use" if wants_tool(body) else "end_turn",
        "stop_sequence": None,
        "usage": _ANTHROPIC_USAGE,
    }


def _anthropic_stream(body: dict[str, Any]) -> list[str]:
    start = {
        **_anthropic(body),
        "content": [],
        "stop_reason": None,
        "usage": {**_ANTHROPIC_USAGE, "output_tokens": 1},
    }
    frames = [_event({"type": "message_start", "message": start}), _event({"type": "ping"})]
    if wants_tool(body):
        block: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in CITY_PIECES]
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": p} for p in PIECES]
    frames.append(_event({"type": "content_block_start", "index": 0, "content_block": block}))
    frames += [_event({"type": "content_block_delta", "index": 0, "delta": d}) for d in deltas]
    frames.append(_event({"type": "content_block_stop", "index": 0}))
    stop = {"stop_reason": _anthropic(body)["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": OUTPUT_TOKENS + REASONING_TOKENS}
    frames.append(_event({"type": "message_delta", "delta": stop, "usage": usage}))
    return [*frames, _event({"type": "message_stop"})]


# --- Gemini

_GEMINI_USAGE = {
    "promptTokenCount": INPUT_TOKENS + CACHED_TOKENS,
    "cachedContentTokenCount": CACHED_TOKENS,
    "candidatesTokenCount": OUTPUT_TOKENS,
    "thoughtsTokenCount": REASONING_TOKENS,
    "totalTokenCount": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
}


def _gemini(body: dict[str, Any], text: str, finish: str | None = "STOP") -> dict[str, Any]:
    part: dict[str, Any] = {"text": text}
    if wants_tool(body):
        part = {"functionCall": {"name": "weather", "args": json.loads(CITY)}}
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": _GEMINI_USAGE,
        "modelVersion": MODELS["gemini"],
        "responseId": "gemini_replay",
    }


def _gemini_stream(body: dict[str, Any]) -> list[str]:
    if wants_tool(body):
        return [_data(_gemini(body, ""))]
    last = len(PIECES) - 1
    return [_data(_gemini(body, p, "STOP" if i == last else None)) for i, p in enumerate(PIECES)]
