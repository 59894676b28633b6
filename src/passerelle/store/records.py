"""What the journal holds: the records whose order is the order of events, as MessagePack.

A record says everything its booking needs, so that a replay in another process books the same. Leases
are named beside the settlement because only the worker that drew them knows which one backs a hold;
an empty name means none does any more (the hold had expired, or the settlement came twice).
"""

import msgspec

from passerelle.core.receipt import Intent, Settlement


class Intended(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="i"):
    """A provider is about to be called."""

    intent: Intent
    leases: tuple[str, ...]
    """One per `intent.holds`."""


class Settled(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="s"):
    """A request is over."""

    settlement: Settlement
    leases: tuple[str, ...]
    """One per `settlement.holds`."""


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """An intent came to nothing: it could not be made durable in time, so no provider was called."""

    receipt_id: str
    attempt_id: str


Record = Intended | Settled | Withdrawn

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode
