"""Between two dialects: a request for a deployment, and its answer for the caller, whole or streamed."""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from passerelle.catalog.parameters import accepts_of
from passerelle.codecs import registry
from passerelle.codecs.base import (
    CLOUD_QUIRKS,
    Encoded,
    Envelope,
    NamingWatcher,
    ProviderSide,
    ReplyContext,
    StreamWatcher,
    Target,
    said_betas,
)
from passerelle.codecs.caching import marks, with_breakpoints
from passerelle.codecs.callers import in_callers_words
from passerelle.codecs.fitting import UnfitError, fit_body, fit_request
from passerelle.codecs.names import restore
from passerelle.codecs.places import conversation_of, named_for_caller, nested_too_deeply
from passerelle.codecs.splice import quoted, splice, split
from passerelle.core.errors import AnswerError, FailureKind, Problem, ProblemError, ProblemKind, invalid
from passerelle.core.event import Failed
from passerelle.core.model import Deployment
from passerelle.core.request import TASKS, Dialect, Operation
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway import keep, tasks
from passerelle.gateway.estimate import said_bytes, usage_from_bytes
from passerelle.gateway.generation import Generation
from passerelle.gateway.going_on import Continuable, Continuation, going_on
from passerelle.gateway.outbound import Answer, Outbound
from passerelle.gateway.translation import Translation
from passerelle.gateway.trip import Ask, Trip


def wire_dialect(trip: Trip, deployment: Deployment) -> Dialect:
    """The language to speak there: the caller's own where the place knows it, but for what it takes in
    another one only.
    """
    ours, envelope = trip.ask.dialect, trip.envelope
    spoken = ours if ours in deployment.also else deployment.dialect
    if spoken == "openai_chat" and "tools" in envelope.features and envelope.operation == "chat":
        target = _target(trip.generation, deployment, "chat", spoken)
        if "tools" in target.watched and "openai_responses" in deployment.also and not _rests(trip, target):
            return "openai_responses"
    return spoken


def _rests(trip: Trip, target: Target) -> bool:
    """The model is not asked to reason, in the way that lets it take functions in Chat Completions."""
    when = target.accepts.tools if target.accepts is not None else None
    if when == "never" or "reasoning" in trip.envelope.features:
        return False
    if trip.ask.dialect == "openai_chat":  # the effort is named, and it is `none`; or it is not
        return when == "unasked" or "effort" in trip.envelope.settings
    return when == "unasked"


def encode_for(trip: Trip, deployment: Deployment) -> Outbound:
    """The request in the deployment's language. Raises `UnfitError` for what its model cannot do and another
    may, `ProblemError` for what cannot be said there, and under `x-passerelle-strict` for anything that
    would be left out.
    """
    ask, envelope = trip.ask, trip.envelope
    dialect = wire_dialect(trip, deployment)
    target = _target(trip.generation, deployment, envelope.operation, dialect)
    if dialect == "anthropic" == ask.dialect and target.quirks and not target.quirks.isdisjoint(CLOUD_QUIRKS):
        target = msgspec.structs.replace(target, betas=said_betas(ask.headers))
    if envelope.operation in TASKS:
        relayed = tasks.relayed(trip, dialect, target)
        if relayed is not None:
            return relayed
    forgotten: tuple[str, ...] = ()
    if ask.keeping is not None and ask.keeping.opaque:
        ask, forgotten = keep.readable_by(deployment.provider, ask)
    same = dialect == ask.dialect and not _must_change(envelope, dialect, target)
    if envelope.operation not in TASKS and same and envelope.relayable and not trip.continues:
        side = registry.provider(dialect)
        try:
            body, unfit = _fitted(trip, ask.body, target, dialect)
            refused = side.relay_losses(body, target) if target.quirks or envelope.stored else ()
            body = side.relay_request(body, target, envelope)
        except (msgspec.DecodeError, RecursionError):  # further down the stack than where it was first read
            raise nested_too_deeply(ask.body, ask.dialect) from None
        if envelope.stored and not keep.allowed(ask.principal):
            # Nor may a provider keep what the tenant does not let us keep.
            body, unkept = _unkept(body, dialect, target)
            refused = tuple(dict.fromkeys((*refused, *unkept)))
        lost: tuple[str, ...] = ()
        if unfit or refused or forgotten:
            lost = _told(trip, deployment, tuple(dict.fromkeys((*unfit, *refused, *forgotten))))
        return Outbound(body, dialect, target.model, relayed=True, dropped=lost)
    encoded = _translate(trip, ask, dialect, target)
    lost = _told(trip, deployment, tuple(dict.fromkeys((*encoded.dropped, *forgotten))))
    return Outbound(
        encoded.body,
        dialect,
        target.model,
        relayed=False,
        dropped=lost,
        renamed=encoded.renamed,
        content_type=encoded.content_type,
        gathered=envelope.operation in TASKS and tasks.gathers(trip, dialect, target),
    )


