"""Core's request, of any origin, as Google's."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from passerelle.codecs.base import NOTHING_RENAMED, Encoded, Target
from passerelle.codecs.gemini import schema, thinking, vertex
from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.parts import nest
from passerelle.codecs.gemini.write_contents import Contents, system_parts
from passerelle.codecs.names import fit_name
from passerelle.core.message import ToolCallPart, ToolResultPart
from passerelle.core.request import OutputFormat, Request, Tool, ToolChoice

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
"""`google-genai` 3.4.0, `types.FunctionDeclaration.name` (read 2026-11-22); it allows 128 characters,
older models only 64."""

_MOST_STOPS: Final = 5
"""ai.google.dev/api/generate-content#GenerationConfig, `stopSequences`, read 2026-11-22."""

_TIERS: Final = {"default": "standard", "standard_only": "standard", "standard": "standard",
                 "flex": "flex", "priority": "priority"}  # fmt: skip
"""Service tiers that mean the same elsewhere; `types.ServiceTier` of `google-genai` 3.4.0. `auto` is what
leaving it out means."""

_PARTIAL: Final = "toolConfig.functionCallingConfig.streamFunctionCallArguments"


def encode_request(request: Request, target: Target) -> Encoded:
    """The body, and what it could not say. The model stands in the path, which the provider builds."""
    own = request.dialect == "gemini"
    lost = Loss(request.dropped)
    sent = _names_sent(request)
    body: Json = {}
    _messages(body, request, target, own=own, sent=sent, lost=lost)
    _tools(body, request, target, own=own, sent=sent, lost=lost)
    config = _config(request, target, own=own, lost=lost)
    if config:
        body["generationConfig"] = config
    _tier(body, request, own=own, lost=lost)
    if own:
        extra = dict(request.extra or ())
        if extra.pop(_PARTIAL, None) is not None:
            lost.add("streamFunctionCallArguments")  # calls come whole in a translated answer
        nest(body, extra)
    else:
        lost.update(request.extra)
        _foreign_fields(request, lost)
    if vertex.QUIRK in target.quirks:
        if body.pop("store", None) is not None:
            lost.add("store")
        if target.operation == "count_tokens":
            body = vertex.counted(body)
    elif target.operation == "count_tokens":
        # countTokens takes bare contents, or a whole request with its model, never both
        # (ai.google.dev/api/tokens, read 2026-11-22).
        body = {"generateContentRequest": {"model": "models/" + target.model.removeprefix("models/"), **body}}
    renamed = {name: said for said, name in sent.items()}
    return Encoded(_encode(body), lost.names(), renamed or NOTHING_RENAMED)


def _names_sent(request: Request) -> dict[str, str]:
    """Tool names Google would refuse: the caller's → what is sent."""
    names = {tool.name for tool in request.tools if tool.kind != "builtin"}
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart | ToolResultPart) and part.name is not None:
                names.add(part.name)
    sent: dict[str, str] = {}
    for name in names:
        if _NAME.fullmatch(name) is None:
            stand_in = fit_name(name)
            sent[name] = stand_in if _NAME.fullmatch(stand_in) else fit_name("_" + name + " ")
    return sent


def _messages(
    body: Json, request: Request, target: Target, *, own: bool, sent: Mapping[str, str], lost: Loss
) -> None:
    leading = 0
    for message in request.messages:
        if message.role not in ("system", "developer"):
            break
        leading += 1
    rest = request.messages[leading:]
    if not rest:
        # Nothing but instructions: Google wants contents, so they are the user's words.
        leading, rest = 0, tuple(replace(message, role="user") for message in request.messages)
    parts = system_parts(request.messages[:leading], own=own, lost=lost)
    contents = Contents(target, own=own, sent=sent, lost=lost)
    for message in rest:
        contents.add(message)
    body["contents"] = contents.finish()
    if parts:
        body["systemInstruction"] = {"parts": parts}


def _tools(
    body: Json, request: Request, target: Target, *, own: bool, sent: Mapping[str, str], lost: Loss
) -> None:
    functions: list[Json] = []
    builtins: list[Json] = []
    plain = "no_json_schema" in target.quirks
    strict = False
    for tool in request.tools:
        if tool.cache is not None:
            lost.add("cache_control")
        if tool.kind == "builtin":
            if tool.origin == "gemini":
                builtins.append(dict(tool.extra or {tool.name: {}}))
            else:
                lost.add(f"tools.{tool.name}")
            continue
        strict = strict or tool.strict is True
        functions.append(_function(tool, sent.get(tool.name, tool.name), own=own, plain=plain, lost=lost))
    if functions:
        builtins.insert(0, {"functionDeclarations": functions})
    if builtins:
        body["tools"] = builtins
    validated = own and _inner(request.memo, "toolConfig", "functionCallingConfig") is not None
    choice = request.tool_choice
    if not own and choice is not None and request.tools and not _possible(choice, request.tools):
        lost.add("tool_choice")
        choice = None
    calling = _calling(choice, sent, validated=validated) if functions or own else {}
    if strict and functions:
        # VALIDATED is AUTO with the schemas enforced; ANY enforces them by itself
        # (ai.google.dev/gemini-api/docs/function-calling, read 2026-11-22).
        if not thinking.is_gemini_3(target.model):
            lost.add("strict")
        elif calling.get("mode", "AUTO") == "AUTO":
            calling["mode"] = "VALIDATED"
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    if request.parallel_tool_calls is False and functions:
        lost.add("parallel_tool_calls")


