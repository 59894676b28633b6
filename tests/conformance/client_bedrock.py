"""A client of Bedrock's Converse: what it writes, and what boto3 would refuse to read.

Facts: botocore 1.44.5's model of the service (`ConverseRequest`, `ConverseResponse`, `ConverseStreamOutput`),
read 2026-11-22.
"""

import json
from typing import Any
from urllib.parse import quote

from tests.conformance.amazon import frames
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
    Finish,
    Image,
    Json,
    Part,
    Refusal,
    Result,
    Sound,
    Text,
    Thought,
    Tool,
    Usage,
    legal,
    unsayable,
)

LABEL = "Bedrock Converse"
DIALECT = "bedrock"
_I = "inferenceConfig"
LOST = {
    "document": "document", "name": "document.name", "thought": "reasoningContent",
    "schema": "outputConfig.textFormat", "temperature": f"{_I}.temperature", "top_p": f"{_I}.topP",
    "top_k": "additionalModelRequestFields.top_k", "stop": f"{_I}.stopSequences",
    "effort": "outputConfig.effort", "budget": "outputConfig.effort", "metadata": "requestMetadata",
    "tier": "serviceTier", "cache": "cachePoint",
    "choice": "toolConfig.toolChoice", "max_tokens": f"{_I}.maxTokens", "sound": "audio",
    "strict": "toolConfig.tools.toolSpec.strict", "image": "image",
}  # fmt: skip


def write(ask: Ask, model: str) -> tuple[str, Json]:
    """Path and body."""
    for value, name in (
        (ask.seed, "no `seed`"), (ask.presence, "no penalties"), (ask.frequency, "no penalties"),
        (ask.n, "no `n`"), (ask.logprobs, "no logprobs"), (ask.user, "no user"),
        (ask.verbosity, "no `verbosity`"), (ask.cache_key, "no cache key"),
        (ask.parallel, "no choice about parallel calls"),
    ):  # fmt: skip
        unsayable(value is not None, f"{name} in this dialect")
    unsayable(ask.json, "no JSON without a schema in this dialect")
    unsayable(ask.show, "no wish for thoughts in this dialect")
    turns = list(ask.turns)
    body: Json = {}
    if turns and turns[0].role == "system":
        body["system"] = [block for part in turns.pop(0).parts for block in _blocks(part)]
    unsayable(any(t.role in ("system", "developer") for t in turns), "no such role in this dialect")
    body["messages"] = [{"role": t.role, "content": [b for p in t.parts for b in _blocks(p)]} for t in turns]
    inference: Json = {}
    for key, value in (
        ("maxTokens", ask.max_tokens), ("temperature", ask.temperature), ("topP", ask.top_p),
        ("stopSequences", list(ask.stop) or None),
    ):  # fmt: skip
        if value is not None:
            inference[key] = value
    if inference:
        body[_I] = inference
    if ask.tools:
        body["toolConfig"] = {"tools": [entry for tool in ask.tools for entry in _tool(tool)]}
        if ask.choice is not None:
            unsayable(ask.choice == "none", "no choice of no tool in this dialect")
            named = {"tool": {"name": ask.choice[1:]}}
            word = {"required": "any"}.get(ask.choice, ask.choice)
            body["toolConfig"]["toolChoice"] = named if ask.choice.startswith("=") else {word: {}}
    more: Json = {}
    if ask.top_k is not None:
        more["top_k"] = ask.top_k
    if ask.budget is not None:
        more["thinking"] = {"type": "enabled", "budget_tokens": ask.budget}
    elif ask.effort == "off":
        more["thinking"] = {"type": "disabled"}
    output: Json = {}
    if ask.effort not in (None, "off"):
        more["thinking"] = {"type": "adaptive"}
        output["effort"] = ask.effort
    if ask.schema is not None:
        told = {"schema": json.dumps(ask.schema), "name": "answer"}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": told}}
    if output:
        body["outputConfig"] = output
    if more:
        body["additionalModelRequestFields"] = more
    if ask.metadata is not None:
        body["requestMetadata"] = ask.metadata
    if ask.tier is not None:
        body["serviceTier"] = {"type": ask.tier}
    verb = "converse-stream" if ask.stream else "converse"
    return f"/model/{quote(model, safe='')}/{verb}", body | ask.raw.get(DIALECT, {})


_POINT = {"cachePoint": {"type": "default"}}


def _tool(tool: Tool) -> list[Json]:
    unsayable(tool.free, "no tools of free text in this dialect")
    spec: Json = {"name": tool.name, "description": tool.description, "inputSchema": {"json": tool.schema}}
    if tool.strict:
        spec["strict"] = True
    return [{"toolSpec": spec}, *([_POINT] if tool.cache else [])]


