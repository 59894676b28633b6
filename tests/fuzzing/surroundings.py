"""Decoders that are no conversation: tasks, frames, forms, HTTP, errors, headers, settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

import msgspec
from tests.fuzzing.dialogue import (
    BARE,
    DIALECTS,
    PLAIN,
    check_problem,
    context,
    watching,
)
from tests.fuzzing.limits import check_json, check_size, check_usage, check_words, pieces

from passerelle.codecs import multipart, registry, sealed
from passerelle.codecs.arguments import is_whole
from passerelle.codecs.base import Envelope, PathTarget, StreamingTask
from passerelle.codecs.eventstream import EventStreamParser
from passerelle.codecs.media import parse_data_url, sniff_audio
from passerelle.codecs.names import fit_id, fit_name
from passerelle.codecs.splice import join, splice, split
from passerelle.codecs.sse import Frame, SseParser
from passerelle.config.document import parse as parse_toml
from passerelle.config.load import inspect_document
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Failed
from passerelle.core.request import Dialect, Operation
from passerelle.gateway.batch.lines import LineError, check, cut, read_line
from passerelle.gateway.batch.outputs import result_of
from passerelle.providers.base import SendError
from passerelle.providers.failures import classify, from_failed_event
from passerelle.providers.http.framing import Framing, RefusedError
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.http.response import HttpReply
from passerelle.providers.invoked import InvokedStream
from passerelle.providers.replies import WholeReply
from passerelle.server.auth import credential
from passerelle.server.route import WANTED, Arrival
from passerelle.server.where import straight
from passerelle.server.wishes import forwarded, read_wishes
from passerelle.store.token import parse as parse_token

BOUNDARY = "cut"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
TASK_TARGETS = (BARE, PLAIN, msgspec.structs.replace(BARE, quirks=frozenset({"flux_job", "rerank_top_k"})))


def task_asked(operation: Operation, dialect: Dialect, **said: Any) -> Callable[[bytes], None]:
    """Requests of a task: their envelope, relayed, decoded, and encoded wherever the task is known."""
    path = PathTarget(operation, **said)

    def run(data: bytes) -> None:
        client = registry.task_client(operation, dialect)
        assert client is not None
        try:
            envelope = client.envelope(data, path)
        except ProblemError as error:
            check_problem(error, dialect)
            return
        assert envelope.model
        # A query is read with every document it is compared to.
        assert 0 <= envelope.text_bytes <= len(data) * (len(data) if operation == "rerank" else 1)
        assert envelope.answers >= 1
        for usage in (envelope.likely, envelope.most):
            if usage is not None:
                check_usage(usage)
        own = registry.task_provider(operation, dialect)
        if own is not None:
            for target in TASK_TARGETS:
                relayed = own.relay_request(data, target)
                if relayed is not None:
                    check_size(relayed, data, growth=2)
        try:
            request = client.decode_request(data, path)
        except ProblemError as error:
            check_problem(error, dialect)
            return
        for other in DIALECTS:
            side = registry.task_provider(operation, other)
            for target in TASK_TARGETS if side is not None else ():
                try:
                    encoded = side.encode_request(request, target)
                except ProblemError as error:
                    check_problem(error, dialect)
                    continue
                if encoded.content_type == "application/json":
                    check_json(encoded.body, data)
                else:
                    multipart.read_form(encoded.body, encoded.content_type)
                    check_size(encoded.body, data)

    return run


def task_answered(
    operation: Operation, dialect: Dialect, asked: tuple[bytes, ...], content_type: str = "application/json"
) -> Callable[[bytes], None]:
    """Answers to a task, and each for its callers: `asked` are requests of OpenAI's dialect."""

    def run(data: bytes) -> None:
        side = registry.task_provider(operation, dialect)
        assert side is not None
        with suppress(AnswerError):
            check_usage(side.watch_response(data).usage)
        try:
            response = side.decode_response(data, content_type)
        except AnswerError:
            return
        check_usage(response.usage)
        for body in asked:
            client = registry.task_client(operation, "openai_chat")
            assert client is not None
            form = FORM if body.startswith(b"--") else "application/json"
            request = client.decode_request(body, PathTarget(operation, content_type=form))
            try:
                whole = client.encode_response(response, request, context("openai_chat"))
            except AnswerError:
                continue
            check_size(whole.body, data)
            if whole.content_type == "application/json":
                check_json(whole.body, data)

    return run


