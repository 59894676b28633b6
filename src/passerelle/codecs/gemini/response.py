"""A whole answer, both ways.

An answer without any candidate but with `promptFeedback.blockReason` is a refusal of the prompt, not a
failure. What the first candidate carries that we do not name goes to `Response.extra` under `candidate.…`;
further candidates cannot come: a translated request asks for one.
"""

from typing import Any, Final, assert_never

import msgspec
from msgspec.structs import replace

from passerelle.codecs.arguments import UniqueIds, ending, is_malformed
from passerelle.codecs.base import ReplyContext
from passerelle.codecs.citations import web_source
from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini import write_parts
from passerelle.codecs.gemini.contents import read_at
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.finish import FAILED, SILENT, finish_word, read_finish
from passerelle.codecs.gemini.logprobs import read_logprobs, write_logprobs
from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.parts import mint, nest
from passerelle.codecs.gemini.signatures import foreign
from passerelle.codecs.gemini.usage import read_usage, write_usage
from passerelle.codecs.gemini.wire import WireError, check_utf8, parse
from passerelle.core.errors import AnswerError
from passerelle.core.message import (
    AudioPart,
    Extra,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.response import Response
from passerelle.core.usage import NO_USAGE, Usage

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_TOP: Final = frozenset({"promptFeedback", "createTime", "modelStatus"})
_PART_FIELDS: Final = frozenset(wire.Part.__struct_encode_fields__)


def decode_response(body: bytes) -> Response:
    """Raises `AnswerError` for anything that is not a complete answer."""
    said = read_answer(body)
    extra = wire.opaque(said)
    usage = read_usage(said.usage_metadata) if said.usage_metadata is not None else NO_USAGE
    tier = said.usage_metadata.service_tier if said.usage_metadata is not None else None
    model = (said.model_version or "").removeprefix("models/")
    if said.prompt_feedback is not None:
        extra["promptFeedback"] = feedback(said.prompt_feedback)
    candidate = first_candidate(said)
    if candidate is None:
        reason = block_reason(said)
        if reason is None:
            raise AnswerError("the provider's answer has no candidate and no reason for it")
        return Response((), "content_filter", model, said.response_id, usage, None, tier, reason, extra=extra)
    parts = _read_parts(candidate, said.response_id)
    called = any(isinstance(part, ToolCallPart) for part in parts)
    check_end(candidate.finish_reason, spoke=any(map(says, parts)), usage=usage)
    word = candidate.finish_reason or ""
    for name, value in wire.opaque(candidate).items():
        extra[f"candidate.{name}"] = value
    return Response(
        parts=_with_citations(parts, candidate),
        finish=read_finish(word, called=called),
        model=model,
        id=said.response_id,
        usage=usage,
        service_tier=tier,
        raw_finish=word,
        logprobs=read_logprobs(candidate.logprobs_result),
        extra=extra or None,
    )


def read_answer(body: bytes) -> wire.GenerateContentResponse:
    """The body in Google's terms. Raises `AnswerError` for errors dressed as success and what is none."""
    try:
        check_utf8(body)
        if body.lstrip()[:1] == b"[":  # how errors of streams, and front ends, come
            items = msgspec.json.decode(body, type=list[msgspec.Raw])
            if len(items) != 1:
                raise AnswerError("the provider sent a list where one answer is due")
            body = bytes(items[0])
        said = parse(body, wire.GenerateContentResponse)
    except (WireError, msgspec.DecodeError, RecursionError) as error:
        raise AnswerError(f"the provider's answer is not a Gemini answer: {describe(body, error)}") from None
    if said.error is not None:
        failed = read_failure(said.error)
        raise AnswerError(failed.message, failed.failure)
    return said


def describe(body: bytes, error: Exception) -> str:
    """What came instead, without quoting it."""
    start = body.lstrip()[:1]
    if start == b"<":
        return "it is a web page"
    if not start:
        return "it is empty"
    return str(error).partition(":")[0] if isinstance(error, WireError) else "its JSON is malformed"


def first_candidate(said: wire.GenerateContentResponse) -> wire.Candidate | None:
    """The candidate of index 0."""
    for candidate in said.candidates or ():
        if not candidate.index:
            return candidate
    return None


def block_reason(said: wire.GenerateContentResponse) -> str | None:
    """Why the prompt was refused, if it was."""
    return said.prompt_feedback.block_reason if said.prompt_feedback is not None else None


def feedback(said: wire.PromptFeedback) -> Json:
    """`promptFeedback` as it came."""
    return {
        name: value
        for name, value in (
            ("blockReason", said.block_reason),
            ("blockReasonMessage", said.block_reason_message),
            ("safetyRatings", said.safety_ratings),
            *(said.extra or {}).items(),
        )
        if value is not None
    }


def says(part: Part) -> bool:
    """`part` says something: an answer of none such is empty."""
    if isinstance(part, TextPart | ReasoningPart):
        return bool(part.text or part.extra)
    return True


def check_end(word: str | None, *, spoke: bool, usage: Usage) -> None:
    """Raises `AnswerError` unless the answer is complete by Google's rules and not empty."""
    if word is None:
        raise AnswerError("the provider's answer has no finish reason: it is incomplete")
    failed = FAILED.get(word)
    if failed is not None:
        raise AnswerError(failed[1], failed[0])
    if not spoke and is_silent(word) and not usage.output_tokens:
        raise AnswerError(f"the provider gave an empty completion (finish reason `{word}`, no content)")


def is_silent(word: str) -> bool:
    """An answer that ends for this reason owes some content."""
    return word in SILENT or read_finish(word, called=False) == "stop"


def _read_parts(candidate: wire.Candidate, response_id: str | None) -> tuple[Part, ...]:
    parts: list[Part] = []
    said = candidate.content.parts if candidate.content is not None else None
    for at, part in enumerate(said or ()):
        try:
            read = read_at(part, f"candidates[0].content.parts[{at}]", lambda: minted(response_id, at, part))  # noqa: B023
        except WireError as error:
            raise AnswerError(f"the provider's answer is malformed: {error.message}") from None
        if isinstance(read, ToolResultPart):
            raise AnswerError("the provider answered with a function response")
        parts.append(read)
    return tuple(parts)


def minted(response_id: str | None, at: int, part: wire.Part) -> str:
    """The id of a call that came without one: unlike any other of the conversation."""
    call = part.function_call
    if call is None:
        return ""
    return mint(response_id, at, call.name, bytes(call.args))


def _with_citations(parts: tuple[Part, ...], candidate: wire.Candidate) -> tuple[Part, ...]:
    """`parts` with the candidate's citations and grounds on its last words."""
    citations = read_citations(candidate.citation_metadata) + read_grounds(candidate.grounding_metadata)
    if not citations:
        return parts
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if isinstance(part, TextPart):
            cited = replace(part, citations=citations)
            return (*parts[:at], cited, *parts[at + 1 :])
    return parts


def read_citations(said: wire.CitationMetadata | None) -> tuple[Json, ...]:
    """Sources in Google's own words."""
    if said is None:
        return ()
    names = wire.Citation.__struct_fields__
    found = []
    for citation in said.citations or said.citation_sources or ():
        words = zip(
            wire.Citation.__struct_encode_fields__, [getattr(citation, n) for n in names], strict=True
        )
        kept = {name: value for name, value in words if value is not None and name[0] != "+"}
        found.append({**kept, **(citation.extra or {})})
    return tuple(found)


def read_grounds(said: Any) -> tuple[Json, ...]:
    """The web pages an answer rests on, each as Google's own `{"web": {"uri", "title"}}`: what the other
    dialects call citations (ai.google.dev/gemini-api/docs/google-search, `groundingChunks`, read 2026-11-22).
    The metadata itself goes back whole to callers of this dialect.
    """
    chunks = said.get("groundingChunks") if isinstance(said, dict) else None
    found: list[Json] = []
    for chunk in chunks if isinstance(chunks, list) else ():
        web = chunk.get("web") if isinstance(chunk, dict) else None
        if isinstance(web, dict) and isinstance(web.get("uri"), str):
            found.append({"web": web})
    return tuple(found)


# -- the other way --------------------------------------------------------------------------------------


def encode_response(response: Response, context: ReplyContext) -> bytes:
    """A whole answer in Google's dialect."""
    lost = Loss()  # nobody to tell: the headers of an answer are the road's
    ids = UniqueIds(f"call_{context.id}_")
    malformed = any(map(is_malformed, response.parts))
    parts = [
        written
        for index, part in enumerate(response.parts)
        if not is_malformed(part) and (written := write_part(_named_once(part, index, ids), lost)) is not None
    ]
    candidate: Json = {"content": {"parts": parts, "role": "model"}}
    candidate["finishReason"] = finish_word(ending(response.finish, malformed=malformed), response.raw_finish)
    candidate["index"] = 0
    citations = write_citations(response.parts)
    if citations:
        candidate["citationMetadata"] = {"citations": citations}
    logprobs = write_logprobs(response.logprobs)
    if logprobs is not None:
        candidate["logprobsResult"] = logprobs
    body: Json = {"candidates": [candidate]}
    extra = response.extra or {}
    place_extra(body, candidate, extra)
    if not parts and "promptFeedback" in body:
        del body["candidates"]
    if response.usage.source != "none":
        body["usageMetadata"] = write_usage(response.usage)
        if response.service_tier is not None:
            body["usageMetadata"]["serviceTier"] = response.service_tier
    body["modelVersion"] = response.model or context.model
    body["responseId"] = context.id
    return _encode(body)


def _named_once(part: Part, index: int, ids: UniqueIds) -> Part:
    """A call under an id of its own; one without any stays so."""
    if not isinstance(part, ToolCallPart) or not part.id:
        return part
    call_id = ids.take(part.id, index)
    return part if call_id == part.id else replace(part, id=call_id)


def place_extra(body: Json, candidate: Json, extra: Json) -> None:
    """Google's own fields back in their places; another dialect's are left out."""
    for name, value in extra.items():
        if name.startswith("candidate."):
            nest(candidate, {name.removeprefix("candidate."): value})
        elif name in _TOP:
            body.setdefault(name, value)


def write_part(part: Part, lost: Loss) -> Json | None:
    """One part of an answer."""
    match part:
        case ReasoningPart():
            return write_parts.thought(part, foreign(part), own=part.origin == "gemini")
        case RefusalPart():
            return write_parts.words(part, own=True, lost=lost)
        case TextPart():
            own = replace(part, extra=only_own(part.extra), memo=only_own(part.memo))
            return write_parts.words(own, own=True, lost=lost)
        case ToolCallPart():
            own_call = replace(part, extra=only_own(part.extra))
            return write_parts.call(own_call, part.name, part.signature, own=True, lost=lost)
        case ImagePart() | AudioPart() | FilePart():
            return write_parts.media(
                replace(part, extra=only_own(part.extra), memo=only_own(part.memo)),
                own=True,
                links=True,
                lost=lost,
            )
        case ToolResultPart():
            return None
        case _:
            assert_never(part)


def only_own(extra: Extra) -> Extra:
    """The fields of `extra` that are Google's: an answer does not say whose dialect it came in, and Google's
    SDKs refuse answers with fields they do not know."""
    if not extra:
        return None
    return {name: value for name, value in extra.items() if name.partition(".")[0] in _PART_FIELDS} or None


def write_citations(parts: tuple[Part, ...]) -> list[Json]:
    """The sources of all words, in Google's form as far as they have one."""
    return [
        written
        for part in parts
        if isinstance(part, TextPart)
        for citation in part.citations
        if (written := write_citation(citation)) is not None
    ]


_OWN_CITATION: Final = frozenset(wire.Citation.__struct_encode_fields__) | {"publicationDate"}


def write_citation(citation: Json) -> Json | None:
    """One source: Google's own as it came, another's by its address and title."""
    # Whoever sent it may have sent anything: what has another type than Google gives it is left out.
    if citation.keys() <= _OWN_CITATION and isinstance(citation.get("uri"), str):
        return {
            name: value for name, value in citation.items() if type(value) is _CITED.get(name, type(value))
        }
    if "web" in citation:
        return None  # it goes along as a ground
    source = web_source(citation)
    if source is None:
        return None
    written: Json = {"uri": source.url}
    for name, value in (("title", source.title), ("startIndex", source.start), ("endIndex", source.end)):
        if value is not None:
            written[name] = value
    return written


_CITED: Final = {"startIndex": int, "endIndex": int, "uri": str, "title": str, "license": str}
