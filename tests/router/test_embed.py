"""Hashed words: the same for the same words, whatever the case, the digits and what stands between them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.embed import BUCKETS, STATIC_DIMS, WORD_BUCKETS, Static, buckets


@given(st.text(max_size=400))
def test_any_text_fills_buckets_of_a_fixed_number(text: str) -> None:
    assert buckets(text).shape == (BUCKETS,)


@given(st.lists(st.sampled_from(["river", "éléphant", "数学", "code", "x", "7"]), min_size=1, max_size=30))
def test_words_and_pairs_are_counted_wherever_they_stand(words: list[str]) -> None:
    plain = buckets(" ".join(words))[:WORD_BUCKETS]
    assert plain.sum() == 2 * len(words) - 1
    assert np.array_equal(plain, buckets("  ,\n".join(words).upper())[:WORD_BUCKETS])


def test_numbers_of_one_length_are_alike() -> None:
    assert np.array_equal(buckets("take 17 apples"), buckets("take 42 apples"))
    assert not np.array_equal(buckets("take 17 apples"), buckets("take 4200 apples"))


def test_a_typo_leaves_most_of_what_is_counted() -> None:
    one, two = (
        buckets("please summarise this annual report").astype(float),
        buckets("please sumarise this annual report"),
    )
    assert one @ two / np.sqrt((one @ one) * (two.astype(float) @ two)) > 0.6


def test_static_vectors_are_averaged_to_length_one() -> None:
    table = np.eye(4, 2 * STATIC_DIMS, dtype=np.float16)
    static = Static(table, lambda text: [len(word) for word in text.split()])
    assert np.allclose(static.of("a bb")[:4], [0, 0.5**0.5, 0.5**0.5, 0], atol=1e-3)
    assert not static.of("").any()


def test_a_byte_for_each_number_hardly_turns_a_vector() -> None:
    rng = np.random.default_rng(7)
    table = (rng.standard_normal((500, 2 * STATIC_DIMS)) * rng.random((500, 1)) * 3).astype(np.float16)
    static = Static(table, lambda text: [int(word) for word in text.split()])
    ids = rng.integers(500, size=60)
    exact = table[ids, :STATIC_DIMS].astype(np.float64).mean(axis=0)
    assert static.of(" ".join(map(str, ids))) @ exact / np.sqrt(exact @ exact) > 0.9999
