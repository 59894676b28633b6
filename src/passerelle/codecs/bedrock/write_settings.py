"""How the answer is to be: its length, thinking, shape, sampling, and who asks."""

from typing import Final

import msgspec

from passerelle.codecs.base import Target
from passerelle.codecs.bedrock.models import ModelRules
from passerelle.codecs.bedrock.read_request import ADDITIONAL
from passerelle.codecs.bedrock.write_blocks import Block
from passerelle.codecs.losses import Losses
from passerelle.core.request import Effort, Reasoning, Request

_BUDGETS: Final[dict[str, int]] = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_000,
    "max": 32_000,
}
_LEAST_BUDGET: Final = 1_024
_ANSWER_ROOM: Final = 4_096
_NOVA: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_TIERS: Final = {"auto": "", "default": "", "standard_only": "", "priority": "priority", "flex": "flex"}
"""What other dialects call a tier → Converse's; empty for what it gives unasked."""

_encode = msgspec.json.Encoder().encode


def settle(
    request: Request, target: Target, rules: ModelRules, lose: Losses, body: Block, *, native: bool
) -> None:
    """Write everything but the conversation and the tools."""
    asked = request.reasoning
    if not native and _thinks(asked):
        choice = request.tool_choice
        # Claude refuses to think before a tool it must call, and the call matters more.
        forced = rules.maker == "anthropic" and choice is not None and choice.mode in ("required", "tool")
        if forced or (target.capabilities and "reasoning" not in target.capabilities):
            lose("reasoning.effort")
            asked = Reasoning()
    inference: Block = {}
    additional: Block = {}
    limit = request.max_output_tokens
    if limit is not None and target.max_output_tokens is not None and not native:
        limit = min(limit, target.max_output_tokens)
    output: Block = {}
    if native:
        _said(asked, rules, additional, output, lose)
    else:
        limit = _think(asked, rules, limit, target.max_output_tokens, additional, output, lose)
    if limit is not None:
        inference["maxTokens"] = max(limit, 1)
    _sample(request, rules, inference, additional, lose, native=native, thinks=_asks(additional))
    if inference:
        body["inferenceConfig"] = inference
    if additional:
        body[ADDITIONAL] = additional
    _shape(request, target, output, lose)
    if output:
        body["outputConfig"] = output
    _account(request, body, lose, native=native)


def _asks(additional: Block) -> bool:
    """Thinking is asked for."""
    modes = (additional.get("thinking"), additional.get("reasoningConfig"))
    asked = any(mode is not None and mode["type"] in ("enabled", "adaptive") for mode in modes)
    return asked or "reasoning_effort" in additional


def binds_schemas(target: Target, *, known: bool = False) -> bool:
    """The model can be held to a schema; or nothing is known of it, unless it must be `known`."""
    if "no_json_schema" in target.quirks:
        return False
    return "json_schema" in target.capabilities or (not target.capabilities and not known)


def _thinks(asked: Reasoning) -> bool:
    wanted = asked.enabled or asked.adaptive or asked.budget_tokens
    return bool(wanted or (asked.effort not in (None, "none") and asked.enabled is not False))


def _said(asked: Reasoning, rules: ModelRules, additional: Block, output: Block, lose: Losses) -> None:
    """What a caller of this dialect wrote, in the form it came in."""
    if rules.thinks == "nova" and asked.enabled is not None:
        additional["reasoningConfig"] = {"type": "enabled" if asked.enabled else "disabled"}
        if asked.effort is not None:
            additional["reasoningConfig"]["maxReasoningEffort"] = asked.effort
        return
    if rules.thinks == "effort" and asked.effort is not None:
        additional["reasoning_effort"] = asked.effort
        return
    if asked.enabled is False:
        additional["thinking"] = {"type": "disabled"}
    elif asked.adaptive:
        additional["thinking"] = {"type": "adaptive"}
    elif asked.budget_tokens is not None:
        additional["thinking"] = {"type": "enabled", "budget_tokens": asked.budget_tokens}
    if asked.effort is not None:
        output["effort"] = asked.effort


