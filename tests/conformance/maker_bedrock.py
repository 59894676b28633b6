"""A provider of Converse: reads a request as Amazon would for Claude, refusing what it refuses, and answers.

Facts, read 2026-11-22: botocore 1.44.5's model of the service for every field and type;
docs.aws.amazon.com/bedrock/latest/userguide, "Carry out a conversation with the Converse API" and "Tool use"
for the order of turns and the pairing of calls and results; the service's own words for blank text, empty
content, and names of documents (quoted in `tests/upstream_bedrock.py`).
"""

import json
import re
from functools import cache
from typing import Any

from tests.conformance.amazon import frame
from tests.conformance.house import House
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
    Image,
    Json,
    Part,
    Refusal,
    Result,
    Sound,
    Text,
    Thought,
    Tool,
    Turn,
    cut,
    need,
)

PROOF = "EqQBCgIYAhIMbedrockGJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_DOCUMENT = re.compile(r"(?!.*  )[A-Za-z0-9\-()\[\] ]+")


@cache
def _shape() -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
    return model.operation_model("Converse").input_shape


def hear(body: Json, house: House) -> Ask:
    """The request as Bedrock understands it. Raises `RefusedError`."""
    from botocore.validate import ParamValidator

    said = {key: value for key, value in body.items() if key not in ("model", "stream")}
    report = ParamValidator().validate({"modelId": body["model"], **said}, _shape())
    need(not report.has_errors(), report.generate_report())
    turns = _turns(body["messages"])
    if body.get("system"):
        turns.insert(0, Turn("system", tuple(_marked(body["system"]))))
    config = body.get("toolConfig") or {}
    tools = _tools(config.get("tools") or [])
    used = any(isinstance(part, Call | Result) for turn in turns for part in turn.parts)
    need(not used or tools, "The toolConfig field must be defined when using toolUse and toolResult")
    inference = body.get("inferenceConfig") or {}
    more = body.get("additionalModelRequestFields") or {}
    unknown = more.keys() - {"thinking", "top_k", "anthropic_beta"}
    need(not unknown, f"extraneous key {sorted(unknown)} is not permitted")
    temperature = inference.get("temperature")
    need(temperature is None or 0 <= temperature <= 1, "temperature: range: 0..1")
    need(temperature is None or "topP" not in inference, "`temperature` and `top_p` cannot both be specified")
    stops = tuple(inference.get("stopSequences") or ())
    thinking = more.get("thinking") or {}
    budget = thinking.get("budget_tokens")
    need(budget is None or budget < inference.get("maxTokens", 1 << 20), "max_tokens must be greater")
    need(thinking.get("type") != "enabled" or temperature in (None, 1), "temperature with thinking")
    choice = _choice(config.get("toolChoice"), tools)
    need(thinking.get("type") != "enabled" or choice in (None, "auto"), "Thinking may not force tool use")
    output = body.get("outputConfig") or {}
    form = output.get("textFormat")
    schema = json.loads(form["structure"]["jsonSchema"]["schema"]) if form else None
    return Ask(
        tuple(turns),
        bool(body.get("stream")),
        inference.get("maxTokens"),
        tools,
        choice,
        None,
        temperature,
        inference.get("topP"),
        more.get("top_k"),
        stop=stops,
        effort=output.get("effort") or ("off" if thinking.get("type") == "disabled" else None),
        budget=budget,
        show=budget is not None,
        schema=schema,
        metadata=body.get("requestMetadata"),
        tier=(body.get("serviceTier") or {}).get("type"),
        raw=body,
    )


def _turns(messages: list[Json]) -> list[Turn]:
    need(messages and messages[0]["role"] == "user", "A conversation must start with a user message.")
    turns: list[Turn] = []
    pending: set[str] = set()
    names: list[str] = []
    for at, message in enumerate(messages):
        content = message["content"]
        need(not at or messages[at - 1]["role"] != message["role"], "roles must take turns")
        need(content, "The content field in the Message object is empty.")
        results = {b["toolResult"]["toolUseId"] for b in content if "toolResult" in b}
        need(results == pending, f"Expected toolResult blocks for the Ids: {pending or results}")
        ids = [b["toolUse"]["toolUseId"] for b in content if "toolUse" in b]
        need(len(set(ids)) == len(ids), "toolUse ids must be unique")
        pending = set(ids)
        files = [b["document"]["name"] for b in content if "document" in b]
        need(not files or any("text" in b for b in content), "a document needs a text block beside it")
        names += files
        turns.append(Turn(message["role"], tuple(_marked(content))))
    need(not pending, f"Expected toolResult blocks for the following Ids: {pending}")
    need(messages[-1]["role"] == "user", "the last turn is the user's")
    fit = len(set(names)) == len(names) and all(_DOCUMENT.fullmatch(name) for name in names)
    need(fit, f"names of documents: {names}")
    return turns


def _marked(blocks: list[Json]) -> list[Part]:
    parts: list[Part] = []
    for block in blocks:
        if "cachePoint" in block:
            need(parts, "a cachePoint before anything")
            last = parts[-1]
            if isinstance(last, Text):
                parts[-1] = Text(last.text, cache=True)
        else:
            parts.append(_part(block))
    return parts


