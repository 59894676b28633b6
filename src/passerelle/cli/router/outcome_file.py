"""Outcome data from a file: Parquet (extra `eval`) or JSON lines. A refusal names the row and the field."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

if TYPE_CHECKING:
    from passerelle.router.evaluate.outcomes import Outcomes, Price

SCORE, COST = "score|", "cost|"
_PARQUET = b"PAR1"
_SHOWN = 8

Columns = dict[str, list[Any]]


class BadData(ValueError):
    """The file cannot be used; says where and why, and what to do."""


def read(path: Path) -> Columns:
    """The columns of a file, told by its first bytes what it is."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        columns = _parquet(path) if magic == _PARQUET else _json_lines(path.read_bytes(), path)
    except OSError as error:
        raise BadData(f"`{path}` cannot be read: {error.strerror or error}. Check its path.") from error
    if not columns or not next(iter(columns.values())):
        raise BadData(f"`{path}` has no rows: give at least one prompt with the scores of two models.")
    return columns


def where(columns: Columns, conditions: Sequence[tuple[str, str]]) -> Columns:
    """The rows that meet all conditions; several values of one column are alternatives."""
    wanted: dict[str, set[str]] = {}
    for column, value in conditions:
        if column not in columns:
            raise BadData(f"`--where`: there is no column `{column}`; there are {_named(columns)}.")
        wanted.setdefault(column, set()).add(value)
    for column, values in wanted.items():
        there = Counter(_text(value) for value in columns[column])
        unknown = sorted(values - set(there))
        if unknown:
            seen = _named(value for value, _ in there.most_common())
            raise BadData(f"`--where`: no row has `{column}` = `{unknown[0]}`; it has {seen}.")
    count = len(next(iter(columns.values())))
    kept = [
        row
        for row in range(count)
        if all(_text(columns[column][row]) in values for column, values in wanted.items())
    ]
    if not kept:
        raise BadData("`--where`: no row meets all conditions together; give fewer of them.")
    return {name: [values[row] for row in kept] for name, values in columns.items()}


def outcomes(columns: Columns) -> "Outcomes":
    """The checked value. Rows are counted from 1 (after `--where`)."""
    import numpy as np

    from passerelle.router.evaluate.outcomes import Outcomes

    prompts = _prompts(columns)
    models = tuple(name.removeprefix(SCORE) for name in columns if name.startswith(SCORE))
    if "" in models:
        raise BadData(f"A column is called `{SCORE}` without a model: write `{SCORE}MODEL`.")
    if len(models) < 2:
        has = f"only `{SCORE}{models[0]}` is" if models else "none is"
        raise BadData(
            f"Scores of at least two models are needed, in columns called `{SCORE}MODEL`; {has} there. "
            f"The columns are {_named(columns)}."
        )
    scores = np.array([_numbers(columns, SCORE + model, 1.0) for model in models], dtype=np.float64).T
    for place, model in enumerate(models):
        if np.isnan(scores[:, place]).all():
            raise BadData(f"`{SCORE}{model}` is empty in every row; leave the column out.")
    if not (~np.isnan(scores)).all(axis=1).any():
        raise BadData(
            "No row has the scores of all models, so nothing can be tested; leave out the columns of the "
            "models that were asked least."
        )
    priced = [model for model in models if COST + model in columns]
    costs = None
    if priced:
        missing = [model for model in models if model not in priced]
        if missing:
            raise BadData(
                f"There is `{COST}{priced[0]}` but no `{COST}{missing[0]}`: give the costs of all models, or "
                "none and `--prices`."
            )
        costs = np.array([_numbers(columns, COST + model, None) for model in models], dtype=np.float64).T
        lost = np.argwhere(np.isnan(costs) & ~np.isnan(scores))
        if len(lost):
            row, place = lost[0]
            raise BadData(f"Row {row + 1}: `{COST}{models[place]}` is empty although there is a score.")
    plain = {name for name in columns if name != "prompt" and not name.startswith((SCORE, COST))}
    texts = {name: tuple(_text(value) for value in columns[name]) for name in sorted(plain)}
    tasks = texts.pop("task", None)
    return Outcomes(prompts=prompts, models=models, scores=scores, tasks=tasks, costs=costs, columns=texts)


def prices(path: Path, models: Sequence[str]) -> "dict[str, Price]":
    """USD for a million tokens of each model: `{"MODEL": {"input": 0.5, "output": 1.5}}`.

    `input_price` and `output_price` are understood too.
    """
    from passerelle.router.evaluate.outcomes import Price

    try:
        said = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise BadData(f"`{path}` cannot be read: {error.strerror or error}. Check its path.") from error
    except msgspec.DecodeError as error:
        raise BadData(f"`{path}` is no JSON: {error}.") from error
    if not isinstance(said, dict):
        raise BadData(f'`{path}` must be an object: {{"MODEL": {{"input": 0.5, "output": 1.5}}}}.')
    made = {}
    for model in models:
        row = said.get(model)
        if not isinstance(row, dict):
            raise BadData(f"`{path}` has no price of `{model}`; it has {_named(said)}.")
        found = []
        for side in ("input", "output"):
            value = row.get(side, row.get(f"{side}_price"))
            if value is None or not _is_number(value) or not 0 <= value < math.inf:
                raise BadData(f"`{path}`: `{model}` needs an `{side}` price in USD for a million tokens.")
            found.append(float(value))
        made[model] = Price(*found)
    return made


def _parquet(path: Path) -> Columns:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BadData(
            "Reading Parquet needs pyarrow: `pip install 'passerelle[eval]'`, or give JSON lines."
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadData(f"`{path}` is no whole Parquet file: {error}. Write it again.") from error
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _json_lines(content: bytes, path: Path) -> Columns:
    decoder = msgspec.json.Decoder()
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadData(
                f"`{path}`, line {number}: this is no JSON ({error}). Give one object a line, or Parquet."
            ) from error
        if not isinstance(row, dict):
            raise BadData(f"`{path}`, line {number}: each line must be one JSON object, such as `{{…}}`.")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _prompts(columns: Columns) -> tuple[str, ...]:
    if "prompt" not in columns:
        raise BadData(f"There is no column `prompt`; the columns are {_named(columns)}.")
    for row, value in enumerate(columns["prompt"], 1):
        if not isinstance(value, str) or not value.strip():
            raise BadData(
                f"Row {row}: `prompt` is {'empty' if not value else 'no text'}; give what was asked."
            )
    return tuple(columns["prompt"])


def _numbers(columns: Columns, name: str, most: float | None) -> list[float]:
    made = []
    for row, value in enumerate(columns[name], 1):
        if value is None:
            made.append(math.nan)
            continue
        if not _is_number(value):
            raise BadData(f"Row {row}: `{name}` is `{value}`, which is no number.")
        number = float(value)
        if not math.isnan(number) and not 0 <= number <= (math.inf if most is None else most):
            allowed = "in USD, 0 or more" if most is None else "between 0 and 1; divide by its maximum"
            raise BadData(f"Row {row}: `{name}` is {number:g}; it must be {allowed}.")
        if math.isinf(number):
            raise BadData(f"Row {row}: `{name}` is infinite; leave it empty where it is unknown.")
        made.append(number)
    return made


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _named(names: Iterable[str]) -> str:
    listed = [f"`{name}`" for name in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
