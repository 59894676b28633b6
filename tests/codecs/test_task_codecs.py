"""The codecs of tasks: whatever comes, from callers or from providers, is read or refused in words."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.gemini import tasks as gemini
from passerelle.codecs.openai_chat import tasks as openai
from passerelle.codecs.openai_chat.tasks.stream import error_event
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Failed
from passerelle.core.request import Operation

ASKED: list[tuple[Operation, dict[str, Any]]] = [
    ("embed", {"model": "m", "input": ["a"]}),
    ("rerank", {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}),
    ("moderate", {"model": "m", "input": [{"type": "text", "text": "a"}]}),
    ("generate_image", {"model": "m", "prompt": "p", "n": 2, "size": "1024x1024", "stream": False}),
    ("edit_image", {"model": "m", "prompt": "p", "images": [{"image_url": "data:image/png;base64,AAAA"}]}),
    ("speak", {"model": "m", "input": "text", "voice": "v", "speed": 1.5}),
]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("operation", "asked"), ASKED)
@given(data=st.data())
def test_a_field_of_any_kind_is_read_or_refused_by_name(
    operation: Operation, asked: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(asked)))
    body = json.dumps({**asked, field: data.draw(ANYTHING)}).encode()
    side = openai.CLIENTS[operation]
    target = PathTarget(operation)
    problem = None
    try:
        envelope = side.envelope(body, target)
        request = side.decode_request(body, target)
    except ProblemError as error:
        problem = error.problem
    if problem is not None:
        assert problem.kind == "invalid_request"
        assert problem.param
        return
    assert envelope.operation == operation
    with contextlib.suppress(ProblemError):
        openai.PROVIDERS[operation].encode_request(request, Target("there"))


@pytest.mark.parametrize(
    "side",
    [*openai.PROVIDERS.values(), *gemini.PROVIDERS.values()],
    ids=[*(f"openai-{name}" for name in openai.PROVIDERS), *(f"gemini-{name}" for name in gemini.PROVIDERS)],
)
@given(body=st.binary(max_size=80) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_a_provider_s_answer_of_any_kind_is_read_or_refused(side: Any, body: bytes) -> None:
    for read in (lambda: side.decode_response(body, "application/json"), lambda: side.watch_response(body)):
        with contextlib.suppress(AnswerError):
            read()


EVENT = (
    b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AA=="}\n\n'
)
PARTIAL = EVENT.replace(b"completed", b"partial_image")


@given(st.integers(1, 3), st.integers(0, 2), st.data())
def test_a_stream_is_whole_when_as_many_are_complete_as_were_asked_for(
    asked: int, partials: int, data: st.DataObject
) -> None:
    operation: Operation = "generate_image"
    body = json.dumps({"model": "m", "prompt": "p", "n": asked, "stream": True}).encode()
    envelope = openai.CLIENTS[operation].envelope(body, PathTarget(operation))
    stream = PARTIAL * partials + EVENT * asked
    cut = data.draw(st.integers(0, len(stream)))
    whole, torn = (openai.PROVIDERS[operation].stream_watcher(envelope) for _ in range(2))  # type: ignore[attr-defined]
    assert whole.feed(stream[:cut]) + whole.feed(stream[cut:]) == stream
    assert whole.done
    assert whole.usage.output_images == asked
    torn.feed(stream[: len(stream) - len(EVENT)])
    torn.close()
    assert not torn.done
    assert torn.failed is not None


def test_a_stream_that_broke_says_so_in_an_event() -> None:
    frame = error_event(Failed("timeout", "it took too long"))
    name, data = frame.decode().strip().split("\n")
    assert name == "event: error"
    said = json.loads(data.removeprefix("data: "))
    assert (said["type"], said["error"]["message"]) == ("error", "it took too long")
