"""What a provider was asked, read in its own dialect and independently of our codecs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.upstream import Exchange

Body = dict[str, Any]


@dataclass
class Heard:
    """One request as a provider understands it."""

    model: str
    system: str = ""
    question: str = ""
    """The words of the first turn of the user."""
    max_tokens: int | None = None
    tools: dict[str, tuple[str, Body]] = field(default_factory=dict)
    """Name → description and schema."""
    answered: list[tuple[str, Body, str]] = field(default_factory=list)
    """Each tool call of the past: name, arguments, and the result that belongs to it."""
    images: list[tuple[str, str]] = field(default_factory=list)
    """Media type and base64."""
    thoughts: list[tuple[str, str]] = field(default_factory=list)
    """Thoughts of the past that came back: their words where the dialect has them back, and their proof."""
    schema: Body | None = None
    """The schema demanded of the answer."""
    turns: list[tuple[str, str]] = field(default_factory=list)
    """The words of the user and of the assistant in turn, pieces of one turn joined."""
    stops: list[str] = field(default_factory=list)
    """Stop sequences."""
    choice: str = ""
    """`required`, `none` or the name of the tool that must be called; nothing when it is left open."""
    temperature: float | None = None
    documents: list[tuple[str, str]] = field(default_factory=list)
    """Media type and base64."""
    thinks: bool = False
    """Thinking is asked for."""

    def said(self, role: str, words: str) -> None:
        """Adds words to the turn they belong to."""
        if not words:
            return
        if self.turns and self.turns[-1][0] == role:
            words = self.turns.pop()[1] + words
        self.turns.append((role, words))


def hear(dialect: str, exchange: Exchange) -> Heard:
    """The exchange as a provider of `dialect` reads it. Fails where such a provider would refuse it."""
    return _READERS[dialect](exchange)


def _chat(exchange: Exchange) -> Heard:
    assert exchange.path == "/v1/chat/completions"
    body = exchange.body
    heard = Heard(body["model"], max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"))
    pending: dict[str, tuple[str, Body]] = {}
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if role in ("system", "developer"):
            heard.system += _joined(content)
        elif role == "user":
            heard.question = heard.question or _joined(content)
            heard.said("user", _joined(content))
            for part in content if isinstance(content, list) else ():
                if part["type"] == "image_url":
                    heard.images.append(_of_data_url(part["image_url"]["url"]))
                elif part["type"] == "file":
                    heard.documents.append(_of_data_url(part["file"]["file_data"]))
        elif role == "assistant":
            heard.said("assistant", _joined(content))
            assert not pending, "a call was not answered before the assistant's next turn"
            for call in message.get("tool_calls") or ():
                assert len(call["id"]) <= 40
                pending[call["id"]] = (call["function"]["name"], json.loads(call["function"]["arguments"]))
        else:
            assert role == "tool"
            heard.answered.append((*pending.pop(message["tool_call_id"]), _joined(content)))
    assert not pending
    for tool in body.get("tools", ()):
        function = tool["function"]
        heard.tools[function["name"]] = (function["description"], function["parameters"])
    heard.schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    heard.stops = body.get("stop", [])
    heard.choice = _choice(body.get("tool_choice", "auto"))
    heard.temperature = body.get("temperature")
    heard.thinks = body.get("reasoning_effort", "none") != "none"
    return heard


def _responses(exchange: Exchange) -> Heard:
    assert exchange.path == "/v1/responses"
    body = exchange.body
    heard = Heard(body["model"], body.get("instructions") or "", max_tokens=body.get("max_output_tokens"))
    pending: dict[str, tuple[str, Body]] = {}
    items = body["input"]
    asked: list[Body] = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in asked:
        kind = item.get("type", "message")
        if kind == "message":
            content = item["content"]
            if item["role"] in ("system", "developer"):
                heard.system += _joined(content)
            elif item["role"] == "user":
                heard.question = heard.question or _joined(content)
                heard.said("user", _joined(content))
                for part in content if isinstance(content, list) else ():
                    if part["type"] == "input_image":
                        heard.images.append(_of_data_url(part["image_url"]))
                    elif part["type"] == "input_file":
                        heard.documents.append(_of_data_url(part["file_data"]))
            else:
                heard.said("assistant", _joined(content))
        elif kind == "reasoning":
            words = "".join([part["text"] for part in item["summary"]])
            heard.thoughts.append((words, item["encrypted_content"]))
        elif kind == "function_call":
            assert len(item["call_id"]) <= 64
            pending[item["call_id"]] = (item["name"], json.loads(item["arguments"]))
        elif kind == "function_call_output":
            heard.answered.append((*pending.pop(item["call_id"]), _joined(item["output"])))
    assert not pending
    for tool in body.get("tools", ()):
        heard.tools[tool["name"]] = (tool["description"], tool["parameters"])
    heard.schema = body.get("text", {}).get("format", {}).get("schema")
    heard.choice = _choice(body.get("tool_choice", "auto"))
    heard.temperature = body.get("temperature")
    heard.thinks = (body.get("reasoning") or {}).get("effort", "none") != "none"
    return heard


def _anthropic(exchange: Exchange) -> Heard:
    assert exchange.path.partition("?")[0] == "/v1/messages"
    assert exchange.headers["anthropic-version"] in ("2023-06-01", "2026-10-21")
    body = exchange.body
    heard = Heard(body["model"], _joined(body.get("system", "")), max_tokens=body["max_tokens"])
    pending: dict[str, tuple[str, Body]] = {}
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    for message in body["messages"]:
        content = message["content"]
        blocks: list[Body] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            kind = block["type"]
            if kind == "text":
                assert block["text"]
                heard.said(message["role"], block["text"])
                if message["role"] == "user" and len(heard.turns) == 1:
                    heard.question += block["text"]
            elif kind == "image":
                heard.images.append((block["source"]["media_type"], block["source"]["data"]))
            elif kind == "document":
                heard.documents.append((block["source"]["media_type"], block["source"]["data"]))
            elif kind == "thinking":
                heard.thoughts.append((block["thinking"], block["signature"]))
            elif kind == "tool_use":
                pending[block["id"]] = (block["name"], block["input"])
            elif kind == "tool_result":
                heard.answered.append((*pending.pop(block["tool_use_id"]), _joined(block["content"])))
        assert message["role"] == "assistant" or not pending, (
            "calls are answered in the next turn, all of them"
        )
    for tool in body.get("tools", ()):
        heard.tools[tool["name"]] = (tool["description"], tool["input_schema"])
    heard.schema = body.get("output_config", {}).get("format", {}).get("schema")
    heard.stops = body.get("stop_sequences", [])
    choice = body.get("tool_choice", {"type": "auto"})
    heard.choice = {"auto": "", "any": "required"}.get(choice["type"], choice.get("name", choice["type"]))
    heard.temperature = body.get("temperature")
    heard.thinks = body.get("thinking", {}).get("type", "disabled") != "disabled"
    return heard


def _gemini(exchange: Exchange) -> Heard:
    path, _, query = exchange.path.partition("?")
    name, _, verb = path.rpartition("/")[2].partition(":")
    assert (verb, query) in {("generateContent", ""), ("streamGenerateContent", "alt=sse")}
    body: Body = _camel(exchange.body)
    settings = body.get("generationConfig", {})
    system = "".join([part["text"] for part in body.get("systemInstruction", {}).get("parts", ())])
    heard = Heard(name, system, max_tokens=settings.get("maxOutputTokens"))
    pending: list[tuple[str | None, str, Body]] = []
    for content in body["contents"]:
        for part in content["parts"]:
            if "functionCall" in part:
                assert content["role"] == "model"
                call = part["functionCall"]
                if "thoughtSignature" in part:
                    heard.thoughts.append(("", part["thoughtSignature"]))
                pending.append((call.get("id"), call["name"], call.get("args", {})))
            elif "functionResponse" in part:
                assert content["role"] == "user"
                reply = part["functionResponse"]
                # By id where there is one; otherwise in the order of the calls, as the API pairs them.
                named = (reply.get("id"), reply["name"])
                at = next(i for i, call in enumerate(pending) if call[:2] == named)
                heard.answered.append((*pending.pop(at)[1:], "".join(_texts(reply["response"]))))
            elif part.get("thought"):
                assert content["role"] == "model"
            elif "inlineData" in part:
                data = part["inlineData"]
                is_image = data["mimeType"].startswith("image/")
                into = heard.images if is_image else heard.documents
                # Google reads both alphabets of base64, and its SDK for Python sends the other one.
                into.append((data["mimeType"], data["data"].translate(_URL_SAFE)))
            else:
                heard.said("user" if content["role"] == "user" else "assistant", part["text"])
                if content["role"] == "user" and len(heard.turns) == 1:
                    heard.question += part["text"]
    assert not pending
    for group in body.get("tools", ()):
        for tool in group["functionDeclarations"]:
            schema = tool.get("parametersJsonSchema") or tool.get("parameters")
            heard.tools[tool["name"]] = (tool["description"], _lower_types(schema))
    schema = settings.get("responseJsonSchema") or settings.get("responseSchema")
    heard.schema = None if schema is None else _lower_types(schema)
    heard.stops = settings.get("stopSequences", [])
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    names = calling.get("allowedFunctionNames") or ["required"]
    heard.choice = {"ANY": names[0], "NONE": "none"}.get(calling.get("mode", "AUTO"), "")
    heard.temperature = settings.get("temperature")
    heard.thinks = bool(settings.get("thinkingConfig"))
    return heard


_FORMATS = {"png": "image/png", "pdf": "application/pdf"}


def _converse(exchange: Exchange) -> Heard:
    *_, name, verb = exchange.path.split("/")
    assert verb in ("converse", "converse-stream")
    body = exchange.body
    limits = body.get("inferenceConfig", {})
    more = body.get("additionalModelRequestFields", {})
    system = "".join([block["text"] for block in body.get("system", ()) if "text" in block])
    heard = Heard(unquote(name), system, max_tokens=limits.get("maxTokens"))
    pending: dict[str, tuple[str, Body]] = {}
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    for message in body["messages"]:
        for block in message["content"]:
            ((kind, said),) = block.items()
            if kind == "text":
                heard.said(message["role"], said)
                if message["role"] == "user" and len(heard.turns) == 1:
                    heard.question += said
            elif kind in ("image", "document"):
                into = heard.images if kind == "image" else heard.documents
                into.append((_FORMATS[said["format"]], said["source"]["bytes"]))
            elif kind == "reasoningContent":
                heard.thoughts.append((said["reasoningText"]["text"], said["reasoningText"]["signature"]))
            elif kind == "toolUse":
                pending[said["toolUseId"]] = (said["name"], said["input"])
            elif kind == "toolResult":
                heard.answered.append((*pending.pop(said["toolUseId"]), _joined(said["content"])))
        assert message["role"] == "assistant" or not pending, (
            "calls are answered in the next turn, all of them"
        )
    config = body.get("toolConfig", {"tools": ()})
    for tool in config["tools"]:
        spec = tool["toolSpec"]
        heard.tools[spec["name"]] = (spec["description"], spec["inputSchema"]["json"])
    form = body.get("outputConfig", {}).get("textFormat")
    heard.schema = form and json.loads(form["structure"]["jsonSchema"]["schema"])
    heard.stops = limits.get("stopSequences", [])
    ((kind, chosen),) = config.get("toolChoice", {"auto": {}}).items()
    heard.choice = {"auto": "", "any": "required"}.get(kind) or chosen.get("name", "")
    if not heard.tools:  # the only way to say that none may be called
        heard.choice = "none"
    heard.temperature = limits.get("temperature")
    heard.thinks = more.get("thinking", {}).get("type", "disabled") != "disabled"
    return heard


_URL_SAFE = str.maketrans("-_", "+/")
_READERS = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _converse,
}


def _choice(said: Any) -> str:
    """OpenAI's two dialects: a word, or the tool."""
    if isinstance(said, str):
        return "" if said == "auto" else said
    name: str = said.get("name") or said["function"]["name"]
    return name


def _joined(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join([part.get("text", "") for part in content or ()])


def _texts(value: Any) -> Iterator[str]:
    """The words in a function's response, whatever object they were wrapped in."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


def _of_data_url(url: str) -> tuple[str, str]:
    head, _, data = url.partition(",")
    return head.removeprefix("data:").removesuffix(";base64"), data


_CAMEL = {
    "inline_data": "inlineData",
    "mime_type": "mimeType",
    "parameters_json_schema": "parametersJsonSchema",
    "response_json_schema": "responseJsonSchema",
}
"""Google reads its fields in either form, and its SDK sends both."""


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_CAMEL.get(name, name): _camel(inner) for name, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value


def _lower_types(schema: Any) -> Any:
    """Gemini's `Schema` writes types in capitals, and its SDK puts lists in a fixed order."""
    if isinstance(schema, dict):
        return {
            name: value.lower() if name == "type" and isinstance(value, str) else _lower_types(value)
            for name, value in schema.items()
        }
    return schema
