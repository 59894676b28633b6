"""Moderation: what a model holds against a text or a picture. Both sides.

Shapes: `openai.types.moderation*` (SDK 3.54, read 2026-11-22). Mistral's `/v1/moderations` takes the same
request and leaves out `flagged` (docs.mistral.ai/capabilities/guardrailing, read 2026-11-22): there, an input
is flagged when any category is.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Envelope, PathTarget, ReplyContext, Target, Watched, Whole
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_chat.usage import WireUsage, decode_usage
from passerelle.codecs.openai_reading import (
    an_object,
    decode_object,
    left,
    missing,
    need_object,
    need_text,
    take_text,
    wrong,
)
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Judged, Media, ModerateRequest, ModerateResponse
from passerelle.core.usage import NO_USAGE

_json = msgspec.json.Encoder()

DEFAULT_MODEL: Final = "omni-moderation-latest"
"""What OpenAI's API takes when `model` is left out."""


class _Verdict(msgspec.Struct):
    categories: dict[str, bool | None]
    category_scores: dict[str, float] = {}
    flagged: bool | None = None
    category_applied_input_types: dict[str, list[str] | None] | None = None


class _Answer(msgspec.Struct):
    results: list[_Verdict]
    id: str | None = None
    model: str | None = None
    usage: WireUsage | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


class ModerateClient:
    """Moderation as callers ask for it (obeys `TaskClientSide`)."""

    dialect: Dialect = "openai_chat"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        asked = self.decode_request(body, target)
        pictures = [part for parts in asked.inputs for part in parts if not isinstance(part, str)]
        inline = sum(len(part.url or "") for part in pictures if (part.url or "").startswith("data:"))
        return Envelope(
            operation="moderate",
            model=asked.model,
            features=frozenset({"images"}) if pictures else frozenset(),
            text_bytes=max(0, len(body) - inline),
            images=len(pictures),
        )

    def decode_request(self, body: bytes, target: PathTarget) -> ModerateRequest:
        """The whole request. Raises `ProblemError`."""
        fields = decode_object(body)
        model = take_text(fields, "model") or DEFAULT_MODEL
        if "input" not in fields:
            raise missing("input")
        return ModerateRequest(model, _inputs(fields.pop("input")), "openai_chat", left(fields))

    def encode_response(
        self, response: ModerateResponse, request: ModerateRequest, context: ReplyContext
    ) -> Whole:
        """A verdict per input."""
        results = []
        for judged in response.results:
            line: dict[str, Any] = {
                "flagged": judged.flagged,
                "categories": judged.categories,
                "category_scores": judged.scores,
            }
            if judged.applied is not None:
                line["category_applied_input_types"] = judged.applied
            results.append(line)
        body = {
            "id": response.id or f"modr-{context.id}",
            "model": response.model or request.model,
            "results": results,
        }
        return Whole(_json.encode(body))


class ModerateProvider:
    """Moderation as providers are asked for it (obeys `TaskProviderSide`)."""

    dialect: Dialect = "openai_chat"

    def encode_request(self, request: ModerateRequest, target: Target) -> Encoded:
        """The request. Raises `ProblemError` for several inputs of several parts, which it cannot say."""
        whole = [parts for parts in request.inputs if len(parts) > 1 or not isinstance(parts[0], str)]
        given: Any
        if not whole:
            texts = [parts[0] for parts in request.inputs]
            given = texts[0] if len(texts) == 1 else texts
        elif len(request.inputs) == 1:
            given = [_part(part) for part in whole[0]]
        else:
            raise invalid("`input` mixes texts and pictures; send one picture with its text.", "input")
        body: dict[str, Any] = {"model": target.model, "input": given}
        if request.extra:
            body |= {name: value for name, value in request.extra.items() if name not in body}
        return Encoded(_json.encode(body))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: answers may lack what the caller's SDK needs."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> ModerateResponse:
        """Raises `AnswerError`."""
        try:
            answer = _answer_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)  # an error body says more than its shape does
            raise AnswerError("the provider's moderation is not in OpenAI's form") from None
        if not answer.results:
            raise AnswerError("the provider gave no verdict")
        usage = NO_USAGE if answer.usage is None else decode_usage(answer.usage)
        results = tuple(_judged(verdict) for verdict in answer.results)
        return ModerateResponse(results, answer.model or "", usage, answer.id)

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)


def _judged(verdict: _Verdict) -> Judged:
    categories = {name: held or False for name, held in verdict.categories.items()}
    flagged = any(categories.values()) if verdict.flagged is None else verdict.flagged
    return Judged(flagged, categories, verdict.category_scores, verdict.category_applied_input_types)


def _inputs(value: Any) -> tuple[tuple[str | Media, ...], ...]:
    if isinstance(value, str):
        return ((value,),)
    if not isinstance(value, list):
        raise wrong("input", "a string or an array", value)
    if not value:
        raise invalid("`input` is empty; give at least one text.", "input")
    if all(isinstance(item, str) for item in value):
        return tuple((item,) for item in value)
    return (tuple(_read_part(item, f"input[{at}]") for at, item in enumerate(value)),)


def _read_part(item: Any, at: str) -> str | Media:
    fields = an_object(item, at)
    kind = fields.get("type")
    if kind == "text":
        return need_text(fields, "text", at)
    if kind == "image_url":
        return Media("", url=need_text(need_object(fields, "image_url", at), "url", f"{at}.image_url"))
    raise invalid(f"`{at}.type` is `{kind}`; use `text` or `image_url`.", f"{at}.type")


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": part.url}}
