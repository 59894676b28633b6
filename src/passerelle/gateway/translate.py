"""Between two dialects: a request encoded for a deployment, and a stream decoded and encoded again."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, assert_never

import msgspec

from passerelle.catalog.parameters import accepts_of
from passerelle.codecs import registry
from passerelle.codecs.base import (
    CLOUD_QUIRKS,
    MAX_EVENT_BYTES,
    NOTHING_RENAMED,
    Encoded,
    Envelope,
    NamingWatcher,
    ProviderSide,
    ReplyContext,
    StreamDecoder,
    StreamEncoder,
    StreamingTask,
    StreamWatcher,
    Target,
    TaskClientSide,
    TaskProviderSide,
    said_betas,
)
from passerelle.codecs.caching import MARKED, with_breakpoints
from passerelle.codecs.callers import in_callers_words
from passerelle.codecs.fitting import UnfitError, fit_body, fit_request
from passerelle.codecs.names import restore, restore_event
from passerelle.codecs.places import conversation_of, named_for_caller, nested_too_deeply
from passerelle.codecs.splice import quoted, splice, split
from passerelle.core.errors import AnswerError, ProblemError, invalid
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.model import Deployment
from passerelle.core.request import TASKS, Dialect, Operation
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway import keep
from passerelle.gateway.estimate import said_bytes, text_bytes, usage_from_bytes
from passerelle.gateway.generation import Generation
from passerelle.gateway.trip import Ask, Trip


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """A request ready to be sent to one deployment."""

    body: bytes
    dialect: Dialect
    model: str
    """The provider's name for the model, said to the caller where the answer names none."""
    relayed: bool
    dropped: tuple[str, ...] = ()
    """What could not be carried, as the caller's dialect writes it."""
    renamed: Mapping[str, str] = NOTHING_RENAMED
    """Tool names the provider would refuse, with the caller's own to put back."""
    content_type: str = "application/json"
    gathered: bool = False
    """The provider is asked for the whole answer, which is told as a stream when it is there."""


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
        relayed = _relayed_task(trip, dialect, target)
        if relayed is not None:
            return relayed
    forgotten: tuple[str, ...] = ()
    if ask.keeping is not None and ask.keeping.opaque:
        ask, forgotten = keep.readable_by(deployment.provider, ask)
    same = dialect == ask.dialect and not _must_change(envelope, dialect, target)
    if envelope.operation not in TASKS and same and envelope.relayable:
        side = registry.provider(dialect)
        body, unfit = _fitted(trip, ask.body, target, dialect)
        refused = side.relay_losses(body, target) if target.quirks or envelope.stored else ()
        body = side.relay_request(body, target, envelope)
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
        gathered=envelope.stream
        and envelope.operation in TASKS
        and not _streams(dialect, ask.dialect, target),
    )


def _streams(dialect: Dialect, asked: Dialect, target: Target) -> bool:
    """Whether a task is streamed there, in events that its caller knows."""
    return dialect == asked and "flux_job" not in target.quirks


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


def _relayed_task(trip: Trip, dialect: Dialect, target: Target) -> Outbound | None:
    """The caller's own body, where the task can be relayed."""
    ask = trip.ask
    if dialect != ask.dialect or not trip.envelope.relayable:
        return None
    body = _spoken(trip, dialect).relay_request(ask.body, target)
    if body is None:
        return None
    return Outbound(body, dialect, target.model, relayed=True, content_type=ask.target.content_type)


def _asked(trip: Trip) -> TaskClientSide[Any, Any]:
    """The task as the caller's dialect has it: reading the envelope made sure that it does."""
    side = registry.task_client(trip.envelope.operation, trip.ask.dialect)
    assert side is not None  # noqa: S101
    return side


def _spoken(trip: Trip, dialect: Dialect) -> TaskProviderSide[Any, Any]:
    """The task as a provider's dialect has it."""
    side = registry.task_provider(trip.envelope.operation, dialect)
    if side is None:
        raise invalid(f"`{trip.envelope.model}` is at a place without this; ask for another model.")
    return side


def _must_change(envelope: Envelope, dialect: Dialect, target: Target) -> bool:
    """Whether the caller's body holds something of its own dialect that only translation makes fit there."""
    if "agent_api" in target.quirks:
        return not envelope.features.isdisjoint(_OPENAIS_TOOLS)
    if dialect != "openai_chat":
        return False
    if "no_image_url" in target.quirks and "images" in envelope.features:
        return True
    return "custom_tools" in envelope.features - target.quirks