def _unkept(body: bytes, dialect: Dialect, target: Target) -> tuple[bytes, tuple[str, ...]]:
    """A relayed body that asks for nothing to be kept, and what that takes away. Chat Completions then
    refuses `metadata` too ("only allowed when 'store' is enabled", OpenAI's own words, read 2026-11-22).
    """
    fields: dict[str, bytes | None] = {"store": b"false" if target.quirks.isdisjoint(_STORELESS) else None}
    if dialect == "openai_chat" and "metadata" in split(body):
        fields["metadata"] = None
    return splice(body, fields), tuple(fields)


_STORELESS: Final = frozenset({"no_metadata", "no_store"})
"""Quirks of places that refuse `store`."""


def _must_change(envelope: Envelope, dialect: Dialect, target: Target) -> bool:
    """Whether the caller's body holds something of its own dialect that only translation makes fit there."""
    if not (envelope.features or target.quirks):  # nearly always
        return False
    if "agent_api" in target.quirks:
        return not envelope.features.isdisjoint(_OPENAIS_TOOLS)
    if dialect != "openai_chat":
        return False
    if "no_image_url" in target.quirks and "images" in envelope.features:
        return True
    return "custom_tools" in envelope.features and "custom_tools" not in target.quirks


_OPENAIS_TOOLS: Final = frozenset({"custom_tools", "namespaces"})


def _fitted(trip: Trip, body: bytes, target: Target, dialect: Dialect) -> tuple[bytes, tuple[str, ...]]:
    """The caller's bytes as the model takes its settings, and what that cost. Nothing, as a rule: then two
    sets and two numbers were compared.
    """
    envelope = trip.envelope
    if envelope.operation != "chat" or target.accepts is None:
        return body, ()
    ceiling = target.max_output_tokens
    if ceiling is not None and (envelope.max_output_tokens or 0) <= ceiling:
        ceiling = None
    if ceiling is None and target.watched.isdisjoint(envelope.settings):  # nearly always
        return body, ()
    return fit_body(body, dialect, target.accepts, envelope.settings, most_output_tokens=ceiling)


def _target(generation: Generation, deployment: Deployment, operation: Operation, dialect: Dialect) -> Target:
    known = generation.targets.get((deployment.id, operation, dialect))
    if known is None:
        accepts = accepts_of(deployment, dialect)
        known = generation.targets[deployment.id, operation, dialect] = Target(
            model=deployment.upstream_model,
            provider=deployment.provider,
            quirks=deployment.quirks,
            capabilities=deployment.capabilities,
            max_output_tokens=deployment.limits.max_output_tokens or deployment.model.max_output_tokens,
            accepts=accepts,
            watched=accepts.watched,
            marks_cache=marks(dialect, deployment.upstream_model)
            and deployment.prompt_cache == "auto"
            and "prompt_cache" in deployment.model.capabilities,
            operation=operation,
        )
    return known


