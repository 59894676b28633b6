"""What must be true after a case: of what the program was told, and of what the provider was asked."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contract.contract_heard import Heard, hear
from tests.contract.contract_said import QUESTION, SYSTEM, TOOL, WEATHER
from tests.contract.contract_world import true_model
from tests.contract.matrix_programs import Program
from tests.contract.test_structured_contract import PIXEL as PICTURE
from tests.upstream import INPUT_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS, TEXT, Exchange
from tests.upstream_answers import EMBEDDING_TOKENS, JSON_TEXT, PROOF, THOUGHT, VECTOR
from tests.upstream_troubles import RETRY_AFTER_S, SECRET_WORDS

__all__ = ["PDF", "PICTURE", "Seen"]

PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()
AVIGNON, ARLES = [TOOL, {"city": "Avignon"}], [TOOL, {"city": "Arles"}]
KEEPS_THOUGHTS = ("openai_responses", "anthropic", "gemini", "bedrock")
"""The providers that take their own thoughts back."""


@dataclass
class Seen:
    """All there is to judge a case by."""

    program: Program
    provider: str
    ask: dict[str, Any]
    outcome: dict[str, Any]
    """`told` or `error`, and `heard`: the pieces of words that came."""
    exchanges: list[Exchange] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def told(self) -> Any:
        """What the program made of it."""
        assert "error" not in self.outcome, "thrown: {kind} {status} {message}".format(
            **self.outcome["error"]
        )
        return self.outcome["told"]

    @property
    def error(self) -> dict[str, Any]:
        """What it threw."""
        assert "error" in self.outcome, f"answered: {self.outcome['told']}"
        thrown: dict[str, Any] = self.outcome["error"]
        return thrown

    def asked(self) -> list[Heard]:
        """Each request as the provider understood it."""
        return [hear(self.provider, exchange) for exchange in self.exchanges]

    @property
    def stream(self) -> bool:
        """Whether it was streamed."""
        return bool(self.ask.get("stream"))


def _equal(found: Any, expected: Any, what: str) -> None:
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def _answer(seen: Seen, answer: dict[str, Any], ending: str = "stop") -> None:
    """How it ended, what it cost, and who answered."""
    program = seen.program
    if program.words:
        _equal(answer["finish"], program.words[ending], "finish")
    if program.usage:
        usage = {name: tokens for name, tokens in answer["usage"].items() if tokens}
        _equal(usage, _usage(program.usage, seen.provider), "usage")
    if program.names_model and program.dialect != "bedrock":
        _equal(answer["model"], true_model(seen.provider, seen.ask["model"]), "model")


def _usage(told: dict[str, int], provider: str) -> dict[str, int]:
    """What a program makes of the provider's usage. Converse tells thoughts as part of the output only."""
    if provider != "bedrock" or "output" not in told:
        return told
    merged = {name: tokens for name, tokens in told.items() if name != "reasoning"}
    return {**merged, "output": OUTPUT_TOKENS + REASONING_TOKENS}


def _pieces(seen: Seen, text: str) -> None:
    heard = [piece for piece in seen.outcome["heard"] if piece]
    _equal("".join(heard), text, "pieces")
    if seen.stream:
        assert len(heard) > 1, "it came in one piece"


def words(seen: Seen) -> None:
    """An answer in words."""
    (answer,) = seen.told
    _equal((answer["text"], answer["calls"]), (TEXT, []), "answer")
    _answer(seen, answer)
    _pieces(seen, TEXT)
    (asked,) = seen.asked()
    _equal((asked.system, asked.turns), (SYSTEM, [("user", QUESTION)]), "asked")
    assert asked.max_tokens in (256, 2048), f"limit: {asked.max_tokens}"


def conversation(seen: Seen) -> None:
    """The second question comes with the first and its answer."""
    first, second = seen.told
    _equal((first["text"], second["text"]), (TEXT, TEXT), "answers")
    _answer(seen, second)
    asked = seen.asked()[-1]
    later = seen.ask["turns"][1]
    _equal(asked.turns, [("user", QUESTION), ("assistant", TEXT), ("user", later)], "asked")
    _equal(asked.system, SYSTEM, "system")


def _called(seen: Seen, steps: list[list[Any]], last: str = TEXT) -> list[Heard]:
    """Calls in each step, their results at their calls, and words at the end."""
    answers = seen.told
    _equal([answer["calls"] for answer in answers], [*steps, []], "calls")
    _equal(answers[-1]["text"], last, "words")
    for answer in answers[:-1]:
        _answer(seen, answer, "call")
    _answer(seen, answers[-1])
    asked = seen.asked()
    _equal(len(asked), len(steps) + 1, "requests")
    for number in range(len(steps)):
        wanted = [tuple(call) for step in steps[:number] for call in step]
        _equal([call[:2] for call in asked[number].answered], wanted, "calls the provider knows")
    for name, arguments, result in asked[-1].answered:
        wanted_result = WEATHER[arguments["city"]] if name == TOOL else "noon"
        assert wanted_result in result, f"the result of {arguments}: {result!r}"
    _equal(asked[-1].turns[0], ("user", QUESTION), "asked")
    for request in asked:
        _equal(list(request.tools), [tool["name"] for tool in seen.ask["tools"]], "tools offered")
        if TOOL in request.tools:
            schema = request.tools[TOOL][1]
            _equal((list(schema["properties"]), schema["required"]), (["city"], ["city"]), "schema")
    return asked