def _blocks(part: Part) -> list[Json]:
    match part:
        case Text():
            return [{"text": part.text}, *([_POINT] if part.cache else [])]
        case Image():
            unsayable(part.url, "no pictures by URL in this dialect")
            return [{"image": {"format": part.media_type[6:], "source": {"bytes": part.data}}}]
        case Document():
            named = part.name.removesuffix(".pdf")
            return [{"document": {"format": "pdf", "name": named, "source": {"bytes": part.data}}}]
        case Sound():
            return [{"audio": {"format": "wav", "source": {"bytes": part.data}}}]
        case Thought():
            return [part.proof] if part.proof else []
        case Refusal():
            return [{"text": part.text}]
        case Call():
            unsayable(part.free is not None, "no tools of free text in this dialect")
            call = {"toolUseId": part.id, "name": part.name, "input": part.args}
            return [{"toolUse": call}, *([part.proof] if part.proof else [])]
        case Result():
            inner = [block for p in part.parts for block in _blocks(p)]
            result: Json = {"toolUseId": part.call, "content": inner}
            return [{"toolResult": result | ({"status": "error"} if part.error else {})}]
    raise AssertionError(part)


_FINISH: dict[str, Finish] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "calls",
    "content_filtered": "filter", "guardrail_intervened": "filter",
}  # fmt: skip


def read(body: Json) -> Answer:
    """A whole answer. Raises `IllegalError`."""
    legal(body["output"]["message"]["role"] == "assistant", "not the assistant's message")
    legal(isinstance(body["metrics"]["latencyMs"], int), "no latency")
    return _answer(body["output"]["message"]["content"], body["stopReason"], body["usage"])


def _answer(content: list[Json], stop: str, usage: Json) -> Answer:
    parts: list[Part] = []
    cited: list[str] = []
    for block in content:
        if "text" in block:
            parts.append(Text(block["text"]))
        elif "citationsContent" in block:
            inner = block["citationsContent"]
            parts += [Text(piece["text"]) for piece in inner["content"]]
            cited += [c["location"]["web"]["url"] for c in inner["citations"] if "web" in c["location"]]
        elif "reasoningContent" in block:
            said = block["reasoningContent"].get("reasoningText") or {}
            parts.append(Thought(said.get("text", ""), block))
        else:
            use = block["toolUse"]
            legal(0 < len(use["toolUseId"]) <= 64, "a call's id that cannot be sent back")
            legal(isinstance(use["input"], dict), "arguments are no object")
            parts.append(Call(use["name"], use["input"], use["toolUseId"]))
    called = any(isinstance(part, Call) for part in parts)
    legal(not called or stop == "tool_use", f"calls, and `stopReason` is `{stop}`")
    cached, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    total = usage["inputTokens"] + usage["outputTokens"] + cached + written
    legal(usage["totalTokens"] == total, "`totalTokens` is not the sum")
    counted = Usage(usage["inputTokens"], cached, written, usage["outputTokens"], 0)
    return Answer(tuple(parts), _FINISH[stop], counted, citations=tuple(cited))


def read_stream(raw: bytes) -> Answer:
    """A streamed answer: a start, blocks one after the other, a stop and the metadata."""
    said = list(frames(raw))
    for kind, name, payload in said:
        legal(kind == "event", f"an exception in the stream: {name} {payload}")
    names = [name for _, name, _ in said]
    legal(names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"], f"in the order {names}")
    blocks: dict[int, Json] = {}
    closed: set[int] = set()
    for _, name, payload in said[1:-2]:
        at = payload["contentBlockIndex"]
        legal(at not in closed and all(i in closed for i in blocks if i != at), "a block inside a block")
        if name == "contentBlockStart":
            legal(at not in blocks, "a block opened twice")
            blocks[at] = {"toolUse": {**payload["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockStop":
            closed.add(at)
        else:
            _grow(blocks.setdefault(at, {}), payload["delta"])
    legal(sorted(blocks) == list(range(len(blocks))) == sorted(closed), "blocks not counted, or not closed")
    content = [_whole(blocks[at]) for at in sorted(blocks)]
    return _answer(content, said[-2][2]["stopReason"], said[-1][2]["usage"])


def _grow(block: Json, delta: Json) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        legal("toolUse" in block, "arguments outside a call")
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "citation" in delta:
        block.setdefault("citations", []).append(delta["citation"])
    else:
        inner = block.setdefault("reasoningContent", {})
        for key, value in delta["reasoningContent"].items():
            inner[key] = inner.get(key, "") + value


def _whole(block: Json) -> Json:
    if "toolUse" in block:
        return {"toolUse": {**block["toolUse"], "input": json.loads(block["toolUse"]["input"] or "{}")}}
    inner = block.get("reasoningContent")
    if inner is not None and "redactedContent" not in inner:
        return {"reasoningContent": {"reasoningText": inner}}
    if "citations" in block:
        content = [{"text": block.get("text", "")}]
        return {"citationsContent": {"content": content, "citations": block["citations"]}}
    return block


def error(status: int, body: Json) -> str:
    """The words of an error, after checking the shape; its kind stands in a header."""
    legal(isinstance(body["message"], str) and body["message"], "an error without words")
    return ""


def stream_error(raw: bytes) -> bool:
    """Whether boto3 would raise on this stream."""
    return any(kind == "exception" for kind, _, _ in frames(raw))


def count(ask: Ask, model: str) -> tuple[str, Json]:
    """The question of how large a prompt is."""
    _, body = write(ask, model)
    return f"/model/{quote(model, safe='')}/count-tokens", {
        "input": {"converse": {key: body[key] for key in ("messages", "system") if key in body}}
    }


def read_count(body: Json) -> Any:
    """Its answer."""
    return body["inputTokens"]
