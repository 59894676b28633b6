"""What settled before a start is known again from receipts."""

from typing import Any

import msgspec
from tests import worlds

from passerelle.core.plan import Candidate, Choice, Plan
from passerelle.core.receipt import Attempt, Receipt, Shape
from passerelle.core.usage import Usage
from passerelle.gateway.recall import STAYS_S, Stayed, recalled

A = worlds.deployment("p/a", worlds.model("a"))
PLACES = {A.id: A}
NOW = 10**18
S = 10**9


def receipt(number: int, *, place: str = A.id, age_s: float = 60.0, tokens: int = 50, **more: Any) -> bytes:
    choice = Choice("q1", task=more.pop("task", None), warm=number > 0, stay=place if number else None)
    usage = Usage(
        input_tokens=more.pop("fresh", 100), cache_read_tokens=more.pop("read", 0), output_tokens=tokens,
        source=more.pop("source", "provider"),
    )  # fmt: skip
    at_ns = NOW - int(age_s * S)
    attempt = Attempt(f"att_{number}", place, "p", "a", at_ns, S, True, usage=usage)
    plan = Plan(
        "smart", "balanced", "internal", (Candidate(place, "a", 1.0),), (), 1, "p", "c", choice=choice
    )
    made = Receipt(
        f"rcp_{number}", "req", at_ns, "org", "w", "p", "key", "openai_chat", "chat", False, "answered",
        plan, (attempt,), usage, 0, "USD", S, 1,
        shape=Shape(text_bytes=400, conversation=more.pop("conversation", "c1"), **more),
    )  # fmt: skip
    return msgspec.json.encode(made)


def test_lengths_and_caches_are_as_if_it_had_never_ended() -> None:
    rows = [receipt(0, fresh=101), *(receipt(n, fresh=30, read=71, task="mail") for n in range(1, 40))]
    found = recalled(reversed(rows), PLACES, now_ns=NOW)
    assert found.lengths.expected("a", "mail") < 70
    assert 0.6 < found.caches.read_share(A.id) < 0.75  # 71 of 101 each time
    assert found.stays == {("org", "c1"): Stayed(A.id, NOW - 59 * S, 101)}


def test_only_what_was_answered_at_a_place_that_is_there_is_recalled() -> None:
    rows = [
        receipt(0, place="p/gone"),
        receipt(0, age_s=STAYS_S + 60, conversation="old", tokens=400),
        receipt(0, conversation=None, source="estimated", tokens=4000),
        receipt(0, conversation=None, features=("n",), tokens=4000),
        receipt(0, conversation="c2").replace(b'"answered"', b'"incomplete"'),
        receipt(0, conversation="c3").replace(b'"choice":', b'"chosen":'),
    ]
    found = recalled(rows, PLACES, now_ns=NOW)
    assert found.stays == {}
    assert found.lengths.expected("a") == 400
