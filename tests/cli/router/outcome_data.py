"""Outcome data as files, small enough to evaluate in seconds."""

import json
from pathlib import Path
from typing import Any

from tests.router.evaluate.made import outcomes

QUICK = ("--seeds", "1", "--folds", "2", "--resamples", "30")


def rows(count: int = 150, *, costs: bool = True, models: int = 3, **changed: Any) -> list[dict[str, Any]]:
    """Rows of `made.outcomes`; `changed` puts values into the second row, None takes a field out of all."""
    data = outcomes(count)
    made: list[dict[str, Any]] = []
    for row in range(count):
        one: dict[str, Any] = {
            "prompt": data.prompts[row],
            "task": (data.tasks or ())[row],
            "set": data.columns["half"][row],
        }
        for place, model in enumerate(data.models[:models]):
            one[f"score|{model}"] = float(data.scores[row, place])
            if costs and data.costs is not None:
                one[f"cost|{model}"] = float(data.costs[row, place])
        made.append(one)
    for name, value in changed.items():
        for place, one in enumerate(made):
            if value is None:
                one.pop(name, None)
            elif place == 1:
                one[name] = value
    return made


def written(folder: Path, made: list[dict[str, Any]], name: str = "outcomes.jsonl") -> Path:
    """The rows as JSON lines."""
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in made) + "\n")
    return path
