"""Core's request as a chat request, for OpenAI and for servers that depart from it (`codecs.base.QUIRKS`).

Limits of OpenAI's API that a request of another dialect may break are met here rather than by a 400:
at most four `stop` sequences, 64 characters of `user`, no `tool_choice` without tools, the word "json"
somewhere when JSON is asked for (OpenAI API reference and error messages, read 2026-11-22).
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target
from passerelle.codecs.custom import TEXT_SCHEMA
from passerelle.codecs.names import digest, fit_name, fit_names
from passerelle.codecs.openai_chat.departures import reshape
from passerelle.codecs.openai_chat.encode_messages import encode_messages
from passerelle.codecs.openai_chat.encode_parts import cache_control
from passerelle.codecs.openai_chat.losses import Journey, merged
from passerelle.codecs.openai_chat.turns import DEMANDS, suit
from passerelle.core.message import TextPart, ToolCallPart, ToolResultPart
from passerelle.core.request import Effort, Request, Tool, ToolChoice

Json = dict[str, Any]

_encoder = msgspec.json.Encoder()

_MAX_STOPS: Final = 4
_MAX_USER: Final = 64
_TIERS: Final = {
    "auto": "auto",
    "default": "default",
    "standard": "default",
    "standard_only": "default",
    "flex": "flex",
    "priority": "priority",
    "scale": "scale",
    "fast": "fast",
}
_DEFAULTS: Final[dict[str, float]] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}


def encode_request(request: Request, target: Target) -> Encoded:
    """The request in this dialect, with what it could not carry."""
    journey = Journey(request, target)
    tools, choice = _allowed(request, journey)
    messages = encode_messages(request.messages, journey)
    if not target.quirks.isdisjoint(DEMANDS):
        suit(messages, target.quirks)
    body: Json = {"model": target.model, "messages": messages}
    _limit(body, request, target)
    if request.stream:
        body["stream"] = True
        if "no_stream_options" not in target.quirks:
            body["stream_options"] = {"include_usage": True}
    _tools(body, request, tools, choice, journey)
    _output(body, request, journey)
    _reasoning(body, request, journey)
    _sampling(body, request, journey)
    _identity(body, request, journey)
    if request.memo and journey.own:
        body = _remembered(body, request.memo, journey)
    extra = request.extra
    if extra and "no_metadata" in target.quirks and journey.own:
        refused = [name for name in ("metadata", "store") if name in extra]
        journey.drop(*refused)
        extra = {name: value for name, value in extra.items() if name not in refused}
    if "no_metadata" not in target.quirks:
        extra = journey.shared(body, extra)
    body = journey.extras(body, extra)
    if target.quirks:
        reshape(body, target.quirks, journey.drop)
    return Encoded(_encoder.encode(body), journey.dropped, fit_names(_names(request)))


def _limit(body: Json, request: Request, target: Target) -> None:
    if request.max_output_tokens is None:
        return
    limit = request.max_output_tokens
    if target.max_output_tokens is not None:
        limit = min(limit, target.max_output_tokens)  # more is refused, and the model cannot give it
    name = "max_tokens" if "max_tokens_field" in target.quirks else "max_completion_tokens"
    body[name] = limit


def _names(request: Request) -> list[str]:
    names = [tool.name for tool in request.tools if tool.kind != "builtin"]
    for message in request.messages:
        if message.role == "assistant":
            names.extend([part.name for part in message.parts if isinstance(part, ToolCallPart)])
    return names


def _allowed(request: Request, journey: Journey) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Tools and choice. A narrowed list from another dialect narrows the tools themselves: it says the
    same, and servers that do not know OpenAI's `allowed_tools` take it."""
    choice = request.tool_choice
    if choice is None or choice.allowed is None or journey.own:
        return request.tools, choice
    names = frozenset(choice.allowed)
    allowed = tuple([tool for tool in request.tools if tool.name in names])
    return allowed, ToolChoice(choice.mode, choice.name)


