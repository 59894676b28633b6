import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.cli.calling import call
from tests.cli.router.outcome_data import rows, written

from passerelle.cli.main import passerelle
from passerelle.cli.router import outcome_file
from passerelle.cli.router.outcome_file import BadData


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompt": None}, "There is no column `prompt`; the columns are `task`, `set`,"),
        ({"prompt": "  "}, "Row 2: `prompt` is no text"),
        ({"prompt": 7}, "Row 2: `prompt` is no text"),
        ({"score|big": 1.5}, "Row 2: `score|big` is 1.5; it must be between 0 and 1"),
        ({"score|big": -0.1}, "Row 2: `score|big` is -0.1; it must be between 0 and 1"),
        ({"score|big": "good"}, "Row 2: `score|big` is `good`, which is no number"),
        ({"score|big": True}, "Row 2: `score|big` is `True`, which is no number"),
        ({"score|": 1.0}, "A column is called `score|` without a model"),
        ({"score|big": None, "score|odd": None}, "only `score|small` is there"),
        ({"score|big": None, "score|odd": None, "score|small": None}, "none is there"),
        ({"cost|odd": None}, "There is `cost|big` but no `cost|odd`"),
        ({"cost|odd": -1.0}, "Row 2: `cost|odd` is -1; it must be in USD, 0 or more"),
        ({"cost|odd": float("inf")}, "Row 2: `cost|odd` is infinite"),
    ],
)
def test_a_wrong_field_is_named_with_its_row(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    made = rows(6, **changed)
    columns = {
        name: [row.get(name) for row in made] for name in dict.fromkeys(k for row in made for k in row)
    }
    with pytest.raises(BadData) as refused:
        outcome_file.outcomes(columns)
    assert said in str(refused.value)


def test_a_cost_that_is_missing_beside_a_score_is_named() -> None:
    columns = {name: [row[name] for row in rows(4)] for name in rows(1)[0]}
    columns["cost|small"][2] = None
    with pytest.raises(BadData, match=r"Row 3: `cost\|small` is empty although there is a score"):
        outcome_file.outcomes(columns)
    columns["score|small"][2] = float("nan")
    assert np.isnan(outcome_file.outcomes(columns).scores[2, 1])


def test_a_model_without_scores_and_rows_without_all_of_them_are_refused() -> None:
    columns = {name: [row[name] for row in rows(4)] for name in rows(1)[0]}
    columns["score|odd"] = [None] * 4
    with pytest.raises(BadData, match=r"`score\|odd` is empty in every row"):
        outcome_file.outcomes(columns)
    columns["score|odd"] = [1.0, None, None, None]
    columns["score|big"] = [None, 1.0, 1.0, 1.0]
    with pytest.raises(BadData, match="No row has the scores of all models"):
        outcome_file.outcomes(columns)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b'{"prompt": "a"}\n{oops\n', "line 2: this is no JSON"),
        (b'{"prompt": "a"}\n["b"]\n', "line 2: each line must be one JSON object"),
        (b"prompt,score\na,1\n", "line 1: this is no JSON"),
        (b'{"prompt": "\xff"}\n', "line 1: this is no JSON"),
        (b"PAR1 but not really", "no whole Parquet file"),
    ],
)
def test_what_is_no_outcome_data_is_refused_by_the_command(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "outcomes"
    path.write_bytes(content)
    done = CliRunner().invoke(passerelle, ["router", "eval", str(path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in " ".join(done.stderr.split())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = call("router", "eval", str(tmp_path / "nowhere.parquet"))
    assert done.code == 1
    assert "nowhere.parquet` cannot be read" in done.err


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    path = tmp_path / "outcomes.parquet"
    path.write_bytes(b"PAR1....PAR1")
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BadData, match=r"pip install 'passerelle\[eval\]'"):
        outcome_file.read(path)


def test_json_lines_may_lack_fields_and_have_blank_lines(tmp_path: Path) -> None:
    path = written(tmp_path, [{"prompt": "a", "score|x": 1}, {"prompt": "b", "score|x": 0, "score|y": 0.5}])
    path.write_text(path.read_text().replace("\n", "\n\n"))
    found = outcome_file.outcomes(outcome_file.read(path))
    assert found.models == ("x", "y")
    assert np.isnan(found.scores[0, 1])
    assert found.tasks is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be an object"),
        ('{"x": 3}', "no price of `x`"),
        ('{"x": {"input": 1}}', "`x` needs an `output` price"),
        ('{"x": {"input": -1, "output": 1}}', "`x` needs an `input` price"),
    ],
)
def test_wrong_prices_are_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(content)
    with pytest.raises(BadData) as refused:
        outcome_file.prices(path, ("x",))
    assert said in str(refused.value)
