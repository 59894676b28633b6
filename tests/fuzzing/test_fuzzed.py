"""Every decoder in miniature: its seeds, what once broke it, and changes. `make fuzz` does it for hours."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzzing.found import FOUND
from tests.fuzzing.mutate import learn, mutate
from tests.fuzzing.table import DECODERS

SEEDS = [(name, seed) for name, decoder in DECODERS.items() for seed in decoder.seeds]


@pytest.mark.parametrize("name", DECODERS)
def test_seeds_are_read(name: str) -> None:
    for seed in (*DECODERS[name].seeds, b"", b"\0", b"{}", b"[]", b"null", b"\xff\xfe"):
        DECODERS[name].run(seed)


@pytest.mark.parametrize(("name", "data"), FOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_what_once_broke_a_decoder_breaks_it_no_more(name: str, data: bytes) -> None:
    DECODERS[name].run(data)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, bytes]:
    """A seed with a few bytes, or a few JSON values, changed."""
    name, data = draw(st.sampled_from(SEEDS))
    for seed in draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4)):
        dice = random.Random(seed)
        changed = mutate(data, seed) if seed % 3 else None
        if changed is None:
            at, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
            middle = dice.choice((b"", dice.randbytes(4), data[at:end] * 2, b'"', b"\r", b"}"))
            changed = data[:at] + middle + data[min(end, at + 9) :]
        data = changed[:16_384]
    return name, data


@settings(max_examples=300, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs())
def test_changed_bytes_are_read_or_refused(case: tuple[str, bytes]) -> None:
    name, data = case
    DECODERS[name].run(data)


for _, _seed in SEEDS:
    learn(_seed)
