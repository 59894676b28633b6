"""Rights intersected downwards: a child can only narrow its parent. Pure."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from passerelle.core.model import DATA_CLASSES
from passerelle.core.principal import PRIORITIES, Rights

_T = TypeVar("_T")
_CONTENT: tuple[Literal["none", "conversations", "full"], ...] = ("none", "conversations", "full")
"""From the least stored to the most."""


def intersect(levels: Sequence[Rights]) -> Rights:
    """What remains after every level, from the organisation down to the key.

    Numbers take the least, lists what all levels name (an empty list allows nothing), the data class the
    most sensitive, `audit` the strictest, and `content` the least that any level says. What one level
    forbids (`on_context_length`, `on_refusal`: `fail`; `continues`, `hedge`, `cascade`) none below allows.
    `delivery`, `mode` and `affinity` are no limits: the deepest level's word counts. Of priorities
    the lowest counts.
    `models` is the deepest level's own patterns: the intersection of patterns is not a pattern, so
    `Principal.model_patterns` keeps one tuple per level and a model must match them all.
    """
    classes = [level.data_class for level in levels if level.data_class is not None]
    named = [level.content for level in levels if level.content is not None]
    lengths = {level.on_context_length for level in levels}
    refusals = {level.on_refusal for level in levels}
    audits = [level.audit for level in levels if level.audit is not None]
    return Rights(
        models=next((level.models for level in reversed(levels) if level.models is not None), None),
        data_class=max(classes, key=DATA_CLASSES.index, default=None),
        regions=_common([_lowered(level.regions) for level in levels]),
        max_retention_days=_least([level.max_retention_days for level in levels]),
        training_use=_common([level.training_use for level in levels]),
        requests_per_minute=_least([level.requests_per_minute for level in levels]),
        tokens_per_minute=_least([level.tokens_per_minute for level in levels]),
        concurrency=_least([level.concurrency for level in levels]),
        audit=None if not audits else "required" if "required" in audits else "standard",
        content=min(named, key=_CONTENT.index, default=None),
        delivery=next((level.delivery for level in reversed(levels) if level.delivery is not None), None),
        continues=_unless_forbidden([level.continues for level in levels]),
        hedge=_unless_forbidden([level.hedge for level in levels]),
        on_context_length="fail" if "fail" in lengths else "larger" if "larger" in lengths else None,
        on_refusal="fail" if "fail" in refusals else "next" if "next" in refusals else None,
        priority=max(
            [level.priority for level in levels if level.priority is not None],
            key=PRIORITIES.index,
            default=None,
        ),
        mode=next((level.mode for level in reversed(levels) if level.mode is not None), None),
        affinity=next((level.affinity for level in reversed(levels) if level.affinity is not None), None),
        cascade=_unless_forbidden([level.cascade for level in levels]),
    )


def model_patterns(levels: Sequence[Rights]) -> tuple[tuple[str, ...], ...]:
    """The patterns of each level that has any."""
    return tuple(level.models for level in levels if level.models is not None)


def _least(values: Sequence[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _unless_forbidden(words: Sequence[bool | None]) -> bool | None:
    said = [word for word in words if word is not None]
    return all(said) if said else None


def _lowered(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Regions as rules compare them, however they were written into the key."""
    return None if names is None else tuple([name.lower() for name in names])


def _common(lists: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """What every list names, in the order of the first; compared as written (`eu` is not `eu-west-3`)."""
    said = [names for names in lists if names is not None]
    if not said:
        return None
    return tuple(name for name in said[0] if all(name in others for others in said[1:]))
