"""Calibration only ever rises, stays in [0, 1], and mends what is skewed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.router.quality.calibrate import at, fitted, plain


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 500))
def test_the_map_rises_and_stays_within_zero_and_one(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.random(count) ** rng.uniform(0.3, 3)
    table = fitted(said, (rng.random(count) < rng.random()).astype(float))
    assert (np.diff(table) > 0).all()
    assert table.min() >= 0
    assert table.max() <= 1


def test_skewed_scores_are_mended() -> None:
    rng = np.random.default_rng(4)
    truth = rng.random(4000)
    came = (rng.random(4000) < truth).astype(float)
    said = truth**3
    table = fitted(said, came).tolist()
    after = np.array([at(one, table) for one in said.tolist()])
    assert np.abs(after - truth).mean() < 0.25 * np.abs(said - truth).mean()


def test_the_plain_map_changes_nothing() -> None:
    table = plain().tolist()
    for said in np.linspace(0, 1, 33).tolist():
        assert abs(at(said, table) - said) < 1e-12
    assert (at(-0.3, table), at(1.3, table)) == (0.0, 1.0)
