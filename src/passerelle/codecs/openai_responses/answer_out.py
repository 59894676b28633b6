"""Output items and the response object, as a Responses client reads them: for whole answers and streams.

The object repeats the request (`tools`, `text`, `reasoning`…), as the API does; that part is written
once per answer. Item ids are ours unless the item came from this dialect with its own, at most 64
characters, and the same for the same answer.
"""

from typing import Any, assert_never

import msgspec

from passerelle.codecs.base import ReplyContext
from passerelle.codecs.media import in_words
from passerelle.codecs.names import fit_id
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.encode import TIERS, format_out
from passerelle.codecs.openai_responses.finish import finish_out
from passerelle.codecs.openai_responses.shapes import (
    MALFORMED,
    CallForm,
    call,
    carrier,
    free_text,
    image,
    logprobs_out,
    message,
    opaque,
    reasoning,
    spoken,
)
from passerelle.codecs.openai_responses.tools import DIALECT, choice_out, tools_out
from passerelle.codecs.openai_responses.usage import usage_out
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Request, Tool
from passerelle.core.response import Response
from passerelle.core.usage import Usage

_encoder = msgspec.json.Encoder()


_TIERS_ELSEWHERE = {"standard": "default", "standard_only": "default", "on_demand": "default"}
"""Other dialects' words for the ordinary tier."""


class Reply:
    """One answer being written for one caller."""

    def __init__(self, context: ReplyContext) -> None:
        self._tail = context.id.rpartition("_")[2] or context.id
        self.id = f"resp_{self._tail}"[:64]
        self._model = context.model
        self._used: set[str] = set()
        request = context.request
        self._tools: dict[str, Tool] = {tool.name: tool for tool in request.tools} if request else {}
        self._head = b'{"id":%b,"object":"response","created_at":%d,"status":"' % (
            _encoder.encode(self.id),
            context.created_s,
        )
        self._echo = _encoder.encode(_echo(request))[1:-1]

    def item_id(self, prefix: str, index: int, own: Any = None) -> str:
        """The provider's own id for an item of this dialect, or ours for the item at `index`."""
        if isinstance(own, str) and 0 < len(own) <= 64 and own not in self._used:
            self._used.add(own)
            return own
        return f"{prefix}_{self._tail[:48]}{index:02d}"

    def call_id(self, given: str | None, index: int) -> str:
        """The call's id, at most 64 characters, given once: some providers name two calls alike."""
        called = fit_id(given, "call_") if given else ""
        if not called or called in self._used:
            called = f"call_{self._tail[:48]}{index:02d}"
        self._used.add(called)
        return called

    def call_form(self, name: str, kind: str, memo: Json | None = None) -> CallForm:
        """How the caller wants the call of the tool `name` said."""
        tool = self._tools.get(name)
        fields: Json = {"name": name}
        place = tool.memo if tool is not None else None
        if place and "namespace" in place:
            fields = {"name": place["name"], "namespace": place["namespace"]["name"]}
        elif memo and "namespace" in memo:
            fields = {"name": memo["name"], "namespace": memo["namespace"]}
        if kind == "custom":
            return CallForm("custom_tool_call", fields)
        if tool is not None and tool.kind == "custom":
            return CallForm("custom_tool_call", fields, unwrap=True)
        return CallForm("function_call", fields)

    def write(
        self,
        status: str,
        output: bytes = b"",
        *,
        model: str = "",
        usage: Usage | None = None,
        reason: str | None = None,
        error: Json | None = None,
        tier: str | None = None,
        fields: Json | None = None,
    ) -> bytes:
        """The response object. `output` is the items' JSON, joined by commas."""
        told: Json = {
            "error": error,
            "incomplete_details": {"reason": reason} if status == "incomplete" else None,
            "model": model or self._model,
            "usage": usage_out(usage) if usage is not None else None,
            "service_tier": tier if tier in TIERS else _TIERS_ELSEWHERE.get(tier or ""),
            **(fields or {}),
        }
        return b'%b%b","output":[%b],%b,%b' % (
            self._head,
            status.encode(),
            output,
            self._echo,
            _encoder.encode(told)[1:],
        )


