"""A client of Gemini's generateContent: what it writes, and what its SDK would refuse to read.

Facts: types of the `google-genai` SDK 3.4 (`GenerateContentConfig`, `GenerateContentResponse`, `errors`),
read 2026-11-22.
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
    Tool,
    Usage,
    events,
    legal,
    unsayable,
)

LABEL = "Gemini"
DIALECT = "gemini"
_G = "generationConfig"
LOST = {
    "image_url": "fileData", "sound": "audio", "thought": "thought", "json": f"{_G}.responseMimeType",
    "schema": f"{_G}.responseSchema", "temperature": f"{_G}.temperature", "top_p": f"{_G}.topP",
    "top_k": f"{_G}.topK", "stop": f"{_G}.stopSequences", "seed": f"{_G}.seed",
    "presence": f"{_G}.presencePenalty", "frequency": f"{_G}.frequencyPenalty",
    "n": f"{_G}.candidateCount", "logprobs": f"{_G}.responseLogprobs", "top_logprobs": f"{_G}.logprobs",
    "effort": f"{_G}.thinkingConfig", "budget": f"{_G}.thinkingConfig",
    "show": f"{_G}.thinkingConfig.includeThoughts", "tier": "serviceTier", "name": "displayName",
    "choice": "toolConfig.functionCallingConfig", "max_tokens": f"{_G}.maxOutputTokens",
    "document": "file", "result_image": "fileData",
}  # fmt: skip


def write(ask: Ask, model: str) -> tuple[str, Json]:
    """Path and body."""
    for value, name in (
        (ask.parallel, "no choice about parallel calls"), (ask.user, "no user"),
        (ask.metadata, "no metadata but labels of Vertex"), (ask.verbosity, "no `verbosity`"),
        (ask.cache_key, "no cache key"),
    ):  # fmt: skip
        unsayable(value is not None, f"{name} in this dialect")
    unsayable(any(tool.strict for tool in ask.tools), "no `strict` of one function in this dialect")
    turns = list(ask.turns)
    body: Json = {}
    if turns and turns[0].role == "system":
        body["systemInstruction"] = {"parts": [_part(part) for part in turns.pop(0).parts]}
    unsayable(any(t.role in ("system", "developer") for t in turns), "no such role in this dialect")
    roles = {"assistant": "model", "user": "user"}
    body["contents"] = [{"role": roles[t.role], "parts": [_part(p) for p in t.parts]} for t in turns]
    if ask.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in ask.tools]}]
    if ask.choice is not None:
        mode = {"required": "ANY", "none": "NONE", "auto": "AUTO"}.get(ask.choice)
        calling: Json = {"mode": mode or "ANY"}
        if mode is None:
            calling["allowedFunctionNames"] = [ask.choice[1:]]
        body["toolConfig"] = {"functionCallingConfig": calling}
    config = _config(ask)
    if config:
        body[_G] = config
    if ask.tier is not None:
        body["serviceTier"] = ask.tier
    verb = "streamGenerateContent?alt=sse" if ask.stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", body | ask.raw.get(DIALECT, {})


def _config(ask: Ask) -> Json:
    config: Json = {}
    for name, value in (
        ("maxOutputTokens", ask.max_tokens), ("temperature", ask.temperature), ("topP", ask.top_p),
        ("topK", ask.top_k), ("seed", ask.seed), ("presencePenalty", ask.presence),
        ("frequencyPenalty", ask.frequency), ("candidateCount", ask.n),
    ):  # fmt: skip
        if value is not None:
            config[name] = value
    if ask.stop:
        config["stopSequences"] = list(ask.stop)
    if ask.logprobs is not None:
        config |= {"responseLogprobs": True, "logprobs": ask.logprobs}
    thinking: Json = {}
    if ask.budget is not None:
        thinking["thinkingBudget"] = ask.budget
    elif ask.effort == "off":
        thinking["thinkingBudget"] = 0
    elif ask.effort is not None:
        thinking["thinkingLevel"] = ask.effort.upper()
    if ask.show:
        thinking["includeThoughts"] = True
    if thinking:
        config["thinkingConfig"] = thinking
    if ask.json or ask.schema is not None:
        config["responseMimeType"] = "application/json"
    if ask.schema is not None:
        config["responseJsonSchema"] = ask.schema
    return config


def _tool(tool: Tool) -> Json:
    unsayable(tool.free, "no tools of free text in this dialect")
    unsayable(tool.cache, "no `cache_control` in this dialect")
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.schema}


def _part(part: Part) -> Json:
    match part:
        case Text():
            unsayable(part.cache, "no `cache_control` in this dialect")
            return {"text": part.text}
        case Image():
            if part.url:
                return {"fileData": {"fileUri": part.url, "mimeType": part.media_type}}
            return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
        case Document():
            named = {"displayName": part.name} if part.name else {}
            return {"inlineData": {"mimeType": part.media_type, "data": part.data, **named}}
        case Sound():
            return {"inlineData": {"mimeType": "audio/wav", "data": part.data}}
        case Thought():
            said: Json = {"text": part.text, "thought": True}
            return said | ({"thoughtSignature": part.proof} if part.proof else {})
        case Refusal():
            return {"text": part.text}
        case Call():
            unsayable(part.free is not None, "no tools of free text in this dialect")
            call: Json = {"name": part.name, "args": part.args}
            if part.id:
                call["id"] = part.id
            return {"functionCall": call} | ({"thoughtSignature": part.proof} if part.proof else {})
        case Result():
            unsayable(not part.name, "every result names its function in this dialect")
            words = "".join([p.text for p in part.parts if isinstance(p, Text)])
            reply: Json = {"name": part.name, "response": {"error" if part.error else "result": words}}
            media = [_part(p) for p in part.parts if isinstance(p, Image)]
            if media:
                reply["parts"] = media
            if part.call:
                reply["id"] = part.call
            return {"functionResponse": reply}
    raise AssertionError(part)


_FINISH: dict[str, Finish] = {
    "STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "filter", "PROHIBITED_CONTENT": "filter",
}  # fmt: skip


def read(body: Json) -> Answer:
    """A whole answer. Raises `IllegalError`."""
    return _joined([body])


def _joined(chunks: list[Json]) -> Answer:
    parts: list[Part] = []
    finish: str | None = None
    usage: Json = {}
    tokens: list[str] = []
    cited: list[str] = []
    for chunk in chunks:
        legal(chunk.get("modelVersion"), "no `modelVersion`")
        usage = chunk.get("usageMetadata") or usage
        legal(finish is None, "more after `finishReason`")
        if not chunk.get("candidates"):
            legal(chunk is not chunks[-1] or "promptFeedback" in chunk, "nothing in the last chunk")
            continue
        (candidate,) = chunk["candidates"]
        finish = candidate.get("finishReason")
        content = candidate.get("content") or {}
        legal(content.get("role", "model") == "model", "content that is not the model's")
        for part in content.get("parts") or ():
            _read_part(part, parts)
        chosen = (candidate.get("logprobsResult") or {}).get("chosenCandidates") or ()
        tokens += [token["token"] for token in chosen]
        found = (candidate.get("groundingMetadata") or {}).get("groundingChunks") or ()
        cited += [chunk["web"]["uri"] for chunk in found if "web" in chunk]
        cited += [s["uri"] for s in (candidate.get("citationMetadata") or {}).get("citations") or ()]
    legal(finish is not None, "no `finishReason`")
    legal(len({chunk.get("modelVersion") for chunk in chunks}) == 1, "several models are named")
    called = any(isinstance(part, Call) for part in parts)
    told = "calls" if called and finish == "STOP" else _FINISH[finish or ""]
    return Answer(
        tuple(parts),
        told,
        _usage(usage),
        chunks[-1]["modelVersion"],
        logprobs=tuple(tokens),
        citations=tuple(dict.fromkeys(cited)),
    )


def _read_part(part: Json, parts: list[Part]) -> None:
    proof = part.get("thoughtSignature")
    if "functionCall" in part:
        call = part["functionCall"]
        legal(isinstance(call.get("args", {}), dict), "arguments are no object")
        parts.append(Call(call["name"], call.get("args", {}), call.get("id", ""), proof=proof))
    elif part.get("thought"):
        parts.append(Thought(part["text"], proof))
    elif "text" in part:
        if part["text"]:
            parts.append(Text(part["text"]))
        if proof:
            parts.append(Thought("", proof))
    else:
        legal(False, f"a part of kind {sorted(part)}")


def _usage(usage: Json) -> Usage:
    def tokens(name: str) -> int:
        return int(usage.get(f"{name}TokenCount") or 0)

    total = tokens("prompt") + tokens("candidates") + tokens("thoughts")
    legal(tokens("total") == total, "`totalTokenCount` is not the sum")
    cached = tokens("cachedContent")
    return Usage(tokens("prompt") - cached, cached, 0, tokens("candidates"), tokens("thoughts"))


def read_stream(raw: bytes) -> Answer:
    """A streamed answer: chunks of the same shape, the last of which has the reason it ended."""
    chunks = [json.loads(data) for _, data in events(raw)]
    for chunk in chunks:
        legal("error" not in chunk, f"an error in the stream: {chunk.get('error')}")
    legal(len({chunk["responseId"] for chunk in chunks}) == 1, "chunks of one answer have several ids")
    return _joined(chunks)


def error(status: int, body: Json) -> str:
    """The kind of error its SDK sees, after checking the shape."""
    inner = body["error"]
    legal(inner["code"] == status, "`code` is not the status")
    legal(isinstance(inner["message"], str) and inner["message"], "an error without words")
    return str(inner["status"])


def stream_error(raw: bytes) -> bool:
    """Whether the SDK would raise on this stream."""
    return any("error" in json.loads(data) for _, data in events(raw))


def count(ask: Ask, model: str) -> tuple[str, Json]:
    """The question of how large a prompt is."""
    _, body = write(ask, model)
    return f"/v1beta/models/{model}:countTokens", {"contents": body["contents"]}


def read_count(body: Json) -> Any:
    """Its answer."""
    return body["totalTokens"]
