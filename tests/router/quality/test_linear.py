"""Recursive least squares is the batch solution, whatever the order and the weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.router.quality.linear import DIMS, Head, Space, ridges
from passerelle.router.quality.view import FIGURES


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), penalty=st.floats(0.5, 100))
def test_one_outcome_at_a_time_gives_the_batch_solution(seed: int, rows: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(size=(rows, 6)), rng.normal(size=rows)
    weights = rng.random(rows) + 0.1
    head = Head.blank(6, penalty)
    for point, target, weight in zip(points, targets, weights, strict=True):
        head.learn(point, float(target), weight=float(weight))
    gram = points.T @ (points * weights[:, None]) + penalty * np.eye(6)
    assert head.coefficients == pytest.approx(np.linalg.solve(gram, points.T @ (weights * targets)), abs=1e-8)
    assert head.spread == pytest.approx(np.linalg.inv(gram), abs=1e-8)


def test_learning_from_scratch_and_one_at_a_time_count_alike() -> None:
    rng = np.random.default_rng(4)
    points, targets = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))
    targets[::4, 1] = np.nan
    weights = rng.random((30, 2)) + 0.1
    (found,) = ridges(points, targets, (3.0,), weights)
    for column in range(2):
        head = Head.blank(6, 3.0)
        for point, target, weight in zip(points, targets[:, column], weights[:, column], strict=True):
            if np.isfinite(target):
                head.learn(point, float(target), weight=float(weight))
        assert found[:, column] == pytest.approx(head.coefficients, abs=1e-8)


@given(seed=st.integers(0, 2**32 - 1), keep=st.floats(0.9, 1.0))
@settings(deadline=None, max_examples=30)
def test_forgetting_is_a_weight_on_the_past(seed: int, keep: float) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(size=(12, 4)), rng.normal(size=12)
    head = Head.blank(4, 2.0)
    for point, target in zip(points, targets, strict=True):
        head.learn(point, float(target), keep=keep)
    weights = keep ** np.arange(11, -1, -1)
    gram = points.T @ (points * weights[:, None]) + 2.0 * keep**12 * np.eye(4)
    assert head.coefficients == pytest.approx(np.linalg.solve(gram, points.T @ (weights * targets)), abs=1e-7)


def test_a_shared_spread_is_left_alone_by_who_learns() -> None:
    spread = np.eye(3)
    first, second = Head(np.zeros(3), spread), Head(np.zeros(3), spread)
    first.learn(np.ones(3), 1.0)
    assert np.array_equal(second.spread, np.eye(3))


def test_what_was_not_seen_is_left_out_column_by_column() -> None:
    rng = np.random.default_rng(1)
    points, targets = rng.normal(size=(30, 5)), rng.normal(size=(30, 3))
    targets[:10, 1] = np.nan
    (found,) = ridges(points, targets, (3.0,))
    alone = np.linalg.solve(points[10:].T @ points[10:] + 3 * np.eye(5), points[10:].T @ targets[10:, 1])
    assert found[:, 1] == pytest.approx(alone)


def test_one_odd_prompt_does_not_pull_a_line() -> None:
    rng = np.random.default_rng(2)
    figures = rng.normal(size=(50, FIGURES)).astype(np.float32)
    static = rng.normal(size=(50, DIMS - 1 - FIGURES - 128)).astype(np.float32)
    space = Space.around(figures, static)
    figures[0] = 1e6
    assert np.abs(space.of(figures, static)).max() <= 4.0
