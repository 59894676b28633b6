"""A replayed provider that plays the errand (`agent_task`) in every dialect, strict about what it gets."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agents.agent_read import read
from tests.agents.agent_say import say, whole
from tests.agents.agent_task import Body, fitting, next_step
from tests.upstream import Exchange, Upstream

_ENDINGS = {
    "/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/messages": "anthropic",
    ":generateContent": "gemini",
    ":streamGenerateContent": "gemini",
}


@dataclass
class Turn:
    """One model call, as the provider saw it."""

    dialect: str
    exchange: Exchange
    wrong: list[str]
    """What is out of order in it."""
    untyped: list[str]
    """What this provider's own SDK could not have sent."""
    calls: int
    """How many tool calls it answered with."""
    tools: int
    """How many tools were on offer."""
    results: int
    proofs: int
    """How many turns of thought came back."""


@dataclass
class Replay(Upstream):
    """The provider. `folder` is where the agent works."""

    folder: Path = Path()
    turns: list[Turn] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What it could not answer."""

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        if path.endswith(("/count_tokens", ":countTokens")):
            write_json(writer, {"input_tokens": 1200, "totalTokens": 1200})
            return
        dialect = next((d for ending, d in _ENDINGS.items() if path.endswith(ending)), None)
        if dialect is None:
            self.troubles.append(f"asked for {path}")
            write_json(writer, {"error": {"message": "no such path"}}, status=404)
            return
        try:
            self._play(writer, path, dialect, body)
        except Exception as error:
            self.troubles.append(f"{type(error).__name__}: {error}")
            write_json(writer, {"error": {"message": "cannot play this"}}, status=400)
            raise

    def _play(self, writer: asyncio.StreamWriter, path: str, dialect: str, body: Body) -> None:
        seen, wrong, untyped = read(dialect, body)
        step = next_step(seen, str(self.folder))
        if seen.schema is not None and isinstance(step, str):
            step = json.dumps(fitting(seen.schema))
        calls = 0 if isinstance(step, str) else len(step)
        number = len(seen.results)
        turn = Turn(dialect, self.exchanges[-1], wrong, untyped, calls, len(seen.tools), number, seen.proofs)
        self.turns.append(turn)
        if body.get("stream") or path.endswith(":streamGenerateContent"):
            write_stream(writer, say(dialect, step, number, proof=_thinks(dialect, body, calls)))
        else:
            write_json(writer, whole(dialect, step))


def _thinks(dialect: str, body: Body, calls: int) -> bool:
    """Whether the request wants thoughts that can be given back."""
    if not calls:
        return False
    if dialect == "anthropic":
        return bool(body.get("thinking", {}).get("type") in ("adaptive", "enabled"))
    if dialect == "gemini":
        return bool(body.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts"))
    if dialect == "openai_responses":
        return "reasoning.encrypted_content" in body.get("include", ())
    return True


def write_json(writer: asyncio.StreamWriter, value: object, status: int = 200) -> None:
    """A whole answer."""
    data = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


def write_stream(writer: asyncio.StreamWriter, frames: list[str]) -> None:
    """A stream, a chunk for each frame."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for data in [frame.encode() for frame in frames]:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    writer.write(b"0\r\n\r\n")
