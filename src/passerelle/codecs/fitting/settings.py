"""What becomes of each setting a model does not take as it stands.

    left out     and reported by its name: it asked for something, and nothing there means the same (`seed`)
    adapted      and reported with its new value (`temperature=1`): the nearest that the model takes
    refused      with 400 before any call: the answer would not be what its caller reads (`n`, a prefill), or
                 the value means nothing in the caller's own dialect either
    silent       only what asks for what is usual anyway: a `temperature` of 1, an empty `stop`

An effort goes to the nearest below, or to the least: asking for more thinking than was meant costs money.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from passerelle.core.accepts import EFFORTS, SAMPLERS, Accepts
from passerelle.core.errors import ProblemError, invalid
from passerelle.core.request import Dialect

Given = dict[str, Any]
"""Core's name of a setting → its value. What is not asked for is not in it."""

USUAL: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "n": 1,
        "stop": [],
        "parallel_tool_calls": True,
        "verbosity": "medium",
        "service_tier": "auto",
        "tool_choice": "auto",
    }
)
"""What every model does unless told otherwise: taking it out changes nothing."""

OWN: Final[Mapping[Dialect, Mapping[str, tuple[float, float]]]] = MappingProxyType(
    {
        "openai_chat": {
            "temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2),
            "top_logprobs": (0, 20),
        },
        "openai_responses": {"temperature": (0, 2), "top_p": (0, 1), "top_logprobs": (0, 20)},
        "anthropic": {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 1e9)},
        "gemini": {"temperature": (0, 2), "top_p": (0, 1), "top_k": (0, 1e9)},
        "bedrock": {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 1e9)},
    }
)  # fmt: skip
"""What each dialect itself allows. Sources: the notes in the request types of openai 3.54
(`completion_create_params`), anthropic 2.12 (`message_create_params`; its sampling as the API reference of
2025 gives it), ai.google.dev/api/generate-content#GenerationConfig, and botocore 1.44.5
(`InferenceConfiguration`), read 2026-11-22."""

LEAST_BUDGET: Final = 1024
"""Anthropic's least (SDK 2.12, `ThinkingConfigEnabledParam`)."""
_BUDGETS: Final = {"minimal": 1_024, "low": 1_024, "high": 24_576, "xhigh": 32_000, "max": 32_000}
_USUAL_BUDGET: Final = 8192
"""Medium effort in Google's table, which `anthropic.thinking` uses too."""


class UnfitError(ProblemError):
    """The model cannot do what is asked, and nothing nearby would do. Another may: `setting` says what."""

    def __init__(self, setting: str, why: str) -> None:
        """`why` follows the name of the field, in words that end with the next step."""
        super().__init__(invalid(f"`{setting}` {why}", setting).problem)
        self.setting = setting
        self.why = why


class Verdict(msgspec.Struct):
    """What to change, and what to tell of it. Both empty when all fits."""

    changes: Given = {}
    """The new value of a setting; None takes it out."""
    told: list[str] = []
    """Settings left out, or `setting=value` where another value took their place."""

    def drop(self, name: str, *, silently: bool = False) -> None:
        """Take a setting out."""
        self.changes[name] = None
        if not silently and name not in self.told:
            self.told.append(name)

    def adapt(self, name: str, value: Any) -> None:
        """Put another value in a setting's place."""
        self.changes[name] = value
        self.told.append(f"{name}={_shown(value)}")


def judge(given: Given, accepts: Accepts, dialect: Dialect) -> Verdict:
    """What must change of `given` for the model. Raises `UnfitError` for what cannot be made to fit.

    `dialect` is the caller's: a value outside of what it allows is the caller's mistake.
    """
    verdict = Verdict()
    if accepts.tools is not None and "tools" in given:
        _rest_for_tools(given, accepts, verdict)
    if "effort" not in verdict.changes:
        _effort(given, accepts, verdict)
    _thinking(given, accepts, verdict)
    refused = accepts.refuses
    if accepts.samples is not None and not _rests(given, accepts, verdict):
        refused = refused | SAMPLERS
    for name in given:
        if name in refused and name not in verdict.changes:
            _refused(name, given[name], verdict)
    if accepts.one_sampler and _stays("temperature", given, verdict) and _stays("top_p", given, verdict):
        verdict.drop("top_p", silently=given["top_p"] == 1)
    for limit in accepts.ranges:
        name = limit.setting
        if name not in given:
            continue
        value = verdict.changes.get(name, given[name])
        if isinstance(value, int | float) and not isinstance(value, bool) and value not in limit.also:
            _in_range(name, value, limit.least, limit.most, dialect, verdict)
    _stops(given, accepts, verdict)
    return verdict


def _stops(given: Given, accepts: Accepts, verdict: Verdict) -> None:
    stops, most = given.get("stop"), accepts.stops
    if most is None or not isinstance(stops, list) or "stop" in verdict.changes or len(stops) <= most:
        return
    verdict.changes["stop"] = stops[:most]
    verdict.told.append("stop")


