"""Which two models a cascade asks, and whether it is worth it. Pure.

    then     the best predicted: what the request would go to if money were no matter; where nothing is known
             of such requests, the default
    first    of those that are at most `within_points` worse and cheaper, the one by which the request will
             probably cost the least

What it will cost is `samples × first + (1 - accept) × then`. A cascade that does not come out below `then`
alone is not made. `accept`, the probability that the first's answer holds, is its predicted quality at the
beginning, and what its answers to this organisation came to afterwards.

Both are among the candidates of the plan, which are the eligible: nothing else is ever looked at.
"""

from collections.abc import Mapping, Sequence

import msgspec

from passerelle.core.cascade import Cascade, Verifier
from passerelle.core.money import show
from passerelle.core.plan import Candidate, Choice

WITHIN_POINTS = 30.0
"""A model that is so much worse is not worth asking first."""
_PRIOR_ANSWERS = 6.0
"""As many answers as its predicted quality counts for."""
_MEMORY_ANSWERS = 200.0
"""What was longer ago is forgotten."""
_MOST_KEPT = 4096
_ROUNDING = 1e-9


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A cascade that is asked for."""

    verifier: Verifier
    tests: str | None = None
    samples: int = 1
    within_points: float = WITHIN_POINTS
    refused: str = ""
    """Why there will be none, whatever the candidates."""
    accepted: Mapping[str, tuple[float, float]] = {}
    """By model: answers that were accepted, and that were looked at."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What of a candidate's place matters here, beside the candidate."""

    provider: str
    last: bool = False
    """By its health."""
    demo: bool = False


def chosen(
    candidates: Sequence[Candidate], places: Mapping[str, Standing], choice: Choice, wanted: Wanted
) -> Cascade:
    """The pair, or why there is none. `places`: by deployment id, one for each candidate."""
    plain = Cascade(wanted.verifier, "", tests=wanted.tests)
    if wanted.refused:
        return msgspec.structs.replace(plain, because=wanted.refused)
    able = [
        one
        for one in candidates
        if one.quality is not None
        and not places[one.deployment].last
        and (not choice.bound or places[one.deployment].provider in choice.bound)
    ]
    real = [one for one in able if not places[one.deployment].demo]
    able = real or able
    if not able:
        return msgspec.structs.replace(plain, because="no candidate of known quality is well")
    then = _best(able, choice)
    direct = _nanos(then)
    if direct is None:
        return msgspec.structs.replace(plain, because=f"the price of `{then.deployment}` is not known")
    found: list[tuple[float, float, str, Candidate, float]] = []
    for one in able:
        nanos = _nanos(one)
        if nanos is None or nanos >= direct or one.model == then.model:
            continue
        if (then.quality or 0.0) - (one.quality or 0.0) > wanted.within_points / 100 + _ROUNDING:
            continue
        accept = _accept(one, wanted)
        expected = wanted.samples * nanos + (1 - accept) * direct
        found.append((expected, -(one.quality or 0.0), one.deployment, one, accept))
    if not found:
        return msgspec.structs.replace(
            plain,
            because=f"nobody cheaper is within {wanted.within_points:g} points of `{then.deployment}`",
            direct_nanos=direct,
        )
    expected, _, _, first, accept = min(found, key=lambda one: one[:3])
    pays = expected < direct
    sums = f"about {show(int(expected))} expected, {show(direct)} for `{then.deployment}` at once"
    sampled = f", {wanted.samples} samples" if wanted.samples > 1 else ""
    odds = f"`{first.deployment}` holds in {accept:.0%} of the cases{sampled}: {sums}"
    return Cascade(
        verifier=wanted.verifier,
        tests=wanted.tests,
        because=odds if pays else f"it would cost more than it saves, as {odds}",
        first=first.deployment if pays else None,
        then=then.deployment if pays else None,
        samples=wanted.samples,
        accept=round(accept, 4),
        expected_nanos=int(expected),
        direct_nanos=direct,
    )


def _best(able: Sequence[Candidate], choice: Choice) -> Candidate:
    """Of equals the cheapest."""

    def key(one: Candidate) -> tuple[bool, float, float, str]:
        default = choice.default is not None and not choice.known
        nanos = _nanos(one)
        return (
            default and choice.default not in (one.model, one.deployment),
            -(one.quality or 0.0),
            float("inf") if nanos is None else float(nanos),
            one.deployment,
        )

    return min(able, key=key)


def _nanos(one: Candidate) -> int | None:
    """What is weighed for it, as everywhere."""
    return one.cost_nanos if one.weighed_nanos is None else one.weighed_nanos


def _accept(one: Candidate, wanted: Wanted) -> float:
    held, looked = wanted.accepted.get(one.model, (0.0, 0.0))
    return ((one.quality or 0.0) * _PRIOR_ANSWERS + held) / (_PRIOR_ANSWERS + looked)


def in_words(cascade: Cascade) -> str:
    """For the plan's sentence."""
    checked = {
        "schema": "the request's schema",
        "tests": f"the tests `{cascade.tests}`",
        "agreement": f"{cascade.samples} answers of its own",
    }[cascade.verifier]
    if cascade.first is None:
        return f"no cascade: {cascade.because}"
    return (
        f"a cascade: first `{cascade.first}`, checked by {checked}, then `{cascade.then}` ({cascade.because})"
    )


class Acceptances:
    """How often the answers of models held, by organisation, verifier and model. Forgets."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[float, float]] = {}

    def of(self, org_id: str, cascade: str, models: Sequence[str]) -> dict[str, tuple[float, float]]:
        """For `Wanted.accepted`. `cascade`: the verifier's word, with the name of tests."""
        found = ((model, self._known.get((org_id, cascade, model))) for model in models)
        return {model: known for model, known in found if known is not None}

    def add(self, org_id: str, cascade: str, model: str, *, held: bool) -> None:
        """One more answer was looked at."""
        key = (org_id, cascade, model)
        before, looked = self._known.pop(key, (0.0, 0.0))
        if len(self._known) >= _MOST_KEPT:
            del self._known[next(iter(self._known))]
        kept = min(1.0, (_MEMORY_ANSWERS - 1) / looked) if looked else 1.0
        self._known[key] = before * kept + held, looked * kept + 1