def _possible(choice: ToolChoice, tools: tuple[Tool, ...]) -> bool:
    """Whether Google can be told to choose so: it names functions only, never its own tools."""
    functions = {tool.name for tool in tools if tool.kind != "builtin"}
    if choice.mode == "tool":
        return choice.name in functions
    return choice.mode != "required" or bool(functions.intersection(choice.allowed or functions))


def _function(tool: Tool, name: str, *, own: bool, plain: bool, lost: Loss) -> Json:
    declared: Json = {"name": name}
    if tool.description is not None:
        declared["description"] = tool.description
    parameters = tool.parameters
    if tool.kind == "custom":
        words = "The tool's whole input, as plain text."
        if tool.grammar is not None:
            lost.add("tools.format")
        parameters = {
            "type": "object",
            "properties": {"input": {"type": "string", "description": words}},
            "required": ["input"],
        }
    if own and tool.memo and "parameters" in tool.memo:
        declared["parameters"] = tool.memo["parameters"]
    elif parameters is not None:
        if plain:
            declared["parameters"] = schema.to_google(parameters, lost)
        else:
            declared["parametersJsonSchema"] = parameters
    if own:
        return nest(declared, tool.extra)
    lost.update(tool.extra)
    return declared


def _calling(choice: ToolChoice | None, sent: Mapping[str, str], *, validated: bool) -> Json:
    """`functionCallingConfig`. `allowedFunctionNames` goes with ANY and VALIDATED only."""
    if choice is None:
        return {}
    allowed = [sent.get(name, name) for name in choice.allowed or ()]
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "auto":
            if allowed:
                return {"mode": "VALIDATED", "allowedFunctionNames": allowed}
            return {"mode": "VALIDATED" if validated else "AUTO"}
        case "required":
            return {"mode": "ANY", "allowedFunctionNames": allowed} if allowed else {"mode": "ANY"}
        case "tool":
            name = choice.name or ""
            return {"mode": "ANY", "allowedFunctionNames": [sent.get(name, name)]}


def _inner(memo: Json | None, *path: str) -> Json | None:
    value: Any = memo
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _config(request: Request, target: Target, *, own: bool, lost: Loss) -> Json:
    config: Json = {}
    limit = request.max_output_tokens
    if limit is not None:
        # Google answers 400 above the model's ceiling, where others just stop there.
        config["maxOutputTokens"] = min(limit, target.max_output_tokens or limit)
    sampling = request.sampling
    for name, value in (
        ("temperature", sampling.temperature),
        ("topP", sampling.top_p),
        ("topK", sampling.top_k),
        ("presencePenalty", sampling.presence_penalty),
        ("frequencyPenalty", sampling.frequency_penalty),
    ):
        if value is not None:
            config[name] = value
    if sampling.seed is not None:
        if -(1 << 31) <= sampling.seed < 1 << 31:
            config["seed"] = sampling.seed
        else:
            lost.add("seed")
    stops = [stop for stop in sampling.stop if stop]
    if stops:
        config["stopSequences"] = stops if own else stops[:_MOST_STOPS]
        if len(stops) > _MOST_STOPS and not own:
            lost.add("stop")
    if sampling.logprobs:
        config["responseLogprobs"] = True
        if sampling.top_logprobs is not None:
            config["logprobs"] = sampling.top_logprobs
    elif own and sampling.logprobs is False:
        config["responseLogprobs"] = False
    if sampling.n > 1:
        lost.add("n")  # one answer is all a translation can give back
    if sampling.logit_bias:
        lost.add("logit_bias")
    _thinking(config, request, target, own=own, lost=lost)
    _output(config, request, target, own=own, lost=lost)
    return config


def _thinking(config: Json, request: Request, target: Target, *, own: bool, lost: Loss) -> None:
    if own:
        said = thinking.write_own(request.reasoning)
    else:
        capable = "reasoning" in target.capabilities if target.capabilities else None
        said, unsaid = thinking.write_thinking(request.reasoning, target.model, capable)
        if unsaid:
            lost.add("reasoning.effort")
    if said:
        config["thinkingConfig"] = said


def _output(config: Json, request: Request, target: Target, *, own: bool, lost: Loss) -> None:
    output: OutputFormat = request.output
    if output.kind == "text":
        return
    config["responseMimeType"] = "application/json"
    if output.kind != "json_schema" or output.schema is None:
        return
    own_schema = _inner(request.memo, "generationConfig") if own else None
    if own_schema is not None:
        nest(config, own_schema)
    elif "no_json_schema" in target.quirks:
        config["responseSchema"] = schema.to_google(output.schema, lost)
    else:
        config["responseJsonSchema"] = output.schema


def _tier(body: Json, request: Request, *, own: bool, lost: Loss) -> None:
    tier = request.service_tier
    if tier is None or (tier == "auto" and not own):
        return
    if own:
        body["serviceTier"] = tier
    elif tier in _TIERS:
        body["serviceTier"] = _TIERS[tier]
    else:
        lost.add("service_tier")


def _foreign_fields(request: Request, lost: Loss) -> None:
    """What other dialects ask for and Google has no word for."""
    for name, value in (
        ("user", request.user),
        ("metadata", request.metadata),
        ("prompt_cache_key", request.prompt_cache_key),
        ("verbosity", request.verbosity),
    ):
        if value:
            lost.add(name)
