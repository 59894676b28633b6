"""What kind of work a request is: said by somebody, or told from what it looks like.

A tag on the request wins, then its route's, then what the agent's role stands for. Where nobody says
anything, pictures and tools speak, then the words (`classify`). Where these are unsure the task is unknown: a
wrong one would be worse than none.

What is said and what is guessed are kept apart wherever something is learned from them. What somebody says
divides an organisation's work the way it matters there. A guess divides everybody's into nine drawers: good
enough for how long an answer will be, and worse than nothing for which model is better. Given to the learner
as tags, guesses took the APGR on the MMLU part of the outcome data from 0.613 to 0.403 with 300 labels, and
from 0.661 to 0.658 with 1,500 (`router eval`, one seed, against no task at all).
"""

from collections.abc import Callable

import msgspec

from passerelle.core.plan import TaskFrom
from passerelle.router.quality.base import Sight

TASKS = (
    "chat",
    "code",
    "extraction",
    "maths",
    "reasoning",
    "summarising",
    "tool use",
    "translation",
    "vision",
)
ROLES = {
    "analyst": "reasoning",
    "coder": "code",
    "developer": "code",
    "extractor": "extraction",
    "planner": "reasoning",
    "researcher": "summarising",
    "reviewer": "code",
    "translator": "translation",
    "writer": "chat",
}
"""What the roles of agents stand for."""
SURE = 0.45
"""Probability from which the words are believed. Of prompts in phrasings held out of training six in ten are
told with as much, three in four of them rightly; of the outcome data's 98 % and 96 % (`classify`)."""


class Work(msgspec.Struct, frozen=True, gc=False):
    """A task, who says so, and how sure that is."""

    task: str | None
    """None: unknown."""
    said: TaskFrom
    sureness: float = 1.0


Guess = Callable[[bytes], tuple[str, float]]
"""From a request's packed words (`quality.view`), the likeliest task and its probability."""
NOTHING_TOLD = Work(None, "words", 0.0)


def told(tag: str | None, route: str | None, role: str | None) -> Work | None:
    """What somebody says it is."""
    if tag is not None:
        return Work(tag, "tag")
    if route is not None:
        return Work(route, "route")
    if role is not None and (known := ROLES.get(role.lower())) is not None:
        return Work(known, "role")
    return None


def looked_at(sight: Sight, guess: Guess | None) -> Work:
    """What a request looks like of which nobody says anything. The words are read from `sight.features`."""
    if sight.images:
        return Work("vision", "images")
    if sight.tools:
        return Work("tool use", "tools")
    if guess is None or sight.features is None or not sight.words:
        return NOTHING_TOLD
    task, sureness = guess(sight.features)
    return Work(task if sureness >= SURE else None, "words", round(sureness, 3))
