"""Decoders of conversations: requests, answers and streams of every dialect, and on to every other."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, get_args

import msgspec
from tests.fuzzing.limits import check_events, check_json, check_size, check_usage, check_words, pieces

from passerelle.codecs import registry
from passerelle.codecs.base import QUIRKS, Envelope, PathTarget, ReplyContext, StreamWatcher, Target
from passerelle.codecs.callers import in_callers_words, listed
from passerelle.codecs.eventstream import event_headers, exception_headers, write_frame
from passerelle.codecs.fitting import UnfitError, fit_body, fit_request
from passerelle.codecs.fitting.relayed import EVERYTHING
from passerelle.codecs.names import restore
from passerelle.codecs.places import named_for_caller, nested_too_deeply
from passerelle.core.accepts import Accepts, Range
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Event, Failed, Finished
from passerelle.core.request import Dialect, Operation, Request
from passerelle.gateway.estimate import said_bytes
from passerelle.gateway.translation import Translation

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
BARE = Target("there", "provider")
PLAIN = Target("there", "provider", frozenset(QUIRKS) - {"flux_job", "rerank_top_k"}, max_output_tokens=4096)
COUNTED = Target("there", "provider", operation="count_tokens")
PICKY = (
    Accepts(
        frozenset({"top_k", "logprobs", "n", "verbosity", "logit_bias"}),
        (Range("temperature", 0.0, 1.0), Range("top_logprobs", 0, 5)),
        efforts=("low", "high"),
        thinking=frozenset({"adaptive"}),
        stops=1,
        one_sampler=True,
        plain_when_thinking=True,
    ),
    Accepts(frozenset({"stop", "seed"}), efforts=("none", "medium"), samples="at_none", tools="at_none"),
)
"""Models that take little."""
HELLO: dict[str, bytes] = {
    "openai_chat": b'{"model":"m","messages":[{"role":"user","content":"hi"}]}',
    "openai_responses": b'{"model":"m","input":"hi"}',
    "anthropic": b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}',
    "gemini": b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}',
    "bedrock": b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}',
}


@cache
def hello(dialect: Dialect) -> Request:
    return registry.client(dialect).decode_request(HELLO[dialect], PathTarget("chat", "m"))


def context(dialect: Dialect, *, json_array: bool = False, passed: bytes = b"") -> ReplyContext:
    return ReplyContext(
        "req_01TEST", "m", 1_700_000_000, json_array=json_array, request=hello(dialect), passed=passed
    )


def check_problem(error: ProblemError, dialect: Dialect) -> None:
    """It can be told in the dialect."""
    told = registry.client(dialect).encode_problem(error.problem, "req_01TEST")
    assert 400 <= told.status <= 599, told.status
    check_json(told.body, b"")
    for name, value in told.headers:
        assert f"{name}: {value}".isprintable(), (name, value)


def asked(dialect: Dialect, operation: Operation = "chat", **said: Any) -> Callable[[bytes], None]:
    """Requests of callers: their envelope, relayed, decoded, and encoded in every dialect."""
    path = PathTarget(operation, **said)
    targets = (BARE, PLAIN) if operation == "chat" else (COUNTED,)

    def run(data: bytes) -> None:
        client = registry.client(dialect)
        try:
            envelope = client.envelope(data, path)
        except ProblemError as error:
            check_problem(error, dialect)
            return
        _check_envelope(envelope, data)
        if envelope.relayable:
            for target in targets:
                with suppress(ProblemError):
                    _relay(dialect, data, envelope, target)
            for accepts in PICKY:
                for settings in (EVERYTHING, envelope.settings):
                    with suppress(ProblemError):
                        body, told = fit_body(data, dialect, accepts, settings, most_output_tokens=100)
                        check_json(body, data, growth=2)
                        listed(told).encode("latin-1", "replace")
        try:
            try:
                request = client.decode_request(data, path)
            except RecursionError:
                check_problem(nested_too_deeply(data, dialect), dialect)
                return
            for other in DIALECTS:
                for target in targets:
                    _encode(request, data, dialect, other, target)
                for accepts in PICKY:
                    with suppress(UnfitError):
                        _encode(fit_request(request, accepts, other), data, dialect, other, BARE)
        except ProblemError as error:
            check_problem(error, dialect)

    return run


def _check_envelope(envelope: Envelope, data: bytes) -> None:
    assert envelope.model
    assert 0 <= envelope.text_bytes <= len(data), (envelope.text_bytes, len(data))
    assert envelope.images >= 0
    assert envelope.answers >= 1, envelope.answers
    assert envelope.max_output_tokens is None or envelope.max_output_tokens >= 0
    for usage in (envelope.likely, envelope.most):
        if usage is not None:
            check_usage(usage)


def _relay(dialect: Dialect, data: bytes, envelope: Envelope, target: Target) -> None:
    side = registry.provider(dialect)
    losses = side.relay_losses(data, target)
    listed(in_callers_words(losses, dialect)).encode()
    fields = check_json(side.relay_request(data, target, envelope), data, growth=2)
    # Gemini and Bedrock are told the model by the path.
    assert dialect in ("gemini", "bedrock") or fields.get("model", "there") == "there", fields["model"]


def _encode(request: Request, data: bytes, dialect: Dialect, other: Dialect, target: Target) -> None:
    try:
        encoded = registry.provider(other).encode_request(request, target)
    except ProblemError as error:
        check_problem(named_for_caller(error, data, dialect), dialect)
        return
    except RecursionError:
        check_problem(nested_too_deeply(data, dialect), dialect)
        return
    check_json(encoded.body, data)
    listed(in_callers_words(encoded.dropped, dialect, request.extra or ())).encode("latin-1", "replace")


def answered(dialect: Dialect) -> Callable[[bytes], None]:
    """Whole answers of providers, and each in every caller's dialect."""

    def run(data: bytes) -> None:
        side = registry.provider(dialect)
        with suppress(AnswerError):  # its words are made safe where they are told: see `failures`
            check_usage(side.watch_response(data).usage)
        try:
            response = side.decode_response(data)
        except AnswerError:
            return
        check_usage(response.usage)
        assert said_bytes(response) >= 0
        restore(response, {"a": "b"})
        for other in DIALECTS:
            check_json(registry.client(other).encode_response(response, context(other)), data)

    return run


