"""A caller's chat request into core.

Field names are OpenAI's (`openai.types.chat.completion_create_params`, SDK 3.54, read 2026-11-22), with
the fields its many likes add where they have a meaning in core: `top_k` (vLLM, OpenRouter, Together),
`thinking` (DeepSeek, Z.ai, LiteLLM), `cache_control` (OpenRouter, LiteLLM, DashScope).
"""

from typing import Any, Final, cast

from passerelle.codecs.base import Speaker
from passerelle.codecs.openai_chat.messages import decode_messages
from passerelle.codecs.openai_chat.mistral import in_openai_words
from passerelle.codecs.openai_reading import (
    Json,
    a_list,
    an_object,
    decode_object,
    left,
    missing,
    need_object,
    need_text,
    take_bool,
    take_int,
    take_list,
    take_number,
    take_object,
    take_text,
    wrong,
)
from passerelle.core.errors import invalid
from passerelle.core.message import CacheTtl
from passerelle.core.request import (
    Effort,
    OutputFormat,
    Reasoning,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)

_EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})


def decode_request(body: bytes, speaker: Speaker = "") -> Request:
    """The whole request. Raises `ProblemError` naming the field; unknown fields go to `extra`."""
    fields = decode_object(body)
    if speaker == "mistral":
        fields = in_openai_words(fields)
    model = need_text(fields, "model", "")
    if not model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
    if "messages" not in fields:
        raise missing("messages")
    messages = decode_messages(a_list(fields.pop("messages"), "messages"))
    stream = bool(take_bool(fields, "stream"))
    memo: Json = {}
    include_usage = _stream_options(fields, stream=stream, memo=memo)
    limit = take_int(fields, "max_completion_tokens", least=1)
    old_limit = take_int(fields, "max_tokens", least=1)
    if fields.get("store") is False:
        memo["store"] = fields.pop("store")
    if fields.get("functions") and "parallel_tool_calls" not in fields:
        fields["parallel_tool_calls"] = False  # the old form has room for one call in an answer
    return Request(
        model=model,
        messages=messages,
        dialect="openai_chat",
        max_output_tokens=limit if limit is not None else old_limit,
        stream=stream,
        include_usage=include_usage,
        tools=_tools(fields),
        tool_choice=_tool_choice(fields),
        parallel_tool_calls=take_bool(fields, "parallel_tool_calls"),
        output=_output(fields),
        reasoning=_reasoning(fields),
        sampling=_sampling(fields),
        user=_user(fields, memo),
        metadata=_metadata(fields),
        service_tier=take_text(fields, "service_tier"),
        prompt_cache_key=take_text(fields, "prompt_cache_key"),
        verbosity=take_text(fields, "verbosity"),
        extra=left(fields),
        memo=memo or None,
    )


def _stream_options(fields: Json, *, stream: bool, memo: Json) -> bool:
    """Whether the caller wants usage. What else it says of the stream concerns this dialect alone."""
    options = take_object(fields, "stream_options")
    if options is None:
        return not stream
    include = bool(take_bool(options, "include_usage", "stream_options"))
    if options:
        memo["stream_options"] = options
    return include or not stream


def _user(fields: Json, memo: Json) -> str | None:
    """The end user. `safety_identifier` took the place of `user`; `memo` says which one was used."""
    user = take_text(fields, "user")
    newer = take_text(fields, "safety_identifier")
    if newer is not None:
        memo["safety_identifier"] = newer
        if user is not None:
            memo["user"] = user
    return newer if newer is not None else user


def _metadata(fields: Json) -> dict[str, str] | None:
    """Text pairs, as OpenAI wants them. Any other shape (LiteLLM's callers nest) stays as it is."""
    value = fields.get("metadata")
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return None
    return cast("dict[str, str]", fields.pop("metadata"))


