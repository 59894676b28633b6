"""Who may serve a request: the rules as `docs/compliance.md` says them, written anew from plain facts.

Nothing of `passerelle.policy`, `passerelle.gateway` or `passerelle.catalog` is used here: the same rules are
written twice, and the random cases compare them.
"""

from fnmatch import fnmatchcase

from tests.properties.rules_worlds import Ask, Named, Place, Question, World

ORDER = (
    "public", "internal", "confidential", "personal", "financial", "health", "special_category", "secret",
    "defence",
)  # fmt: skip
INSIDE = {
    "eu": {"eu"}, "eu-west-3": {"eu", "eu-west-3"}, "eu-central-1": {"eu", "eu-central-1"},
    "eu-west-2": {"uk", "eu-west-2"}, "us": {"us"}, "us-east-1": {"us", "us-east-1"}, "global": {"global"},
}  # fmt: skip
"""Region → what may be named that it lies in. London is no part of the Union, whatever it is called."""


def eligible(world: World, question: Question) -> set[str]:
    """Ids of the places that may be called for it, whatever else is up or down."""
    level = max(
        ORDER.index(question.who.data_class or world.default_class),
        ORDER.index(question.declared or "public"),
    )
    if not all(_known(world, question, word) for word in question.only):
        return set()
    return {place.id for place in _named(world, question.model) if _may(world, question, place, level)}


def _known(world: World, question: Question, word: str) -> bool:
    """A request may narrow itself to what its key may know of, and to nothing else."""
    for place in world.places:
        names = (place.kind.id, place.id, f"{place.provider}/{place.kind.id}")
        if not all(_fits(patterns, names) for patterns in question.who.patterns):
            continue
        if _fits((word,), names):
            return True
    return False


def _fits(patterns: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _chosen(world: World, said: Named) -> list[Place]:
    """What an alias for a choice leads to."""
    return [
        place
        for place in world.places
        if not place.retired
        and said.family in (None, place.kind.family)
        and (
            not said.only or _fits(said.only, (place.kind.id, place.id, f"{place.provider}/{place.kind.id}"))
        )
    ]


def _named(world: World, name: str) -> list[Place]:
    """What a name leads to. Names are compared without their case, but for `smart`."""
    if name == "smart":
        return [place for place in world.places if not place.retired]
    if name.startswith("smart/"):
        family = name.removeprefix("smart/")
        return [p for p in world.places if p.kind.family == family and not p.retired]
    if name in world.own_choices:
        return _chosen(world, world.own_choices[name])
    if name in world.choices:
        return _chosen(world, world.choices[name])
    if name in world.aliases:
        return [place for target in world.aliases[name] for place in _named(world, target)]
    return [place for place in world.places if name in (place.id, place.kind.id)]


def _may(world: World, question: Question, place: Place, level: int) -> bool:
    who = question.who
    names = (place.kind.id, place.id, f"{place.provider}/{place.kind.id}")
    for patterns in (*who.patterns, *([question.only] if question.only else [])):
        if not any(fnmatchcase(name, pattern) for name in names for pattern in patterns):
            return False
    days = place.days
    if question.schema and days is not None:
        days = max([days, *(kept for feature, kept in place.keeps if feature == "json_schema")])
    bound = [who.demands]
    bound += [asked for name, asked in world.classes.items() if ORDER.index(name) <= level]
    if not all(_meets(place, days, asked) for asked in bound):
        return False
    if place.ceiling is not None and level > ORDER.index(place.ceiling):
        return False
    return place.weight > 0 and place.configured and _able(question, place)


def _meets(place: Place, days: int | None, asked: Ask) -> bool:
    """Unknown is not yes."""
    if asked.regions is not None and not _within(place.regions, asked.regions):
        return False
    if asked.storage is not None and not _within(place.storage, asked.storage):
        return False
    if asked.laws is not None and (place.laws is None or not set(place.laws) <= set(asked.laws)):
        return False
    if asked.hosting is not None and place.hosting not in asked.hosting:
        return False
    if asked.days is not None and (days is None or days > asked.days):
        return False
    if asked.training is not None and place.training not in asked.training:
        return False
    return not asked.badges or (place.badges is not None and set(asked.badges) <= set(place.badges))


def _within(found: tuple[str, ...] | None, allowed: tuple[str, ...]) -> bool:
    if found is None:
        return False
    return all(region == "local" or INSIDE[region] & set(allowed) for region in found)


def _able(question: Question, place: Place) -> bool:
    kind = place.kind
    if kind.gives != "text":
        return False
    needs = [name for name, wanted in (("tools", question.tools), ("json_schema", question.schema)) if wanted]
    for need in needs:
        if need in place.without or (kind.can and need not in kind.can):
            return False
    if question.picture and ("image" in place.without or "image" not in kind.takes):
        return False
    return _has_room(question, place)


def _has_room(question: Question, place: Place) -> bool:
    """A prompt of surely more tokens than the window holds is not sent: a token has at most a dozen bytes,
    rounded down to a power of two.
    """
    window = place.window or kind_window(place)
    if window is None or question.words < 100:
        return True
    least = 5 * question.words // 12
    return 1 << (least.bit_length() - 1) <= window


def kind_window(place: Place) -> int | None:
    """The model's own."""
    return place.kind.window
