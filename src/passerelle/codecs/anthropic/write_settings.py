"""How the answer is to be: thinking, effort, shape, sampling, and who asks."""

from typing import Any, Final

from passerelle.codecs.anthropic import thinking
from passerelle.codecs.anthropic.schema import fit
from passerelle.codecs.anthropic.thinking import Thought
from passerelle.codecs.anthropic.write_blocks import Block
from passerelle.codecs.base import Target
from passerelle.codecs.claude import ModelRules
from passerelle.codecs.losses import Losses
from passerelle.core.request import Reasoning, Request, Sampling

_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_NO_SAMPLING: Final = Sampling()


class Ask:
    """A request, where it goes, and what has been lost on the way."""

    __slots__ = ("lose", "native", "request", "rules", "target")

    def __init__(self, request: Request, target: Target, rules: ModelRules, lose: Losses) -> None:
        self.request = request
        self.target = target
        self.rules = rules
        self.lose = lose
        self.native = request.dialect == "anthropic"

    @property
    def binds_schemas(self) -> bool:
        """The model can be held to a schema, or nothing is known of it."""
        known = self.target.capabilities
        return "no_json_schema" not in self.target.quirks and (not known or "json_schema" in known)


def think(ask: Ask, body: Block) -> Thought:
    """Write `thinking`, and give what was decided with it: the limit and the effort."""
    request, asked = ask.request, ask.request.reasoning
    if not ask.native and _thinks(asked):
        known = ask.target.capabilities
        choice = request.tool_choice
        # A forced tool skips thinking, and the two together are a 400: the call matters more.
        forced = choice is not None and choice.mode in ("required", "tool") and ask.rules.forced_tools
        if forced or (known and "reasoning" not in known):
            ask.lose("reasoning.effort")
            asked = Reasoning()
    thought = thinking.plan(
        asked,
        ask.rules,
        native=ask.native,
        max_tokens=request.max_output_tokens,
        ceiling=ask.target.max_output_tokens,
        lose=ask.lose,
    )
    if thought.thinking is not None:
        body["thinking"] = dict(thought.thinking)
    return thought


def shape(ask: Ask, body: Block, thought: Thought) -> None:
    """Write `output_config`: the effort, and the schema that binds the answer."""
    config: Block = {}
    if thought.effort is not None:
        config["effort"] = thought.effort
    output = ask.request.output
    if output.kind == "json_schema" and output.schema is not None and ask.binds_schemas:
        config["format"] = {"type": "json_schema", "schema": _schema(ask, output.schema)}
    elif output.kind != "text":  # nothing here asks for JSON of no schema
        ask.lose("output_config.format" if ask.native else "response_format")
    if config:
        body["output_config"] = config


def _schema(ask: Ask, schema: dict[str, Any]) -> dict[str, Any]:
    if ask.native:
        return schema
    fitted, lost = fit(schema)
    if lost:
        ask.lose("response_format.schema")
    description = ask.request.output.description
    if description:
        fitted.setdefault("description", description)
    return fitted


def sample(ask: Ask, body: Block, thought: Thought) -> None:
    """Write `temperature` and its kin as far as the model takes them, and `stop_sequences`."""
    asked, rules = ask.request.sampling, ask.rules
    if asked == _NO_SAMPLING:
        return
    temperature, top_p = asked.temperature, asked.top_p
    top_k: float | None = asked.top_k
    if temperature is not None and temperature > 1:  # Anthropic's range ends at 1, OpenAI's at 2
        ask.lose("temperature")
        temperature = 1.0
    thinks = thought.on and rules.claude
    if thinks or not rules.sampling:
        # 1 is the default, and the default is always taken; thinking also takes a `top_p` near it.
        least = 0.95 if rules.sampling else 1
        temperature = _none_but(ask, temperature, temperature == 1, "temperature")
        top_p = _none_but(ask, top_p, top_p is not None and top_p >= least, "top_p")
        top_k = _none_but(ask, top_k, False, "top_k")
    if rules.one_sampler and temperature is not None and top_p is not None:
        top_p = _none_but(ask, None if top_p == 1 else top_p, False, "top_p")
    for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
        if value is not None:
            body[name] = value
    stops = [stop for stop in asked.stop if ask.native or stop.strip()]
    if len(stops) < len(asked.stop):  # "each stop sequence must contain non-whitespace"
        ask.lose("stop")
    if stops:
        body["stop_sequences"] = stops
    for name in ("seed", "logit_bias", "top_logprobs"):
        if getattr(asked, name) is not None:
            ask.lose(name)
    for name in ("presence_penalty", "frequency_penalty", "logprobs"):
        if getattr(asked, name):  # 0 and false ask for nothing
            ask.lose(name)
    if asked.n != 1:
        ask.lose("n")


def account(ask: Ask, body: Block) -> None:
    """Write `metadata` and `service_tier`: for whom, and how urgent."""
    request = ask.request
    metadata: Block = {}
    if request.user is not None:
        if "no_metadata" in ask.target.quirks:
            ask.lose("user")
        else:
            metadata["user_id"] = request.user
    if request.metadata:
        if ask.native:
            metadata.update(request.metadata)
        else:
            ask.lose("metadata")
    if metadata:
        body["metadata"] = metadata
    tier = request.service_tier
    if tier is not None:
        mapped = tier if ask.native else _TIERS.get(tier)
        if mapped is None:
            ask.lose("service_tier")
        else:
            body["service_tier"] = mapped
    if request.prompt_cache_key is not None:
        ask.lose("prompt_cache_key")
    if request.verbosity is not None:
        ask.lose("verbosity")


def _none_but(ask: Ask, value: float | None, keep: bool, name: str) -> float | None:
    """`value` if it may be kept; otherwise nothing, and its name is told."""
    if value is None or keep:
        return value
    ask.lose(name)
    return None


def _thinks(asked: Reasoning) -> bool:
    wanted = asked.enabled or asked.adaptive or asked.budget_tokens
    return bool(wanted or (asked.effort not in (None, "none") and asked.enabled is not False))