def _echo(request: Request | None) -> Json:
    """What the response object repeats of the request."""
    asked = request or Request(model="", messages=(), dialect=DIALECT)
    extra = asked.extra or {}
    memo = asked.memo or {}
    first = asked.messages[0] if asked.messages else None
    text: Json = {"format": format_out(asked.output) or {"type": "text"}}
    if asked.verbosity is not None:
        text["verbosity"] = asked.verbosity
    tools, _ = tools_out(asked.tools, ours=asked.dialect == DIALECT)
    choice = extra.get("tool_choice") or memo.get("tool_choice")
    parallel = asked.parallel_tool_calls
    return {
        "background": False,
        "completed_at": None,
        "instructions": first.text if first is not None and "instructions" in (first.memo or {}) else None,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": extra.get("max_tool_calls"),
        "metadata": asked.metadata or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {"effort": asked.reasoning.effort, "summary": asked.reasoning.summary},
        "safety_identifier": asked.user if memo.get("user") == "safety_identifier" else None,
        "store": False,
        "temperature": asked.sampling.temperature,
        "text": text,
        "tool_choice": choice or choice_out(asked.tool_choice, asked.tools, ours=True) or "auto",
        "tools": tools,
        "top_logprobs": asked.sampling.top_logprobs or 0,
        "top_p": asked.sampling.top_p,
        "truncation": extra.get("truncation") or "disabled",
        "user": asked.user if memo.get("user") == "user" else None,
    }


def encode_response(response: Response, context: ReplyContext) -> bytes:
    """A whole answer."""
    reply = Reply(context)
    refused = any(isinstance(part, RefusalPart) for part in response.parts)
    status, reason = finish_out(response.finish, refused=refused)
    kept = (response.extra or {}).get(DIALECT) or {}
    items = _items(response, reply, status, kept.get("items") or [])
    return reply.write(
        status,
        b",".join([_encoder.encode(item) for item in items]),
        model=response.model,
        usage=response.usage,
        reason=reason,
        error=MALFORMED if response.finish == "malformed_tool_call" else None,
        tier=response.service_tier,
        fields=kept.get("fields"),
    )


def _items(response: Response, reply: Reply, status: str, beside: list[list[Any]]) -> list[Json]:
    items: list[Json] = []
    waiting = list(beside)
    logprobs = logprobs_out(response.logprobs)
    last: Any = None
    for n, part in enumerate(in_words(response.parts)):
        while waiting and waiting[0][0] <= n:
            items.append(waiting.pop(0)[1])
            last = None
        place = None
        if isinstance(part, TextPart | RefusalPart):
            place = (part.memo or {}).get("at")
            if place is not None and place == last:
                items[-1]["content"].append(spoken(part))
                continue
        last = place
        for item in _item(part, reply, len(items)):
            items.append(item)
            if logprobs and item["type"] == "message" and item["content"][0]["type"] == "output_text":
                item["content"][0]["logprobs"], logprobs = logprobs, []
    items.extend(item for _, item in waiting)
    if status == "incomplete" and items and items[-1].get("type") in ("message", "function_call"):
        items[-1]["status"] = "incomplete"
    return items


def _item(part: Part, reply: Reply, index: int) -> list[Json]:
    """The items of one part: none for what a client of this dialect cannot be given."""
    if isinstance(part, TextPart | RefusalPart):
        if isinstance(part, TextPart) and not part.text and not part.memo:
            return []
        memo = part.memo or {}
        return [message(reply.item_id("msg", index, memo.get("id")), [spoken(part)], phase=memo.get("phase"))]
    if isinstance(part, ReasoningPart):
        item = reasoning(
            reply.item_id("rs", index, part.id if part.origin == DIALECT else None),
            summary=part.summary if part.origin == DIALECT else (),
            text=part.text,
            content=(part.memo or {}).get("content"),
            encrypted=opaque(part.origin, part.signature, part.encrypted, part.id),
        )
        return [item] if part.text or part.summary or part.signature or part.encrypted else []
    if isinstance(part, ToolCallPart):
        form = reply.call_form(part.name, part.kind, part.memo)
        call_id = reply.call_id(part.id, index)
        own = (part.memo or {}).get("id")
        identifier = reply.item_id(form.prefix, index, own)
        items = [call(identifier, form, call_id, free_text(part.arguments, form))]
        if part.signature is not None:
            items.append(carrier(reply.item_id("rs", index + 1), "gemini", part.signature, call_id))
        return items
    if isinstance(part, ImagePart):
        return [image(reply.item_id("ig", index), part.data, part.media_type, (part.memo or {}).get("item"))]
    if isinstance(part, FilePart | ToolResultPart | AudioPart):
        return []
    assert_never(part)


def encode_token_count(tokens: int) -> bytes:
    """The answer of `POST /v1/responses/input_tokens`."""
    return _encoder.encode({"object": "response.input_tokens", "input_tokens": tokens})
