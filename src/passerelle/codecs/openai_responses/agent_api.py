"""Perplexity's Agent API: Responses, of which it knows a part and refuses the rest.

Any field it does not list, also inside another, is a 400. The form of the answer stands in `response_format`,
as in Chat Completions; messages hold words and pictures and nothing beside, results of tools words alone;
reasoning items and namespaces do not exist; for a tool of free text stands a function of one text; web
search happens only where its tool is offered, which Sonar, whose successor this is, always did: a request
without tools is given that one.

Sources: github.com/perplexityai/api-platform-developers, skills/migrate-sonar-to-agent-api
(`request-mapping`, `models-and-presets`); perplexityai 0.46.1, response_create_params and
input_item_param; read 2026-11-22.
"""

from collections.abc import Callable
from typing import Any, Final

from passerelle.codecs.custom import TEXT_SCHEMA, wrap
from passerelle.codecs.openai_reading import Json

Drop = Callable[[str], None]

LISTED: Final = frozenset({
    "model", "models", "preset", "input", "instructions", "language_preference", "max_output_tokens",
    "max_steps", "max_tool_calls", "metadata", "parallel_tool_calls", "previous_response_id", "reasoning",
    "response_format", "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools",
    "top_p", "truncation",
})  # fmt: skip
"""What a request may have, and `text`, which becomes `response_format`."""

_OURS: Final = {"safety_identifier": "user", "include": ""}
"""Fields whose losses have another name, or are no loss: what we ask back in `include` is nothing there."""
_FUNCTION: Final = ("type", "name", "description", "parameters", "strict")
_PLACE: Final = ("city", "country", "region", "latitude", "longitude")
_CALL: Final = ("type", "call_id", "name", "arguments")


def fit(body: Json, drop: Drop) -> None:
    """Makes `body` one that the Agent API takes; says what that loses."""
    for name in [name for name in body if name not in LISTED]:
        if body.pop(name) is not None and _OURS.get(name, name):
            drop(_OURS.get(name, name))
    _form(body, drop)
    reasoning = body.get("reasoning")
    if isinstance(reasoning, dict):
        if reasoning.get("summary") is not None:
            drop("reasoning.summary")
        if reasoning.get("effort") in (None, "none"):  # it has no word for not at all
            del body["reasoning"]
            if reasoning.get("effort") == "none":
                drop("reasoning.effort")
        else:
            body["reasoning"] = {"effort": reasoning["effort"]}
    items = body.get("input")
    if isinstance(items, list):
        body["input"] = [fitted for item in items if (fitted := _item(item, drop)) is not None]
    tools = body.get("tools") or []
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "custom":
        body["tool_choice"] = {**choice, "type": "function"}
    body["tools"] = [_tool(tool) for tool in tools] or [{"type": "web_search"}]


def _form(body: Json, drop: Drop) -> None:
    text = body.pop("text", None) or {}
    if text.get("verbosity") is not None:
        drop("verbosity")
    form = text.get("format") or {}
    if form.get("type") == "json_schema":
        schema = {name: form[name] for name in ("name", "schema", "description", "strict") if name in form}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form.get("type") not in (None, "text"):
        drop("response_format")


def _item(item: Json, drop: Drop) -> Json | None:
    match item.get("type", "message"):
        case "message":
            content = _content(item.get("content"), drop)
            return {"type": "message", "role": item.get("role"), "content": content} if content else None
        case "function_call":
            return {name: item[name] for name in _CALL if name in item}
        case "custom_tool_call":
            named = {"call_id": item.get("call_id"), "name": item.get("name")}
            return {"type": "function_call", **named, "arguments": wrap(str(item.get("input", "")))}
        case "function_call_output" | "custom_tool_call_output":
            words = _content(item.get("output"), drop)
            if not isinstance(words, str):
                drop("image")
                words = "".join(part.get("text", "") for part in words)
            return {"type": "function_call_output", "call_id": item.get("call_id"), "output": words}
        case "reasoning":
            drop("reasoning")
        case kind:
            drop(str(kind))
    return None


def _content(content: Any, drop: Drop) -> str | list[Json]:
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts: list[Json] = []
    for part in content:
        match part.get("type"):
            case "input_text" | "output_text":
                parts.append({"type": "input_text", "text": part.get("text", "")})
            case "refusal":
                parts.append({"type": "input_text", "text": part.get("refusal", "")})
            case "input_image" if part.get("image_url"):
                parts.append({"type": "input_image", "image_url": part["image_url"]})
            case kind:
                drop({"input_file": "file", "input_image": "image"}.get(str(kind), str(kind)))
    if all(part["type"] == "input_text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _tool(tool: Json) -> Json:
    """A function without what it may not have; OpenAI's web search in Perplexity's words."""
    kind = tool.get("type")
    if kind == "function":
        return {name: tool[name] for name in _FUNCTION if tool.get(name) is not None}
    if kind == "custom":
        said = {name: tool[name] for name in ("name", "description") if tool.get(name) is not None}
        return {"type": "function", **said, "parameters": TEXT_SCHEMA, "strict": True}
    if not isinstance(kind, str) or not kind.startswith("web_search"):
        return tool
    fitted = {**tool, "type": "web_search"}
    place, filters = tool.get("user_location"), tool.get("filters")
    if isinstance(place, dict):
        fitted["user_location"] = {name: place[name] for name in _PLACE if place.get(name) is not None}
    if isinstance(filters, dict) and "allowed_domains" in filters:
        rest = {name: value for name, value in filters.items() if name != "allowed_domains"}
        fitted["filters"] = {**rest, "search_domain_filter": filters["allowed_domains"]}
    return fitted


def sources_in(beside: list[list[Any]]) -> list[Json]:
    """The pages of the `search_results` items among those kept `beside` an answer's parts, as annotations.

    Its messages carry annotations seldom, and these items always when something was searched.
    """
    found: list[Json] = []
    for _, item in beside:
        results = item.get("results") if item.get("type") == "search_results" else None
        for page in results if isinstance(results, list) else ():
            url = page.get("url") if isinstance(page, dict) else None
            if isinstance(url, str):
                title = page.get("title")
                said = title if isinstance(title, str) else url
                found.append(
                    {"type": "url_citation", "url": url, "title": said, "start_index": 0, "end_index": 0}
                )
    return found
