"""How much: budgets, what was held of them, and what was charged, one row per attempt.

`budget` is what an administrator says; accounts, leases and holds are what happened.
"""

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from passerelle.core.usage import TOKENS, UNITS
from passerelle.store.schema.columns import added_number, flag, metadata, number, words

# --- budgets

budget = Table(
    "budget",
    metadata,
    words("org_id"),
    words("budget_id"),
    words("scope"),
    words("scope_id"),
    words("name"),
    number("limit_nanos"),
    words("currency"),
    words("period"),
    number("created_at_ns"),
    number("disabled_at_ns", null=True),
    number("revision"),
    PrimaryKeyConstraint("org_id", "budget_id"),
    UniqueConstraint("budget_id"),
    ForeignKeyConstraint(["org_id"], ["organisation.org_id"]),
    Index(None, "revision"),
)

budget_account = Table(
    "budget_account",
    metadata,
    words("org_id"),
    words("budget_id"),
    words("period"),
    number("spent_nanos"),
    number("leased_nanos"),
    PrimaryKeyConstraint("org_id", "budget_id", "period"),
)

budget_lease = Table(
    "budget_lease",
    metadata,
    words("org_id"),
    words("lease_id"),
    words("budget_id"),
    words("period"),
    words("worker"),
    number("granted_nanos"),
    number("spent_nanos"),
    words("state"),  # open | closed | expired | recovered
    number("created_at_ns"),
    number("expires_at_ns"),
    PrimaryKeyConstraint("org_id", "lease_id"),
    Index(None, "state", "expires_at_ns"),
    Index(None, "org_id", "budget_id", "period"),
)

hold = Table(
    "hold",
    metadata,
    words("org_id"),
    words("receipt_id"),
    words("hold_id"),
    words("budget_id"),
    words("period"),
    words("lease_id", null=True),
    number("held_nanos"),
    number("amount_nanos"),
    words("state"),  # settled | late | unknown
    number("at_ns"),
    PrimaryKeyConstraint("org_id", "receipt_id", "hold_id", "budget_id"),
    sqlite_with_rowid=False,
)

# --- what was charged

ledger = Table(
    "ledger",
    metadata,
    words("org_id"),
    words("attempt_id"),
    words("receipt_id"),
    words("kind"),  # attempt | adjustment (a later correction; `attempt_id` is then its own)
    number("at_ns"),
    words("workspace_id"),
    words("project_id"),
    words("key_id"),
    words("provider"),
    words("deployment"),
    words("model"),
    flag("ok"),
    words("failure", null=True),
    number("status", null=True),
    number("duration_ns"),
    number("first_content_ns", null=True),
    *[number(bucket) for bucket in TOKENS],
    words("source"),  # provider | estimated | none
    words("price_version", null=True),
    number("amount_nanos"),
    words("currency"),
    flag("late"),
    flag("unknown"),  # the outcome was lost in a crash: `amount_nanos` is the estimate
    *[added_number(unit) for unit in UNITS],
    # Ids sort by time, and an attempt's begins with its receipt's ULID: neither needs an index of its own.
    PrimaryKeyConstraint("org_id", "attempt_id"),
    sqlite_with_rowid=False,
)

usage_hour = Table(
    "usage_hour",
    metadata,
    words("org_id"),
    number("hour"),  # hours since the Unix epoch
    words("workspace_id"),
    words("project_id"),
    words("key_id"),
    words("provider"),
    words("deployment"),
    words("model"),
    words("currency"),
    number("shard"),  # keeps workers from queueing for one row's lock
    number("attempts"),
    number("failed"),
    number("unpriced"),
    number("estimated_nanos"),
    number("amount_nanos"),
    *[number(bucket) for bucket in TOKENS],
    *[added_number(unit) for unit in UNITS],
    PrimaryKeyConstraint(
        "org_id", "hour", "workspace_id", "project_id", "key_id", "provider", "deployment", "model",
        "currency", "shard",
    ),
    sqlite_with_rowid=False,
)  # fmt: skip

usage_tag = Table(
    "usage_tag",
    metadata,
    words("org_id"),
    number("hour"),
    words("tag"),  # a request of two tags is in the sums of both, one without in none
    *[words(name) for name in (
        "workspace_id", "project_id", "key_id", "provider", "deployment", "model", "currency",
    )],
    number("shard"),
    *[number(name) for name in ("attempts", "failed", "unpriced", "estimated_nanos", "amount_nanos")],
    *[number(bucket) for bucket in TOKENS],
    *[added_number(unit) for unit in UNITS],
    PrimaryKeyConstraint(
        "org_id", "hour", "tag", "workspace_id", "project_id", "key_id", "provider", "deployment", "model",
        "currency", "shard",
    ),
    sqlite_with_rowid=False,
)  # fmt: skip

price_row = Table(
    "price_row",
    metadata,
    words("org_id"),
    words("version"),
    words("body"),
    number("first_seen_ns"),
    PrimaryKeyConstraint("org_id", "version"),
)
