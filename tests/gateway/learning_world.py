"""A world of two kinds of work and models that are good at one or the other, judged by a coin."""

from random import Random

from passerelle.core.outcome import Judged, Outcome
from passerelle.gateway.learning.kinds import Kind
from passerelle.router.quality.base import Sight

WORDS = {
    "code": [
        "def",
        "return",
        "bug",
        "python",
        "compile",
        "stack",
        "function",
        "class",
        "import",
        "loop",
        "array",
        "null",
    ],
    "poem": [
        "rose",
        "verse",
        "rhyme",
        "moon",
        "love",
        "song",
        "night",
        "star",
        "wind",
        "sea",
        "dawn",
        "silence",
    ],
}
TRUTH = {"coder": {"code": 0.95, "poem": 0.35}, "poet": {"code": 0.3, "poem": 0.9}}


def words(task: str, rng: Random) -> str:
    """A request of that kind."""
    return " ".join(rng.choice(WORDS[task]) for _ in range(12))


def outcomes(count: int, kind: Kind, *, seed: int = 1, tagged: bool = True) -> list[Outcome]:
    """So many, numbered; now and then a verdict."""
    rng, found = Random(seed), []
    number = 0
    while number < count:
        verdict = f"vrd_{number}" if number + 2 <= count and rng.random() < 0.1 else ""
        task = rng.choice(sorted(TRUTH["poet"]))
        text = words(task, rng)
        models = sorted(TRUTH) if verdict else [rng.choice(sorted(TRUTH))]
        for model in models:
            number += 1
            score = float(rng.random() < TRUTH[model][task])
            judged = Judged(
                receipt_id=f"rcp_{number}",
                project_id="prj",
                deployment=f"{model}.chat",
                model=model,
                source="verdict" if verdict else "person",
                score_ppm=int(score * 1_000_000),
                task=task if tagged else None,
                prior_ppm=700_000,
                features=None if kind.pack is None else kind.pack(Sight(text)),
            )
            found.append(Outcome(number, "key", number, judged, verdict))
    return found