_OPENAIS_TOOLS: Final = frozenset({"custom_tools", "namespaces"})


def _fitted(trip: Trip, body: bytes, target: Target, dialect: Dialect) -> tuple[bytes, tuple[str, ...]]:
    """The caller's bytes as the model takes its settings, and what that cost. Nothing, as a rule: then two
    sets and two numbers were compared.
    """
    envelope = trip.envelope
    ceiling = target.max_output_tokens
    if ceiling is not None and (envelope.max_output_tokens or 0) <= ceiling:
        ceiling = None
    if envelope.operation != "chat" or target.accepts is None:
        return body, ()
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
            marks_cache=dialect in MARKED
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
        if trip.task is None:
            trip.task = _asked(trip).decode_request(ask.body, ask.target)
        return _spoken(trip, dialect).encode_request(trip.task, target)
    if trip.request is None or (trip.ask.keeping is not None and trip.ask.keeping.opaque):
        trip.request = registry.client(ask.dialect).decode_request(ask.body, ask.target)
    request = trip.request
    if trip.envelope.operation == "chat":
        request = fit_request(request, target.accepts, dialect)
        if target.marks_cache and request.dialect != dialect:
            request = with_breakpoints(request)
    return registry.provider(dialect).encode_request(request, target)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer, ready for the caller."""

    body: bytes
    model: str
    usage: Usage
    finish: str | None
    content_type: str = "application/json"
    said_bytes: int = 0
    """The words in it, for an estimate when the provider gave no usage; not counted when it did."""


_VOICELESS: Final = frozenset({"anthropic", "bedrock"})
"""Dialects whose answers have no sound."""
_USAGE_REQUIRED: Final = frozenset({"anthropic", "bedrock"})
"""Dialects whose answers always state usage: their callers are told the estimate that is booked."""


def decode_whole(
    trip: Trip, outbound: Outbound, data: bytes, context: ReplyContext, content_type: str
) -> Answer:
    """A provider's whole answer in the caller's language. Raises `AnswerError`."""
    if trip.envelope.operation in TASKS:
        return _task_done(trip, outbound, data, context, content_type)
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


def _task_done(
    trip: Trip, outbound: Outbound, data: bytes, context: ReplyContext, content_type: str
) -> Answer:
    spoken = _spoken(trip, outbound.dialect)
    if outbound.relayed:
        watched = spoken.watch_response(data)
        return Answer(data, watched.model, watched.usage, None)
    response = spoken.decode_response(data, content_type)
    if not response.model:
        response = msgspec.structs.replace(response, model=outbound.model)
    if response.usage.source == "none":  # every answer states it, in either dialect's SDK or in its books
        response = msgspec.structs.replace(response, usage=usage_from_bytes(trip.envelope, 0))
    told = msgspec.structs.replace(context, model=outbound.model)
    whole = _asked(trip).encode_response(response, trip.task, told)
    return Answer(whole.body, response.model, response.usage, None, whole.content_type)


def watch_stream(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    """What a provider's stream goes through on its way to the caller."""
    watcher = _watcher(trip, outbound, context)
    return watcher if trip.ask.keeping is None else keep.KeptStream(trip, trip.ask.keeping, watcher)


