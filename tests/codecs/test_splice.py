"""Splicing changes the named fields and no other byte of any value."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.splice import quoted, splice


def test_untouched_values_keep_their_bytes_and_order() -> None:
    body = b'{ "b" : [1.0,  {"x":"\\u00e9"}], "model":"a", "n": 1e2}'
    assert splice(body, {"model": b'"z"', "new": b"true"}) == (
        b'{"b":[1.0,  {"x":"\\u00e9"}],"model":"z","n":1e2,"new":true}'
    )


def test_a_field_set_to_none_is_removed() -> None:
    assert splice(b'{"a":1,"b":2}', {"a": None, "c": None}) == b'{"b":2}'


def test_what_is_not_an_object_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        splice(b"[1]", {})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(body=st.dictionaries(st.text(max_size=6), _JSON, max_size=6), model=st.text(max_size=20))
def test_a_spliced_body_is_the_body_with_that_field(body: dict[str, object], model: str) -> None:
    spliced = msgspec.json.decode(splice(msgspec.json.encode(body), {"model": quoted(model)}))
    assert spliced == {**body, "model": model}
    assert [k for k in spliced if k != "model"] == [k for k in body if k != "model"]
