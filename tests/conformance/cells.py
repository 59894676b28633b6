"""A cell of the table: one client asks one provider for one thing through the front door, both ends judge.

pass    it reached the provider with its meaning, and the answer the client, nothing left out
told    the provider has no such thing: the client was told; strictly asked, it was refused before a call
none    there is nothing to try: the client's dialect, or the provider's, has no words for it
limit   we do not carry it though both could; the client is told so
fail    anything else
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

from tests.conformance import (
    client_anthropic,
    client_bedrock,
    client_chat,
    client_gemini,
    client_responses,
)
from tests.conformance.compare import band, differences, told_differently
from tests.conformance.features import Feature
from tests.conformance.house import House
from tests.conformance.say_chat import usage_of
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Text,
    Thought,
    Usage,
)
from tests.conformance.world import MAKERS, Script, Told, World

CLIENTS: tuple[ModuleType, ...] = (
    client_chat,
    client_responses,
    client_anthropic,
    client_gemini,
    client_bedrock,
)
Kind = Literal["pass", "told", "none", "limit", "fail"]


@dataclass(frozen=True)
class Verdict:
    """What became of a cell, and why where it did not pass."""

    kind: Kind
    why: str = ""


PASS = Verdict("pass")
LIMITS = {"n": "a translated answer carries one choice"}
"""Keys that both ends could carry and we do not."""


class FailedError(Exception):
    """The cell failed."""


def check(condition: object, why: str) -> None:
    """What must be so."""
    if not condition:
        raise FailedError(why)


@dataclass
class Cell:
    """What a trial works with."""

    world: World
    client: ModuleType
    house: House
    feature: Feature

    @property
    def own(self) -> bool:
        """Client and provider speak the same dialect: the body is relayed."""
        return bool(self.house.dialect == self.client.DIALECT)

    def model(self) -> str:
        """The model to ask for."""
        return self.house.model(self.feature.role)

    def send(self, ask: Ask, script: Script, *, strict: bool = False) -> tuple[Ask, Told]:
        """Ask; gives what was asked, with its reference, and what was told."""
        ask = marked(ask, self.world.script(script))
        path, body = self.client.write(ask, self.model())
        headers = {"x-passerelle-strict": "1"} if strict else None
        return ask, self.world.ask(self.client.DIALECT, path, body, headers)

    def read(self, ask: Ask, told: Told) -> Answer:
        """The answer as the client reads it."""
        how = {"relayed": True} if self.own and self.house.dialect == "openai_chat" else {}
        if ask.stream:
            read = self.client.read_stream(told.body, **how)
        else:
            read = self.client.read(told.json(), **how)
        found: Answer = read
        return found

    def answer(self, answer: Answer) -> Answer:
        """`answer` as this provider gives it: its own ids and proofs."""
        maker = MAKERS[self.house.dialect]
        number = 0
        parts: list[Any] = []
        for part in answer.parts:
            if isinstance(part, Call):
                number += part.id != "$same" or not number
                proof = getattr(maker, "PROOF", None) if part.proof == "$call" else None
                proof = proof if self.house.dialect == "gemini" else None
                part = replace(part, id=maker.true_call_id(self.house, number), proof=proof)
            elif isinstance(part, Thought):
                proofs = {"gemini": None, "openai_responses": "gAAAAABo=="}
                part = replace(part, proof=proofs.get(self.house.dialect, getattr(maker, "PROOF", None)))
            parts.append(part)
        return replace(answer, parts=tuple(parts))

    def expected(self, answer: Answer) -> Answer:
        """What the client must be told, where the provider's way of counting says less."""
        usage = answer.usage
        if self.own and self.house.dialect == "openai_chat":
            counted = usage_of(answer, self.house.chat)  # relayed, so in its own way of counting
            return replace(
                answer, usage=Usage(counted["prompt_tokens"], 0, 0, counted["completion_tokens"], 0)
            )
        if self.house.dialect == "openai_chat" and self.house.chat.counts == "plain":
            given = usage.input + usage.cached + usage.written
            usage = Usage(given, 0, 0, usage.output + usage.reasoning, 0)
        if self.house.dialect == "gemini":
            usage = replace(usage, written=0)
        if "bedrock" in (self.house.dialect, self.client.DIALECT):  # thoughts are counted as output
            usage = replace(usage, output=usage.output + usage.reasoning, reasoning=0)
        if self.client.DIALECT == "gemini":
            usage = replace(usage, input=usage.input + usage.written, written=0)
        return replace(answer, usage=usage)


def told_model(cell: Cell, script: Script) -> str:
    """What the client is told the model is; Converse has no field for it."""
    return "" if cell.client.DIALECT == "bedrock" else true_model(cell, script)