def fitting(effort: str, efforts: tuple[str, ...]) -> str:
    """`effort`, or the nearest below it among `efforts` (not empty); the least when none is below."""
    if effort in efforts:
        return effort
    ranks: dict[str, int] = {word: rank for rank, word in enumerate(EFFORTS)}
    below = [word for word in efforts if ranks[word] < ranks[effort]]
    return below[-1] if below else efforts[0]


def _rest_for_tools(given: Given, accepts: Accepts, verdict: Verdict) -> None:
    """Functions only go with a model that does not reason, here where the other dialect is not to be had."""
    effort = given.get("effort")
    rests = effort == "none" or (effort is None and accepts.tools == "unasked")
    if rests and accepts.tools != "never":
        return
    if accepts.tools != "never" and "none" in (accepts.efforts or ()):
        verdict.adapt("effort", "none")
        return
    raise UnfitError(
        "tools",
        "are not taken by this model in Chat Completions; ask for another, or have `openai_responses` added "
        "to the `also` of its deployment.",
    )


def _effort(given: Given, accepts: Accepts, verdict: Verdict) -> None:
    asked, known = given.get("effort"), accepts.efforts
    if not isinstance(asked, str) or known is None:
        return
    if asked not in EFFORTS:
        listed = ", ".join(f"`{word}`" for word in known)
        raise UnfitError(
            "effort",
            f"is `{asked[:40]}`, which is no effort known here; "
            + (f"use one of {listed}." if known else "leave it out."),
        )
    if not known:
        verdict.drop("effort", silently=asked == "none")
    elif asked not in known:
        verdict.adapt("effort", fitting(asked, known))


def _thinking(given: Given, accepts: Accepts, verdict: Verdict) -> None:
    """Anthropic's modes: what one generation requires, the next refuses."""
    mode, known = given.get("thinking"), accepts.thinking
    if mode is None:
        return
    limit = given.get("max_tokens")
    if known is not None and mode not in known:
        if mode == "enabled" and "adaptive" in known:
            verdict.adapt("thinking", "adaptive")
            verdict.drop("budget", silently=True)
        elif mode == "adaptive" and "enabled" in known:
            wanted = _BUDGETS.get(str(given.get("effort")), _USUAL_BUDGET)
            budget = wanted if limit is None else min(wanted, limit - 1)
            if budget < LEAST_BUDGET:
                verdict.drop("thinking")
            else:
                verdict.adapt("thinking", "enabled")
                verdict.changes["budget"] = budget
        elif mode == "disabled" and "between_tools" in known:
            verdict.adapt("thinking", "between_tools")
        elif mode in ("disabled", "between_tools", "enabled", "adaptive"):
            verdict.drop("thinking")
            verdict.drop("budget", silently=True)
    elif mode == "enabled" and isinstance(limit, int) and _at_least(given.get("budget"), limit):
        if limit > LEAST_BUDGET:
            verdict.adapt("budget", limit - 1)
        else:
            verdict.drop("thinking")
            verdict.drop("budget", silently=True)
    now = verdict.changes.get("thinking", mode)
    if not accepts.plain_when_thinking or now not in ("enabled", "adaptive"):
        return
    if given.get("tool_choice") in ("required", "tool"):
        # The call matters more than the thoughts before it.
        if known is None or "disabled" in known:
            verdict.drop("thinking")
            verdict.drop("budget", silently=True)
            return
        verdict.adapt("tool_choice", "auto")
    for name in ("temperature", "top_k", "top_p"):
        value = given.get(name)
        if value is not None and not (name == "top_p" and _at_least(value, 0.95)):
            verdict.drop(name, silently=name == "temperature" and value == 1)


def _at_least(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and value >= least


def _rests(given: Given, accepts: Accepts, verdict: Verdict) -> bool:
    """The model does not reason, as far as the request will say."""
    asked = verdict.changes["effort"] if "effort" in verdict.changes else given.get("effort")
    if asked is None:
        return accepts.samples == "unasked"
    return bool(asked == "none")


def _refused(name: str, value: Any, verdict: Verdict) -> None:
    if name == "n" and value != 1:
        raise UnfitError(
            name, f"is {value}, and this model gives one answer at a time; send the request {value} times."
        )
    if name == "prefill":
        raise UnfitError(
            name,
            "ends the conversation with the assistant's words, and this model does not go on from them; end "
            "with a message of the user's.",
        )
    if name == "tool_choice":
        if value in ("required", "tool"):
            verdict.adapt(name, "auto")
        return
    verdict.drop(name, silently=name in USUAL and value == USUAL[name])


def _stays(name: str, given: Given, verdict: Verdict) -> bool:
    return verdict.changes.get(name, given.get(name)) is not None


def _in_range(
    name: str, value: float, least: float | None, most: float | None, dialect: Dialect, verdict: Verdict
) -> None:
    nearest = value
    if least is not None and value < least:
        nearest = least
    elif most is not None and value > most:
        nearest = most
    if nearest == value:
        return
    own = OWN[dialect].get(name) if dialect in OWN else None
    if own is not None and not own[0] <= value <= own[1]:
        raise UnfitError(name, f"is {_shown(value)}; it lies between {_shown(own[0])} and {_shown(own[1])}.")
    verdict.adapt(name, int(nearest) if isinstance(value, int) and nearest == int(nearest) else nearest)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