def _tools(
    body: Json, request: Request, tools: tuple[Tool, ...], choice: ToolChoice | None, journey: Journey
) -> None:
    written = [encoded for tool in tools if (encoded := _tool(tool, journey)) is not None]
    if written:
        body["tools"] = written
    if choice is not None and (journey.own or _can_choose(choice, tools, written)):
        body["tool_choice"] = _choice(choice, tools, customs="custom_tools" in journey.quirks)
    elif choice is not None and choice.mode in ("required", "tool"):
        journey.drop("tool_choice")
    if request.parallel_tool_calls is not None and (written or journey.own):
        if "no_parallel_tool_calls_field" not in journey.quirks:
            body["parallel_tool_calls"] = request.parallel_tool_calls
        elif not request.parallel_tool_calls:  # servers without the field call in parallel as they like
            journey.drop("parallel_tool_calls")


def _can_choose(choice: ToolChoice, tools: tuple[Tool, ...], written: list[Json]) -> bool:
    """Whether what is chosen goes along: servers refuse the name of a tool they were not given."""
    if choice.mode != "tool":
        return bool(written)
    return any(tool.name == choice.name and tool.kind != "builtin" for tool in tools)


def _tool(tool: Tool, journey: Journey) -> Json | None:
    if tool.kind == "builtin":
        if tool.origin == "openai_chat":
            return tool.extra or {"type": tool.name}
        journey.drop(f"tools.{tool.name}")
        return None
    inner: Json = {"name": fit_name(tool.name)}
    if tool.description is not None:
        inner["description"] = tool.description
    kind: str = tool.kind
    if tool.kind == "custom" and "custom_tools" not in journey.quirks:
        kind = "function"
        inner["parameters"] = TEXT_SCHEMA
        if tool.grammar is not None:
            journey.drop("tools.format")
    elif tool.kind == "custom":
        if tool.grammar is not None:
            inner["format"] = {"type": "grammar", "grammar": tool.grammar}
    else:
        if tool.parameters is not None:
            inner["parameters"] = tool.parameters
        if tool.strict is not None:
            inner["strict"] = tool.strict
    encoded: Json = {"type": kind, kind: inner}
    if tool.cache is not None:
        if journey.own:
            encoded["cache_control"] = cache_control(tool.cache)
        else:
            journey.drop("cache_control")
    return journey.extras(encoded, tool.extra)


def _choice(choice: ToolChoice, tools: tuple[Tool, ...], *, customs: bool) -> str | Json:
    kinds = {tool.name: tool.kind for tool in tools}

    def named(name: str) -> Json:
        kind = "custom" if customs and kinds.get(name) == "custom" else "function"
        return {"type": kind, kind: {"name": fit_name(name)}}

    if choice.allowed is not None:
        mode = "required" if choice.mode == "required" else "auto"
        allowed = {"mode": mode, "tools": [named(name) for name in choice.allowed]}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    if choice.mode == "tool":
        return named(choice.name or "")
    return choice.mode


def _output(body: Json, request: Request, journey: Journey) -> None:
    output = request.output
    if output.kind == "text":
        return
    if output.kind == "json_schema" and "no_json_schema" not in journey.quirks:
        schema: Json = {"name": fit_name(output.name or "answer")}
        if output.description is not None:
            schema["description"] = output.description
        if output.schema is not None:
            schema["schema"] = output.schema
        if output.strict is not None:
            schema["strict"] = output.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return
    if output.kind == "json_schema":
        journey.drop("response_format.json_schema")
    body["response_format"] = {"type": "json_object"}
    if not journey.own and not _says_json(request):
        # OpenAI refuses JSON mode unless the conversation itself asks for JSON.
        body["messages"].append({"role": "system", "content": "Answer in JSON."})


def _says_json(request: Request) -> bool:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, TextPart) and "json" in part.text.lower():
                return True
            if isinstance(part, ToolResultPart) and any(
                isinstance(item, TextPart) and "json" in item.text.lower() for item in part.content
            ):
                return True
    return False


def _reasoning(body: Json, request: Request, journey: Journey) -> None:
    wanted = request.reasoning
    if journey.own:
        if wanted.effort is not None:
            body["reasoning_effort"] = wanted.effort
        off_in_words = wanted.enabled is False and wanted.effort == "none"
        if (
            wanted.adaptive
            or wanted.budget_tokens is not None
            or (wanted.enabled is not None and not off_in_words)
        ):
            body["thinking"] = _thinking(request)
        return
    if (wanted.show or wanted.summary) and "reasoning_content_field" not in journey.quirks:
        journey.drop("reasoning.summary")
    effort = _effort(request)
    if effort is None:
        return
    known = journey.target.capabilities
    able = "reasoning" in known
    if effort == "none":
        if able and "no_effort_none" not in journey.quirks:
            body["reasoning_effort"] = "none"
        elif able or not known:
            journey.drop("reasoning.effort")
        return
    if able or not known:
        body["reasoning_effort"] = effort
    else:
        journey.drop("reasoning.effort")