def marked(ask: Ask, ref: str) -> Ask:
    """`ask` with the reference in the words of its first user."""
    turns = list(ask.turns)
    for at, turn in enumerate(turns):
        if turn.role == "user" and turn.parts and isinstance(turn.parts[0], Text):
            first = replace(turn.parts[0], text=f"{turn.parts[0].text} ({ref})")
            turns[at] = replace(turn, parts=(first, *turn.parts[1:]))
            break
    return replace(ask, turns=tuple(turns))


def _asked_for(ask: Ask, feature: Feature) -> set[str]:
    """The keys of what is asked."""
    return set(differences(ask, Ask())) | set(feature.also)


def heard_well(cell: Cell, ask: Ask, told: Told, script: Script) -> dict[str, str]:
    """What was left out and told so, with the reasons. Raises `FailedError` for anything else."""
    check(not script.refusals, f"the provider refused: {script.refusals}")
    check(told.status == 200, f"{told.status}: {told.body[:300]!r}")
    check(len(script.heard) == 1, f"the provider was asked {len(script.heard)} times")
    found = differences(ask, script.heard[0])
    lacks = {**cell.house.lacks, **LIMITS}
    unasked = cell.house.dialect in ("anthropic", "bedrock")
    if unasked and ask.effort == "off" and band(script.heard[0]) is None:
        found.pop("effort_off", None)  # it does not think unless asked to
    if cell.house.chat.thinks and "show" in found and word_of(cell, "show") not in told.dropped:
        del found["show"]  # it shows them unasked
    for key, how in found.items():
        check(key in lacks, f"{key}: {how}")
    words = {key: word_of(cell, key) for key in found}
    missing = {
        k: w for k, w in words.items() if w not in told.dropped and not _beside({k: ""}) & told.dropped
    }
    check(not missing or cell.own, f"lost without a word: {missing}, said {sorted(told.dropped)}")
    more = told.dropped - set(words.values()) - _beside(found)
    more -= {"store"} if ask.metadata else set()  # Chat's callers must store what has metadata
    check(not more, f"said to be lost, and is not: {sorted(more)}")
    return {key: lacks[key] for key in found}


def word_of(cell: Cell, key: str) -> str:
    """What the client is told when `key` is left out."""
    word: str = cell.client.LOST.get({"effort_off": "effort"}.get(key, key), key)
    return word


def _beside(found: dict[str, str]) -> set[str]:
    """Words that go with others."""
    beside = {"logprobs": {"logprobs", "top_logprobs", "include", "generationConfig.logprobs"}}
    return {word for key in found for word in beside.get(key, ())}


def refused_before(cell: Cell, ask: Ask, *, strict: bool) -> None:
    """The gateway refuses with a 400, in the client's dialect, before anything is called."""
    script = Script()
    _, told = cell.send(ask, script, strict=strict)
    check(told.status == 400, f"not refused but {told.status}: {told.body[:200]!r}")
    check(not script.bodies, "refused, but the provider was called")
    cell.client.error(400, told.json())


def talk(cell: Cell, ask: Ask | None = None, answer: Answer | None = None) -> Verdict:
    """The common way."""
    ask = ask or cell.feature.ask
    answer = cell.answer(answer or cell.feature.answer)
    cell.client.write(ask, "m")  # whether it can be said at all
    unable = _asked_for(ask, cell.feature) & cell.house.unable.keys()
    if unable:
        refused_before(cell, ask, strict=False)
        return Verdict("told", "; ".join([cell.house.unable[key] for key in sorted(unable)]))
    script = Script(answer)
    sent, told = cell.send(ask, script)
    lost = heard_well(cell, sent, told, script)
    if "logprobs" in lost:
        answer = replace(answer, logprobs=())
    got = cell.read(sent, told)
    differ = told_differently(cell.expected(answer), got, told_model(cell, script), cell.house)
    check(not differ, "; ".join(differ.values()))
    return left_out(cell, ask, lost)


def true_model(cell: Cell, script: Script) -> str:
    """What the provider called itself."""
    if cell.house.dialect == "bedrock":  # its answers do not name one: it is what was asked for
        return script.heard[0].raw["model"]
    asked = script.bodies[0].get("model") or cell.model().rpartition("/")[2]
    return cell.house.true_model(asked)


def left_out(cell: Cell, ask: Ask, lost: dict[str, str]) -> Verdict:
    if not lost:
        return PASS
    refused_before(cell, ask, strict=True)
    limits = [why for key, why in lost.items() if key in LIMITS and key not in cell.house.lacks]
    return Verdict("limit" if limits else "told", "; ".join(limits or lost.values()))
