"""A Responses request → core.

Fields of `reasoning` and `text` that core does not name stand in `extra` under their path
(`reasoning.mode`); everything else unknown under its own name.
"""

from typing import Any, Final, get_args

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_reading import (
    Json,
    an_object,
    decode,
    left,
    missing,
    need_text,
    take_bool,
    take_int,
    take_list,
    take_number,
    take_object,
    take_text,
    wrong,
)
from passerelle.codecs.openai_responses.items_in import messages_in
from passerelle.codecs.openai_responses.tools import DIALECT, Names, choice_in, tools_in
from passerelle.core.errors import ProblemError, invalid
from passerelle.core.message import Message, TextPart
from passerelle.core.request import Effort, OutputFormat, Reasoning, Request, Sampling

_decoder = msgspec.json.Decoder()

EFFORTS: Final = frozenset(get_args(Effort))
LOGPROBS: Final = "message.output_text.logprobs"
ENCRYPTED: Final = "reasoning.encrypted_content"

_NOT_KEPT: Final = (
    "this key may not keep conversations; send the whole conversation in `input`, or use one made with "
    "`passerelle keys create --store-conversations`"
)
STATEFUL: Final = {
    "previous_response_id": _NOT_KEPT,
    "conversation": _NOT_KEPT,
    "background": "an answer made in the background must be kept, and this key may not keep any; send the "
    "request without it and wait, or use one made with `passerelle keys create --store-conversations`",
}
"""Fields that need what is stored, where nothing may be, and what to do instead."""


def stateful(field: str) -> ProblemError:
    """The refusal of one of `STATEFUL`."""
    return invalid(f"`{field}` cannot be honoured: {STATEFUL[field]}.", field, code="unsupported_parameter")


def decode_request(body: bytes, target: PathTarget) -> Request:
    """The whole request. Raises `ProblemError` naming the field."""
    fields = an_object(decode(_decoder, body), "body")
    for name in STATEFUL:
        if fields.pop(name, None):
            raise stateful(name)
    if fields.get("prompt") is not None:
        raise invalid(
            "`prompt` names a template that only OpenAI can fill in, and the model asked for is not "
            "served by OpenAI in this dialect; send the text itself in `instructions` and `input`.",
            "prompt",
            code="unsupported_parameter",
        )
    model = need_text(fields, "model", "")
    if not model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
    names = Names()
    tools = tools_in(take_list(fields, "tools") or [], names, fields.get("input"))
    messages = _messages(fields, names)
    memo: Json = {}
    extra: Json = {}
    raw_choice = fields.pop("tool_choice", None)
    choice, unsaid = choice_in(raw_choice, names)
    if unsaid is not None:
        extra["tool_choice"] = unsaid
    elif isinstance(raw_choice, dict):
        memo["tool_choice"] = raw_choice
        known = _ALLOWED_TOOLS if raw_choice.get("type") == "allowed_tools" else _NAMED_TOOL
        extra |= {f"tool_choice.{name}": value for name, value in raw_choice.items() if name not in known}
    for tool in tools:
        group = (tool.memo or {}).get("namespace") or {}
        extra |= {f"tools.{name}": value for name, value in group.items() if name not in _NAMESPACE}
    sampling = Sampling(
        temperature=take_number(fields, "temperature"),
        top_p=take_number(fields, "top_p"),
        top_logprobs=take_int(fields, "top_logprobs", least=0),
        logprobs=_included(fields, memo),
    )
    reasoning = _reasoning(fields, extra)
    output, verbosity = _text(fields, extra)
    user = take_text(fields, "safety_identifier")
    if user is not None:
        memo["user"] = "safety_identifier"
    elif fields.get("user") is not None:
        user = take_text(fields, "user")
        memo["user"] = "user"
    _settle_defaults(fields, memo)
    request = Request(
        model=model,
        messages=tuple(messages),
        dialect=DIALECT,
        max_output_tokens=take_int(fields, "max_output_tokens", least=1),
        stream=bool(take_bool(fields, "stream")) if target.stream is None else target.stream,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=take_bool(fields, "parallel_tool_calls"),
        output=output,
        reasoning=reasoning,
        sampling=sampling,
        user=user,
        metadata=_metadata(fields),
        service_tier=take_text(fields, "service_tier"),
        prompt_cache_key=take_text(fields, "prompt_cache_key"),
        verbosity=verbosity,
        memo=memo or None,
        extra=None,
    )
    fields.pop("stream", None)
    extra |= left(fields) or {}
    return msgspec.structs.replace(request, extra=extra) if extra else request


