"""Every case of the matrix: what a program asks, how the provider behaves, and what must come of it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contract import matrix_checks as checks
from tests.contract.contract_said import QUESTION, SYSTEM, TOOL, TOOL_DESCRIPTION, TOOL_SCHEMA, WEATHER
from tests.contract.contract_world import DIALECTS, EMBEDDERS
from tests.contract.matrix_checks import PDF, PICTURE, Seen

WEATHER_TOOL = {"name": TOOL, "description": TOOL_DESCRIPTION, "schema": TOOL_SCHEMA}
CLOCK_TOOL = {
    "name": "clock",
    "description": "The time.",
    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
}
TOOLS = {"tools": [WEATHER_TOOL], "results": WEATHER}
AFTER = "And the Rhône? 🌊"


@dataclass(frozen=True)
class Case:
    """One thing a program does."""

    name: str
    check: Callable[[Seen], None]
    behaviour: str = "plain"
    """Of the provider."""
    ask: dict[str, Any] = field(default_factory=dict)
    """The job, beside what all jobs have."""
    providers: tuple[str, ...] = DIALECTS
    """Those whose behaviour it is about."""
    sure: bool = False
    """Whether the provider is not asked at all."""


def _both(name: str, check: Callable[[Seen], None], behaviour: str = "plain", **ask: Any) -> list[Case]:
    """Whole, and streamed."""
    return [
        Case(name, check, behaviour, {"system": SYSTEM, "turns": [QUESTION], **ask}),
        Case(
            f"{name}, streamed",
            check,
            behaviour,
            {"system": SYSTEM, "turns": [QUESTION], "stream": True, **ask},
        ),
    ]


def _fails(name: str, status: int, behaviour: str, **ask: Any) -> list[Case]:
    def check(seen: Seen) -> None:
        checks.thrown(seen, status)

    return _both(name, check, behaviour, **ask)


SLOW = frozenset({"down", "hiccup", "slow"})
"""Behaviours whose cases take a second, because the gateway or the caller waits."""
ONCE: dict[str, Any] = {"turns": [QUESTION]}
CASES: tuple[Case, ...] = (
    *_both("words", checks.words),
    *_both("conversation", checks.conversation, turns=[QUESTION, AFTER]),
    *_both("tool", checks.tool, **TOOLS),
    *_both("two tools at once", checks.two_tools, "twice", **TOOLS),
    *_both("tool after tool", checks.two_steps, "steps", **TOOLS),
    *_both("tool without arguments", checks.bare_tool, "bare", tools=[CLOCK_TOOL], results={"": "noon"}),
    *_both("words before a tool", checks.talking_tool, "talks", **TOOLS),
    *_both("tool, and another question", checks.tool_then_words, turns=[QUESTION, AFTER], **TOOLS),
    Case("tool that failed", checks.failed_tool, ask={**ONCE, **TOOLS, "failing": True}),
    Case("tool required", checks.choice("required"), ask={**ONCE, **TOOLS, "choice": "required"}),
    Case("tool named", checks.choice(TOOL), ask={**ONCE, **TOOLS, "choice": TOOL}),
    Case("tool forbidden", checks.choice("none"), ask={**ONCE, **TOOLS, "choice": "none"}),
    *_both("structured", checks.structured, structured=True),
    *_both("picture", checks.picture, image=PICTURE),
    Case("picture in a tool's result", checks.picture_result, ask={**ONCE, **TOOLS, "image_result": PICTURE}),
    Case("document", checks.document, ask={**ONCE, "document": PDF}),
    *_both("thoughts", checks.thoughts, "ponders", think=True),
    *_both("thoughts between calls", checks.thoughts_and_tools, "thinks", think=True, **TOOLS),
    Case("stop sequences", checks.stops, ask={**ONCE, "stop": ["END", "FIN"]}),
    Case("temperature", checks.temperature, ask={**ONCE, "temperature": 0.5}),
    *_both("ended by the limit", checks.ended("limit"), "short"),
    *_both("ended by a filter", checks.ended("filter"), "filtered"),
    *[
        Case(case.name, case.check, case.behaviour, case.ask, providers=("anthropic", "bedrock"))
        for case in _both("ended by a stop sequence", checks.ended("sequence"), "halts", stop=["END"])
    ],
    Case("at once", checks.at_once, ask={"action": "at_once", **ONCE, "at_once": 6}),
    Case("embeddings", checks.embeddings, ask={"action": "embed", "texts": ["a", "b"]}, providers=EMBEDDERS),
    Case("tokens counted", checks.counted, ask={"action": "count", "texts": [QUESTION]}),
    Case("model list", checks.listed, ask={"action": "models"}, sure=True),
    Case("unknown model looked up", checks.unknown_looked_up, ask={"action": "models"}, sure=True),
    *_fails("wrong key", 401, "plain", token="psk_live_wrong"),
    *_fails("unknown model", 404, "plain", model="no-such-model"),
    *_fails("key without that model", 404, "plain", token="confined"),
    *_fails("key that may not call", 403, "plain", token="auditor"),
    Case("malformed", checks.malformed, ask={**ONCE, "malformed": True}, sure=True),
    *_fails("refused by the provider", 400, "refuses"),
    *_fails("too long for the model", 400, "long"),
    *_fails("unknown to the provider", 404, "gone"),
    *_fails("too large for the provider", 413, "large"),
    *_fails("unprocessable for the provider", 422, "unprocessable"),
    *_both("provider at its limit", checks.busy, "busy"),
    *_fails("provider out of order", 502, "down"),
    *_both("provider unavailable", checks.unavailable, "unavailable"),
    *_both("provider overloaded", checks.overloaded, "overloaded"),
    *_fails("our credential refused", 502, "locked"),
    *_both("asked again after retry-after", checks.asked_again, "hiccup", retries=2),
    *_both("too slow for the caller", checks.timed_out, "slow", timeout_s=0.4),
    Case("cut in the middle", checks.broken, "cut", {**ONCE, "stream": True}),
    Case("error in the middle", checks.broken, "sick", {**ONCE, "stream": True}),
)
assert len({case.name for case in CASES}) == len(CASES)
assert base64.b64decode(PDF).startswith(b"%PDF")
