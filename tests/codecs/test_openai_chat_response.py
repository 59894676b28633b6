"""Whole chat answers: usage as each provider counts it, both ways, and answers that are none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from tests.codecs.openai_chat_support import (
    CHAT,
    Json,
    asked,
    context,
    dump,
    ids,
    names,
    objects,
    some_words,
    usages,
)

from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.codecs.sealed import unseal
from passerelle.core.errors import AnswerError
from passerelle.core.message import (
    AudioPart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import FinishReason, Response
from passerelle.core.usage import NO_USAGE, Usage


def answer(message: Json | None = None, finish: Any = "stop", **more: Any) -> bytes:
    said = {"role": "assistant", "content": "hi"} if message is None else {"role": "assistant", **message}
    return dump(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-x-1",
            "choices": [{"index": 0, "message": said, "finish_reason": finish}],
            **more,
        }
    )


def decoded(*args: Any, **more: Any) -> Response:
    return PROVIDER.decode_response(answer(*args, **more))


def encoded(response: Response, **more: Any) -> Json:
    body: Json = json.loads(CLIENT.encode_response(response, context(**more)))
    ChatCompletion.model_validate(_as_sdk_knows(body), strict=True)
    return body


def _as_sdk_knows(body: Json) -> Json:
    copy: Json = json.loads(json.dumps(body))
    for choice in copy["choices"]:
        # The SDK's types know only web citations.
        choice["message"].pop("citations", None)
    return copy


# ---- usage: one convention per provider, and every total the provider's own


@pytest.mark.parametrize(
    ("provider", "wire", "usage"),
    [
        (
            "OpenAI: details are inside",
            {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
             "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200, "audio_tokens": 40,
                                       "image_tokens": 60},
             "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 10,
                                           "accepted_prediction_tokens": 3}},
            Usage(400, 300, 200, 0, 40, 60, 20, 20, 10),
        ),
        (
            "xAI: reasoning is outside completion_tokens",
            {"prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428,
             "prompt_tokens_details": {"cached_tokens": 128},
             "completion_tokens_details": {"reasoning_tokens": 2809}},
            Usage(9992, 128, output_tokens=1499, reasoning_tokens=2809),
        ),
        (
            "Gemini's endpoint: thoughts are in the total only",
            {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 402},
            Usage(7, output_tokens=12, reasoning_tokens=383),
        ),
        (
            "DeepSeek: hits and misses make the prompt",
            {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
             "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
             "completion_tokens_details": {"reasoning_tokens": 2}},
            Usage(36, 64, output_tokens=3, reasoning_tokens=2),
        ),
        (
            "Moonshot: cached tokens at the top",
            {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cached_tokens": 60},
            Usage(40, 60, output_tokens=5),
        ),
        (
            "DashScope: cache writes in the details",
            {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
             "prompt_tokens_details": {"cached_tokens": 10, "cache_creation_input_tokens": 30}},
            Usage(60, 10, 30, output_tokens=5),
        ),
        (
            "Mistral: three figures",
            {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
            Usage(12, output_tokens=3),
        ),
        (
            "vLLM: nulls",
            {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "prompt_tokens_details": None},
            Usage(12, output_tokens=3),
        ),
        (
            "llama.cpp: no total",
            {"prompt_tokens": 12, "completion_tokens": 3},
            Usage(12, output_tokens=3),
        ),
        (
            "floats",
            {"prompt_tokens": 12.0, "completion_tokens": 3.0, "total_tokens": 15.0},
            Usage(12, output_tokens=3),
        ),
    ],
)  # fmt: skip
def test_usage_is_disjoint_and_sums_to_the_providers_total(provider: str, wire: Json, usage: Usage) -> None:
    got = decoded(usage=wire).usage
    assert got == usage, provider
    assert got.total_tokens == wire.get("total_tokens", got.total_tokens)
    assert PROVIDER.watch_response(answer(usage=wire)).usage == usage


def test_an_answer_without_figures_has_no_usage() -> None:
    assert decoded().usage is NO_USAGE
    assert decoded(usage=None).usage is NO_USAGE
    assert decoded(usage={}).usage is NO_USAGE
    assert decoded(usage={"prompt_tokens": "many"}).usage is NO_USAGE
    assert "usage" not in encoded(decoded())


@given(
    st.fixed_dictionaries(
        {"prompt_tokens": st.integers(0, 10**6), "completion_tokens": st.integers(0, 10**6)},
        optional={
            "total_tokens": st.integers(-5, 3 * 10**6),
            "prompt_tokens_details": st.dictionaries(
                st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"]),
                st.none() | st.integers(-5, 10**6),
            ),
            "completion_tokens_details": st.dictionaries(
                st.sampled_from(["reasoning_tokens", "audio_tokens", "image_tokens"]),
                st.none() | st.integers(-5, 10**6),
            ),
        },
    )
)
def test_buckets_never_go_below_zero_nor_beyond_the_whole(wire: Json) -> None:
    usage = decoded(usage=wire).usage
    assert all(getattr(usage, name) >= 0 for name in Usage.__struct_fields__ if name != "source")
    assert usage.total_input_tokens == wire["prompt_tokens"]
    known = wire["prompt_tokens"] + wire["completion_tokens"]
    assert usage.total_tokens == max(known, wire.get("total_tokens", 0))


@given(usages)
def test_usage_told_to_a_caller_reads_back(usage: Usage) -> None:
    told = encoded(Response((TextPart("x"),), "stop", usage=usage))["usage"]
    assert told["total_tokens"] == usage.total_tokens
    assert decoded(usage=told).usage == usage


# ---- in


def test_a_plain_answer() -> None:
    response = decoded(service_tier="default", system_fingerprint="fp")
    assert response.parts == (TextPart("hi"),)
    assert (response.finish, response.raw_finish, response.model, response.id) == (
        "stop",
        "stop",
        "gpt-x-1",
        "chatcmpl-1",
    )
    assert response.service_tier == "default"
    assert encoded(response)["system_fingerprint"] == "fp"


def test_parts_come_in_the_order_they_were_made() -> None:
    response = decoded(
        {
            "content": "words",
            "reasoning_content": "thought",
            "refusal": "no",
            "audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "said", "expires_at": 9},
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "raw"}},
            ],
        },
        "tool_calls",
    )
    assert response.parts == (
        ReasoningPart("thought", origin="openai_chat"),
        TextPart("words"),
        RefusalPart("no"),
        AudioPart(
            "audio/wav", "UklGRg==", transcript="said", id="audio_1", extra={"openai_chat": {"expires_at": 9}}
        ),
        ImagePart("image/png", "AAAA"),
        ToolCallPart("c1", "f", '{"a":1}'),
        ToolCallPart("c2", "g", "raw", "custom"),
    )


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"content": None, "reasoning": "hm"}, ReasoningPart("hm", origin="openai_chat")),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            ReasoningPart("hm", origin="openai_chat"),
        ),
        ({"content": [{"type": "text", "text": "a"}]}, TextPart("a")),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
            ToolCallPart("c", "f", '{"a":1}'),
        ),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]},
            ToolCallPart("c", "f", "{}"),
        ),
        ({"tool_calls": [{"id": "c", "function": {"name": "f"}}]}, ToolCallPart("c", "f", "{}")),
    ],
)
def test_the_ways_servers_depart_from_openai_are_understood(message: Json, part: Part) -> None:
    assert decoded(message).parts == (part,)


def test_a_call_without_an_id_gets_one_that_is_always_the_same() -> None:
    message = {"tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "f"}}]}
    first, second = [part.id for part in decoded(message).parts if isinstance(part, ToolCallPart)]
    assert first != second
    assert first.startswith("call_")
    assert len(first) <= 40
    assert decoded(message).parts == decoded(message).parts


def test_web_citations_are_kept_on_the_words() -> None:
    cited = {
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 2, "title": "t", "url": "u"},
    }
    response = decoded({"content": "hi", "annotations": [cited]})
    assert response.parts == (TextPart("hi", citations=(cited,)),)
    assert encoded(response)["choices"][0]["message"]["annotations"] == [cited]


def test_sources_told_beside_the_words_become_citations() -> None:
    (part,) = decoded(citations=["https://x"], search_results=[{"title": "X", "url": "https://x"}]).parts
    place = {"start_index": 0, "end_index": 0, "title": "X", "url": "https://x"}
    assert part == TextPart("hi", citations=({"type": "url_citation", "url_citation": place},))
    assert decoded(citations="https://x").parts == (TextPart("hi"),)


@pytest.mark.parametrize(
    ("word", "message", "finish"),
    [
        ("stop", None, "stop"),
        ("length", None, "length"),
        ("content_filter", None, "content_filter"),
        ("stop", {"tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "tool_calls"),
        ("function_call", {"function_call": {"name": "f", "arguments": "{}"}}, "tool_calls"),
        ("tool_calls", None, "stop"),
        ("stop", {"content": None, "refusal": "no"}, "refusal"),
        ("eos", None, "stop"),
        ("model_length", None, "context"),
        ("SAFETY", None, "content_filter"),
        ("a_new_word", None, "stop"),
    ],
)
def test_finish_reasons_become_cores(word: str, message: Json | None, finish: FinishReason) -> None:
    response = decoded(message, word)
    assert response.finish == finish
    assert response.raw_finish == word
    assert PROVIDER.watch_response(answer(message, word)).finish == finish


def test_the_stop_sequence_that_was_hit_is_kept() -> None:
    body = json.loads(answer({"content": ""}))
    body["choices"][0]["stop_reason"] = "END"
    response = PROVIDER.decode_response(dump(body))
    assert response.stop_sequence == "END"
    assert encoded(response)["choices"][0]["stop_reason"] == "END"


def test_further_choices_go_back_to_a_caller_of_this_dialect() -> None:
    body = json.loads(answer())
    other = {"index": 1, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}
    body["choices"].append(other)
    assert encoded(PROVIDER.decode_response(dump(body)))["choices"][1] == other


# ---- not an answer


@pytest.mark.parametrize(
    ("body", "failure", "words"),
    [
        (b"", "protocol", "empty"),
        (b"<!doctype html><html>", "protocol", "web page"),
        (b'{"choices":[{"mess', "protocol", "not valid JSON, or was cut"),
        (b'{"id":"\xff"}', "protocol", "not valid JSON"),
        (b"[" * 100_000, "protocol", "not valid JSON"),
        (b"[]", "protocol", "not a JSON object"),
        (b"{}", "protocol", "no `choices`"),
        (dump({"choices": []}), "protocol", "no `choices`"),
        (dump({"choices": [{"finish_reason": "stop"}]}), "protocol", "no `message`"),
        (answer(finish=None), "protocol", "no finish reason"),
        (answer(finish="error"), "server_error", "broke the answer off"),
        (answer(finish="insufficient_system_resource"), "overloaded", "broke the answer off"),
        (answer({"content": ""}), "protocol", "empty completion"),
        (answer({"content": None}), "protocol", "empty completion"),
        (answer({"content": ""}, usage={"prompt_tokens": 5, "completion_tokens": 0}), "protocol", "empty"),
        (answer({"content": ""}, "tool_calls"), "protocol", "empty completion"),
        (answer({"tool_calls": [{"id": "c", "function": {}}]}), "protocol", "without a name"),
        (answer({"tool_calls": ["c"]}), "protocol", "not an object"),
        (dump({"error": {"message": "slow", "code": "rate_limit_exceeded"}}), "rate_limited", "slow"),
        (dump({"error": {"message": "no", "type": "insufficient_quota"}}), "quota", "no"),
        (dump({"error": {"message": "m", "code": "context_length_exceeded"}}), "context_length", "m"),
        (dump({"error": {"message": "who?", "code": 401}}), "auth", "who?"),
        (dump({"error": {"message": "m", "code": 502, "metadata": {"raw": "in"}}}), "server_error", "m: in"),
        (dump({"error": "plain words"}), "server_error", "plain words"),
        (dump({"error": {"message": 5}}), "server_error", "no reason given"),
        (dump({"object": "error", "message": "too big", "code": 400}), "invalid_request", "too big"),
        (dump({"message": "no such thing"}), "server_error", "no such thing"),
        (dump({"detail": [{"msg": "x"}]}), "server_error", "no reason given"),
        (dump([{"error": {"code": 503, "message": "busy"}}]), "overloaded", "busy"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_never_taken_for_one(body: bytes, failure: str, words: str) -> None:
    for read in (PROVIDER.decode_response, PROVIDER.watch_response):
        with pytest.raises(AnswerError) as caught:
            read(body)
        assert caught.value.failure == failure
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("message", "finish", "usage"),
    [
        ({"content": ""}, "length", None),
        ({"content": ""}, "content_filter", None),
        ({"content": None, "refusal": "no"}, "stop", None),
        ({"content": None, "reasoning_content": "hm"}, "stop", None),
        ({"content": ""}, "stop", {"prompt_tokens": 5, "completion_tokens": 2}),
        (
            {"content": ""},
            "stop",
            {"completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 39}},
        ),
    ],
)
def test_an_answer_without_words_that_explains_itself_is_one(
    message: Json, finish: str, usage: Json | None
) -> None:
    body = answer(message, finish, usage=usage)
    assert PROVIDER.decode_response(body).raw_finish == finish
    assert PROVIDER.watch_response(body).model == "gpt-x-1"


def test_words_that_were_counted_and_never_came_are_no_answer() -> None:
    body = answer({"content": ""}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 40})
    for read in (PROVIDER.decode_response, PROVIDER.watch_response):
        with pytest.raises(AnswerError, match="empty completion"):
            read(body)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_an_answer_or_an_answer_error(body: bytes) -> None:
    for read in (PROVIDER.decode_response, PROVIDER.watch_response):
        try:
            read(body)
        except AnswerError as error:
            assert error.message  # noqa: PT017


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["content", "tool_calls", "audio", "images", "annotations", "refusal",
                                     "reasoning_details", "reasoning_content", "function_call"]), _JSON),
    _JSON, _JSON,
)  # fmt: skip
def test_any_message_is_an_answer_or_an_answer_error(message: Json, finish: Any, usage: Any) -> None:
    body = answer(message, finish, usage=usage)
    outcomes = []
    for read in (PROVIDER.decode_response, PROVIDER.watch_response):
        try:
            got = read(body)
            outcomes.append((got.finish, got.usage))
        except AnswerError as error:
            outcomes.append(error.failure)  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1], "the watcher judges as the decoder does"


# ---- out


def test_a_foreign_answer_in_openais_words() -> None:
    body = encoded(
        Response(
            (
                ReasoningPart("hm", "sig", origin="anthropic", id="rs_1"),
                TextPart("one ", citations=({"url": "https://x", "title": "X"}, {"type": "page", "n": 3})),
                TextPart("two"),
                ToolCallPart("toolu_1", "f", ""),
                ToolCallPart("", "g", "{}", signature="thought"),
            ),
            "tool_calls",
            model="claude-x",
            usage=Usage(5, 2, 1, 1, output_tokens=3),
            service_tier="standard",
        )
    )
    assert body["id"] == "chatcmpl-01TEST"
    assert body["model"] == "claude-x"
    assert body["service_tier"] == "default"
    assert body["usage"]["prompt_tokens"] == 9
    assert body["usage"]["prompt_tokens_details"] == {
        "cached_tokens": 2,
        "audio_tokens": 0,
        "cache_write_tokens": 2,
    }
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert message["content"] == "one two"
    assert message["reasoning_content"] == "hm"
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"start_index": 0, "end_index": 4, "title": "X", "url": "https://x"},
        }
    ]
    assert message["citations"] == [{"type": "page", "n": 3}]
    assert [(c["id"], c["function"]["arguments"]) for c in message["tool_calls"]] == [
        ("toolu_1", "{}"),
        ("call_01TEST_1", "{}"),
    ]
    assert message["tool_calls"][1]["extra_content"] == {"google": {"thought_signature": "thought"}}
    block = unseal(message["reasoning_details"][0]["signature"])
    assert block is not None
    assert (block.origin, block.signature, block.id) == ("anthropic", "sig", "rs_1")


def test_a_foreign_thought_comes_back_whole_when_the_caller_returns_its_message() -> None:
    thoughts = (
        ReasoningPart("hm", "sig", origin="anthropic"),
        ReasoningPart("", None, "blob", origin="openai_responses", id="rs_1"),
    )
    message = encoded(Response((*thoughts, TextPart("x")), "stop"))["choices"][0]["message"]
    request = CLIENT.decode_request(asked(message), CHAT)
    assert request.messages[0].parts == (*thoughts, TextPart("x"))


@pytest.mark.parametrize(
    ("finish", "parts", "word"),
    [
        ("stop", (TextPart("x"),), "stop"),
        ("length", (TextPart("x"),), "length"),
        ("context", (TextPart("x"),), "length"),
        ("content_filter", (), "content_filter"),
        ("refusal", (RefusalPart("no"),), "stop"),
        ("refusal", (), "content_filter"),
        ("pause", (TextPart("x"),), "stop"),
        ("malformed_tool_call", (), "stop"),
        ("tool_calls", (ToolCallPart("c", "f"),), "tool_calls"),
    ],
)
def test_every_finish_has_a_word(finish: FinishReason, parts: tuple[Part, ...], word: str) -> None:
    assert encoded(Response(parts, finish))["choices"][0]["finish_reason"] == word


def test_a_caller_of_the_old_form_gets_the_old_form() -> None:
    request = CLIENT.decode_request(asked(functions=[{"name": "f"}]), CHAT)
    choice = encoded(Response((ToolCallPart("c", "f", '{"a":1}'),), "tool_calls"), request=request)[
        "choices"
    ][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]


def test_log_probabilities_pass_in_openais_shape_only() -> None:
    own = {"content": [{"token": "x", "bytes": None, "logprob": -0.5, "top_logprobs": []}], "refusal": None}
    assert encoded(Response((TextPart("x"),), "stop", logprobs=own))["choices"][0]["logprobs"] == own
    assert (
        encoded(Response((TextPart("x"),), "stop", logprobs={"topCandidates": []}))["choices"][0]["logprobs"]
        is None
    )


_parts = st.lists(
    st.builds(TextPart, some_words)
    | st.builds(ReasoningPart, some_words, origin=st.just("openai_chat"))
    | st.builds(RefusalPart, some_words)
    | st.builds(ToolCallPart, ids, names, objects.map(json.dumps), signature=st.none() | some_words)
    | st.builds(ToolCallPart, ids, names, some_words, st.just("custom"))
    | st.builds(AudioPart, st.just("audio/wav"), data=st.just("UklGRg=="), transcript=some_words, id=ids)
    | st.builds(ImagePart, st.just("image/png"), data=st.just("AAAA")),
    min_size=1, max_size=4, unique_by=lambda part: getattr(part, "id", None) or id(part),
).map(tuple)  # fmt: skip


@given(_parts, usages, st.none() | some_words)
def test_an_answer_written_and_read_again_says_the_same(
    parts: tuple[Part, ...], usage: Usage, stop: str | None
) -> None:
    response = Response(parts, "length", "gpt-x-1", usage=usage, stop_sequence=stop, service_tier="flex")
    again = PROVIDER.decode_response(CLIENT.encode_response(response, context()))

    def said(answer_: Response, kind: type) -> list[Any]:
        return [part for part in answer_.parts if isinstance(part, kind)]

    for kind in (TextPart, ReasoningPart, RefusalPart):
        assert "".join(p.text for p in said(again, kind)) == "".join(p.text for p in said(response, kind))
    assert said(again, ToolCallPart) == said(response, ToolCallPart)
    assert said(again, ImagePart) == said(response, ImagePart)
    assert [p.transcript for p in said(again, AudioPart)] == [
        p.transcript for p in said(response, AudioPart)
    ][-1:]
    assert (again.usage, again.model, again.stop_sequence, again.service_tier) == (
        usage,
        "gpt-x-1",
        stop,
        "flex",
    )
    assert again.finish == "length"
