"""Core → a Responses request, of whatever origin.

Stateless always: `store` is false, and reasoning comes back encrypted so that the next turn can return it.
A model that does not reason refuses `include: ["reasoning.encrypted_content"]` and `reasoning`, so both are
only sent when asked for and possible.

The body's order is fixed and what changes from turn to turn stands last in `input`: providers cache by
prefix.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from passerelle.codecs.base import Encoded, Target
from passerelle.codecs.names import digest, fit_id, fit_names
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.agent_api import LISTED, fit
from passerelle.codecs.openai_responses.decode import ENCRYPTED, LOGPROBS
from passerelle.codecs.openai_responses.items_out import ItemsOut
from passerelle.codecs.openai_responses.tools import DIALECT, Names, choice_in, choice_out, tools_out
from passerelle.core.message import Message, TextPart, ToolCallPart
from passerelle.core.request import Effort, OutputFormat, Reasoning, Request

_encoder = msgspec.json.Encoder()

_COUNTED = frozenset({
    "input", "instructions", "model", "parallel_tool_calls", "reasoning", "text", "tool_choice", "tools",
    "truncation",
})  # fmt: skip
"""What `POST /v1/responses/input_tokens` takes (openai-python 3.54, `input_token_count_params.py`)."""

_USER_CHARS = 64
"""Longest `safety_identifier` every OpenAI-compatible server is known to take; longer ones are digested."""

_LEAST_OUTPUT = 16
"""The API answers "integer below minimum value. Expected a value >= 16" (vectorize-io/hindsight issue
#58); Claude Code asks for 1 to see whether its key works."""

_SHARED = ("prompt_cache_retention", "prompt_cache_options")
"""Fields that OpenAI's two dialects have alike (openai-python 3.54)."""

TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
"""Words for `service_tier` (openai-python 3.54, `types/responses/service_tier.py`)."""


def encode_request(request: Request, target: Target) -> Encoded:
    """The request in this dialect; losses are named for `codecs/callers.py`."""
    agent = "agent_api" in target.quirks  # where neither namespaces nor tools of free text exist
    ours = request.dialect == DIALECT and not agent
    memo = (request.memo or {}) if ours else {}
    items = ItemsOut(request, target.quirks)
    dropped = [*request.dropped]
    body: Json = {"model": target.model}
    messages = request.messages
    if len(messages) > 1 and _is_instructions(messages[0], ours):  # `input` may not be empty
        body["instructions"] = messages[0].text
        messages = messages[1:]
    if not ours and _marked(request):
        dropped.append("cache_control")  # the API caches prefixes by itself; our marks have no place in it
    for message in messages:
        items.add(message)
    tools, lost = tools_out(request.tools, ours=ours)
    if tools:
        body["tools"] = tools
    _choice(request, memo, ours, body, dropped)
    if "no_choice_of_none" in target.quirks and body.get("tool_choice") == "none":
        del body["tool_choice"], body["tools"]
    if request.parallel_tool_calls is not None:
        if "no_parallel_tool_calls_field" in target.quirks:
            dropped.append("parallel_tool_calls")
        else:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    reasons = _reasoning(request, target, body, dropped)
    _text(request, target, body, dropped)
    _sampling(request, target, body, dropped)
    limit = request.max_output_tokens
    if limit is not None:
        body["max_output_tokens"] = limit if ours else max(limit, _LEAST_OUTPUT)
        if body["max_output_tokens"] != limit:
            dropped.append("max_tokens")
    _caller(request, memo, target, body, dropped)
    if ours and (request.extra or {}).get("store") is True:
        dropped.append("store")  # kept here or nowhere
    if "no_metadata" not in target.quirks:
        body["store"] = False
    _include(request, memo, body, encrypted=reasons or items.reasoned)
    if ours:
        _give_back(request.extra or {}, memo, body)
    elif request.extra:
        kept: Collection[str] = _SHARED if request.dialect == "openai_chat" else ()
        if agent and request.dialect == DIALECT:
            kept = LISTED
        body.update({name: request.extra[name] for name in kept if name in request.extra})
        dropped.extend([name for name in request.extra if name not in kept])
    body["input"] = _input(messages, items.items, ours)
    if request.stream:
        body["stream"] = True
    if agent:
        fit(body, dropped.append)
    if target.operation == "count_tokens":
        body = {name: value for name, value in body.items() if name in _COUNTED}
    dropped += lost
    dropped += items.dropped
    renamed = {} if ours else fit_names(_tool_names(request))
    return Encoded(_encoder.encode(body), tuple(dict.fromkeys(dropped)), renamed)


def _is_instructions(message: Message, ours: bool) -> bool:
    if ours:
        return message.memo is not None and "instructions" in message.memo
    return (
        message.role == "system"
        and message.name is None
        and message.extra is None
        and len(message.parts) == 1
        and isinstance(message.parts[0], TextPart)
        and message.parts[0].extra is None
        and message.parts[0].text != ""
    )


def _marked(request: Request) -> bool:
    """Whether the caller marks what is to be cached."""
    return any(tool.cache for tool in request.tools) or any(
        getattr(part, "cache", None) for message in request.messages for part in message.parts
    )


def _input(messages: tuple[Message, ...], items: list[Json], ours: bool) -> Any:
    """The items, or the one string the caller sent."""
    if ours and len(messages) == 1 and messages[0].memo and "input" in messages[0].memo:
        return messages[0].text
    return items


def _tool_names(request: Request) -> list[str]:
    names = [tool.name for tool in request.tools if tool.kind != "builtin"]
    for message in request.messages:
        names.extend(part.name for part in message.parts if isinstance(part, ToolCallPart))
    return names


def _choice(request: Request, memo: Json, ours: bool, body: Json, dropped: list[str]) -> None:
    choice = request.tool_choice
    if "tool_choice" in memo and choice_in(memo["tool_choice"], _known(request))[0] == choice:
        body["tool_choice"] = memo["tool_choice"]
        return
    if choice is not None and choice.mode == "tool" and not ours:
        wanted = next((tool for tool in request.tools if tool.name == choice.name), None)
        if wanted is not None and wanted.kind == "builtin":
            dropped.append("tool_choice")
            return
    said = choice_out(choice, request.tools, ours=ours)
    if said is not None and (ours or "tools" in body):  # refused when there is no tool to choose
        body["tool_choice"] = said
    elif choice is not None and choice.mode in ("required", "tool"):
        dropped.append("tool_choice")


def _known(request: Request) -> Names:
    """The names as decoding learnt them."""
    names = Names()
    for tool in request.tools:
        memo = tool.memo or {}
        if "name" in memo:
            names.put(memo["namespace"]["name"], memo["name"], tool.name)
    return names


def _reasoning(request: Request, target: Target, body: Json, dropped: list[str]) -> bool:
    """Adds `reasoning`; whether the model is asked to reason."""
    wanted = request.reasoning
    asked: Json = {}
    effort = _effort(wanted)
    if effort is not None:
        asked["effort"] = effort
    if wanted.summary is not None:
        asked["summary"] = wanted.summary
    elif wanted.show:
        asked["summary"] = "auto"
    able = "reasoning" in target.capabilities
    if not asked:
        # "As much as you like" is the default here; only a model known to reason can hand it back.
        return wanted.adaptive and able
    if effort == "none":
        return _no_reasoning(request, target, body, dropped)
    if target.capabilities and not able:
        dropped.append("reasoning.effort")
        return False
    body["reasoning"] = asked
    return True


def _no_reasoning(request: Request, target: Target, body: Json, dropped: list[str]) -> bool:
    """Asks not to reason, which a model that never does would refuse to be asked."""
    able = "reasoning" in target.capabilities
    unknown = not target.capabilities
    if "no_effort_none" not in target.quirks and (able or (unknown and request.dialect == DIALECT)):
        body["reasoning"] = {"effort": "none"}
    elif able or unknown:
        dropped.append("reasoning.effort")
    return False


def _effort(wanted: Reasoning) -> Effort | None:
    """The effort asked for; a budget in tokens is taken as the effort that usually spends as much."""
    if wanted.effort is not None:
        return wanted.effort
    if wanted.enabled is False or wanted.budget_tokens == 0:
        return "none"
    if wanted.budget_tokens is None:
        return None
    if wanted.budget_tokens <= 4096:
        return "low"
    return "medium" if wanted.budget_tokens <= 16384 else "high"


def _text(request: Request, target: Target, body: Json, dropped: list[str]) -> None:
    text: Json = {}
    form = format_out(request.output)
    if request.output.kind == "json_schema" and "no_json_schema" in target.quirks:
        dropped.append("json_schema")
        form = {"type": "json_object"}
    if form is not None:
        text["format"] = form
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def format_out(output: OutputFormat) -> Json | None:
    """`text.format`, or None for plain words."""
    if output.kind == "text":
        return None
    if output.kind == "json":
        return {"type": "json_object"}
    form: Json = {"type": "json_schema", "name": output.name or "answer", "schema": output.schema or {}}
    if output.strict is not None:
        form["strict"] = output.strict
    if output.description is not None:
        form["description"] = output.description
    return form


def _sampling(request: Request, target: Target, body: Json, dropped: list[str]) -> None:
    sampling = request.sampling
    fixed = "no_sampling" in target.quirks
    for name, usual in (("temperature", 1), ("top_p", 1), ("top_logprobs", 0)):
        value = getattr(sampling, name)
        if value is not None and not fixed:
            body[name] = value
        elif value not in (None, usual):
            dropped.append(name)
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias"):
        if getattr(sampling, name) is not None:
            dropped.append(name)  # noqa: PERF401 - a condition, not a list
    if sampling.stop:
        dropped.append("stop")
    if sampling.n > 1:
        dropped.append("n")


def _caller(request: Request, memo: Json, target: Target, body: Json, dropped: list[str]) -> None:
    """Who asks, and how the provider is to treat it."""
    bare = "no_metadata" in target.quirks
    if request.metadata:
        if bare:
            dropped.append("metadata")
        else:
            body["metadata"] = request.metadata
    if request.user is not None:
        if bare:
            dropped.append("user")
        elif request.dialect == DIALECT:
            body[memo.get("user", "safety_identifier")] = request.user
        else:
            user = request.user
            body["safety_identifier"] = user if len(user) <= _USER_CHARS else digest(user, _USER_CHARS)
    if request.prompt_cache_key is not None:
        body["prompt_cache_key"] = (
            request.prompt_cache_key if request.dialect == DIALECT else fit_id(request.prompt_cache_key)
        )
    if request.service_tier is not None:
        if request.dialect == DIALECT or request.service_tier in TIERS:
            body["service_tier"] = request.service_tier
        else:
            dropped.append("service_tier")


def _include(request: Request, memo: Json, body: Json, *, encrypted: bool) -> None:
    wanted = list(memo.get("include", ()))
    if request.sampling.logprobs and LOGPROBS not in wanted:
        wanted.append(LOGPROBS)
    if encrypted and ENCRYPTED not in wanted:
        wanted.append(ENCRYPTED)
    if wanted or "include" in memo:
        body["include"] = wanted


def _give_back(extra: Json, memo: Json, body: Json) -> None:
    """This dialect's own fields, each where it stood."""
    for name in ("truncation", "stream_options"):
        if name in memo:
            body[name] = memo[name]
    for path, value in extra.items():
        if path in ("store", "include") or path.startswith(("tool_choice.", "tools.")):
            continue  # settled above
        *groups, name = path.split(".") if path.startswith(("text.", "reasoning.")) else [path]
        place = body
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
