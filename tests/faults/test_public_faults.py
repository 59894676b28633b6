"""The 31 named faults, one by one: `stream` rescues or is honest, `verified` gives the whole answer."""

from collections.abc import Iterator

import pytest
from tests.faults import page
from tests.faults.fault_cells import MODES, Mode
from tests.faults.public_faults import NAMED, Named
from tests.faults.public_trials import Trial, trials
from tests.gateway.stage import Stage


@pytest.fixture(scope="module")
def tried(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Trial]]:
    with trials(tmp_path_factory.mktemp("named"), stage) as tried:
        yield tried


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("named", NAMED, ids=[f"{named.number} {named.what}" for named in NAMED])
def test_a_named_fault_comes_to_what_it_should(tried: list[Trial], named: Named, mode: Mode) -> None:
    found = [trial for trial in tried if trial.named is named and trial.mode == mode]
    assert found  # asked in every dialect that knows it, and where it is told so, with nobody else to ask
    for trial in found:
        heard = (trial.client, trial.provider, trial.outcome, trial.why)
        assert trial.outcome == trial.expected, heard
        assert trial.why == "" or trial.outcome == "left"


@pytest.mark.parametrize("named", [n for n in NAMED if n.verified == "refused"], ids=lambda n: n.number)
def test_a_refusal_is_asked_of_nobody_else(tried: list[Trial], named: Named) -> None:
    for trial in tried:
        if trial.named is named:
            assert len(trial.kinds) == 1
            assert trial.said is not None
            assert b"`" in trial.said.body


def test_failed_attempts_are_named_and_cost_nothing_where_the_provider_says_that_it_failed(
    tried: list[Trial],
) -> None:
    for trial in tried:
        if trial.named.number == "P16" and not trial.both:
            assert trial.said is not None
            assert trial.kinds == ["overloaded", None]
            failed, answered = trial.receipt["attempts"]
            assert "cost_nanos" not in failed
            assert answered["cost_nanos"] == trial.receipt["cost_nanos"] > 0
            assert trial.said.headers["x-passerelle-deployment"] == answered["deployment"]


def test_the_page_says_what_came_of_them(tried: list[Trial]) -> None:
    text = page.PAGE.read_text()
    assert page.written(text, tried) == text, "run `make faults`"


def test_the_provider_is_not_pressed(tried: list[Trial]) -> None:
    assert all(len(trial.kinds) <= (3 if trial.mode == "stream" else 4) for trial in tried)
