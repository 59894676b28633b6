"""What the router learns from, and what it has learned. Neither holds a word of a prompt or an answer."""

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.schema import Column

from passerelle.store.schema.columns import blob, metadata, number, words

# How well the answer of a receipt did. Rows are only ever added; `number` counts them without gaps.
feedback = Table(
    "feedback",
    metadata,
    words("org_id"),
    number("number"),
    words("receipt_id"),
    words("verdict_id"),  # of which it is half; empty: of none
    words("source"),
    words("actor"),
    number("at_ns"),
    words("project_id"),
    words("deployment"),
    words("model"),
    words("task", null=True),
    number("score_ppm"),
    number("weight_ppm"),
    number("prior_ppm", null=True),
    Column("features", LargeBinary, nullable=True),
    PrimaryKeyConstraint("org_id", "number"),
    UniqueConstraint("org_id", "receipt_id", "source", "actor", "verdict_id"),
)

# Two receipts compared; `first` is the smaller id.
verdict = Table(
    "verdict",
    metadata,
    words("org_id"),
    words("verdict_id"),
    number("at_ns"),
    words("actor"),
    words("first"),
    words("second"),
    words("overall"),  # of the two as they stand here
    words("criteria"),
    PrimaryKeyConstraint("org_id", "verdict_id"),
    UniqueConstraint("org_id", "first", "second", "actor"),
    Index(None, "org_id", "second"),
)

# Where an organisation's learning stands; whoever changes it, or adds feedback, holds its lock.
router = Table(
    "router",
    metadata,
    words("org_id"),
    number("number"),
    number("version"),
    number("rests_on"),
    number("epoch"),
    number("frozen_at", null=True),
    words("owner"),  # the worker that learns anew from many rows; empty: nobody
    number("leased_until_ns"),
    PrimaryKeyConstraint("org_id"),
)

router_state = Table(
    "router_state",
    metadata,
    words("org_id"),
    number("version"),
    number("number"),
    number("epoch"),
    number("at_ns"),
    words("actor"),
    words("origin"),
    words("learner"),
    number("restores", null=True),
    blob("body"),
    PrimaryKeyConstraint("org_id", "version"),
)
