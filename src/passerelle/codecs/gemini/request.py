"""A Gemini caller's request as core's."""

from typing import Any, Final

from passerelle.codecs.base import PathTarget
from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.contents import read_at, read_contents
from passerelle.codecs.gemini.schema import to_json_schema
from passerelle.codecs.gemini.thinking import read_thinking
from passerelle.codecs.gemini.wire import WireError, check_utf8, malformed, parse
from passerelle.core.errors import ProblemError, invalid
from passerelle.core.message import Message
from passerelle.core.request import OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice

_MODES: Final = frozenset({"AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"})
_JSON: Final = "application/json"


def problem(error: WireError) -> ProblemError:
    """What the caller is told."""
    return invalid(error.message, error.path)


def decode_request(body: bytes, target: PathTarget) -> Request:
    """The whole request. Raises `ProblemError`."""
    try:
        check_utf8(body)
        return _read(read_body(body, target), target)
    except WireError as error:
        raise problem(error) from None
    except RecursionError as error:
        raise problem(malformed(error)) from None


def read_body(body: bytes, target: PathTarget) -> wire.GenerateContentRequest:
    """The request in Google's terms; of countTokens, the one to be counted. Raises `WireError`."""
    if target.operation != "count_tokens":
        request = parse(body, wire.GenerateContentRequest)
    else:
        counted = parse(body, wire.CountTokensRequest)
        request = counted.generate_content_request or counted
    if not request.contents:
        raise WireError("`contents` is missing or empty: send at least one content", "contents")
    return request


def _read(request: wire.GenerateContentRequest, target: PathTarget) -> Request:
    extra: dict[str, Any] = dict(request.extra or ())
    memo: dict[str, Any] = {}
    messages = read_contents(request.contents or [])
    if request.system_instruction is not None:
        messages = (*_system(request.system_instruction, extra), *messages)
    config = request.generation_config or wire.GenerationConfig()
    _spill(extra, "generationConfig", config.extra)
    return Request(
        model=model_name(target.model, request.model),
        messages=messages,
        dialect="gemini",
        max_output_tokens=_positive(config.max_output_tokens, "maxOutputTokens"),
        stream=bool(target.stream),
        tools=_tools(request.tools or []),
        tool_choice=_choice(request.tool_config, extra, memo),
        output=_output(config, extra, memo),
        reasoning=_reasoning(config.thinking_config, extra),
        sampling=_sampling(config),
        service_tier=request.service_tier,
        extra=extra or None,
        memo=memo or None,
    )


def model_name(in_path: str | None, in_body: str | None) -> str:
    """The model, without the collection Google puts before it."""
    name = in_path or in_body
    if not name:
        raise WireError("the model is missing: name it in the path, `/v1beta/models/{model}:…`", "model")
    return name.removeprefix("models/")


def _spill(extra: dict[str, Any], prefix: str, unknown: dict[str, Any] | None) -> None:
    for key, value in (unknown or {}).items():
        extra[f"{prefix}.{key}"] = value


def _system(content: wire.Content, extra: dict[str, Any]) -> tuple[Message, ...]:
    _spill(extra, "systemInstruction", content.extra)
    parts = [
        read_at(part, f"systemInstruction.parts[{at}]", lambda: "")
        for at, part in enumerate(content.parts or ())
    ]
    return (Message("system", tuple(parts)),) if parts else ()


def _positive(count: int | None, name: str) -> int | None:
    if count is not None and count < 1:
        path = f"generationConfig.{name}"
        raise WireError(f"`{path}` is {count}: send a positive integer or leave it out", path)
    return count


def _tools(tools: list[wire.Tool]) -> tuple[Tool, ...]:
    read: list[Tool] = []
    for at, tool in enumerate(tools):
        for index, declared in enumerate(tool.function_declarations or ()):
            read.append(_function(declared, f"tools[{at}].functionDeclarations[{index}]"))
        for name, value in (tool.extra or {}).items():
            read.append(Tool(name=name, kind="builtin", origin="gemini", extra={name: value}))
    return tuple(read)