def _told(trip: Trip, deployment: Deployment, dropped: tuple[str, ...]) -> tuple[str, ...]:
    """What is left out, in the caller's words. Under `x-passerelle-strict` it is the caller's to decide:
    raises `ProblemError` for anything.
    """
    if not dropped:
        return ()
    extra = trip.request.extra if trip.request is not None else None
    told = in_callers_words(dropped, trip.ask.dialect, extra or ())
    if trip.ask.wishes.strict:
        names = ", ".join(f"`{name}`" for name in told)
        raise invalid(
            f"`{deployment.id}` cannot carry {names}, and `x-passerelle-strict` forbids leaving anything "
            "out; remove these fields, or the header.",
            param=told[0],
        )
    return told


_UNFIT_WORDS: Final = {"effort": "reasoning.effort", "budget": "reasoning.effort"}


def _translate(trip: Trip, ask: Ask, dialect: Dialect, target: Target) -> Encoded:
    """The request decoded, once for all attempts, and encoded. Raises `ProblemError` naming the caller's
    own field.
    """
    try:
        return _encoded(trip, ask, dialect, target)
    except UnfitError as error:
        name = _UNFIT_WORDS.get(error.setting, error.setting)
        if name == "prefill":
            raise UnfitError(conversation_of(ask.dialect), error.why) from None
        raise UnfitError(in_callers_words((name,), ask.dialect)[0], error.why) from None
    except ProblemError as error:
        raise named_for_caller(error, ask.body, ask.dialect) from None
    except RecursionError:  # schemas are walked level by level, and a caller may nest them without end
        raise nested_too_deeply(ask.body, ask.dialect) from None


def _encoded(trip: Trip, ask: Ask, dialect: Dialect, target: Target) -> Encoded:
    if trip.envelope.operation in TASKS:
        return tasks.encoded(trip, ask, dialect, target)
    if trip.request is None or (trip.ask.keeping is not None and trip.ask.keeping.opaque):
        trip.request = registry.client(ask.dialect).decode_request(ask.body, ask.target)
    request = trip.request
    if trip.broken_off is not None:
        request = going_on(request, trip.broken_off.said)
    if trip.envelope.operation == "chat":
        request = fit_request(request, target.accepts, dialect)
        if target.marks_cache and request.dialect != dialect:
            request = with_breakpoints(request)
    return registry.provider(dialect).encode_request(request, target)


_VOICELESS: Final = frozenset({"anthropic", "bedrock"})
"""Dialects whose answers have no sound."""
_USAGE_REQUIRED: Final = frozenset({"anthropic", "bedrock"})
"""Dialects whose answers always state usage: their callers are told the estimate that is booked."""


def decode_whole(
    trip: Trip, outbound: Outbound, data: bytes, context: ReplyContext, content_type: str
) -> Answer:
    """A provider's whole answer in the caller's language. Raises `AnswerError`."""
    if trip.envelope.operation in TASKS:
        return tasks.answer(trip, outbound, data, context, content_type)
    side = registry.provider(outbound.dialect)
    if trip.envelope.operation == "count_tokens":
        tokens = side.decode_token_count(data)
        return Answer(registry.client(trip.ask.dialect).encode_token_count(tokens), "", NO_USAGE, None)
    if outbound.relayed:
        watched = side.watch_response(data)
        said = _words_of(side, data) * trip.envelope.answers if watched.usage.source == "none" else 0
        if context.named and watched.model != context.named:
            try:
                data = splice(data, {"model": quoted(context.named)})
            except msgspec.DecodeError as error:
                raise AnswerError(f"the provider's answer is not JSON in UTF-8: {error}") from None
        return Answer(data, watched.model, watched.usage, watched.finish, said_bytes=said)
    response = restore(side.decode_response(data), outbound.renamed)
    said = 0
    if response.usage.source == "none":
        said = said_bytes(response)
        if trip.ask.dialect in _USAGE_REQUIRED:
            usage = usage_from_bytes(trip.envelope, said)
            response = msgspec.structs.replace(response, usage=usage)
    body = registry.client(trip.ask.dialect).encode_response(response, _said_of(trip, outbound, context))
    return Answer(body, response.model, response.usage, response.finish, said_bytes=said)


