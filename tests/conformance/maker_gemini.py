"""A provider of generateContent: reads a request as Google would, refusing what it refuses, and answers.

Facts, read 2026-11-22: `google-genai` SDK 3.4 `types` for fields; ai.google.dev/gemini-api/docs, pages
"Function calling" (as many responses as calls, in the next turn), "Thought signatures" (demanded on the first
call of a step from Gemini 3 on), "Thinking" (budgets on 2.5, levels from 3 on, never both) and "Structured
outputs". Unknown fields are refused by its JSON parser: "Unknown name … Cannot find field".
"""

import json
import re

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

_KNOWN = frozenset({
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings",
    "cachedContent", "labels", "serviceTier", "store",
})  # fmt: skip
_CONFIG = frozenset({
    "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty",
    "candidateCount", "stopSequences", "responseLogprobs", "logprobs", "thinkingConfig", "responseMimeType",
    "responseSchema", "responseJsonSchema", "responseModalities", "speechConfig", "mediaResolution",
    "imageConfig", "enableEnhancedCivicAnswers",
})  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_JSON_SCHEMA = frozenset({
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items",
    "prefixItems", "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties",
    "additionalProperties", "required", "propertyOrdering", "minLength", "maxLength", "pattern", "nullable",
    "default", "const",
})  # fmt: skip
PROOF = "CiQBcsjafPjFCTVVDmzHJzRNvWzEHgHfD3YgGn8jGN4="
_STAND_IN = "skip_thought_signature_validator"


def hear(body: Json, house: House) -> Ask:
    """The request as Google understands it. Raises `RefusedError`."""
    model = body["model"]
    modern = "gemini-3" in model
    unknown = sorted(body.keys() - _KNOWN - {"model", "stream"})  # those two stand in the path
    need(not unknown, f"Unknown name {unknown}: Cannot find field.")
    turns = []
    if "systemInstruction" in body:
        parts = body["systemInstruction"]["parts"]
        need(parts and all(part.keys() == {"text"} for part in parts), "systemInstruction takes text only")
        turns.append(Turn("system", tuple([Text(part["text"]) for part in parts])))
    turns += _contents(body["contents"], modern=modern)
    tools = tuple([_tool(d) for group in body.get("tools") or () for d in group["functionDeclarations"]])
    config = body.get("generationConfig") or {}
    unknown = sorted(config.keys() - _CONFIG)
    need(not unknown, f"Unknown name {unknown} at 'generation_config': Cannot find field.")
    thinking = config.get("thinkingConfig") or {}
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    need(budget is None or level is None, "thinking_budget and thinking_level are mutually exclusive")
    need(level is None or modern, "Thinking level is not supported for this model.")
    need(budget is None or not modern, "Thinking budget is not supported for this model.")
    need(budget is None or -1 <= budget <= 24576, "The thinking budget is invalid")
    stops = tuple(config.get("stopSequences") or ())
    need(len(stops) <= 5, "at most 5 stop sequences")
    need(config.get("candidateCount", 1) <= 8, "candidateCount")
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    need(schema is None or config.get("responseMimeType") == "application/json", "a schema needs JSON")
    if schema is not None:
        _schema(schema)
    tops = config.get("logprobs")
    need(tops is None or config.get("responseLogprobs"), "logprobs needs responseLogprobs")
    tier = body.get("serviceTier")
    need(tier in (None, "standard", "flex", "priority", "unspecified"), "serviceTier")
    limit = config.get("maxOutputTokens")
    return Ask(
        tuple(turns),
        bool(body.get("stream")),
        limit,
        tools,
        _choice(body.get("toolConfig"), tools),
        None,
        config.get("temperature"),
        config.get("topP"),
        config.get("topK"),
        config.get("seed"),
        stops,
        config.get("presencePenalty"),
        config.get("frequencyPenalty"),
        tops if config.get("responseLogprobs") else None,
        config.get("candidateCount"),
        "off" if budget == 0 or level == "MINIMAL" else level.lower() if level else None,
        None if budget == 0 else budget,
        bool(thinking.get("includeThoughts")),
        config.get("responseMimeType") == "application/json" and schema is None,
        schema,
        tier=tier,
        raw=body,
    )


