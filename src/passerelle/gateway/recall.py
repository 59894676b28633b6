"""What settled before a start, read again from receipts: lengths, caches, and where conversations are.

All three are learned from what settles, and what settled is in the receipts: so nothing more is kept for
them, nothing is lost when a worker is killed, and each worker begins with what all of them saw. It is read
once, beside the first choices, the newest receipts up to a bound.

Of a conversation a receipt has a digest alone, which can be matched and not turned back; what is remembered
here goes by it, until the conversation goes on and is remembered by its name again (`whereabouts`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.core.model import Deployment
from passerelle.core.receipt import OutcomeKind
from passerelle.core.request import Operation
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.estimate import input_tokens
from passerelle.router.cost import Caches, Lengths
from passerelle.store import Store

MOST = 4000
"""Receipts; some 0.1 s of a thread."""
MOST_OF_ONE = 1000
"""Of one organisation."""
SINCE_S = 7 * 86_400.0
STAYS_S = 3600.0
"""Where a conversation was longer ago is let go: nothing of it is cached any more, and it may move."""


class _Choice(msgspec.Struct, frozen=True, gc=False):
    task: str | None = None
    stay: str | None = None
    warm: bool = False


class _Plan(msgspec.Struct, frozen=True, gc=False):
    choice: _Choice | None = None


class _Attempt(msgspec.Struct, frozen=True, gc=False):
    deployment: str
    usage: Usage = NO_USAGE


class _Shape(msgspec.Struct, frozen=True, gc=False):
    features: tuple[str, ...] = ()
    text_bytes: int = 0
    images: int = 0
    conversation: str | None = None


class _Receipt(msgspec.Struct, frozen=True, gc=False):
    at_ns: int
    duration_ns: int
    org_id: str
    operation: Operation
    outcome: OutcomeKind
    attempts: tuple[_Attempt, ...] = ()
    plan: _Plan | None = None
    shape: _Shape | None = None


_read = msgspec.json.Decoder(_Receipt).decode


class Stayed(msgspec.Struct, frozen=True, gc=False):
    """A conversation's last turn before the start."""

    place: str
    """The deployment."""
    ended_ns: int
    """By the wall clock."""
    tokens: int
    """Of its prompt, as estimated."""


class Recalled(msgspec.Struct):
    """What receipts tell."""

    lengths: Lengths
    caches: Caches
    stays: dict[tuple[str, str], Stayed]
    """By organisation and digest of the conversation."""


def recalled(bodies: Iterable[bytes], places: Mapping[str, Deployment], *, now_ns: int) -> Recalled:
    """What these receipts tell, the newest first. Of places that are no longer there nothing is told."""
    found = Recalled(Lengths(), Caches(), {})
    for one in reversed([_read(body) for body in bodies]):
        choice = None if one.plan is None else one.plan.choice
        if choice is None or one.shape is None or one.outcome != "answered" or one.operation != "chat":
            continue
        if not one.attempts or (place := places.get(one.attempts[-1].deployment)) is None:
            continue
        usage, shape = one.attempts[-1].usage, one.shape
        tokens = input_tokens(Envelope("chat", "", text_bytes=shape.text_bytes, images=shape.images))
        name = None if shape.conversation is None else (one.org_id, shape.conversation)
        before = None if name is None else found.stays.pop(name, None)
        if usage.source == "provider":
            if "n" not in shape.features:
                found.lengths.add(place.model.id, choice.task or "", usage.total_output_tokens)
            warm = before is not None and choice.warm and choice.stay == place.id
            share = min(before.tokens / tokens, 1.0) if before is not None and warm else 0.0
            found.caches.add(
                place.id,
                fresh=usage.input_tokens,
                read=usage.cache_read_tokens,
                written=usage.cache_write_tokens,
                had=int(share * usage.total_input_tokens),
            )
        ended_ns = one.at_ns + one.duration_ns
        if name is not None and now_ns - ended_ns < STAYS_S * 1e9:
            found.stays[name] = Stayed(place.id, ended_ns, tokens)
    return found


def recall(
    store: Store, org_ids: Sequence[str], places: Mapping[str, Deployment], *, now_ns: int
) -> Recalled:
    """What the newest receipts tell. Blocks: use a thread. Raises `StoreUnavailable`."""
    since_ns = now_ns - int(SINCE_S * 1e9)
    newest = (store.receipts.newest(org_id, since_ns=since_ns, until_ns=now_ns) for org_id in org_ids)
    bodies = chain.from_iterable(islice(one, MOST_OF_ONE) for one in newest)
    return recalled(islice(bodies, MOST), places, now_ns=now_ns)
