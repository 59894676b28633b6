"""A decoded request made to fit the model it goes to."""

from typing import Any

from msgspec.structs import replace

from passerelle.codecs.fitting.settings import Given, UnfitError, judge
from passerelle.core.accepts import Accepts
from passerelle.core.request import Dialect, Reasoning, Request, Sampling

_SAMPLING = (
    "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "logprobs",
    "top_logprobs", "logit_bias",
)  # fmt: skip
_PLAIN = ("verbosity", "service_tier", "parallel_tool_calls")
_NOTHING = Sampling()
_OFF_APART: frozenset[Dialect] = frozenset({"anthropic", "gemini", "bedrock"})
"""Dialects where not to think is no word of effort."""
_WORDS = {"effort": "reasoning.effort", "budget": "reasoning.effort"}
"""How core's public words call what `settings` calls shorter."""


def fit_request(request: Request, accepts: Accepts | None, spoken: Dialect) -> Request:
    """`request` as the model takes it, what that cost added to its `dropped`.

    Raises `UnfitError` when nothing would fit, and for several answers: core carries one, so only a caller
    of the dialect `spoken` can have them, whole.
    """
    if request.sampling.n > 1 and (request.dialect != spoken or request.stream):
        raise UnfitError(
            "n",
            f"is {request.sampling.n}, and this model gives one answer at a time; send the request "
            f"{request.sampling.n} times.",
        )
    if accepts is None:
        return request
    given = _given(request)
    if accepts.tools is not None and request.tools:
        given["tools"] = True
    if spoken in _OFF_APART and (given.get("effort") == "none" or not accepts.efforts):
        given.pop("effort", None)  # a mode of its own, or a budget: the dialect's codec says it
    if not given:
        return request
    verdict = judge(given, accepts, request.dialect)
    if not verdict.changes:
        return request
    told = [_word(name) for name in verdict.told]
    return replace(
        _changed(request, verdict.changes), dropped=tuple(dict.fromkeys((*request.dropped, *told)))
    )


def _word(said: str) -> str:
    name, equals, value = said.partition("=")
    return _WORDS.get(name, name) + equals + value


def _given(request: Request) -> Given:
    given: Given = {}
    sampling, reasoning = request.sampling, request.reasoning
    if sampling != _NOTHING:
        for name in _SAMPLING:
            value = getattr(sampling, name)
            if value is not None:
                given[name] = value
        if sampling.stop:
            given["stop"] = list(sampling.stop)
        if sampling.n != 1:
            given["n"] = sampling.n
    for name in _PLAIN:
        value = getattr(request, name)
        if value is not None:
            given[name] = value
    if reasoning.enabled is False:
        given["effort"] = "none"
    elif reasoning.effort is not None:
        given["effort"] = reasoning.effort
    elif reasoning.budget_tokens is not None:
        given["budget"] = reasoning.budget_tokens
    if request.tool_choice is not None:
        given["tool_choice"] = request.tool_choice.mode
    if request.messages and request.messages[-1].role == "assistant":
        given["prefill"] = True
    return given


def _changed(request: Request, changes: Given) -> Request:
    sampling: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for name, value in changes.items():
        if name in _SAMPLING:
            sampling[name] = value
        elif name == "stop":
            sampling[name] = tuple(value or ())
        elif name in _PLAIN:
            plain[name] = value
        elif name == "tool_choice" and request.tool_choice is not None:
            plain[name] = replace(request.tool_choice, mode=value, name=None)
    if sampling:
        plain["sampling"] = replace(request.sampling, **sampling)
    reasoning = _reasoning(request.reasoning, changes)
    if reasoning is not None:
        plain["reasoning"] = reasoning
    return replace(request, **plain)


def _reasoning(asked: Reasoning, changes: Given) -> Reasoning | None:
    if "effort" in changes:
        effort = changes["effort"]
        if effort is None:
            return Reasoning(show=asked.show, summary=asked.summary)
        if effort == "none":
            return replace(asked, enabled=False, effort="none", adaptive=False)
        return replace(
            asked,
            effort=effort,
            enabled=None if asked.enabled is False else asked.enabled,
            budget_tokens=None,
        )
    if "budget" in changes:
        return replace(asked, budget_tokens=changes["budget"])
    return None