def _words_of(side: ProviderSide, data: bytes) -> int:
    """What a relayed answer without usage says, for which alone it is decoded."""
    try:
        return said_bytes(side.decode_response(data))
    except AnswerError:  # relaying looks less closely; then all of it is the best guess
        return len(data)


def watch_stream(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    """What a provider's stream goes through on its way to the caller."""
    watcher = _watcher(trip, outbound, context)
    return watcher if trip.ask.keeping is None else keep.KeptStream(trip, trip.ask.keeping, watcher)


def _watcher(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    if trip.envelope.operation in TASKS:
        return tasks.watcher(trip, outbound, context)
    side = registry.provider(outbound.dialect)
    if trip.continues:
        return _continuable(trip, outbound, context, side)
    if outbound.relayed:
        watcher = side.stream_watcher(trip.envelope)
        if context.named and isinstance(watcher, NamingWatcher):
            watcher.named = context.named
        return watcher
    encoder = registry.client(trip.ask.dialect).stream_encoder(_said_of(trip, outbound, context))
    voiceless = trip.ask.dialect in _VOICELESS
    return Translation(side.stream_decoder(), encoder, outbound.renamed, _estimate(trip), voiceless=voiceless)


def _estimate(trip: Trip) -> Callable[[int], Usage] | None:
    return partial(usage_from_bytes, trip.envelope) if trip.ask.dialect in _USAGE_REQUIRED else None


def _continuable(
    trip: Trip, outbound: Outbound, context: ReplyContext, side: ProviderSide
) -> Continuable | Continuation:
    """A stream that can be gone on with, or one that goes on."""
    decoder = side.stream_decoder()
    if trip.broken_off is not None:
        return Continuation(trip.broken_off, decoder, outbound.renamed, _estimate(trip))
    encoder = registry.client(trip.ask.dialect).stream_encoder(_said_of(trip, outbound, context))
    voiceless = trip.ask.dialect in _VOICELESS
    return Continuable(decoder, encoder, outbound.renamed, _estimate(trip), voiceless=voiceless)


def _said_of(trip: Trip, outbound: Outbound, context: ReplyContext) -> ReplyContext:
    """Translated answers name the true model, not the caller's alias, and may echo the request."""
    return msgspec.structs.replace(context, model=outbound.model, request=trip.request)


_FAILURE_OF_PROBLEM: Final[dict[ProblemKind, FailureKind]] = {
    "invalid_request": "invalid_request",
    "no_eligible_deployment": "invalid_request",
    "permission_denied": "invalid_request",
    "not_found": "not_found",
    "model_not_found": "not_found",
    "too_large": "invalid_request",
    "rate_limited": "rate_limited",
    "budget_exhausted": "quota",
    "content_policy": "content_policy",
    "context_length": "context_length",
    "overloaded": "overloaded",
    "upstream_timeout": "timeout",
}


def fresh_error(ask: Ask, context: ReplyContext, problem: Problem, *, task: bool) -> bytes:
    """The whole stream of a request that came to nothing after its head had gone out: one error."""
    failed = Failed(_FAILURE_OF_PROBLEM.get(problem.kind, "server_error"), problem.message, code=problem.code)
    if task:
        return registry.task_stream_error(failed)
    return registry.client(ask.dialect).stream_encoder(context).encode(failed)


def in_band_error(
    trip: Trip, watcher: StreamWatcher, failed: Failed, context: ReplyContext, passed: bytes
) -> bytes:
    """The honest end of a stream that broke after content was delivered, in the caller's language.

    `passed`: what was last passed on.
    """
    if isinstance(watcher, keep.KeptStream):
        return watcher.broken(in_band_error(trip, watcher.inner, failed, context, passed))
    if isinstance(watcher, Translation):
        return watcher.encoder.encode(failed)
    if trip.envelope.operation in TASKS:
        return registry.task_stream_error(failed)
    ending = msgspec.structs.replace(context, passed=passed)
    return registry.client(trip.ask.dialect).stream_encoder(ending).encode(failed)
