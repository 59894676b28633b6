"""A Converse request (or a count of one) into core. Nothing is refused for being unknown.

The model stands in the path. Fields the house does not name go to `extra` under their own names; of the
objects it does name (`inferenceConfig`, `toolConfig`, `outputConfig`) what is left goes there as
`outputConfig.textFormat` and the like, and so do fields of `additionalModelRequestFields`, which is each
model's own: of those, what asks for thinking or for sampling is read, in the forms of the makers that have
one. `write_request` puts all back.
"""

from typing import Any, Final, cast

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.bedrock.read_blocks import read_content
from passerelle.codecs.fields import (
    JsonObject,
    array,
    need_str,
    obj,
    parse_body,
    take_bool,
    take_int,
    take_number,
    take_str,
    wrong,
)
from passerelle.codecs.turns import messages_of, system_of
from passerelle.core.errors import invalid
from passerelle.core.message import CacheTtl
from passerelle.core.request import Effort, OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice

EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
ADDITIONAL: Final = "additionalModelRequestFields"
_MODES: Final = {"auto": "auto", "any": "required", "tool": "tool"}


def read_request(body: bytes, target: PathTarget) -> Request:
    """The whole request. Raises `ProblemError` naming the field at fault."""
    fields = parse_body(body)
    if target.operation == "count_tokens":
        fields = _counted(fields)
    extra: JsonObject = {}
    memo: JsonObject = {}
    messages = system_of(fields.pop("system", None), read_content) + messages_of(
        fields.pop("messages", None), read_content
    )
    limit, sampling = _inference(fields.pop("inferenceConfig", None), extra)
    tools, choice = _tools(fields.pop("toolConfig", None), extra)
    output, effort = _output(fields.pop("outputConfig", None), extra)
    reasoning, top_k = _additional(fields.pop(ADDITIONAL, None), extra)
    if top_k is not None:
        sampling = msgspec.structs.replace(sampling, top_k=top_k)
    if effort is not None:
        reasoning = msgspec.structs.replace(reasoning, effort=effort)
    tier = obj(fields.pop("serviceTier", None) or {}, "serviceTier")
    metadata = obj(fields.pop("requestMetadata", None) or {}, "requestMetadata")
    if fields.get("performanceConfig") == {"latency": "standard"}:
        memo["performanceConfig"] = fields.pop("performanceConfig")  # what everybody gives unasked
    extra.update(fields)
    return Request(
        model=target.model or "",
        messages=messages,
        dialect="bedrock",
        max_output_tokens=limit,
        stream=bool(target.stream),
        tools=tools,
        tool_choice=choice,
        output=output,
        reasoning=reasoning,
        sampling=sampling,
        metadata={name: str(value) for name, value in metadata.items()} or None,
        service_tier=take_str(tier, "type", "serviceTier"),
        extra=extra or None,
        memo=memo or None,
    )


def _counted(fields: JsonObject) -> JsonObject:
    """The Converse request inside a CountTokens one."""
    given = obj(fields.get("input"), "input")
    if "converse" not in given:
        raise invalid(
            "`input.invokeModel` is the body of one maker's model; send `input.converse` to have it counted "
            "for any",
            "input.invokeModel",
        )
    return obj(given["converse"], "input.converse")


def _inference(config: object, extra: JsonObject) -> tuple[int | None, Sampling]:
    if config is None:
        return None, Sampling()
    path = "inferenceConfig"
    fields = obj(config, path)
    limit = take_int(fields, "maxTokens", path)
    if limit is not None and limit < 1:
        raise invalid(f"`{path}.maxTokens` is {limit}; make it 1 or more", f"{path}.maxTokens")
    stop = array(fields.pop("stopSequences", None) or [], f"{path}.stopSequences")
    for index, sequence in enumerate(stop):
        if not isinstance(sequence, str):
            raise wrong(f"{path}.stopSequences.{index}", sequence, "a string")
    sampling = Sampling(
        temperature=take_number(fields, "temperature", path),
        top_p=take_number(fields, "topP", path),
        stop=tuple(stop),
    )
    _keep(extra, path, fields)
    return limit, sampling


def _tools(config: object, extra: JsonObject) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    if config is None:
        return (), None
    fields = obj(config, "toolConfig")
    tools: list[Tool] = []
    for index, given in enumerate(array(fields.pop("tools", None) or [], "toolConfig.tools")):
        path = f"toolConfig.tools.{index}"
        tool = obj(given, path)
        if "cachePoint" in tool:
            _mark_tool(tools, obj(tool["cachePoint"], f"{path}.cachePoint"))
        elif "toolSpec" in tool:
            tools.append(_tool(obj(tool["toolSpec"], f"{path}.toolSpec"), f"{path}.toolSpec"))
        else:
            tools.append(_builtin(tool))
    choice = _choice(fields.pop("toolChoice", None))
    _keep(extra, "toolConfig", fields)
    return tuple(tools), choice


def _mark_tool(tools: list[Tool], point: JsonObject) -> None:
    if tools and tools[-1].cache is None:
        ttl: CacheTtl = "1h" if point.get("ttl") == "1h" else "5m"
        tools[-1] = msgspec.structs.replace(tools[-1], cache=ttl)


