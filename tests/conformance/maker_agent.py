"""Perplexity's Agent API: a request that it takes, in the words of Responses.

Sources: perplexityai 0.46.1, `response_create_params` and `input_item_param`; github.com/perplexityai/
api-platform-developers, skills/migrate-sonar-to-agent-api/references/request-mapping.md; read 2026-11-22.
"""

from tests.conformance.talk import Json, need

_KNOWN = frozenset({
    "background", "input", "instructions", "language_preference", "max_output_tokens", "max_steps",
    "max_tool_calls", "metadata", "model", "models", "parallel_tool_calls", "preset", "previous_response_id",
    "reasoning", "response_format", "skills", "store", "stream", "stream_options", "temperature",
    "tool_choice", "tools", "top_p", "truncation",
})  # fmt: skip
_ITEMS = {
    "message": {"type", "role", "content"},
    "function_call": {"type", "call_id", "name", "arguments", "thought_signature"},
    "function_call_output": {"type", "call_id", "output", "name", "thought_signature"},
}
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")


def as_responses(body: Json) -> Json:
    """`body` as OpenAI would have been asked. Raises `RefusedError` for what is no part of the Agent API."""
    unknown = sorted(body.keys() - _KNOWN)
    need(not unknown, f"Extra inputs are not permitted: {unknown}")
    need(body.get("tools"), "without web search nothing is searched, as Sonar always did")
    reasoning = body.get("reasoning") or {}
    need(reasoning.keys() <= {"effort"}, f"`reasoning` of {sorted(reasoning)}")
    need(reasoning.get("effort") in (None, *_EFFORTS), "`reasoning.effort` is unknown")
    asked = {name: value for name, value in body.items() if name not in ("response_format", "max_steps")}
    if isinstance(body["input"], list):
        asked["input"] = [_item(item) for item in body["input"]]
    tools = [tool for tool in body["tools"] if tool["type"] == "function"]
    asked["tools"] = tools or None
    form = body.get("response_format")
    if form is not None:
        need(form["type"] == "json_schema", f"`response_format` of type {form['type']}")
        asked["text"] = {"format": {"type": "json_schema", **form["json_schema"]}}
    return asked


def _item(item: Json) -> Json:
    kind = item["type"]
    need(kind in _ITEMS, f"an item of type {kind}")
    need(item.keys() <= _ITEMS[kind], f"Extra inputs are not permitted in a {kind}: {sorted(item)}")
    if kind == "function_call_output":
        need(isinstance(item["output"], str), "`output` is no string")
    if kind != "message" or isinstance(item["content"], str):
        return item
    for piece in item["content"]:
        need(piece["type"] in ("input_text", "input_image"), f"content of type {piece['type']}")
    return item
