"""`smart`: the eligible in the order of what is predicted of them.

From the strongest reason to the weakest, and at the end the id, so that there is one order only:

    health     what is put last stays last; then demo models
    sealed     the provider whose sealed reasoning the request carries
    default    where nothing is known of such requests: the model that the tenant takes then (not in `fast`)
    mode       its window and what decides within: see `utility`
    the rest   by utility, then by cost, then by time

A model of unknown quality comes after those of a known one, a place of unknown price or time after those
where it is known. Then the conversation may keep its place (see `affinity`), and a few requests try out
another one that is nearly as good, where their tenant asked for it.
"""

from collections.abc import Sequence

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.money import show
from passerelle.core.plan import Candidate, Choice
from passerelle.router.affinity import Offer, moves
from passerelle.router.plan import Figure, Scene, Thought, ailing, said_of_place
from passerelle.router.utility import NO_PRICES, TRADES, Trade, utility

NEAR_POINTS = 5.0
"""What is tried out to learn of it is at most so much worse than the best."""
_UNKNOWN = float("inf")
_ROUNDING = 1e-9
"""0.9 − 0.015 is not 0.885 in binary: windows are held to a milliardth of a point."""
_NO_THOUGHT = Thought(Choice(router_version="prior"), {}, {}, NO_PRICES)


class _Entry(msgspec.Struct, gc=False):
    """One deployment, with all that is predicted of it."""

    deployment: Deployment
    figure: Figure
    offer: Offer
    quality: float | None
    last: bool
    """By its health, or because it is a demo."""


def ranked(deployments: Sequence[Deployment], scene: Scene) -> tuple[tuple[Candidate, ...], Choice]:
    """The candidates in order, and what the order rests on."""
    thought = scene.thought
    if thought is None:
        thought = _NO_THOUGHT
        if scene.default is not None:
            unknown = msgspec.structs.replace(thought.choice, default=scene.default)
            thought = msgspec.structs.replace(thought, choice=unknown)
    choice, trade = thought.choice, TRADES[scene.mode]
    entries = _ordered([_entry(d, thought, scene) for d in deployments], choice, trade, scene)
    entries, choice = _kept(entries, choice, trade)
    near = _near(entries, choice)
    if near and scene.draw < choice.explore:
        tried = near[int(scene.draw / choice.explore * len(near))]
        entries = [tried, *(entry for entry in entries if entry is not tried)]
        choice = msgspec.structs.replace(choice, explored=True)
    if near:
        choice = msgspec.structs.replace(choice, draw=scene.draw)
    else:
        choice = msgspec.structs.replace(choice, explore=0.0)
    top = len(entries)
    said = msgspec.structs.replace(scene, thought=msgspec.structs.replace(thought, choice=choice))
    return tuple(
        [
            _candidate(entry, float(top - place), _propensity(entry, place, near, choice), said)
            for place, entry in enumerate(entries)
        ]
    ), choice


def _entry(deployment: Deployment, thought: Thought, scene: Scene) -> _Entry:
    estimate = thought.estimates.get(deployment.model.id)
    quality = deployment.model.quality if estimate is None else estimate.mean
    figure = thought.figures.get(deployment.id)
    if figure is None:
        cost = scene.costs.get(deployment.id)
        figure = Figure(cost, cost, whole_s=scene.latencies.get(deployment.id))
    points = utility(quality, figure.weighed_nanos, figure.whole_s, thought.prices)
    return _Entry(
        deployment,
        figure,
        Offer(points, figure.weighed_nanos, figure.whole_s),
        quality,
        ailing(deployment, scene) or deployment.demo,
    )


def _ordered(entries: list[_Entry], choice: Choice, trade: Trade, scene: Scene) -> list[_Entry]:
    known = [e.offer.utility for e in entries if e.offer.utility is not None and not e.last]
    enough = max(known, default=0.0) - trade.within_points - _ROUNDING
    default = None if choice.known or trade.by == "time" else choice.default

    def key(entry: _Entry) -> tuple[bool, bool, bool, bool, float, float, float, float, str]:
        deployment, points = entry.deployment, entry.offer.utility
        money = _UNKNOWN if entry.offer.weighed_nanos is None else float(entry.offer.weighed_nanos)
        time = _UNKNOWN if entry.offer.whole_s is None else entry.offer.whole_s
        worth = _UNKNOWN if points is None else -points
        if trade.by == "time":
            first, second, third, fourth = time, money, worth, 0.0
        elif trade.by == "money" and points is not None and points >= enough:
            first, second, third, fourth = -_UNKNOWN, money, worth, time
        else:
            first, second, third, fourth = worth, money, time, 0.0
        return (
            ailing(deployment, scene),
            deployment.demo,
            bool(choice.bound) and deployment.provider not in choice.bound,
            default is not None and default not in (deployment.model.id, deployment.id),
            first,
            second,
            third,
            fourth,
            deployment.id,
        )

    return sorted(entries, key=key)