def _function(declared: wire.FunctionDeclaration, path: str) -> Tool:
    if not declared.name:
        raise WireError(f"`{path}.name` is missing: name the function", f"{path}.name")
    parameters = declared.parameters_json_schema
    memo = None
    if parameters is None and declared.parameters is not None:
        parameters = to_json_schema(declared.parameters)
        memo = {"parameters": declared.parameters}
    elif parameters is not None and not isinstance(parameters, dict):
        where = f"{path}.parametersJsonSchema"
        raise WireError(f"`{where}` must be an object: send a JSON Schema", where)
    return Tool(
        name=declared.name,
        description=declared.description,
        parameters=parameters,
        extra=declared.extra,
        memo=memo,
    )


def _choice(config: wire.ToolConfig | None, extra: dict[str, Any], memo: dict[str, Any]) -> ToolChoice | None:
    if config is None:
        return None
    _spill(extra, "toolConfig", config.extra)
    calling = config.function_calling_config
    if calling is None:
        return None
    _spill(extra, "toolConfig.functionCallingConfig", calling.extra)
    mode = (calling.mode or "MODE_UNSPECIFIED").upper()
    allowed = tuple(calling.allowed_function_names or ()) or None
    if mode not in _MODES:
        path = "toolConfig.functionCallingConfig.mode"
        raise WireError(f"`{path}` is `{calling.mode}`: use AUTO, ANY, NONE or VALIDATED", path)
    if mode == "NONE":
        return ToolChoice("none")
    if mode == "ANY":
        if allowed is not None and len(allowed) == 1:
            return ToolChoice("tool", name=allowed[0])
        return ToolChoice("required", allowed=allowed)
    if mode == "VALIDATED":
        memo["toolConfig"] = {"functionCallingConfig": {"mode": "VALIDATED"}}
    return ToolChoice("auto", allowed=allowed)


def _output(config: wire.GenerationConfig, extra: dict[str, Any], memo: dict[str, Any]) -> OutputFormat:
    mime_type = config.response_mime_type
    schema = config.response_json_schema
    if mime_type not in (None, _JSON, "text/plain"):
        # `text/x.enum` and what may follow: only Google's own.
        extra["generationConfig.responseMimeType"] = mime_type
        if config.response_schema is not None:
            extra["generationConfig.responseSchema"] = config.response_schema
        if schema is not None:
            extra["generationConfig.responseJsonSchema"] = schema
        return OutputFormat()
    if schema is None and config.response_schema is not None:
        schema = to_json_schema(config.response_schema)
        memo["generationConfig"] = {"responseSchema": config.response_schema}
    if schema is not None:
        if not isinstance(schema, dict):
            path = "generationConfig.responseJsonSchema"
            raise WireError(f"`{path}` must be an object: send a JSON Schema", path)
        return OutputFormat("json_schema", schema=schema)
    return OutputFormat("json") if mime_type == _JSON else OutputFormat()


def _reasoning(config: wire.ThinkingConfig | None, extra: dict[str, Any]) -> Reasoning:
    if config is None:
        return Reasoning()
    _spill(extra, "generationConfig.thinkingConfig", config.extra)
    reasoning = read_thinking(config.thinking_budget, config.thinking_level, config.include_thoughts)
    if config.thinking_level and reasoning.effort is None:
        extra["generationConfig.thinkingConfig.thinkingLevel"] = config.thinking_level
    return reasoning


def _sampling(config: wire.GenerationConfig) -> Sampling:
    count = _positive(config.candidate_count, "candidateCount")
    top_k = config.top_k
    return Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=int(top_k) if top_k is not None else None,
        seed=config.seed,
        stop=tuple(config.stop_sequences or ()),
        presence_penalty=config.presence_penalty,
        frequency_penalty=config.frequency_penalty,
        logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
        n=count or 1,
    )