def _part(block: Json) -> Part:
    if "text" in block:
        need(block["text"].strip(), "The text field in the ContentBlock object is blank.")
        return Text(block["text"])
    if "image" in block:
        source = block["image"]["source"]["bytes"]
        return Image(source, f"image/{block['image']['format']}")
    if "document" in block:
        need(block["document"]["format"] == "pdf", "an unknown format")
        return Document(block["document"]["source"]["bytes"], block["document"]["name"])
    if "audio" in block:
        return Sound(block["audio"]["source"]["bytes"])
    if "reasoningContent" in block:
        said = block["reasoningContent"]["reasoningText"]
        need(said.get("signature") == PROOF, "Invalid `signature` in `thinking` block")
        return Thought(said["text"], said["signature"])
    if "toolUse" in block:
        use = block["toolUse"]
        need(_NAME.fullmatch(use["name"]) and _ID.fullmatch(use["toolUseId"]), "a tool's name or id")
        need(isinstance(use["input"], dict), "input is no object")
        return Call(use["name"], use["input"], use["toolUseId"])
    result = block["toolResult"]
    parts = tuple([_part(inner) for inner in result["content"]])
    return Result(result["toolUseId"], parts, result.get("status") == "error")  # type: ignore[arg-type]


def _tools(entries: list[Json]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for entry in entries:
        if "cachePoint" in entry:
            tools[-1] = Tool(**{**vars(tools[-1]), "cache": True})
            continue
        spec = entry["toolSpec"]
        schema = spec["inputSchema"]["json"]
        need(_NAME.fullmatch(spec["name"]) and schema.get("type") == "object", "a tool's name or schema")
        tools.append(Tool(spec["name"], spec.get("description", ""), schema, bool(spec.get("strict"))))
    return tuple(tools)


def _choice(choice: Json | None, tools: tuple[Tool, ...]) -> str | None:
    if choice is None:
        return None
    if "tool" in choice:
        need(choice["tool"]["name"] in [tool.name for tool in tools], "the chosen tool is not offered")
        return f"={choice['tool']['name']}"
    return "required" if "any" in choice else "auto"


# --- what it says

_FINISH = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", "filter": "content_filtered"}


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    made = usage.output + usage.reasoning
    return {
        "inputTokens": usage.input,
        "outputTokens": made,
        "totalTokens": usage.input + usage.cached + usage.written + made,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": usage.written,
    }


def _said(answer: Answer) -> list[Json]:
    said: list[Json] = []
    for part in answer.parts:
        match part:
            case Text() if answer.citations:
                cited = [{"title": "Source", "location": {"web": {"url": u}}} for u in answer.citations]
                said.append({"citationsContent": {"content": [{"text": part.text}], "citations": cited}})
            case Text():
                said.append({"text": part.text})
            case Thought():
                thought = {"text": part.text, "signature": part.proof or PROOF}
                said.append({"reasoningContent": {"reasoningText": thought}})
            case Call():
                said.append({"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.args}})
            case Refusal():
                continue
            case _:
                raise AssertionError(part)
    return said


def say(answer: Answer, house: House, body: Json) -> Json:
    """A whole answer. It does not name its model."""
    return {
        "output": {"message": {"role": "assistant", "content": _said(answer)}},
        "stopReason": _FINISH[answer.finish],
        "usage": _usage(answer),
        "metrics": {"latencyMs": 241},
    }


def stream(answer: Answer, house: House, body: Json) -> list[bytes]:
    """The same as frames; text blocks have no start."""
    told = [frame("event", "messageStart", {"role": "assistant", "p": "abc"})]

    def send(name: str, **fields: Any) -> None:
        told.append(frame("event", name, {**fields, "p": "abcdefgh"}))

    for at, block in enumerate(_said(answer)):
        deltas: list[Json]
        if "toolUse" in block:
            use = block["toolUse"]
            named = {"toolUseId": use["toolUseId"], "name": use["name"]}
            send("contentBlockStart", contentBlockIndex=at, start={"toolUse": named})
            pieces = cut(json.dumps(use["input"])) if use["input"] else []
            deltas = [{"toolUse": {"input": piece}} for piece in pieces]
        elif "citationsContent" in block:
            inner = block["citationsContent"]
            deltas = [{"text": piece} for piece in cut(inner["content"][0]["text"])]
            deltas += [{"citation": one} for one in inner["citations"]]
        elif "text" in block:
            deltas = [{"text": piece} for piece in answer.pieces or cut(block["text"])]
        else:
            thought = block["reasoningContent"]["reasoningText"]
            deltas = [{"reasoningContent": {"text": piece}} for piece in cut(thought["text"])]
            deltas.append({"reasoningContent": {"signature": thought["signature"]}})
        for delta in deltas:
            send("contentBlockDelta", contentBlockIndex=at, delta=delta)
        send("contentBlockStop", contentBlockIndex=at)
    send("messageStop", stopReason=_FINISH[answer.finish])
    send("metadata", usage=_usage(answer), metrics={"latencyMs": 241})
    return told


ERRORS = {
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException",
    404: "ResourceNotFoundException", 413: "ValidationException", 429: "ThrottlingException",
    500: "InternalServerException", 503: "ServiceUnavailableException", 529: "ServiceUnavailableException",
}  # fmt: skip
"""What stands in `x-amzn-errortype`."""


def problem(status: int, message: str) -> Json:
    """Its error body."""
    return {"message": message}


def broken(frames: list[bytes]) -> list[bytes]:
    """A stream that says an error after half of its content."""
    error = frame("exception", "serviceUnavailableException", {"message": "Overloaded"})
    return [*frames[: len(frames) // 2], error]


def true_call_id(house: House, number: int) -> str:
    """An id as Bedrock makes them."""
    return f"tooluse_{number}Zx8"
