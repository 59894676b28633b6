"""A client of OpenAI's Chat Completions: what it writes, and what its SDK would refuse to read.

Facts: types of the `openai` SDK 3.54 (`chat_completion`, `chat_completion_chunk`,
`completion_create_params`), read 2026-11-22.
"""

import json
from typing import Any

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
    Turn,
    Usage,
    events,
    legal,
    unsayable,
)

LABEL = "Chat Completions"
DIALECT = "openai_chat"
PATH = "/v1/chat/completions"
LOST = {
    "developer": "messages.role", "image_url": "image_url", "document": "file", "sound": "input_audio",
    "thought": "reasoning", "parallel": "parallel_tool_calls", "json": "response_format",
    "schema": "response_format.json_schema", "top_p": "top_p", "temperature": "temperature", "stop": "stop",
    "seed": "seed", "presence": "presence_penalty", "frequency": "frequency_penalty", "n": "n",
    "logprobs": "logprobs", "effort": "reasoning_effort", "show": "reasoning.summary", "user": "user",
    "metadata": "metadata", "tier": "service_tier", "verbosity": "verbosity", "cache_key": "prompt_cache_key",
    "strict": "strict", "choice": "tool_choice", "name": "filename", "max_tokens": "max_tokens",
}  # fmt: skip
"""What a caller is told when a thing is left out."""


