"""Agent CLIs, unmodified and alone on loopback, do an errand in several steps through the gateway: with a
model of their own provider, and with another's behind their dialect. What each sends is in `docs/clients/`.

`make test` runs each client with its own provider and one other, `make agents` all of them.
"""

from pathlib import Path

import pytest
from tests.agents.agent_clients import CLIENTS, missing_part
from tests.agents.agent_runs import RUNS, Run
from tests.agents.agent_task import NOTES
from tests.agents.agent_world import SECRET, Ran, World

TOLERATED = frozenset({"body.temperature: unknown to MessageCreateParamsStreaming"})
"""The API takes it of older models; Anthropic's SDK has it in `extra_body` only since 2.0."""


def _parameters() -> list[object]:
    return [
        pytest.param(
            run, id=f"{run.client}-{run.asked or run.dialect}", marks=() if run.often else pytest.mark.soak
        )
        for run in RUNS
    ]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("run", _parameters())
def test_an_agent_does_its_errand(world: World, run: Run, tmp_path: Path) -> None:
    lacking = missing_part(run.client)
    if lacking:
        pytest.skip(f"`{run.client}` IS NOT TESTED: {lacking}")
    ran = world.run(CLIENTS[run.client], run.asked or f"errand-{run.dialect}", tmp_path)
    told = f"{ran.said}\n{ran.grumbled}\n{ran.troubles}"
    assert ran.status == 0, told
    assert ran.file("notes.txt") == NOTES, told
    assert ran.file("count.txt").strip() == "3", told
    assert f"Errand done, the secret is {SECRET}" in ran.said, told
    _was_true_to_the_dialect(ran, run)
    _was_booked(ran, run)


def _was_true_to_the_dialect(ran: Ran, run: Run) -> None:
    """The provider found nothing wrong, and the conversation was the whole errand."""
    assert ran.troubles == []
    assert {turn.dialect for turn in ran.turns} == {run.dialect}
    assert [fault for turn in ran.turns for fault in turn.wrong] == []
    if not run.relayed:
        assert {fault for turn in ran.turns for fault in turn.untyped} <= TOLERATED
    errand = [turn for turn in ran.turns if turn.tools]
    assert [(turn.results, turn.calls) for turn in errand] == [(0, 1), (1, 2), (3, 1), (4, 0)]
    assert errand[-1].proofs == run.proofs
    assert all(turn.tools == errand[0].tools for turn in errand)


def _was_booked(ran: Ran, run: Run) -> None:
    """Every call has its receipt, which says what was lost."""
    assert len(ran.receipts) == len(ran.turns)
    assert {receipt["outcome"] for receipt in ran.receipts} == {"answered"}
    assert {bool(receipt.get("relayed")) for receipt in ran.receipts} == {run.relayed}
    assert {name for receipt in ran.receipts for name in receipt.get("dropped") or ()} == run.dropped
    for receipt in ran.receipts:
        usage = receipt["usage"]
        assert usage["input_tokens"] + usage["cache_read_tokens"] == 1200
        assert usage["output_tokens"] + usage.get("reasoning_tokens", 0) == 40