_NAMED_TOOL: Final = frozenset({"type", "name", "namespace"})
_ALLOWED_TOOLS: Final = frozenset({"type", "mode", "tools"})
_NAMESPACE: Final = frozenset({"type", "name", "description"})
"""What is understood of a choice and of a group of tools. The rest is only told of: both go back whole."""


def _messages(fields: Json, names: Names) -> list[Message]:
    messages: list[Message] = []
    instructions = fields.pop("instructions", None)
    if isinstance(instructions, str):
        if instructions:
            messages.append(Message("system", (TextPart(instructions),), memo={"instructions": True}))
    elif instructions is not None:
        raise wrong("instructions", "a string", instructions)
    if "input" not in fields:
        raise missing("input", "what to answer, as a string or a list of items")
    value = fields.pop("input")
    if isinstance(value, str):
        messages.append(Message("user", (TextPart(value),), memo={"input": True}))
    elif isinstance(value, list):
        if not value:
            raise invalid("`input` is empty; add at least one item.", "input")
        messages.extend(messages_in(value, names))
    else:
        raise wrong("input", "a string or a list of items", value)
    return messages


def _included(fields: Json, memo: Json) -> bool | None:
    """Whether logprobs are wanted. What else is to be included stays in `fields`, or is remembered."""
    wanted = take_list(fields, "include")
    if wanted is None:
        return None
    for i, name in enumerate(wanted):
        if not isinstance(name, str):
            raise wrong(f"include[{i}]", "a string", name)
    memo["include"] = wanted
    rest = [name for name in wanted if name not in (LOGPROBS, ENCRYPTED)]
    if rest:
        fields["include"] = rest
    return True if LOGPROBS in wanted else None


def _reasoning(fields: Json, extra: Json) -> Reasoning:
    wanted = take_object(fields, "reasoning")
    if wanted is None:
        return Reasoning()
    effort: Any = take_text(wanted, "effort", "reasoning")
    if effort is not None and effort not in EFFORTS:
        extra["reasoning.effort"] = effort  # a word newer than we are
        effort = None
    summary = take_text(wanted, "summary", "reasoning")
    extra.update({f"reasoning.{key}": value for key, value in (left(wanted) or {}).items()})
    return Reasoning(
        enabled=False if effort == "none" else None,
        effort=effort,
        show=True if summary is not None else None,
        summary=summary,
    )


def _text(fields: Json, extra: Json) -> tuple[OutputFormat, str | None]:
    wanted = take_object(fields, "text")
    if wanted is None:
        return OutputFormat(), None
    verbosity = take_text(wanted, "verbosity", "text")
    form = take_object(wanted, "format", "text")
    extra.update({f"text.{key}": value for key, value in (left(wanted) or {}).items()})
    if form is None:
        return OutputFormat(), verbosity
    at = "text.format"
    kind = need_text(form, "type", at)
    match kind:
        case "text":
            output = OutputFormat()
        case "json_object":
            output = OutputFormat("json")
        case "json_schema":
            schema = take_object(form, "schema", at)
            if schema is None:
                raise missing(f"{at}.schema", "the JSON schema the answer must follow")
            output = OutputFormat(
                "json_schema",
                name=need_text(form, "name", at),
                schema=schema,
                strict=take_bool(form, "strict", at),
                description=take_text(form, "description", at),
            )
        case _:
            extra["text.format"] = {"type": kind, **form}
            return OutputFormat(), verbosity
    extra.update({f"text.format.{key}": value for key, value in (left(form) or {}).items()})
    return output, verbosity


def _settle_defaults(fields: Json, memo: Json) -> None:
    """Fields that say what would happen anyway ask nothing of another dialect: remembered, not reported."""
    store = take_bool(fields, "store")
    if store is not None:
        if store:
            fields["store"] = True
        else:
            memo["store"] = False
    for name, quiet in (
        ("truncation", "disabled"),
        ("stream_options", {"include_obfuscation": False}),
    ):
        if fields.get(name) == quiet:
            memo[name] = fields.pop(name)


def _metadata(fields: Json) -> dict[str, str] | None:
    said = take_object(fields, "metadata")
    for key, value in (said or {}).items():
        if not isinstance(value, str):
            raise wrong(f"metadata.{key}", "a string", value)
    return said