def _kept(entries: list[_Entry], choice: Choice, trade: Trade) -> tuple[list[_Entry], Choice]:
    """With the conversation's own place first, where it is to keep it."""
    if choice.stay is None or choice.affinity == "none":
        return entries, choice
    here = next((e for e in entries if e.deployment.id == choice.stay), None)
    if here is None or here is entries[0]:
        return entries, choice
    first = entries[0]
    if here.last and not first.last:
        return entries, msgspec.structs.replace(choice, moved="it is not well")
    bound = choice.bound
    if here.deployment.provider not in bound and first.deployment.provider in bound:
        return entries, msgspec.structs.replace(choice, moved="it cannot read what is sealed in the request")
    why = "" if choice.affinity == "sticky" else moves(here.offer, first.offer, trade)
    if why:
        return entries, msgspec.structs.replace(choice, moved=why)
    return [here, *(entry for entry in entries if entry is not here)], choice


def _near(entries: list[_Entry], choice: Choice) -> list[_Entry]:
    """What may be tried out in place of the first: nothing where a conversation or a provider binds."""
    if choice.explore <= 0 or choice.stay is not None or choice.bound or len(entries) < 2:
        return []
    best = entries[0].offer.utility
    if best is None or entries[0].last:
        return []
    return [
        entry
        for entry in entries[1:]
        if entry.offer.utility is not None and not entry.last and entry.offer.utility >= best - NEAR_POINTS
    ]


def _propensity(entry: _Entry, place: int, near: list[_Entry], choice: Choice) -> float:
    if any(entry is one for one in near):
        return choice.explore / len(near)
    if not near:
        return 1.0 if place == 0 else 0.0
    # What is neither near nor first is never put first; the true first may stand second now.
    return 1.0 - choice.explore if place == (1 if choice.explored else 0) else 0.0


def _candidate(entry: _Entry, score: float, propensity: float, scene: Scene) -> Candidate:
    deployment, figure = entry.deployment, entry.figure
    thought = scene.thought or _NO_THOUGHT
    estimate = thought.estimates.get(deployment.model.id)
    points = entry.offer.utility
    weighed = figure.weighed_nanos
    return Candidate(
        deployment=deployment.id,
        model=deployment.model.id,
        score=score,
        quality=entry.quality,
        cost_nanos=figure.cost_nanos,
        latency_s=scene.latencies.get(deployment.id),
        because=_because(entry, thought, scene),
        low=None if estimate is None else round(estimate.low, 4),
        high=None if estimate is None else round(estimate.high, 4),
        outcomes=0 if estimate is None else estimate.outcomes,
        output_tokens=figure.output_tokens,
        cached_tokens=figure.cached_tokens,
        weighed_nanos=None if weighed == figure.cost_nanos else weighed,
        whole_s=figure.whole_s,
        utility=None if points is None else round(points, 4),
        propensity=propensity,
    )


def _because(entry: _Entry, thought: Thought, scene: Scene) -> str:
    deployment, figure, choice = entry.deployment, entry.figure, thought.choice
    estimate = thought.estimates.get(deployment.model.id)
    said: list[str] = []
    if entry.quality is None:
        said.append("quality unknown")
    elif estimate is None or not estimate.outcomes:
        said.append(f"quality {entry.quality * 100:.1f}")
    else:
        said.append(
            f"quality {entry.quality * 100:.1f} ({estimate.low * 100:.1f} to {estimate.high * 100:.1f}, "
            f"{estimate.outcomes} outcomes)"
        )
    cost, weighed = figure.cost_nanos, figure.weighed_nanos
    said.append("price unknown" if cost is None else f"about {show(cost)}")
    if weighed is not None and cost is not None and weighed != cost:
        if choice.turns > 1:
            said.append(f"{show(weighed)} a turn of {choice.turns}")
        else:
            said.append(f"{show(weighed)} of it not committed yet")
    if figure.cached_tokens:
        said.append(f"some {figure.cached_tokens} tokens cached")
    first = scene.latencies.get(deployment.id)
    if first is not None:
        said.append(f"first content in {first:.2f} s")
    if figure.whole_s is not None and figure.whole_s != first:
        said.append(f"all of it in {figure.whole_s:.1f} s")
    if not choice.known and choice.default in (deployment.model.id, deployment.id):
        said.append("the default")
    if deployment.id == choice.stay:
        said.append("has the conversation")
    return ", ".join([*said, *said_of_place(deployment, scene)])
