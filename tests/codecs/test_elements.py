"""Elements of an array are found however the body is cut, and a body that is none is refused."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.elements import Elements, ElementsError

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(['"', "\\", "a]b", "{,}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def taken(body: bytes, *cuts: int, longest: int = 1 << 20) -> list[bytes]:
    elements = Elements("requests", longest)
    found: list[bytes] = []
    places = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(places):
        found += elements.feed(body[start:end])
    elements.finish()
    return found


@given(
    st.lists(_VALUES, max_size=4),
    st.dictionaries(st.text(max_size=4).filter(lambda name: name != "requests"), _VALUES, max_size=3),
    st.integers(0, 3),
    st.sampled_from([None, 2]),
    st.data(),
)
def test_every_element_is_found_wherever_the_body_is_cut(
    values: list[Any], beside: dict[str, Any], place: int, indent: int | None, data: st.DataObject
) -> None:
    fields = list(beside.items())
    fields.insert(min(place, len(fields)), ("requests", values))
    body = json.dumps(dict(fields), indent=indent, ensure_ascii=data.draw(st.booleans())).encode()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6))

    assert [json.loads(one) for one in taken(body, *cuts)] == values
    assert taken(body, *range(0, len(body), 3)) == taken(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"", b"{", b'{"requests": [1', b'{"requests": [1}', b'{"requests": 1]',
        b'{"requests": {"a": 1}}', b'{"requests": [1], "requests": [2]}',
        b'{"requests": [1,,2]}', b'{"requests": [1,]}', b'{"requests": [,1]}',
        b"{[1]}", b'{"a": 1}}', b'{"a": 1} {"requests": [1]}', b"{requests: [1]}",
        b'{"requests": ' + b"[" * 600 + b"]" * 600 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_such_object_is_refused(body: bytes) -> None:
    with pytest.raises(ElementsError):
        taken(body)


@given(st.binary(max_size=60))
def test_no_bytes_end_otherwise_than_in_elements_or_a_refusal(body: bytes) -> None:
    try:
        taken(body)
    except ElementsError:
        return


def test_an_element_has_a_bound_and_what_is_passed_over_has_none() -> None:
    beside = b'{"metadata": "' + b"x" * 5_000 + b'", "requests": [%b]}'
    assert taken(beside % (b"1" * 90), longest=100) == [b"1" * 90]
    elements = Elements("requests", 100)
    elements.feed(b'{"requests": ["' + b"x" * 60)
    with pytest.raises(ElementsError, match="larger than 100"):
        elements.feed(b"x" * 60)


def test_a_body_without_the_array_is_told_apart() -> None:
    elements = Elements("requests", 100)
    assert elements.feed(b'{"other": []}') == []
    elements.finish()
    assert not elements.found