def counted(dialect: Dialect) -> Callable[[bytes], None]:
    """Answers to questions for a number of tokens."""

    def run(data: bytes) -> None:
        try:
            tokens = registry.provider(dialect).decode_token_count(data)
        except AnswerError:
            return
        except ProblemError as error:
            check_words(error.problem.message)
            return
        assert type(tokens) is int
        assert tokens >= 0, tokens

    return run


def streamed(dialect: Dialect) -> Callable[[bytes], None]:
    """Streams of providers in any pieces, and each in every caller's dialect."""

    def events_of(parts: list[bytes]) -> list[Event]:
        decoder = registry.provider(dialect).stream_decoder()
        return [event for part in parts for event in decoder.feed(part)] + decoder.close()

    def run(data: bytes) -> None:
        events = events_of([data])
        check_events(events)
        assert events, "a stream ended in silence"
        assert isinstance(events[-1], Finished | Failed), events[-1]
        for parts in pieces(data):
            again = events_of(parts)
            if isinstance(events[0], Failed) and isinstance(again[0], Failed):
                continue  # no stream: said at once, of what has come by then, and in words for that
            assert again == events, f"cut otherwise: {_differ(events, again)}"
        for other in DIALECTS:
            for json_array in (False, True) if other == "gemini" else (False,):
                _translate(data, dialect, other, json_array=json_array)

    return run