def _contents(contents: list[Json], *, modern: bool) -> list[Turn]:
    need(contents, "contents are not specified")
    turns: list[Turn] = []
    pending: list[tuple[str | None, str]] = []
    number = 0
    for content in contents:
        role = content.get("role", "user")
        need(role in ("user", "model"), "Please use a valid role: user, model.")
        parts = content["parts"]
        need(parts, "contents.parts must not be empty")
        replies = [part["functionResponse"] for part in parts if "functionResponse" in part]
        need(len(replies) == len(pending), "as many function response parts as function call parts")
        said: list[Part] = []
        first = True
        for part in parts:
            kind = _part(part, role)
            if isinstance(kind, Result):
                number, kind = _paired(kind, part["functionResponse"], pending, number)
            if isinstance(kind, Call):
                need(not first or not modern or part.get("thoughtSignature"), _UNSIGNED)
                first = False
            said.append(kind)
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        need(not calls or role == "model", "function calls are the model's")
        pending = [(call.get("id"), call["name"]) for call in calls]
        turns.append(Turn("assistant" if role == "model" else "user", tuple(said)))
    need(contents[-1].get("role", "user") == "user" or not pending, "a function call comes after a user turn")
    return turns


_UNSIGNED = "Function call is missing a thought_signature in functionCall parts."


def _paired(
    result: Result, reply: Json, pending: list[tuple[str | None, str]], number: int
) -> tuple[int, Result]:
    at = next((i for i, call in enumerate(pending) if call == (reply.get("id"), reply["name"])), None)
    need(at is not None, f"a response of `{reply['name']}` that no call asked for")
    pending.pop(at or 0)
    return number + 1, result


def _part(part: Json, role: str) -> Part:
    known = {"text", "inlineData", "fileData", "functionCall", "functionResponse"} & part.keys()
    need(len(known) == 1, f"a part has exactly one kind of data: {sorted(part)}")
    need(part.keys() <= known | {"thought", "thoughtSignature", "videoMetadata"}, f"{sorted(part)}")
    proof = part.get("thoughtSignature")
    need(proof in (None, PROOF, _STAND_IN), "Thought signature is not valid.")
    if "functionCall" in part:
        call = part["functionCall"]
        need(_NAME.fullmatch(call["name"]), f"Invalid function name {call['name']}")
        need(isinstance(call.get("args", {}), dict), "args is no object")
        sent = None if proof == _STAND_IN else proof
        return Call(call["name"], call.get("args", {}), call.get("id", ""), proof=sent)
    if "functionResponse" in part:
        return _result(part["functionResponse"])
    if "text" in part:
        need(part["text"], "Unable to submit request because it must have a text parameter")
        return Thought(part["text"], proof) if part.get("thought") else Text(part["text"])
    return _media(part)


def _media(part: Json) -> Part:
    if "fileData" in part:
        need(part["fileData"].get("mimeType"), "file_data.mime_type is required")
        return Image(url=part["fileData"]["fileUri"])
    data, kind = part["inlineData"]["data"], part["inlineData"]["mimeType"]
    if kind.startswith("audio/"):
        return Sound(data)
    return (
        Image(data, kind)
        if kind.startswith("image/")
        else Document(data, part["inlineData"].get("displayName", ""), kind)
    )


def _result(reply: Json) -> Result:
    need(isinstance(reply["response"], dict), "function_response.response is an object")
    inner = reply["response"]
    said = inner.get("error", inner.get("result", inner.get("output", "")))
    text = said if isinstance(said, str) else json.dumps(said)
    media = tuple([_media(part) for part in reply.get("parts") or ()])
    return Result(reply.get("id", ""), (Text(text), *media), "error" in inner, reply["name"])  # type: ignore[arg-type]


def _tool(declared: Json) -> Tool:
    known = {"name", "description", "parameters", "parametersJsonSchema", "response", "behavior"}
    need(declared.keys() <= known, f"function_declarations: {sorted(declared)}")
    need(_NAME.fullmatch(declared["name"]), f"Invalid function name {declared['name']}")
    schema = declared.get("parametersJsonSchema") or declared.get("parameters") or {}
    if schema:
        _schema(schema)
    return Tool(declared["name"], declared.get("description", ""), schema)


def _schema(schema: Json) -> None:
    unknown = sorted(schema.keys() - _JSON_SCHEMA)
    need(not unknown, f"Unknown name {unknown} in a schema: Cannot find field.")
    for inner in schema.get("properties", {}).values():
        _schema(inner)