def _tools(fields: Json) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for index, value in enumerate(take_list(fields, "tools") or ()):
        path = f"tools[{index}]"
        tools.append(_tool(an_object(value, path), path))
    for index, value in enumerate(take_list(fields, "functions") or ()):
        path = f"functions[{index}]"
        function = an_object(value, path)
        tools.append(_function(function, path, {}, memo={"legacy": True}))
    return tuple(tools)


def _tool(tool: Json, path: str) -> Tool:
    kind = tool.get("type", "function")
    if not isinstance(kind, str):
        raise wrong(f"{path}.type", "a string", kind)
    if kind == "function":
        tool.pop("type", None)
        function = need_object(tool, "function", path)
        return _function(function, f"{path}.function", tool)
    if kind == "custom":
        del tool["type"]
        custom = need_object(tool, "custom", path)
        return _custom(custom, f"{path}.custom", tool)
    return Tool(name=kind, kind="builtin", origin="openai_chat", extra=tool)


def _function(function: Json, path: str, outer: Json, memo: Json | None = None) -> Tool:
    name = need_text(function, "name", path)
    description = take_text(function, "description", path)
    parameters = take_object(function, "parameters", path)
    strict = take_bool(function, "strict", path)
    cache: CacheTtl | None = None
    control = outer.get("cache_control")
    if control == {"type": "ephemeral"} or control == {"type": "ephemeral", "ttl": "5m"}:
        cache = "5m"
    elif control == {"type": "ephemeral", "ttl": "1h"}:
        cache = "1h"
    if cache is not None:
        del outer["cache_control"]
    if function:
        outer["function"] = function
    return Tool(
        name=name,
        description=description,
        parameters=parameters,
        strict=strict,
        cache=cache,
        extra=left(outer),
        memo=memo,
    )


def _custom(custom: Json, path: str, outer: Json) -> Tool:
    name = need_text(custom, "name", path)
    description = take_text(custom, "description", path)
    grammar: dict[str, str] | None = None
    wanted = custom.get("format")
    if isinstance(wanted, dict):
        given = wanted.get("grammar")
        if wanted.get("type") == "grammar" and isinstance(given, dict):
            syntax, definition = given.get("syntax"), given.get("definition")
            if isinstance(syntax, str) and isinstance(definition, str):
                grammar = {"syntax": syntax, "definition": definition}
        if grammar is not None or wanted == {"type": "text"}:
            del custom["format"]
    if custom:
        outer["custom"] = custom
    return Tool(name=name, description=description, kind="custom", grammar=grammar, extra=left(outer))


def _tool_choice(fields: Json) -> ToolChoice | None:
    value = fields.pop("tool_choice", None)
    if value is None:
        value = fields.pop("function_call", None)
        if isinstance(value, dict):
            return ToolChoice("tool", name=need_text(value, "name", "function_call"))
    if value is None:
        return None
    if isinstance(value, str):
        return _choice_word(value)
    choice = an_object(value, "tool_choice")
    kind = choice.get("type")
    if kind in ("function", "custom"):
        chosen = need_object(choice, cast("str", kind), "tool_choice")
        named = ToolChoice("tool", name=need_text(chosen, "name", f"tool_choice.{kind}"))
        _keep_choice(fields, choice, cast("str", kind), chosen)
        return named
    if kind == "allowed_tools":
        among = need_object(choice, "allowed_tools", "tool_choice")
        allowed = _allowed(among)
        _keep_choice(fields, choice, kind, among)
        return allowed
    fields["tool_choice"] = choice  # some server's own form: for that server only
    return None


def _keep_choice(fields: Json, choice: Json, kind: str, inner: Json) -> None:
    """What nobody took of an object that names tools, for this dialect alone."""
    choice.pop("type", None)
    choice.pop(kind, None)
    if inner:
        choice[kind] = inner
    if choice:
        fields["tool_choice"] = choice


def _choice_word(word: str) -> ToolChoice:
    match word:
        case "auto" | "none" | "required":
            return ToolChoice(word)
        case "any":  # Mistral's word
            return ToolChoice("required")
        case _:
            raise invalid(
                f"`tool_choice` is `{word}`; use `auto`, `none`, `required` or an object naming a tool.",
                "tool_choice",
            )


