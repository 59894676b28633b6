"""Log probabilities: Google's two parallel lists and OpenAI's list of steps, which is core's form.

OpenAI's: `{"content": [{"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}]}]}`.
"""

from typing import Any

from passerelle.codecs.gemini.types import LogprobsCandidate, LogprobsResult


def read_logprobs(said: LogprobsResult | None) -> dict[str, Any] | None:
    """Google's as core's; None when there is none."""
    if said is None or not said.chosen_candidates:
        return None
    tops = said.top_candidates or []
    steps: list[dict[str, Any]] = []
    for at, chosen in enumerate(said.chosen_candidates):
        top = (tops[at].candidates or []) if at < len(tops) else []
        steps.append({**_read(chosen), "top_logprobs": [_read(one) for one in top]})
    return {"content": steps}


def _read(one: LogprobsCandidate) -> dict[str, Any]:
    return {"token": one.token or "", "logprob": one.log_probability or 0.0, "bytes": None}


def write_logprobs(held: Any) -> dict[str, Any] | None:
    """Core's as Google's; None when there is none, or it has another form."""
    steps = held.get("content") if isinstance(held, dict) else None
    if not isinstance(steps, list) or not steps or not all(map(_is_step, steps)):
        return None
    chosen = [_write(step) for step in steps]
    top = [{"candidates": [_write(one) for one in step.get("top_logprobs") or ()]} for step in steps]
    said: dict[str, Any] = {"chosenCandidates": chosen}
    if any(one["candidates"] for one in top):
        said["topCandidates"] = top
    return said


def _is_step(step: Any) -> bool:
    tops = step.get("top_logprobs") or [] if isinstance(step, dict) else None
    return isinstance(tops, list) and all(isinstance(one, dict) for one in tops)


def _write(step: dict[str, Any]) -> dict[str, Any]:
    return {"token": step.get("token", ""), "logProbability": step.get("logprob", 0.0)}
