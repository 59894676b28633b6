"""Inputs cut anywhere give the same lines; results are one line each, whatever a provider sent."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.batch import Surface, Tokens
from passerelle.gateway.batch.lines import MOST_PROBLEMS, Line, check, cut, read_line, read_lines
from passerelle.gateway.batch.outputs import result_of, unasked

ENDPOINT = "/v1/chat/completions"


def _line(number: int, body: object = None) -> bytes:
    said = {"custom_id": f"c{number}", "method": "POST", "url": ENDPOINT, "body": body or {"model": "m"}}
    return json.dumps(said).encode()


@given(
    st.lists(st.binary(max_size=30).filter(lambda piece: b"\n" not in piece), max_size=12),
    st.lists(st.integers(0, 400), max_size=10),
    st.integers(1, 30),
)
def test_an_input_cut_anywhere_gives_the_same_lines(
    pieces: list[bytes], cuts: list[int], longest: int
) -> None:
    text = b"\n".join(pieces)
    places = sorted({0, len(text), *(cut_at % (len(text) + 1) for cut_at in cuts)})
    chunks = [text[a:b] for a, b in pairwise(places)]

    expected = [
        (number, None if len(piece) > longest else piece)
        for number, piece in enumerate(text.split(b"\n"), 1)
        if len(piece) > longest or piece.strip()
    ]
    assert list(cut(chunks, longest)) == expected


def test_a_line_without_end_is_not_held() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 10_000

    assert list(cut(endless(), 100)) == [(1, None)]


def test_a_request_is_passed_on_byte_for_byte() -> None:
    body = b'{ "model":"m" ,\t"messages": [], "unknown": 1.50 }'
    text = b'{"custom_id": "c1", "method": "POST", "url": "%b", "body": %b}' % (ENDPOINT.encode(), body)
    assert read_line("openai", ENDPOINT, 1, text) == Line(1, "c1", body)


def test_lines_that_are_done_are_left_out() -> None:
    text = b"\n".join(_line(number) for number in range(1, 6))
    left = read_lines("openai", ENDPOINT, [text], 1_000, {1, 4})
    assert [line.number for line in left] == [2, 3, 5]


def test_no_more_problems_are_gathered_than_anybody_reads() -> None:
    checked = check("openai", ENDPOINT, [b"{\n" * 10_000], longest=100, most=100_000)
    assert len(checked.problems) == MOST_PROBLEMS


@given(st.binary(max_size=200))
def test_any_input_is_judged(data: bytes) -> None:
    checked = check("openai", ENDPOINT, [data], longest=100, most=10)
    assert checked.problems


_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(_values)
def test_a_result_is_one_line_that_holds_the_answer(answer: object) -> None:
    body = json.dumps({"answer": answer}, indent=2).encode()
    surfaces: tuple[Surface, ...] = ("openai", "anthropic")
    for surface in surfaces:
        result = result_of(
            surface, Line(1, "c1", b""), receipt_id="rcp_1", request_id="req_1", status=200, body=body
        )
        assert b"\n" not in result.body
        said = json.loads(result.body)
        held = said["response"]["body"] if surface == "openai" else said["result"]["message"]
        assert held == {"answer": answer}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, Tokens()),
        ({"prompt_tokens": 3, "total_tokens": 3}, Tokens(3)),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Tokens(3, 1, 4, 2),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Tokens(3, 1, 4, 2),
        ),
        ("strange", Tokens()),
    ],
)
def test_usage_is_summed_whatever_its_names(usage: object, tokens: Tokens) -> None:
    body = json.dumps({"usage": usage}).encode()
    result = result_of(
        "openai", Line(1, "c1", b""), receipt_id="rcp_1", request_id="req_1", status=200, body=body
    )
    assert result.tokens == tokens


def test_what_was_never_asked_says_why() -> None:
    line = Line(7, "c7", b"")
    assert json.loads(unasked("openai", "batch_1", line, "expired"))["error"]["code"] == "batch_expired"
    assert json.loads(unasked("openai", "batch_1", line, "cancelled"))["error"]["code"] == "batch_cancelled"
    assert json.loads(unasked("anthropic", "msgbatch_1", line, "expired"))["result"] == {"type": "expired"}
    assert json.loads(unasked("anthropic", "msgbatch_1", line, "cancelled"))["result"] == {"type": "canceled"}


class Piece(bytes):
    """A piece of a line that may be joined with the others at once, and not with one after the other."""

    def split(self, *asked: Any) -> Any:
        return [Piece(part) for part in super().split(*asked)]

    def __add__(self, other: Any) -> Any:
        raise AssertionError("what came before is copied at each piece")

    __radd__ = __add__


def test_a_long_line_in_many_pieces_is_copied_once() -> None:
    ((number, line),) = cut([Piece(b"x" * 64)] * 4_000 + [b"\n"], 1 << 30)
    assert (number, line) == (1, b"x" * 256_000)