def task_watched(operation: Operation) -> Callable[[bytes], None]:
    """Streams of a task."""
    envelope = Envelope(operation, "m", stream=True)
    return watching(
        lambda: cast("StreamingTask", registry.task_provider(operation, "openai_chat")).stream_watcher(
            envelope
        ),
        lambda _, failed: registry.task_stream_error(failed),
    )


def frames(data: bytes) -> None:
    """Server-sent events in any pieces, against a plain reading of the standard."""

    def read(parts: list[bytes]) -> list[Frame]:
        parser = SseParser()
        return [frame for part in parts for frame in parser.feed(part)]

    found = read([data])
    expected: list[tuple[bytes, bytes]] = []
    event, lines = b"", []
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if lines:
                expected.append((event, b"\n".join(lines)))
            event, lines = b"", []
        elif name == b"data":
            lines.append(value)
        elif name == b"event":
            event = value
    assert [(one.event, one.data) for one in found] == expected
    for parts in pieces(data):
        assert read(parts) == found, "cut otherwise"
    # What is passed on says the same.
    assert [one[:2] for one in read([one.raw for one in found])] == [one[:2] for one in found]


def aws_frames(data: bytes) -> None:
    """AWS event streams in any pieces; whole frames are written again as they came."""

    def read(parts: list[bytes]) -> tuple[Any, ...]:
        parser, found = EventStreamParser(), []
        for part in parts:
            found += parser.feed(part)
        broken = parser.broken
        return found, parser.pending, broken and (broken.failure, broken.message)

    seen = read([data])
    for parts in pieces(data):
        assert read(parts) == seen, "cut otherwise"
    assert b"".join([frame.raw for frame in seen[0]]) + seen[1] == data or seen[2]


def invoked(data: bytes) -> None:
    """Claude's events inside Bedrock's frames."""

    class Source(WholeReply):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for part in self.parts:
                yield part

    async def read(parts: list[bytes]) -> bytes:
        said = b""
        source = Source(200, {}, b"")
        source.parts = parts
        with suppress(SendError):
            async for part in InvokedStream(source):
                said += part
        return said

    def now(parts: list[bytes]) -> bytes:
        try:
            read(parts).send(None)
        except StopIteration as done:
            return bytes(done.value)
        raise AssertionError("it waits for something")

    seen = now([data])
    for parts in pieces(data):
        assert now(parts) == seen, "cut otherwise"
    registry.provider("anthropic").stream_decoder().feed(seen)


def spliced(data: bytes) -> None:
    """Changes of a body that leave the rest as it was."""
    try:
        before = split(data)
    except msgspec.DecodeError:
        return
    assert split(join(before)) == before
    changed = splice(data, {"model": b'"there"', "stream_options": None, "last": b"[1]"})
    after = split(changed)
    assert after.pop("model") == msgspec.Raw(b'"there"')
    assert after.pop("last") == msgspec.Raw(b"[1]")
    for name in ("model", "last", "stream_options"):
        before.pop(name, None)
    assert after == before
    assert list(after) == list(before)


def form(data: bytes) -> None:
    """Forms in any pieces; what was read is written and read again."""

    def read(parts: list[bytes]) -> list[Any]:
        parser, found = multipart.FormParser(BOUNDARY.encode()), []
        try:
            for part in parts:
                for event in parser.feed(part):
                    if isinstance(event, multipart.PartData) and isinstance(found[-1], multipart.PartData):
                        found[-1] = multipart.PartData(found[-1].data + event.data)
                    else:
                        found.append(event)
        except multipart.FormError:
            # Cut otherwise, a mistake may come to light before or after the content in front of it.
            return ["refused"]
        return [*found, parser.over]

    seen = read([data])
    for parts in pieces(data):
        assert read(parts) == seen, "cut otherwise"
    try:
        whole = multipart.read_form(data, FORM)
    except ProblemError as error:
        check_problem(error, "openai_chat")
        return
    body, content_type = multipart.write_form(whole.fields, whole.uploads)
    again = multipart.read_form(body, content_type)
    assert [value for _, value in again.fields] == [value for _, value in whole.fields]
    assert [one.data for one in again.uploads] == [one.data for one in whole.uploads]