def _effort(request: Request) -> Effort | None:
    """The word for what was asked; a token budget takes the word whose usual budget is nearest."""
    wanted = request.reasoning
    if wanted.enabled is False:
        return "none"
    if wanted.effort is not None:
        return wanted.effort
    if wanted.budget_tokens is None or wanted.budget_tokens < 0:
        return None
    if wanted.budget_tokens == 0:
        return "none"
    if wanted.budget_tokens < 4096:
        return "low"
    return "medium" if wanted.budget_tokens < 16384 else "high"


def _thinking(request: Request) -> Json:
    wanted = request.reasoning
    kind = "adaptive" if wanted.adaptive else "disabled" if wanted.enabled is False else "enabled"
    if wanted.budget_tokens is None:
        return {"type": kind}
    return {"type": kind, "budget_tokens": wanted.budget_tokens}


def _sampling(body: Json, request: Request, journey: Journey) -> None:
    sampling = request.sampling
    fixed = "no_sampling" in journey.quirks
    for name, usual in _DEFAULTS.items():
        value = getattr(sampling, name)
        if value is None:
            continue
        if not fixed:
            body[name] = value
        elif value != usual:
            journey.drop(name)
    if sampling.top_k is not None:
        if journey.own:
            body["top_k"] = sampling.top_k
        else:
            journey.drop("top_k")
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        stops = sampling.stop
        if len(stops) > _MAX_STOPS and not journey.own:
            journey.drop("stop")
            stops = stops[:_MAX_STOPS]
        body["stop"] = list(stops)
    if sampling.logprobs is not None or sampling.top_logprobs is not None:
        if fixed:
            journey.drop("logprobs")
        else:
            body["logprobs"] = True if sampling.logprobs is None else sampling.logprobs
            if sampling.top_logprobs is not None:
                body["top_logprobs"] = sampling.top_logprobs
    if sampling.logit_bias is not None:
        body["logit_bias"] = sampling.logit_bias
    if sampling.n > 1:
        # Core carries one answer: the others travel only in a whole answer to a caller of this dialect.
        if journey.own and not request.stream:
            body["n"] = sampling.n
        else:
            journey.drop("n")


def _identity(body: Json, request: Request, journey: Journey) -> None:
    """Who asks, and the fields that servers with `no_metadata` refuse."""
    given: Json = {}
    if request.user is not None:
        memo = request.memo or {}
        if journey.own and "safety_identifier" in memo:
            given["safety_identifier"] = request.user
            if "user" in memo:
                given["user"] = memo["user"]
        elif journey.own or len(request.user) <= _MAX_USER:
            given["user"] = request.user
        else:
            given["user"] = "user_" + digest(request.user, 40)
    if request.metadata is not None:
        if journey.own:
            given["metadata"] = request.metadata
        else:
            journey.drop("metadata")  # OpenAI takes it only beside `store`
    if request.prompt_cache_key is not None:
        if "no_prompt_cache_key" in journey.quirks:
            journey.drop("prompt_cache_key")
        else:
            given["prompt_cache_key"] = request.prompt_cache_key
    if "no_metadata" in journey.quirks:
        if "keeps_prompt_cache_key" in journey.quirks and "prompt_cache_key" in given:
            body["prompt_cache_key"] = given.pop("prompt_cache_key")
        journey.drop(*given)
    else:
        body.update(given)
    if request.service_tier is not None:
        tier = request.service_tier if journey.own else _TIERS.get(request.service_tier.lower())
        if tier is None:
            journey.drop("service_tier")
        else:
            body["service_tier"] = tier
    if request.verbosity is not None:
        body["verbosity"] = request.verbosity


def _remembered(body: Json, memo: Json, journey: Journey) -> Json:
    more: Json = {}
    if "store" in memo and "no_metadata" not in journey.quirks:
        more["store"] = memo["store"]
    if "stream_options" in memo and "no_stream_options" not in journey.quirks and "stream" in body:
        more["stream_options"] = memo["stream_options"]
    return merged(body, more)
