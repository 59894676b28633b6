"""The memory of neighbours: the newest are kept, whatever it was made from."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.router.quality.memory import CAPACITY, KEPT_DIMS, Memory, short


@settings(max_examples=20, deadline=None)
@given(more=st.integers(1, 2 * CAPACITY), start=st.integers(0, 10**6), seed=st.integers(0, 99))
def test_of_a_larger_state_the_newest_are_kept(more: int, start: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = CAPACITY + more
    oldest = start % size
    vectors = short(rng.normal(size=(size, KEPT_DIMS)).astype(np.float32))
    left = rng.normal(size=(size, 2)).astype(np.float32)
    memory = Memory(vectors, left, oldest)
    by_age = np.roll(np.arange(size), -oldest)
    assert (memory.vectors == vectors[by_age[-CAPACITY:]]).all()
    assert (memory.left == left[by_age[-CAPACITY:]]).all()
    memory.put(vectors[0], 1, 0.5)
    assert (memory.vectors[1:] == vectors[by_age[1 - CAPACITY :]]).all()


def test_what_was_put_last_is_found_again() -> None:
    rng = np.random.default_rng(1)
    vectors = short(rng.normal(size=(CAPACITY, KEPT_DIMS)).astype(np.float32))
    memory = Memory(np.zeros((0, KEPT_DIMS), np.float32), np.zeros((0, 2), np.float32))
    for place, vector in enumerate(vectors):
        memory.put(vector, place % 2, 1.0 if place % 2 else -1.0)
    said, cosine = memory.near(vectors[7:9])
    assert (np.abs(cosine - 1) < 1e-5).all()
    assert said[0, 1] > 0.3
    assert said[1, 0] < -0.3
    memory.forget(0)
    assert (memory.near(vectors[7:9])[0][:, 0] == 0).all()
    memory.widen()
    assert memory.near(vectors[7:9])[0].shape == (2, 3)
