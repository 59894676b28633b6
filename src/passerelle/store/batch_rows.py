"""A batch as a row of its table, and back."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, update

from passerelle.core.batch import Batch, BatchState, LineProblem, Native, Tally, Terms, Tokens
from passerelle.store import schema

_batch = schema.batch
COLUMNS = (
    _batch.c.batch_id, _batch.c.org_id, _batch.c.project_id, _batch.c.key_id, _batch.c.surface,
    _batch.c.endpoint, _batch.c.state, _batch.c.input_file_id, _batch.c.created_at_ns, _batch.c.expires_at_ns,
    _batch.c.terms, _batch.c.output_file_id, _batch.c.error_file_id, _batch.c.problems, _batch.c.total,
    _batch.c.completed, _batch.c.failed, _batch.c.expired, _batch.c.cancelled, _batch.c.tokens,
    _batch.c.reached, _batch.c.native,
)  # fmt: skip
_problems = msgspec.json.Decoder(tuple[LineProblem, ...])
_terms = msgspec.json.Decoder(Terms)
_tokens = msgspec.json.Decoder(Tokens)
_native = msgspec.json.Decoder(Native)
_reached = msgspec.json.Decoder(dict[BatchState, int])


def read(row: Row[*tuple[Any, ...]]) -> Batch:
    """The batch of a row of `COLUMNS`."""
    return Batch(
        id=row.batch_id,
        org_id=row.org_id,
        project_id=row.project_id,
        key_id=row.key_id,
        surface=row.surface,
        endpoint=row.endpoint,
        state=row.state,
        input_file_id=row.input_file_id,
        created_at_ns=row.created_at_ns,
        expires_at_ns=row.expires_at_ns,
        terms=_terms.decode(row.terms),
        output_file_id=row.output_file_id,
        error_file_id=row.error_file_id,
        problems=_problems.decode(row.problems),
        tally=Tally(row.total, row.completed, row.failed, row.expired, row.cancelled),
        tokens=_tokens.decode(row.tokens),
        reached=_reached.decode(row.reached),
        native=None if row.native is None else _native.decode(row.native),
    )


def write(connection: Connection, batch: Batch, **more: object) -> None:
    """Write a batch that `mine` locked."""
    connection.execute(
        update(_batch)
        .where(_batch.c.org_id == batch.org_id, _batch.c.batch_id == batch.id)
        .values(
            state=batch.state,
            output_file_id=batch.output_file_id,
            error_file_id=batch.error_file_id,
            problems=encoded(batch.problems),
            tokens=encoded(batch.tokens),
            reached=encoded(batch.reached),
            native=None if batch.native is None else encoded(batch.native),
            **msgspec.structs.asdict(batch.tally),
            **more,
        )
    )


def encoded(value: object) -> str:
    """A value as a text column holds it."""
    return msgspec.json.encode(value).decode()