def _allowed(allowed: Json) -> ToolChoice:
    path = "tool_choice.allowed_tools"
    mode = take_text(allowed, "mode", path) or "auto"
    names: list[str] = []
    for index, value in enumerate(take_list(allowed, "tools", path) or ()):
        at = f"{path}.tools[{index}]"
        tool = an_object(value, at)
        inner = tool.get("function") or tool.get("custom")
        names.append(need_text(inner if isinstance(inner, dict) else tool, "name", at))
    return ToolChoice("required" if mode == "required" else "auto", allowed=tuple(names))


def _output(fields: Json) -> OutputFormat:
    wanted = fields.get("response_format")
    if wanted is None:
        return OutputFormat()
    path = "response_format"
    kind = an_object(wanted, path).get("type")
    if not isinstance(kind, str):
        raise missing(f"{path}.type") if kind is None else wrong(f"{path}.type", "a string", kind)
    if kind not in ("text", "json_object", "json_schema"):
        return OutputFormat()  # `grammar`, `regex`…: some server's own, left in `extra`
    del fields["response_format"]
    if kind == "text":
        return OutputFormat()
    del wanted["type"]
    if kind == "json_object":
        if wanted:  # Together and Fireworks put a schema here
            fields["response_format"] = wanted
        return OutputFormat("json")
    given = need_object(wanted, "json_schema", path)
    at = f"{path}.json_schema"
    output = OutputFormat(
        "json_schema",
        name=take_text(given, "name", at),
        schema=take_object(given, "schema", at),
        strict=take_bool(given, "strict", at),
        description=take_text(given, "description", at),
    )
    if given:
        wanted["json_schema"] = given
    if wanted:
        fields["response_format"] = wanted
    return output


def _reasoning(fields: Json) -> Reasoning:
    effort: Effort | None = None
    said = fields.get("reasoning_effort")
    if said is not None and not isinstance(said, str):
        raise wrong("reasoning_effort", "a string", said)
    if said in _EFFORTS:
        effort = cast("Effort", fields.pop("reasoning_effort"))
    enabled = False if effort == "none" else None
    thinking = fields.get("thinking")
    if isinstance(thinking, dict) and thinking.keys() <= {"type", "budget_tokens"}:
        kind, budget = thinking.get("type"), thinking.get("budget_tokens")
        if kind in ("enabled", "disabled", "adaptive") and (budget is None or type(budget) is int):
            del fields["thinking"]
            return Reasoning(
                enabled=kind != "disabled", effort=effort, budget_tokens=budget, adaptive=kind == "adaptive"
            )
    return Reasoning(enabled=enabled, effort=effort)


def _sampling(fields: Json) -> Sampling:
    n = take_int(fields, "n", least=1)
    return Sampling(
        temperature=take_number(fields, "temperature"),
        top_p=take_number(fields, "top_p"),
        top_k=take_int(fields, "top_k"),
        seed=take_int(fields, "seed"),
        stop=_stop(fields),
        presence_penalty=take_number(fields, "presence_penalty"),
        frequency_penalty=take_number(fields, "frequency_penalty"),
        logprobs=take_bool(fields, "logprobs"),
        top_logprobs=take_int(fields, "top_logprobs"),
        n=1 if n is None else n,
        logit_bias=_logit_bias(fields),
    )


def _stop(fields: Json) -> tuple[str, ...]:
    value = fields.pop("stop", None)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise wrong("stop", "a string or an array of strings", value)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise wrong(f"stop[{index}]", "a string", item)
    return tuple(value)


def _logit_bias(fields: Json) -> dict[str, float] | None:
    bias: dict[str, Any] | None = take_object(fields, "logit_bias")
    for token, weight in (bias or {}).items():
        if not isinstance(weight, int | float) or isinstance(weight, bool):
            raise wrong(f"logit_bias.{token}", "a number", weight)
    return bias
