"""Agent sessions, made from a number or recorded, and what they cost where prompts are cached.

One that is made: instructions and tools of some thousand tokens, then turn upon turn of a tool's output and
the model's next call; most turns follow within seconds, some after a pause that no cache outlives. Of those
recorded (`agent_trace.json`) the times and the lengths are kept; the words between are filled in.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from passerelle.core.model import Price
from passerelle.core.usage import Usage
from passerelle.ledger.price import cost

CACHE_S = 300.0
LEAST_CACHED = 1_024
"""Tokens; shorter prompts are not cached (Anthropic and OpenAI, "Prompt caching", read 2026-11-22)."""
BYTES_A_TOKEN = 4
TOOLS = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]


@dataclass(frozen=True)
class Step:
    """One request of a session."""

    session: int
    turn: int
    at_s: float
    body: bytes
    answer_tokens: int


def sessions(seed: int, count: int) -> Iterator[Step]:
    """The steps of so many sessions, in the order of time."""
    draw = Random(seed)
    steps: list[Step] = []
    for session in range(count):
        at_s = draw.random() * 3_600
        turns = max(2, min(40, round(draw.lognormvariate(2.3, 0.6))))
        messages: list[dict[str, Any]] = [
            {
                "role": "system",
                "content": f"You are agent {session}. " + "rule " * draw.randint(2_000, 8_000),
            },
            {"role": "user", "content": f"Task {session}: " + "detail " * draw.randint(20, 200)},
        ]
        for turn in range(turns):
            body = {"model": "smart", "messages": messages, "tools": TOOLS}
            answer = max(20, min(4_000, round(draw.lognormvariate(5.3, 0.7))))
            steps.append(Step(session, turn, at_s, json.dumps(body).encode(), answer))
            call = {"id": f"c{turn}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
            messages += [
                {"role": "assistant", "content": "word " * (answer * 4 // 5), "tool_calls": [call]},
                {"role": "tool", "tool_call_id": f"c{turn}", "content": "line " * draw.randint(100, 2_500)},
            ]
            at_s += draw.uniform(400, 1_500) if draw.random() < 0.06 else draw.uniform(3, 60)
    yield from sorted(steps, key=lambda step: step.at_s)


def recorded(file: Path) -> Iterator[Step]:
    """The steps of sessions that were recorded, as long as their requests were."""
    talks: dict[int, list[dict[str, Any]]] = {}
    for session, at_s, tokens, answer_tokens in json.loads(file.read_text())["requests"]:
        messages = talks.setdefault(session, [])
        more = [{"role": "assistant", "content": "."}] if messages else []
        messages += [*more, {"role": "user", "content": f"Task {session}: " if not messages else ""}]
        body = {"model": "smart", "messages": messages, "tools": TOOLS}
        messages[-1]["content"] += "x" * (tokens * BYTES_A_TOKEN - len(json.dumps(body)))
        made = json.dumps(body).encode()
        assert len(made) == tokens * BYTES_A_TOKEN
        yield Step(session, len(messages) // 2, at_s, made, answer_tokens)


@dataclass
class Caches:
    """The prompt caches of all places, as they truly are."""

    held: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def serve(self, place: str, price: Price, step: Step) -> tuple[Usage, int]:
        """What a step uses there, and costs."""
        tokens = len(step.body) // BYTES_A_TOKEN
        at_s, had = self.held.get((place, step.session), (float("-inf"), 0))
        cached = written = 0
        if price.cache_read is not None and tokens >= LEAST_CACHED:
            cached = min(had, tokens) if step.at_s - at_s < CACHE_S else 0
            written = tokens - cached if price.cache_write_5m is not None else 0
            self.held[place, step.session] = step.at_s, tokens
        usage = Usage(
            input_tokens=tokens - cached - written,
            cache_read_tokens=cached,
            cache_write_5m_tokens=written,
            output_tokens=step.answer_tokens,
        )
        return usage, cost(usage, price)