def tool(seen: Seen) -> None:
    """One call."""
    _called(seen, [[AVIGNON]])


def two_tools(seen: Seen) -> None:
    """Two calls of one tool in one turn."""
    _called(seen, [[AVIGNON, ARLES]])


def two_steps(seen: Seen) -> None:
    """One call after the other's result, by a provider that uses the same ids again."""
    asked = _called(seen, [[AVIGNON], [ARLES]])
    _equal([call[1]["city"] for call in asked[-1].answered], ["Avignon", "Arles"], "order")


def bare_tool(seen: Seen) -> None:
    """A call without arguments."""
    _called(seen, [[["clock", {}]]])


def talking_tool(seen: Seen) -> None:
    """Words, and a call in the same turn: both come back."""
    asked = _called(seen, [[AVIGNON]])
    _equal(seen.told[0]["text"], TEXT, "words before the call")
    _equal(asked[-1].turns[:2], [("user", QUESTION), ("assistant", TEXT)], "asked")


def tool_then_words(seen: Seen) -> None:
    """A conversation goes on after its tools."""
    answers = seen.told
    # The replayed provider calls again after each question.
    _equal([a["calls"] for a in answers], [[AVIGNON], [], [AVIGNON], []], "calls")
    asked = seen.asked()[-1]
    _equal([call[1]["city"] for call in asked.answered], ["Avignon", "Avignon"], "answered")
    later = seen.ask["turns"][1]
    _equal(asked.turns, [("user", QUESTION), ("assistant", TEXT), ("user", later)], "asked")


def failed_tool(seen: Seen) -> None:
    """A tool's failure reaches the model."""
    assert seen.told[-1]["text"] == TEXT
    ((_, _, result),) = seen.asked()[-1].answered
    assert WEATHER["Avignon"] in result, f"the failure: {result!r}"


def choice(wanted: str) -> Callable[[Seen], None]:
    """Which tool must be called is said."""

    def check(seen: Seen) -> None:
        asked = seen.asked()[0]
        _equal(asked.choice, wanted, "choice")
        answer = seen.told[0]
        _equal(bool(answer["calls"]), wanted != "none", "called")

    return check


def structured(seen: Seen) -> None:
    """An answer of a given shape."""
    answer = seen.told[-1]
    if answer["parsed"] is not None or not seen.stream:
        _equal(answer["parsed"], json.loads(JSON_TEXT), "parsed")
    else:
        _equal(json.loads(answer["text"]), json.loads(JSON_TEXT), "words")
    (asked,) = seen.asked()
    assert asked.schema is not None, "the provider was told no schema"
    _equal(sorted(asked.schema["properties"]), ["arches", "river"], "schema")
    _equal(asked.schema["properties"]["river"]["enum"], ["Rhône", "Durance"], "schema")


def picture(seen: Seen) -> None:
    """A picture reaches the provider."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    (asked,) = seen.asked()
    _equal(asked.images, [("image/png", PICTURE)], "pictures")
    _equal(asked.turns, [("user", QUESTION)], "asked")


def picture_result(seen: Seen) -> None:
    """A picture in a result reaches the provider, once."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    asked = seen.asked()[-1]
    ((_, _, result),) = asked.answered
    assert WEATHER["Avignon"] in result, f"the result: {result!r}"
    _equal(str(seen.exchanges[-1].body).count(PICTURE), 1, "pictures")


def document(seen: Seen) -> None:
    """A PDF reaches the provider."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    (asked,) = seen.asked()
    _equal(asked.documents, [("application/pdf", PDF)], "documents")


def thoughts(seen: Seen) -> None:
    """Thoughts are shown apart from the words."""
    (answer,) = seen.told
    _equal((answer["text"], answer["thought"]), (TEXT, THOUGHT), "answer")
    _answer(seen, answer)
    (asked,) = seen.asked()
    assert asked.thinks, "the provider was not asked to think"


def thoughts_and_tools(seen: Seen) -> None:
    """Thoughts before a call return to their provider, with their proof."""
    asked = _called(seen, [[AVIGNON]])
    _equal(seen.told[0]["thought"], THOUGHT, "thought")
    proofs = [proof for _, proof in asked[-1].thoughts]
    _equal(proofs, [PROOF] if seen.provider in KEEPS_THOUGHTS else [], "proofs")


def stops(seen: Seen) -> None:
    """Stop sequences are heard, where the provider has them."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    (asked,) = seen.asked()
    _equal(asked.stops, [] if seen.provider == "openai_responses" else ["END", "FIN"], "stops")


