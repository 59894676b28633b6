"""What is expected of a task that nobody has outcomes of: the means of the tasks it is akin to.

Three ways to be akin, each a level of its own, so that each is trusted as far as whole tasks held out have
shown (`stack`): to be about the same (static vectors), to be written alike (the figures of form), and to be
*named* alike. Who tags requests `support_fr` and `support_en`, or `college_physics` and `college_chemistry`,
has said what belongs together, and it costs nothing to hear it.

In the first two every task counts the same, however many requests it had, and a request that is akin to none
belongs a little to all: the more kinds were seen, the less one of them decides.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.linear import CARRIED, F64, Ints

PENALTY = 30.0
MOST_KIN = 96
"""Tasks with the most requests that one can be akin to: each costs every decision a little."""
MOST_NAMED = 256
_PART = re.compile(r"[^\W\d_]+|\d+")
_RUN = 4
NAMES_REMEMBERED = 1024
"""Tags come again and again; a request is not to wait for 256 comparisons."""
_OWN_WAY = 0.5
"""A task's peculiarity that no name tells, over the one that a name can tell."""
_HEARD, _BELIEVED = 0.3, 0.5
"""Share of a task that its name must tell to be heard at all, and to be believed."""
_NOISE = 0.2
"""Variance of an outcome around its task's mean: a coin tossed at 0.3 or 0.7."""


class Akin(NamedTuple):
    """Coefficients, one column per task: how much a request seems to be of it."""

    rows: Ints
    """The tally's row of each column."""

    words: F64
    """Of the constant and the static vector."""
    form: F64
    """Of the constant and the figures."""


def nobody() -> Akin:
    """Before anything was learned."""
    return Akin(np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((CARRIED, 0)))


def akin(points: F64, task: Ints, tasks: int) -> Akin:
    """Ridge regression of membership, tasks counting the same."""
    count = np.bincount(task, minlength=tasks)
    rows = largest(count, MOST_KIN)
    held = points[np.isin(task, rows)] if len(rows) < tasks else points
    own = task[np.isin(task, rows)] if len(rows) < tasks else task
    weight = 1.0 / count[own]
    weight *= len(held) / weight.sum()
    weighed = held * weight[:, None]
    gram = weighed.T @ held
    aim = np.stack([weighed[own == one].sum(axis=0) for one in rows], axis=1)
    about = np.concatenate([[0], np.arange(CARRIED, points.shape[1])])
    return Akin(
        rows, _ridge(gram[np.ix_(about, about)], aim[about]), _ridge(gram[:CARRIED, :CARRIED], aim[:CARRIED])
    )


def largest(count: NDArray[Any], most: int) -> Ints:
    """The rows of at most so many tasks, those with the most requests, in their order."""
    found = np.argsort(-count, kind="stable")[:most]
    return np.asarray(np.sort(found[count[found] > 0]), np.int64)


def expected(points: F64, of: Akin, means: F64) -> F64:
    """n×2×m: what the tasks akin by words and by form have shown."""
    if not len(of.rows):
        return mixtures(np.zeros((len(points), 0)), means[of.rows])
    words = points[:, CARRIED:] @ of.words[1:] + of.words[0]
    return mixtures(np.concatenate([words, points[:, :CARRIED] @ of.form], axis=1), means[of.rows])


def mixtures(said: F64, shown: F64) -> F64:
    """The same from how much requests seem to be of each task (n×2k, by words, then by form) and from what
    each of these has shown (k×m).
    """
    share = np.maximum(said, 0.0).reshape(len(said), 2, len(shown))
    share /= np.add.reduce(share, axis=2, keepdims=True) + 1e-9
    return np.asarray(share @ shown)


def _ridge(gram: F64, aim: F64) -> F64:
    penalty = np.full(len(gram), PENALTY)
    penalty[0] = 1e-6  # the constant
    return np.asarray(np.linalg.solve(gram + np.diag(penalty), aim), np.float64)


def parts(name: str) -> frozenset[str]:
    """What a task's name is made of: its words, and runs of four characters in them."""
    found: set[str] = set()
    for word in _PART.findall(name.lower()):
        found.add(word)
        held = f" {word} "
        found.update(held[at : at + _RUN] for at in range(max(len(held) - _RUN + 1, 1)))
    return frozenset(found)


def alike(one: frozenset[str], others: Sequence[frozenset[str]]) -> F64:
    """The cosine of one name to others: 1 for the same, 0 where nothing is shared."""
    return np.array(
        [len(one & other) / (len(one) * len(other)) ** 0.5 if one and other else 0.0 for other in others]
    )


class Named:
    """Tasks by their names, and how much these are alike. At most `MOST_NAMED` of them, the largest."""

    def __init__(self, tasks: Mapping[str, int], count: NDArray[Any]) -> None:
        """`tasks`: each one's row in `count` and in the tally."""
        rows = set(largest(count, MOST_NAMED).tolist())
        kept = {name: row for name, row in tasks.items() if row in rows}
        self.rows: Ints = np.array(list(kept.values()), np.int64)
        self._parts = [parts(name) for name in kept]
        self._known: dict[str | None, F64] = {None: np.zeros(len(self.rows))}
        self._like = np.stack([self.like(name) for name in kept]) if kept else np.zeros((0, 0))

    def like(self, name: str | None) -> F64:
        """How much `name` is like each of them; None is like nothing."""
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= NAMES_REMEMBERED:
                self._known = {None: self._known[None]}
            found = self._known[name] = alike(parts(name or ""), self._parts)
        return found

    def likes(self, names: Sequence[str | None]) -> F64:
        """The same for many."""
        return np.array([self.like(name) for name in names]).reshape(len(names), -1)

    def table(self, tasks: int) -> F64:
        """What `like` gives for each of the tally's rows."""
        made = np.zeros((tasks, len(self.rows)))
        made[self.rows] = self._like
        return made

    def told(self, means: F64, count: NDArray[Any], level: F64) -> "Told":
        """What the tasks' means say of tasks named like them: kriging.

        A task's own way has a part that its name tells and one that it does not, and the mean of a task with
        few outcomes is vague besides.
        """
        many = len(self.rows)
        apart, inverse = np.zeros((many, means.shape[1])), np.zeros((many, many))
        seen = np.flatnonzero(count[self.rows] > 0)
        if len(seen):
            rows, among = self.rows[seen], np.ix_(seen, seen)
            width = max(float(((means[rows] - level) ** 2).mean()), 1e-4)
            inverse[among] = np.linalg.inv(
                self._like[among] + np.diag(_OWN_WAY + _NOISE / (width * count[rows]))
            )
            apart[seen] = inverse[among] @ (means[rows] - level)
        return Told(apart, inverse)


class Told(NamedTuple):
    """See `Named.told`."""

    apart: F64
    inverse: F64

    def of(self, like: F64) -> tuple[F64, F64]:
        """For names as `Named.like` gives them, n×tasks: how far each model is expected from its level, and
        how much that is to be believed: 0 for a name that is like none, 1 where it tells half of all.
        """
        share = np.add.reduce((like @ self.inverse) * like, axis=1)
        return np.asarray(like @ self.apart), np.clip((share - _HEARD) / (_BELIEVED - _HEARD), 0.0, 1.0)


def levels(base: F64, kin: F64, told: tuple[F64, F64]) -> list[F64]:
    """The three levels of the kin over `base`: what names tell takes the place of what words and form do."""
    said, trust = told
    rest = 1.0 - trust[:, None]
    return [rest * (kin[:, 0] - base), rest * (kin[:, 1] - base), trust[:, None] * said]
