"""Counting tokens where no eligible place counts natively: an estimate, said to be one."""

from passerelle.codecs import registry
from passerelle.gateway.estimate import input_tokens
from passerelle.gateway.translate import wire_dialect
from passerelle.gateway.trip import Trip


def counts_natively(trip: Trip) -> bool:
    """Whether the first candidate's provider counts tokens in the caller's own dialect.

    Only there: another vendor's count in another dialect would be a precise answer to a different question.
    """
    first = trip.generation.catalog.by_id[trip.plan.candidates[0].deployment]
    if wire_dialect(trip, first) != trip.ask.dialect:
        return False
    return trip.generation.providers[first.provider].supports("count_tokens", first)


def count_here(trip: Trip) -> bytes:
    """The estimate in the caller's dialect: bytes per token of ordinary text, pictures at a flat rate."""
    return registry.client(trip.ask.dialect).encode_token_count(input_tokens(trip.envelope))
