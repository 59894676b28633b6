"""What the replayed model makes of a request in each dialect, and what a strict provider says against it.

Beyond the types (`agent_strict`) a provider refuses what is out of order: a call without its result, a result
without its call, an id used twice, thoughts that came back without their proof or with another's.
Sources: the API references of Chat Completions, Responses, Messages and generateContent, read 2026-11-22; the
rule of proofs at https://ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11-22.
"""

import json
import re
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from tests.agents.agent_strict import faults, gemini_faults
from tests.agents.agent_task import THOUGHT, Body, Seen, Tool
from tests.upstream_answers import PROOF

from passerelle.codecs.gemini.signatures import STAND_IN

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TYPES = {
    "openai_chat": CompletionCreateParamsStreaming,
    "openai_responses": ResponseCreateParamsStreaming,
    "anthropic": MessageCreateParamsStreaming,
}


def read(dialect: str, body: Body) -> tuple[Seen, list[str], list[str]]:
    """What was seen; what is out of order; and what the types do not allow, which a client that is relayed
    answers for itself: it may know more than the SDK.
    """
    seen, wrong = {
        "openai_chat": _chat,
        "openai_responses": _responses,
        "anthropic": _anthropic,
        "gemini": _gemini,
    }[dialect](body)
    untyped = gemini_faults(body) if dialect == "gemini" else faults(body, _TYPES[dialect], "body")
    names = [tool.name if tool.namespace is None else f"{tool.namespace}.{tool.name}" for tool in seen.tools]
    wrong += [f"tools: {name} twice" for name in set(names) if names.count(name) > 1]
    wrong += [f"tools: {tool.name!r} is no name" for tool in seen.tools if not _NAME.fullmatch(tool.name)]
    return seen, wrong, untyped


def _chat(body: Body) -> tuple[Seen, list[str]]:
    wrong: list[str] = []
    tools = tuple(
        Tool(each["function"]["name"], each["function"].get("parameters", {}))
        if each["type"] == "function"
        else Tool(each["custom"]["name"], custom=True)
        for each in body.get("tools", ())
    )
    said, results, turns = [], [], []
    for message in body["messages"]:
        if message["role"] == "user":
            said.append(_text(message["content"]))
        if message["role"] == "tool":
            results.append(_text(message["content"]))
            turns.append(("result", message["tool_call_id"]))
        else:
            turns.append(("end", ""))
        turns += [("call", call["id"]) for call in message.get("tool_calls") or ()]
        for call in message.get("tool_calls") or ():
            if call["type"] == "function":
                wrong += _arguments(call["function"]["arguments"])
        if message["role"] == "assistant" and not (message.get("content") or message.get("tool_calls")):
            wrong.append("an assistant message says nothing")
    wrong += _pairs(turns, longest=40)
    form = body.get("response_format", {})
    schema = form.get("json_schema", {}).get("schema")
    proofs = sum(message.get("reasoning_content") == THOUGHT for message in body["messages"])
    return Seen(tools, "\n".join(said), tuple(results), schema, proofs), wrong


def _responses(body: Body) -> tuple[Seen, list[str]]:
    wrong: list[str] = []
    tools: list[Tool] = []
    added = [tool for item in body["input"] for tool in item.get("tools", ()) if _adds_tools(item)]
    for each in [*body.get("tools", ()), *added]:
        if each["type"] == "namespace":
            tools += [_response_tool(inner, each["name"]) for inner in each["tools"]]
        elif each["type"] in ("function", "custom"):
            tools.append(_response_tool(each, None))
    said, results, turns = [], [], []
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "message" and item["role"] == "user":
            said.append(_text(item["content"]))
        if kind in ("function_call", "custom_tool_call"):
            turns.append(("call", item["call_id"]))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            results.append(_text(item["output"]))
            turns.append(("result", item["call_id"]))
        elif kind != "reasoning":
            turns.append(("end", ""))
        elif item.get("encrypted_content") != PROOF:
            wrong.append("a reasoning item came back without what it was given")
        if kind == "function_call":
            wrong += _arguments(item["arguments"])
    wrong += _pairs(turns, longest=64)
    schema = body.get("text", {}).get("format", {}).get("schema")
    proofs = sum(item.get("type") == "reasoning" for item in body["input"])
    return Seen(tuple(tools), "\n".join(said), tuple(results), schema, proofs), wrong


