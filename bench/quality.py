"""How long a prediction of quality takes, and how much memory: `python -m bench.quality`.

CPU time of one process on one core, from the words of a request to an estimate for each of nine models, words
and vectors included. Prompts are made up here, of 60 to 2,000 characters.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gc
import time
from collections.abc import Callable
from pathlib import Path

LEARNED, ASKED, MODELS = 4000, 1000, 9
WORDS = [
    "river",
    "castle",
    "engine",
    "planet",
    "market",
    "violin",
    "harbour",
    "forest",
    "winter",
    "letter",
    "contract",
    "total",
    "price",
    "why",
    "how",
    "many",
    "compute",
    "the",
    "following",
    "derivative",
    "of",
    "function",
    "return",
    "list",
    "class",
    "print",
    "translate",
    "summarise",
    "which",
    "statement",
    "is",
    "true",
    "notre",
    "rapport",
    "client",
    "facture",
    "montant",
    "semaine",
    "réunion",
    "budget",
    "résumé",
    "traduire",
    "combien",
    "pourquoi",
    "if",
    "when",
    "given",
]


def resident_mib() -> float:
    """Memory in use by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Fit, then time."""
    from passerelle.catalog.language import static_vectors
    from passerelle.server.heap import share_one_heap

    share_one_heap()  # as in the gateway
    before = resident_mib()  # with what a gateway has loaded in any case
    import numpy as np

    from passerelle.router.embed import Static
    from passerelle.router.quality.base import Sight
    from passerelle.router.quality.learner import StackedLearner
    from passerelle.router.tokens import Pieces

    found = static_vectors()
    static = Static(found[0], Pieces(found[1])) if found else None
    del found  # a mapped file, which the gateway lets go of too
    rng = np.random.default_rng(5)

    def sight(tagged: bool) -> Sight:
        words = " ".join(rng.choice(WORDS, int(rng.integers(8, 250) ** 1.0 * rng.random()) + 8))
        task = f"task {int(rng.integers(12))}" if tagged else None
        return Sight(f"{words}? {int(rng.integers(10_000))}", task=task)

    read = resident_mib() - before
    sights = [sight(k % 2 == 0) for k in range(LEARNED)]
    models = [f"model {k}" for k in range(MODELS)]
    scores = (rng.random((LEARNED, MODELS)) < 0.6).astype(float)
    gc.collect()
    asking = resident_mib()
    learner = StackedLearner(static)
    started = time.process_time()
    learner.fit(sights, models, scores)
    fitted_s = time.process_time() - started
    state = learner.state()
    del learner
    learner = StackedLearner.from_state(state, static)
    gc.collect()
    held = resident_mib() - asking
    for k in range(MODELS):
        learner.update(sights[k], models[k], 1.0)

    def timed(name: str, act: Callable[[Sight], object], asked: list[Sight]) -> None:
        took = []
        for one in asked:
            begun = time.process_time_ns()
            act(one)
            took.append((time.process_time_ns() - begun) / 1e6)
        p50, p99 = np.percentile(took, [50, 99])
        print(f"{name:28} p50 {p50:.3f} ms   p99 {p99:.3f} ms")

    asked = [sight(False) for _ in range(ASKED)]
    timed("words to estimates", lambda one: learner.estimate(one, models), asked)
    packed = [Sight("", features=learner.pack(one)) for one in asked]
    timed("packed features to estimates", lambda one: learner.estimate(one, models), packed)
    timed("one outcome learned", lambda one: learner.update(one, models[0], 1.0), packed[:300])
    print(f"fit of {LEARNED} × {MODELS}: {fitted_s:.1f} s CPU; state {len(state) / 2**20:.1f} MiB")
    both = f"numpy and vectors of words {read:.0f} MiB, what was learned and its fit left {held:.0f} MiB"
    print(f"memory: {read + held:.0f} MiB ({both})")


if __name__ == "__main__":
    main()
