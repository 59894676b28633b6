"""What a choice leaves behind when it settles."""

from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from passerelle.core.plan import Choice, Plan
from passerelle.gateway.choosing import Deliberation
from passerelle.gateway.judgement import ByPrior
from passerelle.gateway.sighting import Seen
from passerelle.router.quality.base import Sight

PLAN = Plan("smart", "balanced", "internal", (), (), 1, "p", "c", choice=Choice("prior"))


class Loading(ByPrior):
    """Its vectors are read while the first requests are answered."""

    ready = False

    def pack(self, org_id: str, sight: Sight) -> bytes | None:
        return f"packed {sight.words}".encode() if self.ready else None


def test_a_choice_made_before_the_vectors_were_there_is_packed_when_it_settles() -> None:
    judgement, nothing = Loading(), SimpleNamespace()
    ask: Any = SimpleNamespace(principal=SimpleNamespace(org_id="org"))
    made: Any = nothing
    deliberation = Deliberation(
        judgement, ask, made, frozenset(), Seen(Sight("Hello.")), None,
        chooser=made, thought=made, answers=1, warm=None, best_nanos=None, request=None,
    )  # fmt: skip
    assert deliberation.recorded(PLAN) is PLAN
    judgement.ready = True
    kept = deliberation.recorded(PLAN)
    assert kept.choice is not None
    assert kept.choice.features == b"packed Hello."
    assert replace(kept, choice=replace(kept.choice, features=None)) == PLAN
    assert deliberation.recorded(kept) is kept


def test_a_plan_without_a_choice_stays_as_it_is() -> None:
    made: Any = SimpleNamespace()
    deliberation = Deliberation(
        Loading(), made, made, frozenset(), Seen(Sight("Hello.")), None,
        chooser=made, thought=made, answers=1, warm=None, best_nanos=None, request=None,
    )  # fmt: skip
    named = replace(PLAN, mode="named", choice=None)
    assert deliberation.recorded(named) is named
