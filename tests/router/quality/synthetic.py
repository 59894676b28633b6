"""A small world of outcomes: three kinds of requests, models that are good at different ones."""

import numpy as np

from passerelle.router.quality.base import Sight

SUMS = ("add", "multiply", "subtract", "divide", "halve")
THINGS = ("river", "castle", "engine", "planet", "market", "violin", "harbour", "forest", "poem", "winter")
TRUTH = {"sums": (0.9, 0.4), "prose": (0.45, 0.85), "code": (0.7, 0.7)}
MODELS = ("reckoner", "writer")


def requests(count: int, seed: int, *, tagged: bool = True) -> tuple[list[Sight], list[str]]:
    """Sights and their true kinds."""
    rng = np.random.default_rng(seed)
    sights: list[Sight] = []
    kinds: list[str] = []
    for _ in range(count):
        kind = ("sums", "prose", "code")[int(rng.integers(3))]
        thing = THINGS[int(rng.integers(len(THINGS)))]
        number = int(rng.integers(2, 999))
        if kind == "sums":
            words = (
                f"Please {SUMS[int(rng.integers(5))]} {number} and {number * 3}, then give {number} % of it."
            )
        elif kind == "prose":
            words = f"Write me a gentle little story about the {thing} and an old friend who comes back to it"
        else:
            words = f"def {thing}(x: int) -> int:\n    return x + {number}\n# why does this {thing} fail?"
        sights.append(Sight(words, task=kind if tagged else None))
        kinds.append(kind)
    return sights, kinds


def outcomes(kinds: list[str], seed: int) -> np.ndarray:
    """0 or 1 for each request and model of `MODELS`."""
    rng = np.random.default_rng(seed + 1)
    chance = np.array([TRUTH[kind] for kind in kinds])
    return (rng.random(chance.shape) < chance).astype(float)
