"""`passerelle router train | show | freeze | unfreeze | rollback`: called, with what their exit codes say."""

import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.cli.router.outcome_data import written
from tests.gateway.learning_world import TRUTH, outcomes, words
from tests.gateway.stage import ENV, Catalogue

from passerelle.cli.main import passerelle
from passerelle.core.clock import SystemClock
from passerelle.gateway.learning.kinds import best
from passerelle.store import Store, default_url, open_store


class Shell:
    """The commands, called in this process on one installation."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.config = folder / "passerelle.toml"
        catalogue = Catalogue()
        catalogue.provider("chat", "openai_chat", "http://127.0.0.1:9")
        for name in TRUTH:
            catalogue.model(name, "chat", more=("quality = 0.8",))
        self.config.write_text(catalogue.text)

    def call(self, *args: str) -> Result:
        command = ["router", *args, "--config", str(self.config), "--data", str(self.data)]
        return CliRunner().invoke(passerelle, command, env=ENV, catch_exceptions=False)

    def json(self, *args: str) -> Any:
        done = self.call(*args, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def open(self) -> Store:
        self.data.mkdir(exist_ok=True, parents=True)
        return open_store(default_url(self.data), self.data, clock=SystemClock(), worker="test")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def tell(shell: Shell, count: int, seed: int = 1) -> str:
    store = shell.open()
    known = store.identity.organisations()
    org = known[0].id if known else store.tenants.bootstrap(actor="cli:test")[0].id
    start = store.router_states.head(org).number
    for one in outcomes(count, best(), seed=seed):
        named = msgspec.structs.replace(one.judged, receipt_id=f"rcp_{start + one.number}", source="person")
        store.feedback.add(org, named, actor="key")
    store.close()
    return org


def a_file(folder: Path, names: tuple[str, ...] = ("coder", "poet")) -> Path:
    rng = Random(3)
    made = []
    for n in range(60):
        task = ("code", "poem")[n % 2]
        row: dict[str, Any] = {"prompt": words(task, rng), "task": task}
        for name, model in zip(names, ("coder", "poet"), strict=True):
            row[f"score|{name}"] = TRUTH[model][task]
        made.append(row)
    return written(folder, made)


def test_what_feedback_taught_is_shown_by_model_and_task(shell: Shell) -> None:
    tell(shell, 60)
    found = shell.json("show")
    assert found["outcomes"] == found["learned"] == 60
    assert found["ready"] is True
    assert found["learner"].startswith("q")
    lines = {(one["model"], one["task"]): one for one in found["models"]}
    assert set(lines) == {(m, t) for m in TRUTH for t in ("code", "poem")}
    assert sum(one["outcomes"] for one in lines.values()) == 60
    assert lines["coder", "code"]["mean"] > lines["coder", "poem"]["mean"]
    assert all(one["low"] <= one["mean"] <= one["high"] for one in lines.values())
    assert 0 <= found["calibration"] <= 1
    said = shell.call("show")
    assert said.exit_code == 0
    assert "60 outcomes; chooses by what it learned" in said.output
    assert "coder" in said.output


def test_nothing_learned_is_said_so(shell: Shell) -> None:
    said = shell.call("show")
    assert said.exit_code == 0
    assert "Nothing is learned yet" in said.output
    assert shell.json("show")["ready"] is False


def test_versions_are_trained_rolled_back_and_audited(shell: Shell, tmp_path: Path) -> None:
    org = tell(shell, 40)
    first = shell.json("train", str(a_file(tmp_path)))
    assert first["version"] == 1
    assert first["origin"] == "trained"
    assert first["number"] == 40
    assert sorted(first["models"]) == ["coder", "poet"]
    second = shell.json("train", "--from-outcomes")
    assert second["version"] == 2
    assert second["learner"] != first["learner"]
    third = shell.json("rollback", "1")
    assert (third["version"], third["restores"], third["learner"]) == (3, 1, first["learner"])
    found = shell.json("show")
    assert found["version"] == 3
    assert found["learner"] == first["learner"]
    assert [one["version"] for one in found["versions"]] == [3, 2, 1]
    assert "rolled back to 1" in shell.call("show").output
    store = shell.open()
    actions = [record.action for record in store.audit.list(org)][:3]
    store.close()
    assert actions == ["router.rolled_back", "router.trained", "router.trained"]


def test_frozen_it_learns_nothing_until_it_is_unfrozen(shell: Shell) -> None:
    tell(shell, 30)
    before = shell.json("show")["learner"]
    assert shell.json("freeze")["frozen_at"] == 30
    tell(shell, 20, seed=2)
    frozen = shell.json("show")
    assert frozen["learner"] == before
    assert (frozen["outcomes"], frozen["learned"], frozen["frozen_at"]) == (50, 30, 30)
    assert "20 outcomes waited" in shell.call("unfreeze").output
    assert "was not frozen" in shell.call("unfreeze").output
    after = shell.json("show")
    assert after["learner"] != before
    assert after["learned"] == 50


def test_what_is_called_wrongly_ends_with_2_and_says_how(shell: Shell, tmp_path: Path) -> None:
    for args in ((), (str(a_file(tmp_path)), "--from-outcomes"), (str(a_file(tmp_path)), "--model", "x")):
        done = shell.call("train", *args)
        assert done.exit_code == 2, done.output
    assert shell.call("rollback").exit_code == 2
    assert shell.call("rollback", "zero").exit_code == 2


def test_what_cannot_be_done_ends_with_1_and_says_why(shell: Shell, tmp_path: Path) -> None:
    tell(shell, 5)
    few = shell.call("train", "--from-outcomes")
    assert few.exit_code == 1
    assert "5 outcomes to learn from, and 16 are needed" in few.output
    none = shell.call("rollback", "7")
    assert none.exit_code == 1
    assert "no version 7" in none.output
    away = shell.call("train", str(tmp_path / "none.jsonl"))
    assert away.exit_code == 1
    assert "cannot be read" in away.output
    assert shell.call("show", "--org", "nobody").exit_code == 1


def test_models_of_a_file_are_those_of_the_catalog_or_renamed(shell: Shell, tmp_path: Path) -> None:
    tell(shell, 1)
    file = str(a_file(tmp_path, ("old-coder", "old-poet")))
    strange = shell.call("train", file)
    assert strange.exit_code == 1
    assert "`--model COLUMN=MODEL`" in strange.output
    renamed = shell.json("train", file, "--model", "old-coder=coder", "--model", "old-poet=poet")
    assert sorted(renamed["models"]) == ["coder", "poet"]
    half = shell.call("train", file, "--model", "old-coder=coder")
    assert half.exit_code == 0
    assert "Not served here" in half.output
    assert shell.call("train", file, "--model", "old-coder=poet", "--model", "old-poet=poet").exit_code == 1