def _watcher(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    if trip.envelope.operation in TASKS:
        return _watch_task(trip, outbound, context)
    side = registry.provider(outbound.dialect)
    if outbound.relayed:
        watcher = side.stream_watcher(trip.envelope)
        if context.named and isinstance(watcher, NamingWatcher):
            watcher.named = context.named
        return watcher
    encoder = registry.client(trip.ask.dialect).stream_encoder(_said_of(trip, outbound, context))
    estimate = None
    if trip.ask.dialect in _USAGE_REQUIRED:
        estimate = partial(usage_from_bytes, trip.envelope)
    voiceless = trip.ask.dialect in _VOICELESS
    return Translation(side.stream_decoder(), encoder, outbound.renamed, estimate, voiceless=voiceless)


def _watch_task(trip: Trip, outbound: Outbound, context: ReplyContext) -> StreamWatcher:
    if outbound.gathered:
        return Gathered(lambda data: _task_done(trip, outbound, data, context, ""))
    spoken: Any = _spoken(trip, outbound.dialect)
    side: StreamingTask = spoken  # only tasks that stream have envelopes that ask for it
    return side.stream_watcher(trip.envelope)


def _said_of(trip: Trip, outbound: Outbound, context: ReplyContext) -> ReplyContext:
    """Translated answers name the true model, not the caller's alias, and may echo the request."""
    return msgspec.structs.replace(context, model=outbound.model, request=trip.request)


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


class Gathered:
    """A `StreamWatcher` for a provider that gives a task's whole answer at once: the stream is made of it."""

    def __init__(self, told: Callable[[bytes], Answer]) -> None:
        """`told(data)` is the answer as the caller's stream. It raises `AnswerError`."""
        self._told = told
        self._held = bytearray()
        self.model = ""
        self.usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Nothing yet."""
        self._held += data
        if len(self._held) > MAX_EVENT_BYTES:
            self.failed = Failed("oversized", f"the provider's answer is longer than {MAX_EVENT_BYTES} bytes")
        return b""

    def close(self) -> bytes:
        """All of it."""
        if self.failed is not None:
            return b""
        try:
            answer = self._told(bytes(self._held))
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        self.model, self.usage = answer.model, answer.usage
        self.content = self.done = True
        return answer.body


class Translation:
    """A `StreamWatcher` that decodes one dialect and encodes another."""

    def __init__(
        self,
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        renamed: Mapping[str, str] = NOTHING_RENAMED,
        estimate: Callable[[int], Usage] | None = None,
        *,
        voiceless: bool = False,
    ) -> None:
        """`estimate` gives the usage to tell of an answer of so many bytes when the provider told none.
        `voiceless`: the caller's dialect has no sound, and is told what was spoken when it is over.
        """
        self._voiceless = voiceless
        self._decoder = decoder
        self._renamed = renamed
        self._estimate = estimate
        self._media: set[int] = set()
        """Parts that are pictures or sound: their base64 is no words."""
        self._unheard: set[int] = set()
        """Sound whose words are told in its place."""
        self.encoder = encoder
        self.model = ""
        self.usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The caller's bytes that `data` causes."""
        return b"".join([self._pass_on(event) for event in self._decoder.feed(data)])

    def close(self) -> bytes:
        """The provider's stream ended."""
        return b"".join([self._pass_on(event) for event in self._decoder.close()])

    def _pass_on(self, event: Event) -> bytes:
        if self.failed is not None or self.done:
            return b""
        if isinstance(event, PartDelta):
            self.progress += 1
            if event.index in self._unheard:
                return b""
            self.content = True
            if not self._media or event.index not in self._media:
                self.text_bytes += text_bytes(event.text)
        elif isinstance(event, PartStarted):
            self.progress += 1
            if event.kind == "tool_call":
                self.content = True
                event = restore_event(event, self._renamed)
            elif event.kind in ("image", "audio"):
                self._media.add(event.index)
                if self._voiceless and event.kind == "audio":
                    self._unheard.add(event.index)
                    return b""
        elif isinstance(event, PartEnded):
            self.progress += 1
            if event.index in self._unheard:
                return self._spoken(event.index, event.transcript)
        elif isinstance(event, Started):
            self.model = event.model
            if event.usage is not None:
                self.usage = event.usage
        elif isinstance(event, UsageReported):
            self.usage = event.usage
        elif isinstance(event, Finished):
            self.finish = event.finish
            self.done = True
            if self.usage.source == "none" and self._estimate is not None:
                self.usage = self._estimate(self.text_bytes)
                return self.encoder.encode(UsageReported(self.usage)) + self.encoder.encode(event)
        elif isinstance(event, Failed):
            # Kept back: before content another deployment may take over; after it, `in_band_error` tells.
            self.failed = event
            return b""
        else:
            assert_never(event)
        return self.encoder.encode(event)

    def _spoken(self, index: int, words: str | None) -> bytes:
        """A part of sound as one of words."""
        if not words:
            return b""
        self.content = True
        self.text_bytes += text_bytes(words)
        events = (PartStarted(index, "text"), PartDelta(index, words), PartEnded(index))
        return b"".join([self.encoder.encode(event) for event in events])
