"""Whether a conversation stays at the place that had its last turn.

That place has the conversation in its cache, where a token costs a tenth, and has written the words so far.
What the cache saves stands in the figures already: `weighed_nanos` of the place is the price of a turn read
from its cache, of any other that of a first turn there, spread over the turns to be expected. So what moving
loses is the difference of the two. But figures of one turn are noisy: what is predicted from a tool's output
is not what the next one will be. So a conversation moves only for a gain that is clear:

    adaptive   for quality: what the mode does not give up anyhow, and a point more, and two more for every
                 turn's price that moving costs
               for money: a seventh of what a turn costs
               for time: a third of what a turn takes
    sticky     never, as long as the place may serve it
    none       always: each turn is planned as if it were the first
"""

import msgspec

from passerelle.router.utility import Trade

_CLEAR_POINTS = 1.0
_POINTS_A_TURN = 2.0
CLEAR_SAVING = 0.15
_CLEAR_TIME = 1 / 3


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What a place offers for a turn."""

    utility: float | None
    weighed_nanos: int | None
    whole_s: float | None


def moves(here: Offer, there: Offer, trade: Trade) -> str:
    """Why the conversation should go from `here` to `there`, the first by its mode's order; empty where it
    should stay.
    """
    if trade.by == "time":
        if here.whole_s is None or there.whole_s is None:
            return ""
        saved_s = here.whole_s - there.whole_s
        return f"{saved_s:.1f} s less a turn" if saved_s > _CLEAR_TIME * here.whole_s else ""
    lost = 0.0
    if here.weighed_nanos and there.weighed_nanos is not None:
        lost = (there.weighed_nanos - here.weighed_nanos) / here.weighed_nanos
    if there.utility is not None:
        gained = there.utility - (here.utility or 0.0)
        if gained > trade.within_points + _CLEAR_POINTS + _POINTS_A_TURN * max(lost, 0.0):
            return f"{gained:.1f} points more"
    if trade.by == "money" and -lost > CLEAR_SAVING:
        return f"{-lost:.0%} less a turn"
    return ""
