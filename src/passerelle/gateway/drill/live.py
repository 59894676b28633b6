"""What a real removal did: the requests it touched, out of their receipts."""

import msgspec

from passerelle.core.plan import Rejection
from passerelle.core.receipt import OutcomeKind
from passerelle.policy.removal import RULE
from passerelle.store import Store
from passerelle.store.drills import Drill


class Outcome(msgspec.Struct, frozen=True):
    """Requests that would have been offered to what was taken out."""

    elsewhere: int
    """Answered by another place."""
    refused: int
    """Nobody else may serve them."""
    failed: int
    """Another place was tried, and it failed, broke off, or its caller left."""
    untouched: int
    """Requests in the drill's scope to which it made no difference."""
    by_place: dict[str, int]
    """Deployment → requests it answered in its stead."""
    refused_keys: dict[str, int]
    """Key → requests refused."""


class _Plan(msgspec.Struct, frozen=True, gc=False):
    rejections: tuple[Rejection, ...] = ()


class _Seen(msgspec.Struct, frozen=True, gc=False):
    at_ns: int
    workspace_id: str
    project_id: str
    key_id: str
    outcome: OutcomeKind
    plan: _Plan | None = None
    deployment: str | None = None


_read = msgspec.json.Decoder(_Seen).decode


def outcome(store: Store, drill: Drill, now_ns: int) -> Outcome:
    """What the drill did so far. Reads every receipt of its organisation in its time."""
    elsewhere = refused = failed = untouched = 0
    by_place: dict[str, int] = {}
    refused_keys: dict[str, int] = {}
    until_ns = min(now_ns, drill.over_ns) + 1
    named = f"`{drill.id}`"
    for body in store.receipts.bodies(drill.org_id, since_ns=drill.started_at_ns, until_ns=until_ns):
        seen = _read(body)
        if not drill.started_at_ns <= seen.at_ns < until_ns or not _within(drill, seen):
            continue
        rejections = () if seen.plan is None else seen.plan.rejections
        if not any(one.rule == RULE and named in one.reason for one in rejections):
            untouched += 1
        elif seen.outcome == "refused":
            refused += 1
            refused_keys[seen.key_id] = refused_keys.get(seen.key_id, 0) + 1
        elif seen.outcome == "answered":
            elsewhere += 1
            place = seen.deployment or ""
            by_place[place] = by_place.get(place, 0) + 1
        else:
            failed += 1
    return Outcome(elsewhere, refused, failed, untouched, by_place, refused_keys)


def _within(drill: Drill, seen: _Seen) -> bool:
    match drill.scope:
        case "organisation":
            return True
        case "workspace":
            return seen.workspace_id == drill.scope_id
        case "project":
            return seen.project_id == drill.scope_id
        case "key":
            return seen.key_id == drill.scope_id