def _choice(config: Json | None, tools: tuple[Tool, ...]) -> str | None:
    calling = (config or {}).get("functionCallingConfig")
    if calling is None:
        return None
    need(tools, "Function calling config is set without function_declarations.")
    names = calling.get("allowedFunctionNames") or []
    need(not names or calling["mode"] in ("ANY", "VALIDATED"), "allowed_function_names needs ANY")
    need(set(names) <= {tool.name for tool in tools}, "allowed_function_names are not declared")
    if len(names) == 1:
        return f"={names[0]}"
    return {"ANY": "required", "NONE": "none", "AUTO": "auto", "VALIDATED": "auto"}[calling["mode"]]


# --- what it says

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "calls": "STOP", "filter": "SAFETY"}


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    prompt = usage.input + usage.cached
    said = {"promptTokenCount": prompt, "candidatesTokenCount": usage.output}
    if usage.cached:
        said["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        said["thoughtsTokenCount"] = usage.reasoning
    return {**said, "totalTokenCount": prompt + usage.output + usage.reasoning}


def _parts(answer: Answer) -> list[Json]:
    said: list[Json] = []
    for part in answer.parts:
        match part:
            case Text():
                said.append({"text": part.text})
            case Thought():
                said.append({"text": part.text, "thought": True})
            case Call():
                call: Json = {"name": part.name, "args": part.args}
                proof = {"thoughtSignature": part.proof} if part.proof else {}
                said.append({"functionCall": call | ({"id": part.id} if part.id else {}), **proof})
            case Refusal():
                continue
            case _:
                raise AssertionError(part)
    return said


def _candidate(parts: list[Json], answer: Answer, *, last: bool) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = _FINISH[answer.finish]
        if answer.finish == "filter":
            rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
            candidate["safetyRatings"] = [rating]
        if answer.logprobs:
            chosen = [{"token": t, "tokenId": 1, "logProbability": -0.25} for t in answer.logprobs]
            candidate["logprobsResult"] = {"chosenCandidates": chosen, "topCandidates": []}
            candidate["avgLogprobs"] = -0.25
        if answer.citations:
            found = [{"web": {"uri": url, "title": "Source"}} for url in answer.citations]
            segment = {"startIndex": 0, "endIndex": 4, "text": "Word"}
            supports = [{"segment": segment, "groundingChunkIndices": [i]} for i in range(len(found))]
            grounds = {"groundingChunks": found, "groundingSupports": supports, "webSearchQueries": ["q"]}
            candidate["groundingMetadata"] = grounds
    return candidate


def say(answer: Answer, house: House, body: Json) -> Json:
    """A generation."""
    return {
        "candidates": [_candidate(_parts(answer), answer, last=True)],
        "usageMetadata": _usage(answer),
        "modelVersion": house.true_model(body["model"]),
        "responseId": "resp-up",
    }


def stream(answer: Answer, house: House, body: Json) -> list[str]:
    """The same as chunks: calls come whole, the ending with the last piece."""
    pieces: list[Json] = []
    for part in _parts(answer):
        if "text" in part:
            pieces += [{**part, "text": piece} for piece in cut(part["text"])]
        else:
            pieces.append(part)
    pieces = pieces or [{"text": ""}]
    frames = []
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        usage = _usage(answer) if last else {"promptTokenCount": answer.usage.input + answer.usage.cached}
        chunk = {"candidates": [_candidate([piece], answer, last=last)], "usageMetadata": usage}
        named = {"modelVersion": house.true_model(body["model"]), "responseId": "resp-up"}
        frames.append(f"data: {json.dumps({**chunk, **named})}\r\n\r\n")
    return frames


_ERRORS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}  # fmt: skip


def problem(status: int, message: str) -> Json:
    """Its error body."""
    return {"error": {"code": status, "message": message, "status": _ERRORS[status]}}


def broken(frames: list[str]) -> list[str]:
    """A stream that says an error after half of its content."""
    return [*frames[: len(frames) // 2], f"data: {json.dumps(problem(503, 'Overloaded'))}\r\n\r\n"]


def true_call_id(house: House, number: int) -> str:
    """Google's ids, which it makes from Gemini 3 on only: none."""
    return ""
