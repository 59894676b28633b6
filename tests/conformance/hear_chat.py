"""A provider of Chat Completions reads a request as its owner would, refusing what he refuses.

What all of them refuse, from OpenAI's own error messages and the `openai` SDK 3.54 (read 2026-11-22): a call
without its result ("tool_call_ids did not have response messages"), a result without its call, an id above 40
characters, a tool's name that is not `^[a-zA-Z0-9_-]{1,64}$`, `tool_choice` and `parallel_tool_calls` without
tools, more than four `stop`, JSON mode where nobody says "json", a strict schema that leaves a property out,
`content` that is empty. What one of them refuses beside it stands in its `House` (`houses`).
"""

import json
import re
from typing import Any

from tests.conformance.house import ChatRules, House
from tests.conformance.talk import (
    Ask,
    Call,
    Document,
    Image,
    Json,
    Part,
    Refusal,
    Result,
    Role,
    Sound,
    Text,
    Thought,
    Tool,
    Turn,
    need,
)

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
LABEL_OF_MOVED = "From the result of tool call "
BETWEEN = "I have the results."
_BELOW = "(the result is in the next user message)"


def hear(body: Json, house: House) -> Ask:
    """The request as this provider understands it. Raises `RefusedError`."""
    rules = house.chat
    model = body["model"]
    _fields(body, rules, model)
    turns = _conversation(body["messages"], rules)
    tools = tuple([_tool(tool, rules) for tool in body.get("tools", ())])
    need(body.get("tools") != [], "`tools` is too short")
    choice = _choice(body.get("tool_choice"), tools)
    need(body.get("tool_choice") in (None, *rules.choices) if rules.choices else True, _CHOICES)
    need(body.get("parallel_tool_calls") is None or tools, "`parallel_tool_calls` needs `tools`")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    need(limit is None or (isinstance(limit, int) and limit > 0), "the limit on tokens is no positive number")
    stop = body.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    need(len(stop) <= rules.stops and all(stop), f"at most {rules.stops} `stop`, none empty")
    temperature = body.get("temperature")
    need(temperature is None or 0 <= temperature <= rules.hottest, "`temperature` is out of range")
    form = body.get("response_format") or {"type": "text"}
    need(form["type"] in rules.formats, f"`response_format` of type `{form['type']}` is unavailable")
    if form["type"] == "json_object":
        need("json" in json.dumps(body["messages"]).lower(), "'messages' must contain the word 'json'")
    schema = None
    if form["type"] == "json_schema":
        schema = form["json_schema"]["schema"]
        need(_NAME.fullmatch(form["json_schema"]["name"]), "the schema's name is not fit")
        if form["json_schema"].get("strict"):
            strict_schema(schema)
    effort = body.get("reasoning_effort")
    need(effort is None or effort in rules.efforts(model), f"`reasoning_effort` {effort} is not for {model}")
    need(body.get("top_logprobs") is None or body.get("logprobs"), "`top_logprobs` needs `logprobs`")
    need("stream_options" not in body or body.get("stream"), "`stream_options` is only for streams")
    thinking = body.get("thinking") or {}
    return Ask(
        turns,
        bool(body.get("stream")),
        limit,
        tools,
        choice,
        body.get("parallel_tool_calls"),
        temperature,
        body.get("top_p"),
        body.get("top_k"),
        body.get("random_seed", body.get("seed")),
        tuple(stop),
        body.get("presence_penalty"),
        body.get("frequency_penalty"),
        body.get("top_logprobs") if body.get("logprobs") else None,
        body.get("n"),
        "off" if effort == "none" or thinking.get("type") == "disabled" else effort,
        json=form["type"] == "json_object",
        schema=schema,
        user=body.get("user", body.get("safety_identifier")),
        metadata=body.get("metadata"),
        tier=body.get("service_tier"),
        verbosity=body.get("verbosity"),
        cache_key=body.get("prompt_cache_key"),
        raw=body,
    )


_CHOICES = "only `auto` is supported for `tool_choice`"


def _fields(body: Json, rules: ChatRules, model: str) -> None:
    need("metadata" not in body or body.get("store") or rules.counts != "openai", _UNSTORED)
    for name, why in rules.refused(model).items():
        need(name not in body, f"{why}: `{name}`")
    if rules.known is not None:
        unknown = sorted(body.keys() - rules.known)
        need(not unknown, f"Unrecognized request argument supplied: {unknown}")


_UNSTORED = "The 'metadata' parameter is only allowed when 'store' is enabled."


def _conversation(messages: list[Json], rules: ChatRules) -> tuple[Turn, ...]:
    need(messages, "`messages` is empty")
    turns: list[Turn] = []
    pending: dict[str, None] = {}
    before = ""
    for message in messages:
        role = message["role"]
        need(role in rules.roles, f"unknown role `{role}`")
        need("name" not in message or rules.names, "`messages[].name` is unsupported")
        if role == "tool":
            ident = message["tool_call_id"]
            need(ident in pending, "messages with role 'tool' must answer a preceding 'tool_calls'")
            del pending[ident]
            parts = _content(message["content"], rules, texts_only=True)
            said = "".join([part.text for part in parts if isinstance(part, Text)])
            result = Result(ident, (Text("" if said == _BELOW else said),))
            turns.append(Turn("user", (result,)))
        else:
            need(not pending, f"tool_call_ids without response messages: {list(pending)}")
            need(not (before == "tool" and role == "user") or rules.user_after_tool, _ORDER)
            turns.append(Turn(role, tuple(_message(message, rules, pending))))
        before = role
    need(not pending, f"tool_call_ids without response messages: {list(pending)}")
    return tuple(turns)


