"""Every decoder by name, with what it is fed at first."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tests.fuzzing import kept, other_seeds, seeds
from tests.fuzzing.dialogue import DIALECTS, answered, asked, counted, framed, streamed, watched
from tests.fuzzing.surroundings import (
    FORM,
    aws_frames,
    batch_lines,
    content_types,
    failures,
    form,
    frames,
    heads,
    http,
    invoked,
    spliced,
    task_answered,
    task_asked,
    task_watched,
    toml,
    words,
)

from passerelle.codecs import registry
from passerelle.core.request import TASKS


class Decoder(NamedTuple):
    """Something that reads bytes from outside."""

    run: Callable[[bytes], None]
    """Raises anything at all when it does not what it should."""
    seeds: tuple[bytes, ...]


def _decoders() -> Iterable[tuple[str, Decoder]]:
    for dialect in DIALECTS:
        path = {"model": "m"} if dialect in ("gemini", "bedrock") else {}
        yield f"{dialect}/request", Decoder(asked(dialect, **path), seeds.requests(dialect))
        yield f"{dialect}/answer", Decoder(answered(dialect), seeds.answers(dialect))
        yield f"{dialect}/stream", Decoder(streamed(dialect), seeds.streams(dialect))
        yield f"{dialect}/watched", Decoder(watched(dialect), seeds.streams(dialect))
        yield f"{dialect}/tokens", Decoder(counted(dialect), seeds.COUNTS)
    for run, kind in ((streamed("bedrock"), "events"), (watched("bedrock"), "watched events")):
        yield f"bedrock/{kind}", Decoder(framed(run), seeds.unframed())
    yield "bedrock/invoked", Decoder(framed(invoked), other_seeds.INVOKED)
    yield "bedrock/frames", Decoder(aws_frames, seeds.streams("bedrock"))
    for dialect in ("anthropic", "gemini", "bedrock"):
        path = {"model": "m"} if dialect in ("gemini", "bedrock") else {}
        yield f"{dialect}/count", Decoder(asked(dialect, "count_tokens", **path), seeds.requests(dialect))
    yield (
        "openai_chat/quiet",
        Decoder(watched("openai_chat", include_usage=False), seeds.streams("openai_chat")),
    )
    for operation in sorted(TASKS):
        for dialect in ("openai_chat", "gemini", "bedrock"):
            path = {"model": "m"} if dialect in ("gemini", "bedrock") else {}
            plain = other_seeds.task_requests(operation, dialect)
            if registry.task_client(operation, dialect) is not None:
                run = task_asked(operation, dialect, **path)
                yield f"{dialect}/{operation}/request", Decoder(run, plain or (b'{"model":"m"}',))
                if dialect == "gemini":
                    single = task_asked(operation, dialect, single=True, **path)
                    yield f"{dialect}/{operation}/single", Decoder(single, plain)
            if registry.task_provider(operation, dialect) is not None:
                known = other_seeds.task_requests(operation, "openai_chat") + other_seeds.task_forms(
                    operation
                )
                told = other_seeds.task_answers(operation, dialect)
                good = tuple(one for one in known if other_seeds.is_good(operation, one))
                yield f"{dialect}/{operation}/answer", Decoder(task_answered(operation, dialect, good), told)
                if operation in ("speak", "transcribe", "translate"):
                    other = "audio/mpeg" if operation == "speak" else "text/plain"
                    run = task_answered(operation, dialect, good, other)
                    yield f"{dialect}/{operation}/other answer", Decoder(run, told)
        forms = other_seeds.task_forms(operation)
        if forms:
            run = task_asked(operation, "openai_chat", content_type=FORM)
            yield f"openai_chat/{operation}/form", Decoder(run, forms)
        side = registry.task_provider(operation, "openai_chat")
        if hasattr(side, "stream_watcher"):
            yield (
                f"openai_chat/{operation}/watched",
                Decoder(task_watched(operation), other_seeds.task_streams(operation)),
            )
    yield "sse", Decoder(frames, other_seeds.FRAMES)
    yield "splice", Decoder(spliced, seeds.requests("openai_chat"))
    yield "form", Decoder(form, other_seeds.FORMS)
    yield "content-type", Decoder(content_types, other_seeds.CONTENT_TYPES)
    yield "http", Decoder(http, other_seeds.HTTP)
    yield "failures", Decoder(failures, other_seeds.FAILURES)
    yield "batch lines", Decoder(batch_lines, other_seeds.LINES)
    for name, service in kept.SERVICES.items():
        yield f"batch results/{name}", Decoder(kept.results(service), other_seeds.RESULTS)
    yield "batch/files", Decoder(kept.MAKES, other_seeds.MAKES)
    yield "batch/messages", Decoder(kept.MAKES_MESSAGES, other_seeds.MAKES_MESSAGES)
    yield "conversation", Decoder(kept.conversation, other_seeds.CONVERSATIONS)
    yield "conversation/items", Decoder(kept.items, other_seeds.ITEMS)
    yield "conversation/stream", Decoder(kept.kept_stream, seeds.streams("openai_responses"))
    yield "heads", Decoder(heads, other_seeds.HEADS)
    yield "words", Decoder(words, other_seeds.WORDS)
    yield "toml", Decoder(toml, other_seeds.TOML)


DECODERS: Final[dict[str, Decoder]] = dict(_decoders())