def _adds_tools(item: Body) -> bool:
    return item.get("type") == "additional_tools"


def _response_tool(tool: Body, namespace: str | None) -> Tool:
    custom = tool["type"] == "custom"
    return Tool(tool["name"], tool.get("parameters") or {}, custom, namespace)


def _anthropic(body: Body) -> tuple[Seen, list[str]]:
    wrong: list[str] = []
    tools = tuple(Tool(t["name"], t["input_schema"]) for t in body.get("tools", ()) if "input_schema" in t)
    said, results, turns, marks = [], [], [], json.dumps(body).count('"cache_control": {')
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for n, block in enumerate(blocks):
            if block["type"] == "text" and not block["text"].strip():
                wrong.append("an empty text block")
            if block["type"] == "text" and message["role"] == "user":
                said.append(block["text"])
            if block["type"] == "tool_use":
                turns.append(("call", block["id"]))
            if block["type"] == "tool_result":
                results.append(_text(block.get("content", "")))
                turns.append(("result", block["tool_use_id"]))
                if any(b["type"] != "tool_result" for b in blocks[:n]):
                    wrong.append("a tool_result stands behind other blocks")
            if block["type"] == "thinking" and block["signature"] != PROOF:
                wrong.append("a thinking block came back with another signature")
        if message["role"] == "user":
            turns.append(("end", ""))
    wrong += _pairs(turns, longest=64)
    wrong += [f"{marks} cache marks"] if marks > 4 else []
    wrong += [f"{i!r} is no id" for kind, i in turns if kind == "call" and not _NAME.fullmatch(i)]
    schema = (body.get("output_config") or {}).get("format", {}).get("schema")
    proofs = json.dumps(body["messages"]).count('"type": "thinking"')
    return Seen(tools, "\n".join(said), tuple(results), schema, proofs), wrong


def _gemini(body: Body) -> tuple[Seen, list[str]]:
    wrong: list[str] = []
    tools = tuple(
        Tool(each["name"], _lower(each.get("parametersJsonSchema") or each.get("parameters") or {}))
        for tool in body.get("tools", ())
        for each in tool.get("functionDeclarations", ())
    )
    said, results, calls, proofs = [], [], 0, 0
    for content in body["contents"]:
        parts = content["parts"]
        answered = [part for part in parts if "functionResponse" in part]
        asked = [part for part in parts if "functionCall" in part]
        if content["role"] == "user":
            said += [part["text"] for part in parts if "text" in part]
        if calls != len(answered):
            wrong.append(f"{calls} calls were answered by {len(answered)} results")
        if asked:
            signature = asked[0].get("thoughtSignature")
            proofs += signature == PROOF
            if signature not in (PROOF, STAND_IN):
                wrong.append("a function call came back without a thought signature")
        results += [json.dumps(part["functionResponse"]["response"]) for part in answered]
        calls = len(asked)
    config = body.get("generationConfig", {})
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return Seen(tools, "\n".join(said), tuple(results), schema, proofs), wrong


def _pairs(turns: list[tuple[str, str]], *, longest: int) -> list[str]:
    """Whether every call has one result before the next turn begins, and every id is used once."""
    wrong, waiting, used = [], set(), set()
    for kind, name in turns:
        if kind == "call":
            if name in used or len(name) > longest:
                wrong.append(f"the id {name!r} is used twice or too long")
            used.add(name)
            waiting.add(name)
        elif kind == "result":
            if name not in waiting:
                wrong.append(f"a result for {name!r}, which was not called")
            waiting.discard(name)
        elif waiting:
            wrong.append(f"no result for {sorted(waiting)}")
            waiting.clear()
    return wrong


def _arguments(text: str) -> list[str]:
    try:
        right = isinstance(json.loads(text), dict)
    except ValueError:
        right = False
    return [] if right else [f"{text!r} are no arguments"]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or ())


def _lower(schema: Body) -> Body:
    """Gemini's own schemas write their types in capitals."""
    return json.loads(json.dumps(schema), object_hook=_lower_type)  # type: ignore[no-any-return]


def _lower_type(node: Body) -> Body:
    kind = node.get("type")
    return {**node, "type": kind.lower()} if isinstance(kind, str) else node
