"""The quick look at a Responses request, and what is refused at the door."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.responses_support import CHAT, dumps

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_responses import CLIENT
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import Problem, ProblemError


def envelope(**fields: Any) -> Any:
    return CLIENT.envelope(dumps({"model": "m", "input": "hi"} | fields), CHAT)


def refused(body: bytes) -> Problem:
    with pytest.raises(ProblemError) as caught:
        CLIENT.envelope(body, CHAT)
    return caught.value.problem


def test_a_plain_request() -> None:
    body = dumps({"model": "m", "input": "hi", "max_output_tokens": 7, "prompt_cache_key": "thread-1"})
    found = CLIENT.envelope(body, CHAT)
    assert (found.model, found.stream, found.max_output_tokens) == ("m", False, 7)
    assert (found.features, found.session, found.text_bytes) == (frozenset(), "thread-1", len(body))
    assert found.relayable
    assert not found.stored


@pytest.mark.parametrize(
    ("fields", "features"),
    [
        ({"tools": [{"type": "function", "name": "f"}]}, {"tools"}),
        ({"tools": [{"type": "custom", "name": "f"}]}, {"tools", "custom_tools"}),
        ({"tools": [{"type": "web_search"}]}, {"tools", "builtin_tools", "web_search"}),
        (
            {
                "tools": [
                    {"type": "namespace", "name": "n", "tools": [{"type": "function"}, {"type": "custom"}]}
                ]
            },
            {"tools", "custom_tools", "namespaces"},
        ),
        ({"tools": []}, set()),
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}, {"json_schema"}),
        ({"text": {"format": {"type": "json_object"}}}, {"json"}),
        ({"reasoning": {"effort": "high"}}, {"reasoning"}),
        ({"reasoning": {"effort": "none"}}, set()),
        ({"reasoning": {"summary": "auto"}}, set()),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
        ({"top_logprobs": 3}, {"logprobs"}),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "u"}]}]}, {"images"}),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, {"files"}),
        ({"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, {"audio"}),
        (
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "input_image", "image_url": "u"}],
                    }
                ]
            },
            {"images"},
        ),
        (
            {
                "input": [
                    {
                        "type": "computer_call_output",
                        "output": {"type": "computer_screenshot", "file_id": "f"},
                    }
                ]
            },
            {"images"},
        ),
    ],
)
def test_features(fields: dict[str, Any], features: set[str]) -> None:
    assert envelope(**fields).features == features


def test_pictures_are_counted_and_their_bytes_are_not_words() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "iVBORw0KGgo=" * 500}
    body = {"model": "m", "input": [{"role": "user", "content": [picture, picture]}]}
    found = CLIENT.envelope(dumps(body), CHAT)
    assert found.images == 2
    assert found.text_bytes < 400


def test_store_is_noted_only_when_it_is_said() -> None:
    assert envelope(store=True).stored
    assert not envelope(store=False).stored
    assert not envelope(store=None).stored


def test_items_we_do_not_know_pass() -> None:
    assert envelope(input=[{"type": "next_weeks_news", "content": {"a": [1]}, "output": "x"}]).model == "m"


def test_sealed_reasoning_of_another_dialect_cannot_be_relayed() -> None:
    item = {"type": "reasoning", "summary": [], "encrypted_content": seal(Sealed("anthropic", "c2ln"))}
    assert not envelope(input=[item]).relayable


def test_a_count_says_so() -> None:
    body = dumps({"model": "m", "input": "hi"})
    assert CLIENT.envelope(body, PathTarget("count_tokens")).operation == "count_tokens"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("conversation", {"id": "c"}),
        ("background", True),
    ],
)
def test_what_needs_a_stored_conversation_is_refused_with_the_next_step(field: str, value: Any) -> None:
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with pytest.raises(ProblemError) as caught:
            read(dumps({"model": "m", "input": "hi", field: value}), CHAT)
        problem = caught.value.problem
        assert (problem.kind, problem.param) == ("invalid_request", field)
        assert f"`{field}`" in problem.message
        assert ("`input`" in problem.message) or field == "background"


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "background"])
def test_saying_no_to_a_stored_conversation_is_fine(field: str) -> None:
    for nothing in (None, False) if field == "background" else (None,):
        assert envelope(**{field: nothing}).model == "m"


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_a_reference_to_a_stored_item_is_refused_with_the_next_step(item: dict[str, Any]) -> None:
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with pytest.raises(ProblemError) as caught:
            read(dumps({"model": "m", "input": [{"role": "user", "content": "a"}, item]}), CHAT)
        assert caught.value.problem.param == "input[1]"
        assert "`store`" in caught.value.problem.message


def test_a_prompt_template_can_be_relayed_but_not_translated() -> None:
    body = dumps({"model": "m", "prompt": {"id": "pmpt_1"}})
    assert CLIENT.envelope(body, CHAT).model == "m"
    with pytest.raises(ProblemError) as caught:
        CLIENT.decode_request(body, CHAT)
    assert caught.value.problem.param == "prompt"


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"", None, "not valid JSON"),
        (b'{"model": "m", }', None, "(byte "),
        (b'{"model": "m", "x": "\xff"}', None, "not UTF-8 (byte 21)"),
        (b"[1]", None, "The body is an array; send one JSON object"),
        (b"{" + b'"a":{' * 3000, None, "nested too deeply"),
        (b'{"input": "hi"}', "model", "is missing"),
        (b'{"model": 3, "input": "hi"}', "model", "must be a string, not an integer"),
        (b'{"model": "", "input": "hi"}', "model", "is empty"),
        (b'{"model": "m"}', "input", "is missing"),
        (b'{"model": "m", "input": []}', "input", "is empty"),
        (b'{"model": "m", "input": 3}', "input", "must be"),
        (b'{"model": "m", "input": "hi", "stream": "yes"}', "stream", "must be a boolean, not a string"),
        (b'{"model": "m", "input": "hi", "max_output_tokens": "9"}', "max_output_tokens", "must be"),
        (b'{"model": "m", "input": "hi", "max_output_tokens": 0}', "max_output_tokens", "must be"),
        (b'{"model": "m", "input": [{"role": "king", "content": "x"}]}', "input[0].role", "`king`"),
        (b'{"model": "m", "input": [{"type": "message", "content": "x"}]}', "input[0].role", "is missing"),
        (b'{"model": "m", "input": [{"role": "user"}]}', "input[0].content", "must be"),
        (
            b'{"model": "m", "input": [{"role": "user", "content": [{"type": 1}]}]}',
            "input[0].content[0].type",
            "must",
        ),
        (b'{"model": "m", "input": "hi", "tools": [{}]}', "tools[0].type", "is missing"),
    ],
)
def test_mistakes_are_named_with_the_next_step(body: bytes, param: str | None, said: str) -> None:
    problem = refused(body)
    assert (problem.kind, problem.param) == ("invalid_request", param)
    assert said in problem.message
    assert problem.message.endswith(".")


@given(st.binary(max_size=80) | st.text().map(lambda s: dumps({"model": s, "input": [{"content": s}]})))
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with contextlib.suppress(ProblemError):
            read(body, CHAT)