def content_types(data: bytes) -> None:
    """The `content-type` of a body."""
    said = data.decode("latin-1")[:1024]
    multipart.is_form(said)
    try:
        boundary = multipart.boundary_in(said)
    except ProblemError as error:
        check_problem(error, "openai_chat")
        return
    assert 1 <= len(boundary) <= 70


def http(data: bytes) -> None:
    """The framing of answers, in any pieces."""

    def read(parts: list[bytes]) -> tuple[Any, ...]:
        nothing = cast("Any", None)
        reply = HttpReply(nothing, nothing, cap=1 << 20, deadline=0, total_at=0)
        framing = Framing(header_bytes=4096)
        framing.begin(reply)
        try:
            for part in parts:
                if part:
                    framing.feed(part)
        except RefusedError as error:
            check_words(str(error))
            return ("refused",)
        finally:
            framing.close()
        body = b"".join(reply.pieces)
        assert reply.unread == len(body) <= len(data)
        return reply.headed, reply.status, reply.headers, body, framing.ended, framing.to_eof

    seen = read([data])
    if len(data) < 4096:  # a limit on what is held may be met in one way of cutting and not in another
        for parts in pieces(data):
            assert read(parts) == seen, "cut otherwise"


def failures(data: bytes) -> None:
    """A provider's errors: `status`, headers, an empty line, the body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    status = int(first) if first.isdigit() and len(first) == 3 else 500
    headers = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    text = body.decode("utf-8", "replace")
    for failure in (
        classify(status, headers, body, provider="p", now_s=1_700_000_000.0),
        classify(status, headers, data, provider="p", now_s=1_700_000_000.0),
        from_failed_event(Failed("server_error", text, status, first.decode("latin-1")), provider="p"),
    ):
        assert len(failure.detail) <= 300
        assert len(failure.problem.message) <= 8192
        wait = failure.retry_after_s
        assert wait is None or 0 <= wait < 1e9, wait
        for dialect in DIALECTS:
            check_problem(ProblemError(failure.problem), dialect)


def batch_lines(data: bytes) -> None:
    """The input of a batch in any pieces, and the lines it is cut into."""
    endpoint = "/v1/chat/completions"
    seen = list(cut([data], 4096))
    for parts in pieces(data):
        assert list(cut(parts, 4096)) == seen, "cut otherwise"
    checked = check("openai", endpoint, [data], longest=4096, most=50)
    assert checked.total <= 51
    for problem in checked.problems:
        msgspec.json.encode(problem)
    for number, text in seen:
        try:
            line = read_line("openai", endpoint, number, text)
        except LineError:
            continue
        done = result_of("openai", line, receipt_id="rcp_01", request_id="r", status=200, body=line.body)
        assert b"\n" not in done.body
        with suppress(UnicodeDecodeError):  # what was put in for an answer need not be one
            check_json(done.body, data, growth=2)


def heads(data: bytes) -> None:
    """Headers of requests: credentials, wishes, the path."""
    path, _, rest = data.partition(b"\n")
    headers: dict[bytes, bytes] = {}
    for line in rest.split(b"\n"):
        name, _, value = line.partition(b":")
        if name in WANTED:
            headers[name] = value.strip()
    scope: dict[str, Any] = {"path": path.decode("latin-1"), "query_string": path.partition(b"?")[2]}
    nothing = cast("Any", None)
    arrival = Arrival(scope, nothing, nothing, "r", "r", b"", headers)
    found = credential(arrival)
    if found is not None:
        parse_token(found)
    for _, value in forwarded(headers):
        assert len(value) <= 1024
    led = straight(scope["path"])
    assert led.path.startswith("/")
    try:
        read_wishes(headers, led.tags)
    except ProblemError as error:
        check_problem(error, "openai_chat")


def words(data: bytes) -> None:
    """Small strings inside bodies: sealed thoughts, data URLs, names, arguments, sound."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    block = sealed.unseal(text)
    if block is not None:
        assert sealed.unseal(sealed.seal(block)) == block
    parse_data_url(text)
    sniff_audio(text)
    is_whole(text)
    assert 1 <= len(fit_name(text)) <= 64
    assert 1 <= len(fit_id(text)) <= 64
    parse_token(text)
    with suppress(ValueError):
        origin, _ = parse_origin(text)
        assert origin.authority.isascii()


def toml(data: bytes) -> None:
    """The configuration file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    inspection = inspect_document(parse_toml(text, "passerelle.toml"), {})
    for finding in inspection.findings:
        str(finding)