def temperature(seen: Seen) -> None:
    """The temperature is carried."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    (asked,) = seen.asked()
    _equal(asked.temperature, 0.5, "temperature")


def ended(ending: str) -> Callable[[Seen], None]:
    """How an answer ended, in the SDK's own word."""

    def check(seen: Seen) -> None:
        if ending == "filter" and "error" in seen.outcome:
            # Some say it with an exception of their own.
            said = " ".join(seen.error["kinds"]) + seen.error["message"]
            assert "filter" in said.lower() or "refus" in said.lower(), f"thrown: {said}"
            return
        if ending == "limit" and "error" in seen.outcome:
            assert "length limit" in seen.error["message"], seen.error["message"]
            return
        (answer,) = seen.told
        _answer(seen, answer, ending)
        if ending != "filter":
            _equal(answer["text"], TEXT, "words")

    return check


def at_once(seen: Seen) -> None:
    """Many at once, and none gets another's."""
    _equal(seen.told, [TEXT] * seen.ask["at_once"], "answers")
    _equal(len(seen.exchanges), seen.ask["at_once"], "requests")


def embeddings(seen: Seen) -> None:
    """A vector for each text."""
    _equal(seen.told["vectors"], [list(VECTOR)] * 2, "vectors")
    assert seen.told.get("input") in (None, EMBEDDING_TOKENS), f"usage: {seen.told['input']}"


def counted(seen: Seen) -> None:
    """The provider's count, or an estimate."""
    native = seen.program.dialect == seen.provider
    assert seen.told == INPUT_TOKENS if native else 3 < seen.told < 50, f"counted: {seen.told}"


def listed(seen: Seen) -> None:
    """The models of this key, and one of them."""
    assert seen.ask["model"] in seen.told["listed"]
    assert len(seen.told["listed"]) > 20
    _equal(seen.told["found"], seen.ask["model"], "found")


def unknown_looked_up(seen: Seen) -> None:
    """No such model."""
    thrown(seen, 404)


def thrown(seen: Seen, status: int) -> None:
    """The SDK's own class, with the status."""
    error = seen.error
    told = seen.program.statuses.get(status, status)
    _equal(error["status"], told, f"status ({error['kind']}: {error['message'][:200]})")
    wanted = seen.program.error(status)
    assert wanted in error["kinds"], f"class: {error['kinds']}, not {wanted}"
    assert SECRET_WORDS not in error["message"], "the provider's private words are told"
    _equal("".join(seen.outcome["heard"]), "", "words before the error")


def malformed(seen: Seen) -> None:
    """Found out before anybody is asked."""
    thrown(seen, 400)
    _equal(seen.exchanges, [], "requests")


def busy(seen: Seen) -> None:
    """The provider's wait is told."""
    thrown(seen, 429)
    _waits(seen)


def unavailable(seen: Seen) -> None:
    """The same of one that is out of order for a while."""
    thrown(seen, 503)
    _waits(seen)


def _waits(seen: Seen) -> None:
    if seen.program.shows_headers:
        _equal(seen.error["retry_after"], str(RETRY_AFTER_S), "retry-after")


def overloaded(seen: Seen) -> None:
    """Anthropic's own status for its own callers, HTTP's for all others."""
    # Amazon knows no 529, so its overload cannot be told from being out of order.
    known = seen.program.dialect == "anthropic" and seen.provider != "bedrock"
    thrown(seen, 529 if known else 503)
    _waits(seen)


def asked_again(seen: Seen) -> None:
    """The SDK (or the gateway) waits as told, asks again, and is answered."""
    _equal(seen.told[-1]["text"], TEXT, "words")
    assert seen.elapsed_s >= 1, f"it waited only {seen.elapsed_s:.2f} s"


def timed_out(seen: Seen) -> None:
    """The caller's own patience ends."""
    error = seen.error
    said = " ".join(error["kinds"]).lower() + error["message"].lower()
    assert "timeout" in said or "timed out" in said or "abort" in said, f"thrown: {said[:200]}"


def broken(seen: Seen) -> None:
    """What breaks is thrown, and what had come is not taken for an answer."""
    error = seen.error
    assert any(kind in error["kinds"] for kind in seen.program.broken), f"class: {error['kinds']}"
    heard = "".join(seen.outcome["heard"])
    assert heard.startswith("The bridge "), f"heard: {heard!r}"
    assert "arches left" not in heard
    assert SECRET_WORDS not in error["message"]
