"""Requests that can be judged again: from receipts, which hold no prompt, or as they are asked."""

from functools import lru_cache

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.core.model import DataClass
from passerelle.core.plan import Mode
from passerelle.core.principal import Principal
from passerelle.core.receipt import OutcomeKind, Shape
from passerelle.core.request import TASKS, Operation
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.estimate import BYTES_PER_TOKEN, EXPECTED_OUTPUT_TOKENS, input_tokens
from passerelle.gateway.trip import NO_WISHES, Wishes


class Case(msgspec.Struct, frozen=True, gc=False):
    """One request to be judged, in the name of a key."""

    name: str
    """The receipt's id, or the name of a line of a golden set."""
    principal: Principal
    envelope: Envelope
    wishes: Wishes
    usage: Usage
    """What it used, or would use: what is priced at either place."""
    draw: float
    """Its number in [0, 1): the same with the supplier and without."""


class SeenPlan(msgspec.Struct, frozen=True, gc=False):
    """Of a receipt's plan, what a shape needs."""

    requested: str
    mode: Mode
    data_class: DataClass


class SeenAttempt(msgspec.Struct, frozen=True, gc=False):
    """Of a receipt's attempt, what shares and latencies need."""

    deployment: str
    provider: str
    ok: bool
    duration_ns: int
    first_content_ns: int | None = None
    cost_nanos: int = 0
    currency: str = "USD"


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Of a receipt, what a drill needs: reading the rest would cost as much again."""

    id: str
    at_ns: int
    org_id: str
    workspace_id: str
    project_id: str
    key_id: str
    operation: Operation
    stream: bool
    outcome: OutcomeKind
    attempts: tuple[SeenAttempt, ...] = ()
    plan: SeenPlan | None = None
    usage: Usage = NO_USAGE
    shape: Shape | None = None


read = msgspec.json.Decoder(Seen).decode
"""A receipt's signed text."""


def case_of(seen: Seen, principal: Principal) -> Case | None:
    """The shape of a recorded request; None where nothing was planned."""
    if seen.plan is None:
        return None
    shape = seen.shape
    if shape is None:
        envelope, wishes = _without_shape(seen, seen.plan)
    else:
        envelope = Envelope(
            operation=seen.operation,
            model=seen.plan.requested,
            stream=seen.stream,
            max_output_tokens=shape.max_output_tokens,
            features=_set(shape.features),
            text_bytes=shape.text_bytes,
            images=shape.images,
            likely=seen.usage if seen.operation in TASKS else None,
        )
        wishes = NO_WISHES
        if shape.data_class is not None or shape.mode is not None or shape.models or shape.affinity:
            wishes = Wishes(
                mode=shape.mode, models=shape.models, data_class=shape.data_class, affinity=shape.affinity
            )
    usage = seen.usage if seen.usage.source != "none" else likely(envelope)
    return Case(seen.id, principal, envelope, wishes, usage, _draw(seen.id))


def asked(name: str, principal: Principal, envelope: Envelope, wishes: Wishes) -> Case:
    """A request of a golden set."""
    return Case(name, principal, envelope, wishes, likely(envelope), _draw(f"{principal.key_id}{name}"))


def likely(envelope: Envelope) -> Usage:
    """What a request probably uses, where nobody counted: the road's own estimate before a call."""
    if envelope.likely is not None:
        return envelope.likely
    if envelope.operation != "chat":
        return Usage(input_tokens=input_tokens(envelope), source="estimated")
    output = min(envelope.max_output_tokens or EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS)
    return Usage(input_tokens=input_tokens(envelope), output_tokens=output, source="estimated")


def _without_shape(seen: Seen, plan: SeenPlan) -> tuple[Envelope, Wishes]:
    """A receipt from before shapes were kept: its size from its tokens, its needs unknown, and the data class
    that held then taken as declared, so that it is never lower now."""
    envelope = Envelope(
        operation=seen.operation,
        model=plan.requested,
        stream=seen.stream,
        text_bytes=seen.usage.total_input_tokens * BYTES_PER_TOKEN,
        likely=seen.usage if seen.operation in TASKS else None,
    )
    mode = None if plan.mode == "named" else plan.mode
    return envelope, Wishes(mode=mode, data_class=plan.data_class)


@lru_cache(maxsize=4096)
def _set(features: tuple[str, ...]) -> frozenset[str]:
    return frozenset(features)


def _draw(name: str) -> float:
    """A number in [0, 1) of the request's own, the same at every run: FNV-1a over its name."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return (value >> 11) / (1 << 53)
