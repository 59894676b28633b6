"""What is expected of a task nobody knows: what its kin has shown, by words, by form and by name."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.quality import kin
from passerelle.router.quality.base import Sight
from passerelle.router.quality.learner import StackedLearner
from passerelle.router.quality.linear import CARRIED, DIMS

NAMES = {
    "college_physics": 0, "school_physics": 1, "college_law": 2, "school_law": 3, "poems": 4, "prose": 5
}  # fmt: skip
MEANS = np.array([[0.9, 0.4], [0.9, 0.4], [0.4, 0.9], [0.4, 0.9], [0.6, 0.6], [0.6, 0.6]])
LEVEL = MEANS.mean(axis=0)
COUNT = np.full(len(NAMES), 200.0)


def test_a_name_tells_of_those_that_share_its_words() -> None:
    named = kin.Named(NAMES, COUNT)
    said, trust = named.told(MEANS, COUNT, LEVEL).of(named.likes(["physics", "law", "zzz", None]))
    assert said[0, 0] > 0.05 > -0.05 > said[0, 1]
    assert said[1, 1] > 0.05 > -0.05 > said[1, 0]
    assert np.abs(said[2:]).max() < 1e-12
    assert trust[0] > 0.1
    assert trust[2:].tolist() == [0.0, 0.0]


def test_tasks_without_outcomes_tell_nothing() -> None:
    named = kin.Named(NAMES, COUNT)
    said, trust = named.told(MEANS, np.zeros(len(NAMES)), LEVEL).of(named.likes(["college_physics"]))
    assert (said == 0).all()
    assert (trust == 0).all()


@given(st.text(max_size=30), st.text(max_size=30))
def test_likeness_is_even_handed_and_whole_for_oneself(one: str, other: str) -> None:
    first, second = kin.parts(one), kin.parts(other)
    (there,), (back,) = kin.alike(first, [second]), kin.alike(second, [first])
    assert there == back
    assert 0.0 <= there <= 1 + 1e-9
    assert not first or abs(kin.alike(first, [first])[0] - 1) < 1e-9


def test_no_more_tasks_are_kept_than_every_decision_can_bear() -> None:
    rng = np.random.default_rng(1)
    tasks = kin.MOST_KIN + 40
    points = rng.normal(size=(4 * tasks, DIMS))
    points[:, 0] = 1.0
    task = np.repeat(np.arange(tasks), 4)
    found = kin.akin(points, task, tasks)
    assert len(found.rows) == kin.MOST_KIN
    assert found.form.shape == (CARRIED, kin.MOST_KIN)
    said = kin.expected(points, found, np.full((tasks, 2), 0.5))
    assert np.allclose(said, 0.5, atol=1e-6)


def test_every_task_counts_the_same_however_often_it_was_asked() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(1010, DIMS)) * 1e-3
    points[:, 0] = 1.0
    task = np.array([0] * 1000 + [1] * 10)
    said = kin.expected(points, kin.akin(points, task, 2), np.array([[1.0], [0.0]]))
    assert abs(said[:, 0].mean() - 0.5) < 0.05


def test_a_tag_never_seen_is_expected_to_be_like_those_named_alike() -> None:
    rng = np.random.default_rng(3)
    truth = {name: MEANS[row] for name, row in NAMES.items()}
    sights = [Sight(f"question {k} of the day", task=name) for k in range(60) for name in NAMES]
    chance = np.array([truth[sight.task or ""] for sight in sights])
    learner = StackedLearner()
    learner.fit(sights, ("a", "b"), (rng.random(chance.shape) < chance).astype(float))
    asked = [Sight("question of today", task=name) for name in ("physics", "law")]
    first, second = learner.estimates(asked, ("a", "b")).mean
    assert first[0] - first[1] > 0.03
    assert second[1] - second[0] > 0.03
    twin = StackedLearner.from_state(learner.state())
    assert (twin.estimates(asked, ("a", "b")).mean == learner.estimates(asked, ("a", "b")).mean).all()