def _think(
    asked: Reasoning,
    rules: ModelRules,
    limit: int | None,
    ceiling: int | None,
    additional: Block,
    output: Block,
    lose: Losses,
) -> int | None:
    """Write how much to think; gives the limit, which may grow when nobody named one."""
    if not _thinks(asked):
        off = asked.enabled is False or asked.effort == "none"
        if off and rules.maker == "anthropic":
            if rules.off == "never":
                lose("reasoning.effort")
            elif rules.thinks is not None:
                additional["thinking"] = {"type": rules.off}
        elif off and rules.thinks == "nova":
            additional["reasoningConfig"] = {"type": "disabled"}
        elif off and rules.thinks == "effort":
            lose("reasoning.effort")  # these models always think
        return limit
    effort: Effort = asked.effort or "medium"
    match rules.thinks:
        case "nova":
            additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": _NOVA[effort]}
        case "effort":
            additional["reasoning_effort"] = _NOVA[effort]
        case "claude_adaptive":
            additional["thinking"] = {"type": "adaptive"}
            if asked.effort is not None:
                output["effort"] = _nearest(effort, rules.efforts)
        case "claude_budget":
            return _budgeted(asked, effort, limit, ceiling, additional, lose)
        case None:
            lose("reasoning.effort")
    return limit


def _nearest(effort: Effort, efforts: tuple[str, ...]) -> str:
    """`effort`, or the nearest below it that the model takes; its lowest when none is below."""
    ranks = tuple(_BUDGETS)
    below = [word for word in efforts if ranks.index(word) <= ranks.index(effort)]
    return below[-1] if below else efforts[0]


def _budgeted(
    asked: Reasoning, effort: Effort, limit: int | None, ceiling: int | None, additional: Block, lose: Losses
) -> int | None:
    """A budget that leaves room for the answer; no thinking when even the least does not fit."""
    budget = asked.budget_tokens or _BUDGETS[effort]
    grown = limit is None
    if limit is None:
        limit = min(budget + _ANSWER_ROOM, ceiling or budget + _ANSWER_ROOM)
    room = limit - 1 if asked.budget_tokens or grown else limit * 4 // 5
    budget = max(min(budget, room), _LEAST_BUDGET)
    if budget >= limit:
        lose("reasoning.effort")
    else:
        additional["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return limit


def _sample(
    request: Request,
    rules: ModelRules,
    inference: Block,
    additional: Block,
    lose: Losses,
    *,
    native: bool,
    thinks: bool,
) -> None:
    asked = request.sampling
    temperature = asked.temperature
    if temperature is not None and temperature > 1 and not native:  # its range ends at 1, OpenAI's at 2
        lose("temperature")
        temperature = 1.0
    if thinks and not native and rules.maker in ("anthropic", "amazon") and temperature not in (None, 1):
        lose("temperature")
        temperature = None
    top_p = asked.top_p
    if not native and not rules.sampling:
        if temperature not in (None, 1):
            lose("temperature")
        if top_p not in (None, 1):
            lose("top_p")
        temperature = top_p = None
    if not native and rules.one_sampler and temperature is not None and top_p is not None:
        if top_p != 1:
            lose("top_p")
        top_p = None
    if temperature is not None:
        inference["temperature"] = temperature
    if top_p is not None:
        inference["topP"] = top_p
    if asked.stop:
        inference["stopSequences"] = list(asked.stop)
    if asked.top_k is not None:
        place = "top_k" if native else rules.top_k
        if place is None or ((thinks or not rules.sampling) and not native):
            lose("top_k")
        else:
            head, dot, field = place.partition(".")
            if dot:
                additional.setdefault(head, {})[field] = asked.top_k
            else:
                additional[head] = asked.top_k
    for name in ("seed", "logit_bias", "top_logprobs"):
        if getattr(asked, name) is not None:
            lose(name)
    for name in ("presence_penalty", "frequency_penalty", "logprobs"):
        if getattr(asked, name):  # 0 and false ask for nothing
            lose(name)
    if asked.n != 1:
        lose("n")


def _shape(request: Request, target: Target, output: Block, lose: Losses) -> None:
    form = request.output
    if form.kind == "text":
        return
    if form.kind != "json_schema" or form.schema is None or not binds_schemas(target):
        lose("response_format")  # nothing here asks for JSON of no schema
        return
    definition: Block = {"schema": _encode(form.schema).decode()}
    if form.name is not None:
        definition["name"] = form.name
    if form.description is not None:
        definition["description"] = form.description
    output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _account(request: Request, body: Block, lose: Losses, *, native: bool) -> None:
    """For whom, and how urgent."""
    if request.metadata:
        if native:
            body["requestMetadata"] = request.metadata
        else:
            lose("metadata")  # it would end in the operator's AWS invocation logs, which nobody asked for
    tier = request.service_tier
    if tier is not None:
        mapped = tier if native else _TIERS.get(tier)
        if mapped is None:
            lose("service_tier")
        elif mapped:
            body["serviceTier"] = {"type": mapped}
    for name in ("user", "prompt_cache_key", "verbosity"):
        if getattr(request, name) is not None:
            lose(name)