def write(ask: Ask, model: str) -> tuple[str, Json]:
    """Path and body."""
    unsayable(ask.top_k is not None, "no `top_k` in this dialect")
    unsayable(ask.budget is not None, "no budget in tokens in this dialect")
    unsayable(ask.show, "no wish for thoughts in this dialect")
    body: Json = {"model": model, "messages": [m for turn in ask.turns for m in _messages(turn)]}
    if ask.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if ask.tools:
        body["tools"] = [_tool(tool) for tool in ask.tools]
    if ask.choice is not None:
        named = {"type": "function", "function": {"name": ask.choice[1:]}}
        body["tool_choice"] = named if ask.choice.startswith("=") else ask.choice
    for name, value in (
        ("parallel_tool_calls", ask.parallel), ("max_completion_tokens", ask.max_tokens),
        ("temperature", ask.temperature), ("top_p", ask.top_p), ("seed", ask.seed), ("n", ask.n),
        ("presence_penalty", ask.presence), ("frequency_penalty", ask.frequency), ("user", ask.user),
        ("metadata", ask.metadata), ("store", ask.metadata and True),
        ("service_tier", ask.tier), ("verbosity", ask.verbosity), ("prompt_cache_key", ask.cache_key),
        ("reasoning_effort", "none" if ask.effort == "off" else ask.effort),
    ):  # fmt: skip
        if value is not None:
            body[name] = value
    if ask.stop:
        body["stop"] = list(ask.stop)
    if ask.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": ask.logprobs}
    if ask.json:
        body["response_format"] = {"type": "json_object"}
    if ask.schema is not None:
        named = {"name": "answer", "schema": ask.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return PATH, body | ask.raw.get(DIALECT, {})


def _tool(tool: Any) -> Json:
    unsayable(tool.cache, "no `cache_control` in this dialect")
    if tool.free:
        return {"type": "custom", "custom": {"name": tool.name, "description": tool.description}}
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _messages(turn: Turn) -> list[Json]:
    said: list[Json] = []
    content: list[Json] = []
    calls: list[Json] = []
    more: Json = {}
    for part in turn.parts:
        match part:
            case Text():
                unsayable(part.cache, "no `cache_control` in this dialect")
                content.append({"type": "text", "text": part.text})
            case Image():
                url = part.url or f"data:{part.media_type};base64,{part.data}"
                content.append({"type": "image_url", "image_url": {"url": url}})
            case Document():
                data = f"data:{part.media_type};base64,{part.data}"
                content.append({"type": "file", "file": {"filename": part.name, "file_data": data}})
            case Sound():
                content.append({"type": "input_audio", "input_audio": {"data": part.data, "format": "wav"}})
            case Thought():
                more |= part.proof or {"reasoning_content": part.text}
            case Refusal():
                more["refusal"] = part.text
            case Call():
                calls.append(_call(part))
            case Result():
                unsayable(part.error, "no mark for a tool's error in this dialect")
                unsayable(any(isinstance(p, Image) for p in part.parts), "tools answer words only here")
                text = "".join([p.text for p in part.parts if isinstance(p, Text)])
                said.append({"role": "tool", "tool_call_id": part.call, "content": text})
    if content or calls or more:
        only = content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content
        message: Json = {"role": turn.role, "content": only if content else None, **more}
        said.append(message | ({"tool_calls": calls} if calls else {}))
    return said


def _call(part: Call) -> Json:
    if part.free is not None:
        return {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": part.free}}
    call: Json = {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.text}}
    if part.proof is not None:
        call["extra_content"] = part.proof
    return call


_FINISH: dict[str, Finish] = {
    "stop": "stop", "length": "length", "tool_calls": "calls", "content_filter": "filter",
}  # fmt: skip


_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
"""Where clients of such servers look for thoughts."""


def _pieces(message: Json, parts: list[Part]) -> None:
    """Mistral's own form of content."""
    for piece in message["content"]:
        if piece["type"] == "thinking":
            words = "".join([inner["text"] for inner in piece["thinking"]])
            parts.append(Thought(words, {"content": message["content"]}))
        else:
            parts.append(Text(piece["text"]))


def read(body: Json, *, relayed: bool = False) -> Answer:
    """A whole answer. Raises `IllegalError`. `relayed`: of a server with ways of its own."""
    _frame(body, "chat.completion")
    (choice,) = body["choices"]
    legal(choice["index"] == 0, "the only choice is not the first")
    message = choice["message"]
    legal(message["role"] == "assistant", "the message is not the assistant's")
    legal(relayed or {"content", "refusal"} <= message.keys(), "`content` and `refusal` stand in a message")
    parts: list[Part] = []
    thoughts = {name: message[name] for name in _THOUGHTS if message.get(name)}
    if thoughts:
        words = [said for said in thoughts.values() if isinstance(said, str)]
        parts.append(Thought("".join(words), thoughts))
    if isinstance(message.get("content"), list):
        _pieces(message, parts)
    elif message.get("content"):
        parts.append(Text(message["content"]))
    if message.get("refusal"):
        parts.append(Refusal(message["refusal"]))
    legal(message.get("tool_calls") != [], "`tool_calls` is left out when there are none")
    parts += [_read_call(call, call) for call in message.get("tool_calls") or ()]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return Answer(
        tuple(parts),
        _FINISH[choice["finish_reason"]],
        _usage(body["usage"], relayed=relayed),
        body["model"],
        logprobs=tuple([t["token"] for t in tokens if isinstance(t["logprob"], float)]),
        citations=_cited(message.get("annotations") or ()),
    )


def _frame(body: Json, kind: str) -> None:
    legal(body["object"] == kind, f"`object` is not `{kind}`")
    legal(isinstance(body["id"], str) and body["id"], "there is no `id`")
    legal(isinstance(body["created"], int), "`created` is no number")
    legal(body["model"], "there is no `model`")


def _read_call(call: Json, opening: Json) -> Call:
    legal(0 < len(call["id"]) <= 40, f"a call's id of {len(call['id'])} characters: it cannot be sent back")
    proof = opening.get("extra_content")
    if call["type"] == "custom":
        return Call(call["custom"]["name"], {}, call["id"], free=call["custom"]["input"], proof=proof)
    legal(call["type"] == "function", f"a call of kind `{call['type']}`")
    args = json.loads(call["function"]["arguments"])
    legal(isinstance(args, dict), "arguments are no object")
    return Call(call["function"]["name"], args, call["id"], proof=proof)


def _usage(usage: Json, *, relayed: bool) -> Usage:
    if relayed:
        return Usage(usage["prompt_tokens"], 0, 0, usage["completion_tokens"], 0)
    prompt, made = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    cached, written = prompt["cached_tokens"], prompt.get("cache_write_tokens") or 0
    reasoning = made["reasoning_tokens"]
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    legal(usage["total_tokens"] == total, "`total_tokens` is not the sum")
    rest = usage["prompt_tokens"] - cached - written
    return Usage(rest, cached, written, usage["completion_tokens"] - reasoning, reasoning)


def _cited(annotations: Any) -> tuple[str, ...]:
    return tuple([a["url_citation"]["url"] for a in annotations if a["type"] == "url_citation"])


def read_stream(raw: bytes, *, relayed: bool = False) -> Answer:
    """A streamed answer: role first, whole calls, one ending, usage in a chunk without choices, `[DONE]`."""
    found = events(raw)
    legal(found and found[-1][1] == "[DONE]", "the stream does not end with `[DONE]`")
    chunks = [json.loads(data) for _, data in found[:-1]]
    if relayed:
        chunks = [chunk for chunk in chunks if "prompt_filter_results" not in chunk]  # Azure's, nameless
    for chunk in chunks:
        legal("error" not in chunk, f"an error in the stream: {chunk.get('error')}")
        _frame(chunk, "chat.completion.chunk")
    legal(len({c["id"] for c in chunks}) == 1, "chunks of one answer have several ids")
    text, thought, refusal, finish = "", "", "", None
    usage: Usage | None = None
    thoughts: Json = {}
    pieces: list[Json] = []
    calls: dict[int, Json] = {}
    tokens: list[str] = []
    cited: tuple[str, ...] = ()
    roles = 0
    for chunk in chunks:
        if not chunk["choices"]:
            legal(usage is None and finish is not None, "usage comes once, after the ending")
            usage = _usage(chunk["usage"], relayed=relayed)
            continue
        legal(usage is None, "a choice after the usage")
        legal(finish is None, "content after the ending")
        (choice,) = chunk["choices"]
        legal(choice["index"] == 0, "the only choice is not the first")
        delta = choice["delta"]
        roles += "role" in delta
        legal(roles == 1, "the role is said once, first")
        for name in _THOUGHTS:
            if delta.get(name):
                thoughts[name] = thoughts[name] + delta[name] if name in thoughts else delta[name]
        if isinstance(delta.get("content"), list):
            thought += delta["content"][0]["thinking"][0]["text"]
            pieces += delta["content"]
        else:
            text += delta.get("content") or ""
        refusal += delta.get("refusal") or ""
        cited += _cited(delta.get("annotations") or ())
        tokens += [t["token"] for t in (choice.get("logprobs") or {}).get("content") or ()]
        for piece in delta.get("tool_calls") or ():
            _gather(calls, piece)
        if choice["finish_reason"] is not None:
            finish = choice["finish_reason"]
            if relayed and chunk.get("usage"):
                usage = _usage(chunk["usage"], relayed=relayed)
    legal(finish is not None, "no `finish_reason`")
    legal(usage is not None, "no usage, though it was asked for")
    if pieces:
        thoughts["content"] = [*pieces, *([{"type": "text", "text": text}] if text else [])]
    thought += "".join([said for said in thoughts.values() if isinstance(said, str)])
    parts: list[Part] = [Thought(thought, thoughts or None)] if thought or thoughts else []
    parts += [Text(text)] if text else []
    parts += [Refusal(refusal)] if refusal else []
    legal(sorted(calls) == list(range(len(calls))), "calls are not counted from 0")
    parts += [_read_call(calls[at], calls[at]) for at in sorted(calls)]
    return Answer(
        tuple(parts), _FINISH[finish], usage, _one_model(chunks), logprobs=tuple(tokens), citations=cited
    )


def _one_model(chunks: list[Json]) -> str:
    models = {chunk["model"] for chunk in chunks}
    legal(len(models) == 1, f"several models are named: {models}")
    model: str = models.pop()
    return model


def _gather(calls: dict[int, Json], piece: Json) -> None:
    call = calls.get(piece["index"])
    if call is None:
        legal(piece.get("id") and piece.get("type"), "a call begins with its id and type")
        inner = piece[piece["type"]]
        legal(inner.get("name"), "a call begins with its name")
        calls[piece["index"]] = json.loads(json.dumps(piece))
        calls[piece["index"]][piece["type"]].setdefault("arguments", "")
        return
    for kind, grows in (("function", "arguments"), ("custom", "input")):
        if kind in piece:
            legal(not piece[kind].get("name"), "a call's name is said once")
            call[kind][grows] = call[kind].get(grows, "") + piece[kind].get(grows, "")
    call |= {"extra_content": piece["extra_content"]} if "extra_content" in piece else {}


def error(status: int, body: Json) -> str:
    """The kind of error its SDK sees, after checking the shape."""
    inner = body["error"]
    legal(isinstance(inner["message"], str) and inner["message"], "an error without words")
    legal({"type", "param", "code"} <= inner.keys(), "`type`, `param` and `code` must stand in an error")
    legal(isinstance(inner["type"], str), "`type` of an error is no word")
    return str(inner["type"])


def stream_error(raw: bytes) -> bool:
    """Whether the SDK would raise on this stream: an event with `error`, and no clean ending."""
    found = events(raw)
    return any('"error"' in data and "error" in json.loads(data) for _, data in found if data != "[DONE]")
