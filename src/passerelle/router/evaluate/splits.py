"""Which rows are learned from and which are tested on, by seed.

Rows of the same words stay on one side. Rows that lack a model's score are learned from, never tested on.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from passerelle.router.evaluate.outcomes import Bools, Ints, Outcomes


class Fold(msgspec.Struct, frozen=True):
    """One division: row numbers."""

    train: Ints
    test: Ints


class Trial(msgspec.Struct, frozen=True):
    """All divisions of one seed; their test rows do not overlap."""

    seed: int
    folds: tuple[Fold, ...]

    @property
    def tested(self) -> Ints:
        """All rows tested on, fold after fold."""
        return np.concatenate([fold.test for fold in self.folds])


class TooFew(ValueError):
    """The data do not suffice for the division asked for; says what would."""


def across(data: Outcomes, seed: int, folds: int, *, fit: int | None = None, by: str = "") -> Trial:
    """`folds` divisions, each row tested on once.

    With `by` whole groups (the values of `task` or of another column) are left out together, so that what is
    tested on is unlike anything learned from. With `fit` only so many rows are learned from: without `by`
    that is one division, tested on all the rest; with it, so many are drawn in each division.
    """
    rng = np.random.default_rng([seed, 0x5EED])
    same, whole = data.same(), data.whole()
    if fit is not None and not by:
        return Trial(seed, (_drawn(rng, same, whole, fit),))
    groups = _numbers(_values(data, by)) if by else same
    count = int(groups.max()) + 1
    if by and count < 2:
        raise TooFew(f"`{by}` has one value only, so nothing is left to learn from when it is held out")
    if count < folds:
        if not by:
            raise TooFew(f"{count} different prompts cannot be divided into {folds} folds; lower `--folds`")
        folds = count
    place = _spread(rng, groups, folds)
    made = []
    for fold in range(folds):
        test = np.flatnonzero((place == fold) & whole)
        kept = place != fold
        if by:  # the same words under another tag would give the answer away
            kept &= ~np.isin(same, same[test])
        train = np.flatnonzero(kept)
        if fit is not None:
            if fit > len(train):
                raise TooFew(f"`--fit {fit}` is more than the {len(train)} rows outside a held-out group")
            train = np.sort(rng.permutation(train)[:fit])
        if len(test):
            made.append(Fold(train, test))
    return Trial(seed, tuple(made))


def _drawn(rng: np.random.Generator, same: Ints, whole: Bools, fit: int) -> Fold:
    order = rng.permutation(int(same.max()) + 1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    rows = np.argsort(rank[same], kind="stable")
    train = np.sort(rows[:fit])
    rest = np.ones(len(same), dtype=bool)
    rest[np.isin(same, same[train])] = False
    test = np.flatnonzero(rest & whole)
    if not len(test):
        raise TooFew(
            f"`--fit {fit}` of {len(same)} rows leaves nothing to test on; {len(same) * 4 // 5} would leave "
            "a fifth of them"
        )
    return Fold(train, test)


def _values(data: Outcomes, by: str) -> Sequence[str]:
    found = data.tasks if by == "task" else data.columns.get(by)
    if found is None:
        raise TooFew(f"there is no column `{by}` to hold groups of rows out by")
    return found


def _numbers(values: Sequence[str]) -> Ints:
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.intp)


def _spread(rng: np.random.Generator, groups: Ints, folds: int) -> Ints:
    """A fold for each row: whole groups, the next one in a drawn order to the fold that has fewest rows."""
    sizes = np.bincount(groups)
    held = np.zeros(folds, dtype=np.intp)
    fold_of = np.zeros(len(sizes), dtype=np.intp)
    for group in rng.permutation(len(sizes)):
        least = int(np.argmin(held))
        fold_of[group] = least
        held[least] += sizes[group]
    return fold_of[groups]