def framed(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The same for events written as text (`event: NAME`, `data: PAYLOAD`), made into AWS frames.

    Bytes changed in a frame only ever meet its checksum.
    """

    def run_frames(data: bytes) -> None:
        frames = []
        for block in data.split(b"\n\n"):
            name, _, payload = block.partition(b"\n")
            kind = name.removeprefix(b"event: ").decode("utf-8", "replace")[:200]
            head = exception_headers(kind[1:]) if kind.startswith("!") else event_headers(kind)
            frames.append(write_frame(head, payload.removeprefix(b"data: ")))
        run(b"".join(frames))

    return run_frames


def _differ(one: list[Event], two: list[Event]) -> str:
    for a, b in zip(one, two, strict=False):
        if a != b:
            return f"{a} or {b}"
    return f"{len(one)} or {len(two)} events"


def _translate(data: bytes, dialect: Dialect, other: Dialect, *, json_array: bool) -> None:
    encoder = registry.client(other).stream_encoder(context(other, json_array=json_array))
    decoder = registry.provider(dialect).stream_decoder()
    translation = Translation(decoder, encoder, voiceless=other in ("anthropic", "bedrock"))
    said = translation.feed(data) + translation.close()
    assert translation.done is not bool(translation.failed)
    if translation.failed is not None:
        said += encoder.encode(translation.failed)
    check_usage(translation.usage)
    check_size(said, data, growth=600)
    if other != "bedrock":  # whose frames are binary
        said.decode()
    if json_array:
        if translation.done:
            msgspec.json.decode(said)
        return
    # What we say in a dialect, we understand.
    reader = registry.provider(other).stream_decoder()
    heard = reader.feed(said) + reader.close()
    check_events(heard)
    if translation.done:
        # One that counts tokens for no words at all is no answer to every reader.
        assert isinstance(heard[-1], Finished) or not translation.content, (
            f"{heard[-1]} in {other}, of a whole answer"
        )
    elif other != "gemini":  # its streams may end early without a word of it, but for the missing finish
        assert isinstance(heard[-1], Failed), f"{heard[-1]} in {other}, of a broken answer"


def watched(dialect: Dialect, *, include_usage: bool = True) -> Callable[[bytes], None]:
    """Relayed streams in any pieces: the same is passed on, and the same is seen."""
    envelope = Envelope("chat", "m", stream=True, include_usage=include_usage)
    return watching(
        lambda: registry.provider(dialect).stream_watcher(envelope),
        lambda passed, failed: (
            registry.client(dialect).stream_encoder(context(dialect, passed=passed)).encode(failed)
        ),
    )


def watching(
    fresh: Callable[[], StreamWatcher], ending: Callable[[bytes, Failed], bytes]
) -> Callable[[bytes], None]:
    """The same for any watcher; `ending` tells the caller that a stream broke."""

    def see(parts: list[bytes]) -> tuple[Any, ...]:
        watcher = fresh()
        said = b""
        for part in parts:
            if watcher.failed is not None:  # the road reads no further
                break
            said += watcher.feed(part)
        if watcher.failed is None:
            said += watcher.close()
        assert (
            watcher.failed is not None or watcher.done
        )  # both: something came behind the end, and is kept back
        check_usage(watcher.usage)
        assert watcher.text_bytes >= 0
        if watcher.failed is not None:
            ending(said[-8192:], watcher.failed).decode("utf-8", "surrogateescape")
        return (
            said, watcher.model, watcher.usage, watcher.finish, watcher.content, watcher.done, watcher.failed,
            watcher.text_bytes,
        )  # fmt: skip

    def run(data: bytes) -> None:
        seen = see([data])
        check_size(seen[0], data, growth=2)
        for parts in pieces(data):
            again = see(parts)
            if not seen[0] and not again[0] and seen[-2] and again[-2]:
                continue  # as above
            assert again == seen, (
                f"cut otherwise: {[p for p in zip(seen, again, strict=True) if p[0] != p[1]]}"
            )

    return run