def _tool(fields: JsonObject, path: str) -> Tool:
    schema = obj(fields.pop("inputSchema", None), f"{path}.inputSchema")
    return Tool(
        name=need_str(fields, "name", path),
        description=take_str(fields, "description", path),
        parameters=obj(schema.get("json"), f"{path}.inputSchema.json"),
        strict=take_bool(fields, "strict", path),
        extra=fields or None,
    )


def _builtin(tool: JsonObject) -> Tool:
    """A tool that runs at Amazon (`systemTool`), or one of a kind not known yet."""
    kind = next(iter(tool), "tool")
    inner = tool.get(kind)
    name = inner.get("name") if isinstance(inner, dict) else None
    return Tool(name if isinstance(name, str) else kind, kind="builtin", origin="bedrock", extra=tool)


def _choice(choice: object) -> ToolChoice | None:
    if choice is None:
        return None
    fields = obj(choice, "toolConfig.toolChoice")
    kind = next(iter(fields), "")
    if kind not in _MODES or len(fields) != 1:
        raise invalid(
            "`toolConfig.toolChoice` must hold one of `auto`, `any` and `tool`; correct it",
            "toolConfig.toolChoice",
        )
    name = None
    if kind == "tool":
        path = "toolConfig.toolChoice.tool"
        name = need_str(obj(fields[kind], path), "name", path)
    return ToolChoice(cast("Any", _MODES[kind]), name=name)


def _output(config: object, extra: JsonObject) -> tuple[OutputFormat, Effort | None]:
    if config is None:
        return OutputFormat(), None
    fields = obj(config, "outputConfig")
    effort: Effort | None = None
    if fields.get("effort") in EFFORTS:
        effort = fields.pop("effort")
    form = OutputFormat()
    given = fields.get("textFormat")
    if isinstance(given, dict) and given.get("type") == "json_schema":
        path = "outputConfig.textFormat.structure"
        structure = obj(given.get("structure"), path)
        path = f"{path}.jsonSchema"
        said = obj(structure.get("jsonSchema"), path)
        text = need_str(said, "schema", path)
        try:
            schema = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            schema = None
        if not isinstance(schema, dict):
            raise invalid(
                f"`{path}.schema` must be a JSON Schema written as a string; correct it", f"{path}.schema"
            )
        form = OutputFormat(
            "json_schema",
            name=take_str(said, "name", path),
            schema=schema,
            description=take_str(said, "description", path),
        )
        del fields["textFormat"]
    _keep(extra, "outputConfig", fields)
    return form, effort


def _additional(given: object, extra: JsonObject) -> tuple[Reasoning, int | None]:
    """Thinking as Claude, Nova and OpenAI's open models write it, and `top_k`; the rest to `extra`."""
    if not isinstance(given, dict):
        if given is not None:
            extra[ADDITIONAL] = given
        return Reasoning(), None
    fields = dict(given)
    reasoning = _claude(fields) or _nova(fields) or _effort(fields) or Reasoning()
    top_k = fields.pop("top_k") if type(fields.get("top_k")) is int else None
    _keep(extra, ADDITIONAL, fields)
    return reasoning, top_k


def _claude(fields: JsonObject) -> Reasoning | None:
    """`{"thinking": {"type", "budget_tokens"}}` (docs "Extended thinking" of Claude on Bedrock)."""
    thinking = fields.get("thinking")
    if not isinstance(thinking, dict):
        return None
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    plain = thinking.keys() <= {"type", "budget_tokens"}
    found: Reasoning | None = None
    if kind == "enabled" and type(budget) is int:
        found = Reasoning(enabled=True, budget_tokens=budget)
    elif kind == "adaptive":
        found = Reasoning(enabled=True, adaptive=True)
    elif kind == "disabled":
        found = Reasoning(enabled=False)
    if found is not None and plain:
        del fields["thinking"]
        return found
    return None


def _nova(fields: JsonObject) -> Reasoning | None:
    """`{"reasoningConfig": {"type", "maxReasoningEffort"}}` (docs "Extended thinking" of Amazon Nova 2)."""
    config = fields.get("reasoningConfig")
    if not isinstance(config, dict) or config.get("type") not in ("enabled", "disabled"):
        return None
    effort = config.get("maxReasoningEffort")
    if not config.keys() <= {"type", "maxReasoningEffort"} or effort not in (*EFFORTS, None):
        return None
    del fields["reasoningConfig"]
    return Reasoning(enabled=config["type"] == "enabled", effort=effort)


def _effort(fields: JsonObject) -> Reasoning | None:
    """`{"reasoning_effort"}` (OpenAI's open models)."""
    if fields.get("reasoning_effort") not in EFFORTS:
        return None
    return Reasoning(effort=fields.pop("reasoning_effort"))


def _keep(extra: JsonObject, name: str, left: JsonObject) -> None:
    """What is left of a named object, as `name.field`."""
    for field, value in left.items():
        extra[f"{name}.{field}"] = value