_ORDER = "Unexpected role 'user' after role 'tool'"


def _message(message: Json, rules: ChatRules, pending: dict[str, None]) -> list[Part]:
    parts: list[Part] = []
    role: Role = message["role"]
    if role == "assistant":
        thought = message.get("reasoning_content")
        for name in ("reasoning_content", "reasoning_details"):
            need(name not in message or rules.thoughts != "refused", f"property '{name}' is unsupported")
        if thought and rules.thoughts in ("taken", "needed"):
            parts.append(Thought(thought))
        calls = message.get("tool_calls")
        need(calls != [], "`tool_calls` is too short")
        needed = calls and rules.thoughts == "needed"
        need(not needed or thought is not None, "`reasoning_content` is missing")
        need(message.get("content") or calls or message.get("refusal"), "an assistant's message says nothing")
        parts += _content(message.get("content"), rules) if message.get("content") else []
        if message.get("refusal"):
            parts.append(Refusal(message["refusal"]))
        for call in calls or ():
            parts.append(_call(call, rules, pending))
        return parts
    need(message["content"], f"a message of role `{role}` is empty")
    parts += _content(message["content"], rules, texts_only=role != "user")
    return parts


def _call(call: Json, rules: ChatRules, pending: dict[str, None]) -> Call:
    need(rules.ids.fullmatch(call["id"]), f"Tool call id was {call['id']} but must be {rules.ids.pattern}")
    need(call["id"] not in pending, f"Duplicate tool call id {call['id']}")
    pending[call["id"]] = None
    kind = call["type"]
    need(kind == "function" or rules.customs, f"a tool call of type `{kind}`")
    need(_NAME.fullmatch(call[kind]["name"]), f"a tool's name `{call[kind]['name']}` is not fit")
    if kind == "custom":
        return Call(call[kind]["name"], {}, call["id"], free=call[kind]["input"])
    try:
        args = json.loads(call["function"]["arguments"])
    except ValueError:
        args = None
    need(isinstance(args, dict), "arguments are no JSON object")
    return Call(call["function"]["name"], args, call["id"])


def _content(content: Any, rules: ChatRules, *, texts_only: bool = False) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    need(isinstance(content, list) and content, "`content` is neither words nor parts")
    parts: list[Part] = []
    for piece in content:
        kind = piece["type"]
        need(kind in rules.contents and (kind == "text" or not texts_only), f"content of type `{kind}`")
        if kind == "thinking":
            continue
        if kind == "text":
            need(not piece.keys() - {"type", "text"} or rules.marks, f"unknown fields in a text: {piece}")
            need(piece["text"] or rules.empty_texts, "a text without words")
            parts.append(Text(piece["text"], "cache_control" in piece))
        elif kind == "image_url":
            parts.append(_image(piece["image_url"]["url"], rules))
        elif kind == "input_audio":
            need(piece["input_audio"]["format"] in ("wav", "mp3"), "an unknown audio format")
            parts.append(Sound(piece["input_audio"]["data"]))
        else:
            head, _, data = piece["file"]["file_data"].partition(";base64,")
            need(head.startswith("data:") and piece["file"].get("filename"), "a file has a name and data URL")
            parts.append(Document(data, piece["file"]["filename"], head[5:]))
    return parts


def _image(url: str, rules: ChatRules) -> Image:
    if url.startswith("data:"):
        head, _, data = url.partition(";base64,")
        return Image(data, head[5:])
    need(rules.links and url.startswith("https://"), "a picture's URL is refused")
    return Image(url=url)


def _tool(tool: Json, rules: ChatRules) -> Tool:
    kind = tool["type"]
    need(kind == "function" or (rules.customs and kind == "custom"), f"a tool of type `{kind}`")
    need("cache_control" not in tool or rules.marks, "`cache_control` is unknown")
    inner = tool[kind]
    need(_NAME.fullmatch(inner["name"]), f"a tool's name `{inner['name']}` is not fit")
    if kind == "custom":
        return Tool(inner["name"], inner.get("description", ""), free=True)
    strict = bool(inner.get("strict"))
    need(not strict or rules.strict, "`strict` is unknown")
    schema = inner.get("parameters") or {}
    if strict:
        strict_schema(schema)
    need(schema.get("type") == "object" or not schema, "parameters are of type object")
    return Tool(inner["name"], inner.get("description", ""), schema, strict)


def _choice(choice: Any, tools: tuple[Tool, ...]) -> str | None:
    if choice is None:
        return None
    need(tools, "'tool_choice' is only allowed when 'tools' are specified")
    if isinstance(choice, str):
        need(choice in ("auto", "none", "required", "any"), f"`tool_choice` {choice}")
        return "required" if choice == "any" else choice
    name = choice[choice["type"]]["name"]
    need(name in [tool.name for tool in tools], "the chosen tool is not among the tools")
    return f"={name}"


def strict_schema(schema: Json) -> None:
    """OpenAI's rules for strict schemas ("Structured outputs" guide, supported schemas, read 2026-11-22)."""
    if schema.get("type") == "object":
        need(schema.get("additionalProperties") is False, "'additionalProperties' is required to be false")
        names = schema.get("properties", {})
        need(set(schema.get("required", ())) == set(names), "'required' must name every property")
        for inner in names.values():
            strict_schema(inner)
    elif schema.get("type") == "array":
        strict_schema(schema["items"])
