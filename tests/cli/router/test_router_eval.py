import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.cli.calling import call
from tests.cli.router.outcome_data import QUICK, rows, written

from passerelle.cli.main import passerelle

FILES = ["calibration.svg", "cost-quality.svg", "deferral.svg", "report.html", "report.json", "report.md"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("three"), rows())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("two"), rows(costs=False, models=2))


def test_a_report_is_told_written_and_the_same_in_every_form(three: Path, tmp_path: Path) -> None:
    report = tmp_path / "made" / "report"
    said = call("router", "eval", str(three), *QUICK, "--report", str(report))
    assert said.code == 0, said.err
    assert said.out.startswith("AIQ 0.")
    for heading in ("All models, by cost", "Between two models", "Modes", "Same choice of", "Decision"):
        assert heading in said.out
    for name in ("task mean", "length only", "random", "best single", "zero router", "oracle"):
        assert f"\n{name} " in said.out, name
    assert sorted(path.name for path in report.iterdir()) == FILES
    found = json.loads((report / "report.json").read_text())
    (measured,) = found["measured"]
    ours = next(one for one in measured["contestants"] if one["name"] == "passerelle")["figures"]["aiq"]
    shown = f"{ours['value']:.4f} [{ours['low']:.4f}, {ours['high']:.4f}]"
    page = (report / "report.html").read_text()
    assert shown in said.out
    assert shown in page
    assert shown in (report / "report.md").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    for name in FILES[:3]:
        drawn = ElementTree.parse(report / name)
        assert any(element.tag.endswith("polyline") for element in drawn.iter())


def test_json_alone_stands_on_standard_output(two: Path) -> None:
    said = call("router", "eval", str(two), *QUICK, "--json")
    found = said.json
    assert found["data"]["models"] == ["big", "small"]
    assert (found["data"]["rows"], found["data"]["costs"], found["data"]["tasks"]) == (150, "none", 3)
    assert found["measured"][0]["strong"] == "big"
    assert found["robustness"]["prompts"] == 75
    assert found["decision"]["p99_ms"] >= found["decision"]["p50_ms"] > 0


def test_several_numbers_of_labels_make_a_learning_curve(two: Path, tmp_path: Path) -> None:
    said = call("router", "eval", str(two), *QUICK, "--fit", "60,20", "--report", str(tmp_path))
    assert said.code == 0, said.err
    assert "By number of labels" in said.out
    found = json.loads((tmp_path / "report.json").read_text())
    assert [one["labels"] for one in found["measured"]] == [20, 60]
    assert (tmp_path / "labels.svg").exists()


def test_tasks_are_held_out_or_groups_of_another_column(three: Path) -> None:
    by_task = call("router", "eval", str(three), *QUICK, "--holdout-task", "--json").json
    assert by_task["protocol"]["held_out"] == "task"
    mean = next(one for one in by_task["measured"][0]["contestants"] if one["name"] == "task mean")
    assert mean["figures"]["apgr"]["value"] == pytest.approx(0.5)
    by_set = call(
        "router", "eval", str(three), *QUICK, "--holdout-task", "--by", "set", "--no-task", "--json"
    )
    assert by_set.json["measured"][0]["labels"] == 75
    assert by_set.json["protocol"]["tagged"] is False


def test_only_the_rows_asked_for_are_judged(three: Path) -> None:
    one = call("router", "eval", str(three), *QUICK, "--where", "set=one", "--json").json
    assert one["data"]["rows"] == 75
    some = ("--where", "task=sums", "--where", "task=poems", "--where", "set=two")
    both = call("router", "eval", str(three), *QUICK, *some, "--json").json
    assert 0 < both["data"]["rows"] < 75
    assert both["data"]["tasks"] == 2


