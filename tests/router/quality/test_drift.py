"""A fall is noticed soon, and chance is not taken for one."""

import numpy as np

from passerelle.router.quality.drift import Watch


def test_a_fall_is_noticed_within_sixty_outcomes() -> None:
    late = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        watch, steps = Watch(), 1
        while not watch.note(float(rng.random() < 0.25) - 0.65):
            steps += 1
        late.append(steps)
    assert max(late) <= 60


def test_chance_alone_rarely_alarms() -> None:
    rng = np.random.default_rng(9)
    watch = Watch()
    alarms = sum(watch.note(float(rng.random() < 0.65) - 0.65) for _ in range(20_000))
    assert alarms <= 2
