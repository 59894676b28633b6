"""Which of the eligible are put last because of their health, and why.

Reasons to be put last, in this order of precedence:

    told       the provider asked to be left alone until a time, or said that nothing is left until then
    breaker    a breaker is open, and it is not yet time to try the place out, or somebody is doing so
    throttle   it accepts less than half of what it is asked: a share of the requests is spared it

Breakers are our own judgement, and may be wrong of many places at once (our own network, say). So never
more than half of an eligible set is shut off by them: of what is beyond, those whose period ends first are
*pardoned*, that is tried out at once, a request at a time. When nothing that is well is left, all are tried
as if they were. Nothing is ever added to the set and nothing taken from it: being last is all that can
happen to a place.
"""

from collections.abc import Mapping, Sequence

import msgspec

from passerelle.router.health import Rules, Vital


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What the health of one place means for one request."""

    last: bool
    why: str
    ejected: bool = False
    """Put last by an open breaker."""
    spared: bool = False
    """Put last by the throttle: counts as a request that was not sent."""


Standings = Mapping[str, Standing]
ALL_WELL: Standings = {}


def standings(
    places: Sequence[str],
    vitals: Mapping[str, Vital],
    shares: Mapping[str, float],
    *,
    now_s: float,
    draw: float,
    rules: Rules,
) -> Standings:
    """How those of `places` stand of which there is something to say.

    `shares`: the share of requests that each place should be spared. `draw`: the request's own number in
    [0, 1).
    """
    found: dict[str, Standing] = {}
    opened: list[str] = []
    for place in places:
        vital = vitals.get(place)
        if vital is None:
            continue
        if vital.told_until_s > now_s:
            found[place] = Standing(True, _told(vital, now_s))
        elif vital.open:
            if vital.probe_until_s > now_s:
                found[place] = Standing(True, f"{_breakers(vital)} open and another request is trying it out")
            elif now_s < vital.probe_at_s:
                opened.append(place)
            else:
                found[place] = Standing(False, f"{_breakers(vital)} open and this request may try it out")
    opened.sort(key=lambda place: (-vitals[place].until_s, place))
    for number, place in enumerate(opened):
        vital = vitals[place]
        if number < len(places) // 2:
            why = f"{_breakers(vital)} open for {_seconds(vital.probe_at_s - now_s)} more"
            found[place] = Standing(True, why, ejected=True)
        elif now_s < vital.failed_s + rules.pardon_s:
            found[place] = Standing(True, f"{_breakers(vital)} open and it failed just now")
        else:
            why = f"{_breakers(vital)} open, but so are those of more than half of the places"
            found[place] = Standing(False, why)
    if sum(standing.last for standing in found.values()) == len(places):
        return {
            place: Standing(False, f"{said.why}; so it is with every other") for place, said in found.items()
        }
    _throttle(places, found, shares, draw)
    return found


def _throttle(
    places: Sequence[str], found: dict[str, Standing], shares: Mapping[str, float], draw: float
) -> None:
    """Spare those that accept too little, as long as there is another."""
    left = sum(1 for place in places if place not in found or not found[place].last)
    for number, place in enumerate(places):
        share = shares.get(place, 0.0)
        # The draw also spreads requests over equals: each place needs a number of its own.
        if left > 1 and place not in found and (draw * 7919 + number * 0.618) % 1 < share:
            why = f"it accepts so little that {share:.0%} of the requests are sent elsewhere"
            found[place] = Standing(True, why, spared=True)
            left -= 1


def _told(vital: Vital, now_s: float) -> str:
    wait = _seconds(vital.told_until_s - now_s)
    if vital.told == "retry-after":
        return f"it asked to be left alone for {wait} more"
    return f"it has no {vital.told} left for {wait} more"


def _breakers(vital: Vital) -> str:
    names = ", ".join(f"`{circuit}`" for circuit in vital.open)
    return f"its breaker {names} is" if len(vital.open) == 1 else f"its breakers {names} are"


def _seconds(seconds: float) -> str:
    return f"{max(1, round(seconds))} s"