def test_a_stream_learns_from_what_it_chose_and_tells_of_the_drift(three: Path, tmp_path: Path) -> None:
    said = call(
        "router", "eval", str(three), "--stream", "--warm", "30", "--requests", "200", "--seeds", "1",
        "--drift", "best:0.2@100", "--report", str(tmp_path),
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "`big` is worse from request 100 on" in said.out
    assert "80 requests had been asked before" in said.out
    assert (tmp_path / "stream.svg").exists()
    found = json.loads((tmp_path / "report.json").read_text())["stream"]
    assert (found["drift"], found["drift_at"], found["warm"]) == ("big", 100, 30)


def test_prices_stand_in_for_costs(two: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(
        '{"big": {"input": 5, "output": 15}, "small": {"input_price": 0.5, "output_price": 1.5}}'
    )
    found = call("router", "eval", str(two), *QUICK, "--prices", str(prices), "--json").json
    assert found["data"]["costs"] == "from prices"
    by = {one["model"]: one["cost"] for one in found["measured"][0]["models"]}
    assert by["big"] == pytest.approx(10 * by["small"])
    missing = tmp_path / "missing.json"
    missing.write_text('{"big": {"input": 5, "output": 15}}')
    said = call("router", "eval", str(two), "--prices", str(missing))
    assert (said.code, said.out) == (1, "")
    assert "no price of `small`" in said.err


def test_parquet_gives_what_json_lines_give(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    made = rows(90)
    parquet.write_table(pyarrow.Table.from_pylist(made), tmp_path / "outcomes.parquet")
    one = call("router", "eval", str(tmp_path / "outcomes.parquet"), *QUICK, "--json").json
    other = call("router", "eval", str(written(tmp_path, made)), *QUICK, "--json").json
    assert one["measured"] == other["measured"]


def test_missing_scores_are_learned_from_and_counted(tmp_path: Path) -> None:
    made = rows(120)
    for row in made[::6]:
        row["score|odd"] = None
    found = call("router", "eval", str(written(tmp_path, made)), *QUICK, "--json").json
    assert (found["data"]["rows"], found["data"]["testable"]) == (120, 100)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--stream", "--holdout-task"), "one at a time"),
        (("--stream", "--fit", "20"), "--warm"),
        (("--drift", "best:0.3"), "--drift belongs to --stream"),
        (("--explore", "0.02"), "--explore belongs to --stream"),
        (("--by", "set"), "--holdout-task"),
        (("--fit", "many"), "no number of labels"),
        (("--where", "dataset"), "write `dataset=mmlu`"),
    ],
)
def test_options_that_contradict_each_other_are_a_wrong_call(
    three: Path, asked: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(passerelle, ["router", "eval", str(three), *asked])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--pair", "big,huge"), "there is no `huge`; there are `big`, `small`, `odd`"),
        (("--pair", "big"), "names no two models"),
        (("--pair", "odd,big"), "no gap to recover"),
        (("--fit", "5000"), "leaves nothing to test on"),
        (("--where", "task=prose"), "no row has `task` = `prose`; it has `"),
        (("--where", "colour=red"), "no column `colour`"),
        (("--holdout-task", "--by", "colour"), "no column `colour`"),
        (("--stream", "--warm", "200"), "leaves nothing to ask"),
        (("--stream", "--warm", "9", "--drift", "huge:0.3"), "no `huge`"),
        (("--stream", "--warm", "9", "--drift", "best:3"), "a factor up to 1"),
        (("--stream", "--warm", "9", "--drift", "best:0.3@9000"), "give more `--requests`"),
        (("--folds", "100", "--where", "set=one"), "lower `--folds`"),
        (("--prices", "nowhere.json"), "`nowhere.json` cannot be read"),
    ],
)
def test_what_the_data_do_not_allow_is_refused_with_the_next_step(
    three: Path, asked: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(passerelle, ["router", "eval", str(three), "--seeds", "1", *asked])
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_report_that_cannot_be_written_says_so(two: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("router", "eval", str(two), *QUICK, "--report", str(tmp_path / "file" / "report"))
    assert done.code == 1
    assert "cannot be written" in done.err
