"""docs/operations.md names what can be observed and what is on disk, and nothing else."""

import inspect
import re
import tomllib

from tests.docs.pages import ROOT, code_blocks, column, page, rows, section

from passerelle.server.listen import KEEP_ALIVE_S
from passerelle.store import Bounds
from passerelle.telemetry import logs, names, trace

PAGE = page("operations.md")
SOURCE = (ROOT / "src/passerelle/telemetry/metrics.py").read_text()


def test_every_metric_is_documented_with_its_labels_and_no_other_is() -> None:
    told = {
        row[0]: [word.strip() for word in row[2].split(",") if word.strip()]
        for row in rows(section(PAGE, "## Metrics"))
    }
    assert set(told) == {value for name, value in vars(names).items() if name.startswith("PROM_")}
    for constant, labels in re.findall(r"names\.(PROM_\w+),\s*\"[^\"]*\",\s*(?:\[([^\]]*)\])?", SOURCE):
        assert told[getattr(names, constant)] == re.findall(r'"(\w+)"', labels or ""), constant


def test_every_attribute_of_a_span_is_documented_and_no_other_is() -> None:
    told = column(section(PAGE, "## Traces"))
    used = re.findall(r"names\.([A-Z_]+)\b", inspect.getsource(trace))
    metrics = {"METRIC_DURATION", "METRIC_TOKENS", "TOKEN_TYPE", "OPERATION_WORDS"}
    assert set(told) == {getattr(names, name) for name in used if name not in metrics}
    for name in ("METRIC_DURATION", "METRIC_TOKENS"):
        assert f"`{getattr(names, name)}`" in PAGE


def test_every_field_of_the_log_line_is_documented_and_no_other_is() -> None:
    fields = re.findall(r'(?:^ +|fields\[)"(\w+)"[:\]]', inspect.getsource(logs.receipt_fields), re.MULTILINE)
    assert column(section(PAGE, "## Logs")) == ["at", "level", "logger", "message", *fields]


def test_figures_are_those_of_the_code() -> None:
    assert f"less than {KEEP_ALIVE_S} s" in " ".join(PAGE.split())
    assert f"up to {Bounds().bytes >> 20} MiB" in " ".join(PAGE.split())


def test_examples_of_configuration_are_toml() -> None:
    for block in code_blocks(PAGE, "toml"):
        assert tomllib.loads(block)
