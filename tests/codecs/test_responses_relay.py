"""The caller's own bytes on their way through, and the watcher of what comes back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.responses_support import CHAT, ENVELOPE, context, dumps, sse, streams

from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.core.event import Finished
from passerelle.core.usage import NO_USAGE

TRUE = Target("gpt-true")


def relay(body: bytes, target: Target = TRUE, path: PathTarget = CHAT) -> bytes:
    return PROVIDER.relay_request(body, target, CLIENT.envelope(body, path))


def test_only_the_model_and_what_is_stored_change() -> None:
    for store in ("true", "false"):
        body = b'{ "store" : %s, "odd":  [1.50, "\\u00e9"], "model":"m","input":"hi" }' % store.encode()
        relayed = relay(body)
        assert b'"odd":[1.50, "\\u00e9"]' in relayed.replace(b'"odd":  ', b'"odd":')
        assert json.loads(relayed) == json.loads(body) | {"model": "gpt-true", "store": False}
        assert list(json.loads(relayed)) == ["store", "odd", "model", "input"]
        assert PROVIDER.relay_losses(body, TRUE) == (("store",) if store == "true" else ())


def test_nothing_is_stored_at_the_provider() -> None:
    assert json.loads(relay(dumps({"model": "m", "input": "hi"}))) == {
        "model": "gpt-true",
        "input": "hi",
        "store": False,
    }
    assert json.loads(relay(dumps({"model": "m", "input": "hi", "store": None})))["store"] is False


@pytest.mark.parametrize(
    ("fields", "capabilities", "include"),
    [
        ({"reasoning": {"effort": "low"}}, (), ["reasoning.encrypted_content"]),
        ({"reasoning": None}, (), None),
        ({}, ("reasoning",), ["reasoning.encrypted_content"]),
        ({}, ("tools",), None),
        (
            {"include": ["web_search_call.results"]},
            ("reasoning",),
            ["web_search_call.results", "reasoning.encrypted_content"],
        ),
        ({"include": ["reasoning.encrypted_content"]}, ("reasoning",), ["reasoning.encrypted_content"]),
        ({"store": False}, ("reasoning",), None),
        ({"store": True}, ("reasoning",), ["reasoning.encrypted_content"]),
    ],
)
def test_reasoning_comes_back_encrypted_when_we_turned_storing_off(
    fields: dict[str, Any], capabilities: tuple[str, ...], include: list[str] | None
) -> None:
    target = Target("gpt-true", capabilities=frozenset(capabilities))
    assert json.loads(relay(dumps({"model": "m", "input": "hi"} | fields), target)).get("include") == include


def test_a_count_and_a_server_without_store_are_left_alone() -> None:
    body = dumps({"model": "m", "input": "hi"})
    assert "store" not in json.loads(relay(body, path=PathTarget("count_tokens")))
    assert "store" not in json.loads(relay(body, Target("g", quirks=frozenset({"no_metadata"}))))


def test_fields_a_server_refuses_are_taken_out_and_named() -> None:
    target = Target("g", quirks=frozenset({"no_metadata", "no_sampling", "no_parallel_tool_calls_field"}))
    body = dumps(
        {"model": "m", "input": "hi", "store": False, "metadata": {"a": "b"}, "temperature": 1, "top_p": None}
    )
    assert json.loads(relay(body, target)) == {"model": "g", "input": "hi"}
    assert PROVIDER.relay_losses(body, target) == ("metadata", "temperature")
    assert PROVIDER.relay_losses(body, TRUE) == ()


STREAM = sse(
    {"type": "response.created", "response": {"model": "gpt-true", "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hé"},
    {
        "type": "response.completed",
        "response": {
            "model": "gpt-true",
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hé"}]}],
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        },
    },
)


def test_lifecycle_frames_are_not_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    frames = [frame + b"\n\n" for frame in STREAM.split(b"\n\n") if frame]
    seen = []
    for frame in frames:
        assert watcher.feed(frame) == frame
        seen.append((watcher.content, watcher.progress, watcher.done))
    assert seen == [(False, 0, False), (False, 1, False), (True, 2, False), (True, 2, True)]
    assert (watcher.model, watcher.finish, watcher.text_bytes) == ("gpt-true", "stop", 3)
    assert watcher.usage.total_tokens == 5


def test_an_end_with_tokens_but_no_output_is_not_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    response = {"status": "completed", "output": [], "usage": {"input_tokens": 3, "output_tokens": 2}}
    watcher.feed(sse({"type": "response.completed", "response": response}))
    assert watcher.done
    assert not watcher.content


def test_an_announced_call_is_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    watcher.feed(sse({"type": "response.output_item.added", "output_index": 0, "item": item}))
    assert watcher.content


def test_words_that_come_only_when_whole_are_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    item = {"type": "message", "content": [{"type": "output_text", "text": "x"}]}
    watcher.feed(sse({"type": "response.output_item.done", "output_index": 0, "item": item}))
    assert watcher.content


def test_the_failing_event_is_not_passed_on() -> None:
    failed = {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}}}
    head = STREAM.split(b"event: response.completed")[0]
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(head + sse(failed) + b"data: more\n\n") == head
    assert watcher.failed is not None
    assert watcher.feed(b"data: {}\n\n") == b""


def test_a_goodbye_after_the_end_is_passed_on() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    whole = STREAM + b"data: [DONE]\n\n"
    assert watcher.feed(whole) + watcher.close() == whole
    assert watcher.failed is None


def test_a_last_event_without_its_blank_line_is_whole() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(STREAM.rstrip()) + watcher.close() == STREAM
    assert watcher.done


@given(streams(st.builds(Finished, st.just("length"))), st.data())
@settings(max_examples=60)
def test_a_relayed_stream_arrives_whole_however_its_bytes_are_split(
    events: list[Any], data: st.DataObject
) -> None:
    encoder = CLIENT.stream_encoder(context())
    stream = b"".join([encoder.encode(event) for event in events])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    passed = b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        passed += watcher.feed(stream[start:end])
        assert passed.endswith(b"\n\n") or not passed
    assert passed + watcher.close() == stream
    assert watcher.done
    assert watcher.usage is not NO_USAGE


def test_no_choice_of_none_means_that_no_tools_are_sent() -> None:
    target = Target("m", quirks=frozenset({"no_choice_of_none"}))
    body = b'{"model":"m","input":"hi","tools":[{"type":"function","name":"f"}],"tool_choice":"none"}'
    assert json.loads(relay(body, target)).keys() & {"tools", "tool_choice"} == set()
    body = body.replace(b'"none"', b'"auto"')
    assert json.loads(relay(body, target)).keys() >= {"tools", "tool_choice"}
