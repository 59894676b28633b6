"""The hold is an upper bound: nothing a caller can say makes an attempt cost more than was held for it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope, PathTarget
from passerelle.core.model import Deployment, Limits, Model, Price
from passerelle.core.request import Dialect
from passerelle.core.usage import Usage
from passerelle.gateway.estimate import FALLBACK_CONTEXT_TOKENS, most_it_can_cost
from passerelle.ledger.price import cost

WINDOW = 200_000
PRICE = Price("v", input=3_000_000_000, output=15_000_000_000)
DATA = "iVBORw0KGgo" * 500


def place(
    price: Price = PRICE, context: int | None = WINDOW, most_output: int | None = None, **limits: int
) -> Deployment:
    model = Model("m", "x", "x", context_tokens=context, max_output_tokens=most_output, price=price)
    return Deployment("p/m", model, "p", "m", "openai_chat", limits=Limits(**limits))


def read(dialect: Dialect, parts: list[Any] | str = "hi", **more: Any) -> Envelope:
    """The envelope of one message in the dialect."""
    message = {"role": "user", "content": parts}
    body: dict[str, Any] = {"model": "m", "messages": [message]}
    if dialect == "openai_responses":
        body = {"model": "m", "input": [message]}
    elif dialect == "anthropic":
        body["max_tokens"] = 100
    elif dialect == "gemini":
        body = {"contents": [{"parts": [{"text": parts}] if isinstance(parts, str) else parts}]}
    target = PathTarget("chat", model="m" if dialect == "gemini" else None)
    return registry.client(dialect).envelope(json.dumps(body | more).encode(), target)


def worth(tokens_in: int, tokens_out: int) -> int:
    return cost(Usage(input_tokens=tokens_in, output_tokens=tokens_out), PRICE)


@pytest.mark.parametrize(
    ("envelope", "answers"),
    [
        (lambda: read("openai_chat", n=100, max_tokens=1_000), 100),
        (lambda: read("gemini", generationConfig={"candidateCount": 8, "maxOutputTokens": 1_000}), 8),
        (lambda: read("gemini", generation_config={"candidate_count": 8, "max_output_tokens": 1_000}), 8),
        (lambda: read("openai_chat", max_tokens=1_000), 1),
    ],
)  # fmt: skip
def test_every_answer_asked_for_is_held_for(envelope: Any, answers: int) -> None:
    assert most_it_can_cost(envelope(), place()) >= worth(0, 1_000 * answers)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_tokens": 100_000, "max_completion_tokens": 100},
        {"max_tokens": 100, "max_completion_tokens": 100_000},
        {"max_tokens": 100_000},
    ],
)
@pytest.mark.parametrize("most_output", [None, 100_000, 128_000])
def test_the_larger_of_two_limits_is_held_for(limits: dict[str, int], most_output: int | None) -> None:
    hold = most_it_can_cost(read("openai_chat", **limits), place(most_output=most_output))
    assert hold >= worth(0, 100_000)


SOURCE_PDF = {"type": "base64", "media_type": "application/pdf", "data": DATA}
UNMEASURED: list[tuple[Dialect, list[Any] | str, dict[str, Any]]] = [
    ("openai_chat", [{"type": "file", "file": {"file_data": "data:application/pdf;base64," + DATA}}], {}),
    ("openai_chat", [{"type": "file", "file": {"file_id": "file-1"}}], {}),
    ("openai_chat", [{"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}], {}),
    ("openai_chat", [{"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}], {}),
    ("openai_chat", [{"type": "document_url", "document_url": "https://example.org/a.pdf"}], {}),
    ("openai_chat", [{"type": "audio_url", "audio_url": {"url": "https://example.org/a.mp3"}}], {}),
    ("openai_chat", "hi", {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    ("openai_chat", "hi", {"web_search_options": {}}),
    ("openai_responses", [{"type": "input_file", "file_data": "data:application/pdf;base64," + DATA}], {}),
    ("openai_responses", [{"type": "input_file", "file_id": "file-1"}], {}),
    ("openai_responses", [{"type": "input_file", "file_url": "https://example.org/a.pdf"}], {}),
    ("openai_responses", [{"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}], {}),
    ("openai_responses", "hi", {"prompt": {"id": "pmpt_1"}}),
    ("openai_responses", "hi", {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}),
    (
        "openai_responses",
        "hi",
        {"input": [{"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_file", "file_id": "file-1"}
        ]}]},
    ),
    ("anthropic", [{"type": "document", "source": SOURCE_PDF}], {}),
    ("anthropic", [{"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}], {}),
    ("anthropic", [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}], {}),
    ("anthropic", [{"type": "container_upload", "file_id": "file_1"}], {}),
    (
        "anthropic",
        [{"type": "tool_result", "content": [{"type": "document", "source": SOURCE_PDF}]}],
        {},
    ),
    ("anthropic", "hi", {"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "x"}]}),
    ("anthropic", "hi", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("gemini", [{"inlineData": {"mimeType": "application/pdf", "data": DATA}}], {}),
    ("gemini", [{"inlineData": {"mimeType": "audio/mp3", "data": DATA}}], {}),
    ("gemini", [{"inline_data": {"mime_type": "video/mp4", "data": DATA}}], {}),
    ("gemini", [{"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}}], {}),
    ("gemini", [{"fileData": {"mimeType": "text/plain", "fileUri": "files/x"}}], {}),
    ("gemini", [{"fileData": {"fileUri": "files/x"}}], {}),
    ("gemini", [{"text": "hi"}], {"cachedContent": "cachedContents/x"}),
    ("gemini", [{"text": "hi"}], {"tools": [{"urlContext": {}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "parts", "more"), UNMEASURED)
def test_what_bytes_do_not_bound_is_held_for_by_the_context_window(
    dialect: Dialect, parts: list[Any] | str, more: dict[str, Any]
) -> None:
    envelope = read(dialect, parts, **more)
    assert most_it_can_cost(envelope, place()) >= worth(WINDOW, 0)
    assert most_it_can_cost(envelope, place(context=None)) >= worth(FALLBACK_CONTEXT_TOKENS, 0)
    assert most_it_can_cost(envelope, place(context_tokens=1_000)) < worth(WINDOW, 0)


MEASURED: list[tuple[Dialect, list[Any]]] = [
    ("openai_chat", [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + DATA}}]),
    ("openai_responses", [{"type": "input_image", "image_url": "data:image/png;base64," + DATA}]),
    ("anthropic", [{"type": "image", "source": {"type": "base64", "data": DATA}}]),
    ("anthropic", [{"type": "document", "source": {"type": "text", "data": "words"}}]),
    ("anthropic", [{"type": "document", "source": {"type": "content", "content": [{"type": "text"}]}}]),
    ("gemini", [{"inlineData": {"mimeType": "image/png", "data": DATA}}]),
    ("gemini", [{"inlineData": {"mimeType": "text/csv", "data": "YSxi"}}]),
]


@pytest.mark.parametrize(("dialect", "parts"), MEASURED)
def test_words_and_pictures_are_held_for_by_their_size(dialect: Dialect, parts: list[Any]) -> None:
    envelope = read(dialect, parts)
    assert not envelope.unmeasured
    assert envelope.text_bytes < 300
    assert most_it_can_cost(envelope, place(most_output=100)) < worth(WINDOW, 0)


@pytest.mark.parametrize(("dialect", "picture"), [one for one in MEASURED if "mage" in str(one)])
def test_words_that_look_like_media_are_words_beside_a_picture_too(
    dialect: Dialect, picture: list[Any]
) -> None:
    kind = {"openai_responses": {"type": "input_text"}, "gemini": {}}.get(dialect, {"type": "text"})
    parts = [*picture, {**kind, "text": "A" * 50_000}]
    assert read(dialect, parts).text_bytes >= 50_000


@given(answers=st.integers(1, 2**70), limit=st.integers(1, 2**70), known=st.none() | st.integers(1, 10**6))
def test_no_number_is_too_large_for_the_ledger(answers: int, limit: int, known: int | None) -> None:
    envelope = Envelope("chat", "m", answers=answers, max_output_tokens=limit, text_bytes=10)
    assert 0 < most_it_can_cost(envelope, place(most_output=known)) < 2**63


@given(
    answers=st.integers(1, 8),
    limit=st.none() | st.integers(1, 300_000),
    text=st.integers(0, 10_000),
    unmeasured=st.booleans(),
    known=st.integers(1, 300_000),
    share=st.floats(0, 1),
)
def test_no_usage_within_the_limits_costs_more_than_the_hold(
    answers: int, limit: int | None, text: int, unmeasured: bool, known: int, share: float
) -> None:
    envelope = Envelope(
        "chat", "m", answers=answers, max_output_tokens=limit, text_bytes=text, unmeasured=unmeasured
    )
    most_in = max(text, WINDOW) if unmeasured else text
    most_out = min(limit or known, known) * answers
    bill = worth(int(most_in * share), int(most_out * share))
    assert bill <= most_it_can_cost(envelope, place(most_output=known))


def test_blocks_nested_in_one_another_forever_are_refused_or_held_for() -> None:
    block: Any = {"type": "text", "text": "x"}
    for _ in range(300):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    assert read("anthropic", [block]).unmeasured
