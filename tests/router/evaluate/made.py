"""Small outcome data with a pattern that can be learned."""

import numpy as np

from passerelle.router.evaluate.outcomes import Outcomes

TASKS = ("sums", "poems", "letters")


def outcomes(rows: int = 240, seed: int = 0, *, costs: bool = True) -> Outcomes:
    """`big` is good everywhere, `small` as good at poems; `odd` is the dearest and the worst."""
    rng = np.random.default_rng(seed)
    tasks = [TASKS[int(rng.integers(3))] for _ in range(rows)]
    prompts = tuple(
        f"{task} number {n} " + "word " * int(rng.integers(1, 40)) for n, task in enumerate(tasks)
    )
    chance = {"sums": (0.9, 0.3, 0.2), "poems": (0.8, 0.85, 0.1), "letters": (0.85, 0.6, 0.3)}
    right = [[float(rng.random() < p) for p in chance[task]] for task in tasks]
    lengths = np.array([len(prompt) for prompt in prompts])
    price = np.array([[5.0, 1.0, 8.0]]) * 1e-6
    return Outcomes(
        prompts=prompts,
        models=("big", "small", "odd"),
        scores=np.array(right),
        tasks=tuple(tasks),
        costs=(lengths[:, None] + 100) * price if costs else None,
        columns={"half": tuple("one" if n % 2 else "two" for n in range(rows))},
    )


def pair(rows: int = 240, seed: int = 0) -> Outcomes:
    """Only `big` and `small`, without costs."""
    whole = outcomes(rows, seed, costs=False)
    return Outcomes(
        prompts=whole.prompts,
        models=whole.models[:2],
        scores=whole.scores[:, :2],
        tasks=whole.tasks,
        columns=whole.columns,
    )
