"""A Messages request (or a count of one) into core. Nothing is refused for being unknown.

Fields the house does not name go to `extra` under their own names; of the objects it does name
(`thinking`, `output_config`, `tool_choice`, `metadata`) what is left goes there as `thinking.display`
and the like. `write_request` puts all of it back.
"""

from typing import Any, cast

import msgspec

from passerelle.codecs.anthropic.read_blocks import read_content, take_cache
from passerelle.codecs.fields import (
    JsonObject,
    array,
    missing,
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
from passerelle.core.request import (
    Effort,
    Operation,
    OutputFormat,
    Reasoning,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)

EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
_CHOICES = {"auto": "auto", "any": "required", "tool": "tool", "none": "none"}


def read_request(body: bytes, operation: Operation) -> Request:
    """The whole request. Raises `ProblemError` naming the field at fault."""
    fields = parse_body(body)
    extra: JsonObject = {}
    model = need_str(fields, "model", "")
    max_tokens = take_int(fields, "max_tokens", "")
    if max_tokens is None and operation == "chat":
        raise invalid("`max_tokens` is missing; say how many tokens the answer may have", "max_tokens")
    if max_tokens is not None and max_tokens < 0:
        raise invalid(f"`max_tokens` is {max_tokens}; make it 0 or more", "max_tokens")
    messages = system_of(fields.pop("system", None), read_content) + messages_of(
        fields.pop("messages", None), read_content
    )
    tools = tuple(
        _tool(tool, f"tools.{i}") for i, tool in enumerate(array(fields.pop("tools", None) or [], "tools"))
    )
    choice, parallel = _choice(fields.pop("tool_choice", None), extra)
    reasoning = _thinking(fields.pop("thinking", None), extra)
    output, effort = _output(fields, extra)
    if effort is not None:
        reasoning = msgspec.structs.replace(reasoning, effort=effort)
    user, metadata = _metadata(fields.pop("metadata", None), extra)
    stop = array(fields.pop("stop_sequences", None) or [], "stop_sequences")
    for index, sequence in enumerate(stop):
        if not isinstance(sequence, str):
            raise wrong(f"stop_sequences.{index}", sequence, "a string")
    sampling = Sampling(
        temperature=take_number(fields, "temperature", ""),
        top_p=take_number(fields, "top_p", ""),
        top_k=take_int(fields, "top_k", ""),
        stop=tuple(stop),
    )
    stream = take_bool(fields, "stream", "") or False
    service_tier = take_str(fields, "service_tier", "")
    extra.update(fields)
    return Request(
        model=model,
        messages=messages,
        dialect="anthropic",
        max_output_tokens=max_tokens,
        stream=stream,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        output=output,
        reasoning=reasoning,
        sampling=sampling,
        user=user,
        metadata=metadata,
        service_tier=service_tier,
        extra=extra or None,
    )


def _tool(tool: object, path: str) -> Tool:
    fields = obj(tool, path)
    kind = take_str(fields, "type", path)
    if kind not in (None, "custom"):
        name = fields.get("name")
        return Tool(
            name=name if isinstance(name, str) else kind,
            kind="builtin",
            origin="anthropic",
            extra=obj(tool, path),
        )
    name = need_str(fields, "name", path)
    schema = fields.pop("input_schema", None)
    if schema is None:
        raise missing(f"{path}.input_schema")
    return Tool(
        name=name,
        description=take_str(fields, "description", path),
        parameters=obj(schema, f"{path}.input_schema"),
        strict=take_bool(fields, "strict", path),
        cache=take_cache(fields, path),
        extra=fields or None,
    )


def _choice(choice: object, extra: JsonObject) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    fields = obj(choice, "tool_choice")
    kind = need_str(fields, "type", "tool_choice")
    if kind not in _CHOICES:
        raise invalid(
            f"`tool_choice.type` is `{kind}`; make it `auto`, `any`, `tool` or `none`", "tool_choice.type"
        )
    single = take_bool(fields, "disable_parallel_tool_use", "tool_choice")
    name = need_str(fields, "name", "tool_choice") if kind == "tool" else None
    _keep(extra, "tool_choice", fields)
    mode = cast("Any", _CHOICES[kind])
    return ToolChoice(mode, name=name), None if single is None else not single


def _thinking(thinking: object, extra: JsonObject) -> Reasoning:
    if thinking is None:
        return Reasoning()
    fields = obj(thinking, "thinking")
    kind = need_str(fields, "type", "thinking")
    show = None
    if fields.get("display") in ("summarized", "omitted"):
        show = fields.pop("display") == "summarized"
    if kind == "enabled":
        budget = take_int(fields, "budget_tokens", "thinking")
        _keep(extra, "thinking", fields)
        return Reasoning(enabled=True, budget_tokens=budget, show=show)
    if kind == "adaptive":
        _keep(extra, "thinking", fields)
        return Reasoning(enabled=True, adaptive=True, show=show)
    if kind in ("disabled", "between_tools"):
        if kind != "disabled":
            fields["type"] = kind
        _keep(extra, "thinking", fields)
        return Reasoning(enabled=False, show=show)
    extra["thinking"] = thinking  # a mode of tomorrow
    return Reasoning()


def _output(fields: JsonObject, extra: JsonObject) -> tuple[OutputFormat, Effort | None]:
    effort: Effort | None = None
    form: object = None
    config = fields.pop("output_config", None)
    if config is not None:
        said = obj(config, "output_config")
        form = said.pop("format", None)
        level = take_str(said, "effort", "output_config")
        if level in EFFORTS:
            effort = cast("Effort", level)
        elif level is not None:
            said["effort"] = level
        _keep(extra, "output_config", said)
    before = fields.get("output_format")  # the beta's place for `output_config.format`
    if form is None and isinstance(before, dict):
        form = fields.pop("output_format")
    if form is None:
        return OutputFormat(), effort
    schema = obj(form, "output_config.format")
    if schema.get("type") != "json_schema" or not schema.keys() <= {"type", "schema"}:
        extra["output_config.format"] = form
        return OutputFormat(), effort
    return OutputFormat(
        "json_schema", schema=obj(schema.get("schema"), "output_config.format.schema")
    ), effort


def _metadata(metadata: object, extra: JsonObject) -> tuple[str | None, dict[str, str] | None]:
    if metadata is None:
        return None, None
    fields = obj(metadata, "metadata")
    user = take_str(fields, "user_id", "metadata")
    words = {name: value for name, value in fields.items() if isinstance(value, str)}
    _keep(extra, "metadata", {name: value for name, value in fields.items() if name not in words})
    return user, words or None


def _keep(extra: JsonObject, name: str, left: JsonObject) -> None:
    """What is left of a named object, as `name.field`."""
    for field, value in left.items():
        extra[f"{name}.{field}"] = value
