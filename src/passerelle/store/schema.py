"""The tables. Every primary key begins with the organisation, so no row can be reached without naming it.

What belongs to the installation as a whole (counters, signing keys, the price book) stands under the
organisation `""`. Times are Unix nanoseconds, money is nanos, JSON is text written by msgspec: nothing
here needs a type that SQLite and PostgreSQL understand differently. Rows of `intent`, `outcome`,
`ledger`, `hold`, `signing_batch` and `audit` are only ever added.

`migrations/` creates the same tables step by step; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from passerelle.core.usage import TOKENS, UNITS

INSTALLATION = ""
"""The `org_id` of rows that belong to no tenant."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _int(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _added_int(name: str) -> Column[int]:
    """A figure that rows of an earlier version do not have."""
    return Column(name, BigInteger, nullable=False, server_default="0")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


# --- who: the tenancy tree. `revision` is the identity counter at the row's last change.

organisation = Table(
    "organisation",
    metadata,
    _text("org_id"),
    _text("name"),
    _text("rights"),
    _int("created_at_ns"),
    _int("disabled_at_ns", null=True),
    _int("revision"),
    PrimaryKeyConstraint("org_id"),
    Index(None, "revision"),
)

workspace = Table(
    "workspace",
    metadata,
    _text("org_id"),
    _text("workspace_id"),
    _text("name"),
    _text("rights"),
    _int("created_at_ns"),
    _int("disabled_at_ns", null=True),
    _int("revision"),
    PrimaryKeyConstraint("org_id", "workspace_id"),
    ForeignKeyConstraint(["org_id"], ["organisation.org_id"]),
    Index(None, "revision"),
)

project = Table(
    "project",
    metadata,
    _text("org_id"),
    _text("project_id"),
    _text("workspace_id"),
    _text("name"),
    _text("rights"),
    _int("created_at_ns"),
    _int("disabled_at_ns", null=True),
    _int("revision"),
    PrimaryKeyConstraint("org_id", "project_id"),
    ForeignKeyConstraint(["org_id", "workspace_id"], ["workspace.org_id", "workspace.workspace_id"]),
    Index(None, "revision"),
)

api_key = Table(
    "api_key",
    metadata,
    _text("org_id"),
    _text("key_id"),
    _text("workspace_id"),
    _text("project_id"),
    _text("name"),
    _text("role"),
    _text("env"),
    _blob("digest"),
    _text("rights"),
    _int("created_at_ns"),
    _int("expires_at_ns", null=True),
    _int("revoked_at_ns", null=True),
    _int("revision"),
    PrimaryKeyConstraint("org_id", "key_id"),
    UniqueConstraint("key_id"),
    ForeignKeyConstraint(["org_id", "project_id"], ["project.org_id", "project.project_id"]),
    Index(None, "revision"),
)

# --- how much: budgets. `budget` is what an administrator says; accounts and leases are what happened.

budget = Table(
    "budget",
    metadata,
    _text("org_id"),
    _text("budget_id"),
    _text("scope"),
    _text("scope_id"),
    _text("name"),
    _int("limit_nanos"),
    _text("currency"),
    _text("period"),
    _int("created_at_ns"),
    _int("disabled_at_ns", null=True),
    _int("revision"),
    PrimaryKeyConstraint("org_id", "budget_id"),
    UniqueConstraint("budget_id"),
    ForeignKeyConstraint(["org_id"], ["organisation.org_id"]),
    Index(None, "revision"),
)

budget_account = Table(
    "budget_account",
    metadata,
    _text("org_id"),
    _text("budget_id"),
    _text("period"),
    _int("spent_nanos"),
    _int("leased_nanos"),
    PrimaryKeyConstraint("org_id", "budget_id", "period"),
)

budget_lease = Table(
    "budget_lease",
    metadata,
    _text("org_id"),
    _text("lease_id"),
    _text("budget_id"),
    _text("period"),
    _text("worker"),
    _int("granted_nanos"),
    _int("spent_nanos"),
    _text("state"),  # open | closed | expired | recovered
    _int("created_at_ns"),
    _int("expires_at_ns"),
    PrimaryKeyConstraint("org_id", "lease_id"),
    Index(None, "state", "expires_at_ns"),
    Index(None, "org_id", "budget_id", "period"),
)

hold = Table(
    "hold",
    metadata,
    _text("org_id"),
    _text("receipt_id"),
    _text("hold_id"),
    _text("budget_id"),
    _text("period"),
    _text("lease_id", null=True),
    _int("held_nanos"),
    _int("amount_nanos"),
    _text("state"),  # settled | late | unknown
    _int("at_ns"),
    PrimaryKeyConstraint("org_id", "receipt_id", "hold_id", "budget_id"),
    sqlite_with_rowid=False,
)

# --- what was charged: one row per attempt.

ledger = Table(
    "ledger",
    metadata,
    _text("org_id"),
    _text("attempt_id"),
    _text("receipt_id"),
    _text("kind"),  # attempt | adjustment (a later correction; `attempt_id` is then its own)
    _int("at_ns"),
    _text("workspace_id"),
    _text("project_id"),
    _text("key_id"),
    _text("provider"),
    _text("deployment"),
    _text("model"),
    _flag("ok"),
    _text("failure", null=True),
    _int("status", null=True),
    _int("duration_ns"),
    _int("first_content_ns", null=True),
    *[_int(bucket) for bucket in TOKENS],
    _text("source"),  # provider | estimated | none
    _text("price_version", null=True),
    _int("amount_nanos"),
    _text("currency"),
    _flag("late"),
    _flag("unknown"),  # the outcome was lost in a crash: `amount_nanos` is the estimate
    *[_added_int(unit) for unit in UNITS],
    # Ids sort by time, and an attempt's begins with its receipt's ULID: neither needs an index of its own.
    PrimaryKeyConstraint("org_id", "attempt_id"),
    sqlite_with_rowid=False,
)

usage_hour = Table(
    "usage_hour",
    metadata,
    _text("org_id"),
    _int("hour"),  # hours since the Unix epoch
    _text("workspace_id"),
    _text("project_id"),
    _text("key_id"),
    _text("provider"),
    _text("deployment"),
    _text("model"),
    _text("currency"),
    _int("shard"),  # keeps workers from queueing for one row's lock
    _int("attempts"),
    _int("failed"),
    _int("unpriced"),
    _int("estimated_nanos"),
    _int("amount_nanos"),
    *[_int(bucket) for bucket in TOKENS],
    *[_added_int(unit) for unit in UNITS],
    PrimaryKeyConstraint(
        "org_id", "hour", "workspace_id", "project_id", "key_id", "provider", "deployment", "model",
        "currency", "shard",
    ),
    sqlite_with_rowid=False,
)  # fmt: skip

price_row = Table(
    "price_row",
    metadata,
    _text("org_id"),
    _text("version"),
    _text("body"),
    _int("first_seen_ns"),
    PrimaryKeyConstraint("org_id", "version"),
)

# --- what happened: audit and receipts.

intent = Table(
    "intent",
    metadata,
    _text("org_id"),
    _text("attempt_id"),
    _text("receipt_id"),
    _text("request_id"),
    _int("at_ns"),
    _text("workspace_id"),
    _text("project_id"),
    _text("key_id"),
    _text("provider"),
    _text("deployment"),
    _text("model"),
    _text("data_class"),
    _text("policy_version"),
    _int("generation"),
    _int("estimate_nanos"),
    _text("currency"),
    _text("worker"),
    PrimaryKeyConstraint("org_id", "attempt_id"),
    Index(None, "org_id", "at_ns"),
    sqlite_with_rowid=False,
)

# One row per request. `leaf` is its receipt's place in the batch that its group signed: NULL for a request
# lost in a crash, of which nothing can be signed.
outcome = Table(
    "outcome",
    metadata,
    _text("org_id"),
    _text("receipt_id"),
    _text("request_id", null=True),  # NULL where it is ours: the receipt's own ULID
    _text("project_id"),
    _text("key_id"),
    _int("at_ns"),
    _text("outcome"),  # as in the receipt, or `unknown` after a crash
    _text("problem", null=True),
    _int("attempts"),
    _text("worker"),
    _text("group_id"),  # the transaction that wrote it: tells new rows from replayed ones
    _int("leaf", null=True),
    PrimaryKeyConstraint("org_id", "receipt_id"),
    Index(None, "org_id", "key_id", "receipt_id"),
    Index(None, "org_id", "project_id", "receipt_id"),
    sqlite_with_rowid=False,
)

_REQUEST_IS_NAMED = text("request_id IS NOT NULL")
_outcome_by_request = Index(
    "ix_outcome_org_id_request_id", outcome.c.org_id, outcome.c.request_id, sqlite_where=_REQUEST_IS_NAMED
)


def speak_postgresql() -> None:
    """Tell PostgreSQL what SQLite is told above. Apart, because to name its dialect is to import it: 2 MiB
    that an installation on SQLite has no use for.
    """
    _outcome_by_request.dialect_options["postgresql"]["where"] = _REQUEST_IS_NAMED


signing_batch = Table(
    "signing_batch",
    metadata,
    _text("org_id"),
    _text("batch_id"),  # the group that wrote it
    _text("signer"),
    _int("size"),
    _blob("root"),
    _blob("signature"),
    _blob("bodies"),  # the receipts as they are signed, a line each, in the order of their leaves
    _int("at_ns"),
    PrimaryKeyConstraint("org_id", "batch_id"),
)

signing_key = Table(
    "signing_key",
    metadata,
    _text("org_id"),
    _text("signer"),
    _blob("public_key"),
    _int("first_seen_ns"),
    PrimaryKeyConstraint("org_id", "signer"),
)

content_key = Table(
    "content_key",
    metadata,
    _text("org_id"),
    _int("version"),
    _blob("wrapped"),
    _int("created_at_ns"),
    PrimaryKeyConstraint("org_id", "version"),
)

content = Table(
    "content",
    metadata,
    _text("org_id"),
    _text("receipt_id"),
    _int("at_ns"),
    _int("key_version"),
    _blob("nonce"),
    _blob("body"),
    PrimaryKeyConstraint("org_id", "receipt_id"),
    Index(None, "org_id", "at_ns"),
)

# --- what a caller keeps with us, and asks as one piece of work. Contents of files lie beside the database.

file = Table(
    "file",
    metadata,
    _text("org_id"),
    _text("file_id"),
    _text("project_id"),
    _text("key_id"),
    _text("name"),
    _text("purpose"),
    _text("media_type"),
    _int("size_bytes"),
    _int("created_at_ns"),
    _int("expires_at_ns", null=True),
    PrimaryKeyConstraint("org_id", "file_id"),
    UniqueConstraint("file_id"),
    Index(None, "org_id", "project_id", "file_id"),
    Index(None, "expires_at_ns"),
)

batch = Table(
    "batch",
    metadata,
    _text("org_id"),
    _text("batch_id"),
    _text("project_id"),
    _text("key_id"),
    _text("surface"),  # openai | anthropic
    _text("endpoint"),
    _text("state"),
    _text("input_file_id"),
    _text("output_file_id", null=True),
    _text("error_file_id", null=True),
    _text("terms"),
    _text("problems"),
    _text("tokens"),
    _text("reached"),
    _int("total"),
    _int("completed"),
    _int("failed"),
    _int("expired"),
    _int("cancelled"),
    _int("created_at_ns"),
    _int("expires_at_ns"),
    _int("purge_at_ns", null=True),  # set once it is over: when the row itself goes
    _text("owner"),  # the worker that runs it; empty: nobody
    _int("leased_until_ns"),  # without an owner: nobody takes it up before
    _text("native", null=True),  # where it is with a provider's own batch service: `core.batch.Native`
    PrimaryKeyConstraint("org_id", "batch_id"),
    UniqueConstraint("batch_id"),
    Index(None, "org_id", "project_id", "batch_id"),
    Index(None, "state"),
    Index(None, "purge_at_ns"),
)

# A line's result, from its answer until the batch's files are written. Sealed, as content is.
batch_line = Table(
    "batch_line",
    metadata,
    _text("org_id"),
    _text("batch_id"),
    _int("line"),
    _text("kind"),  # ok | error
    _text("receipt_id"),
    _int("key_version"),
    _blob("nonce"),
    _blob("body"),
    PrimaryKeyConstraint("org_id", "batch_id", "line"),
    ForeignKeyConstraint(["org_id", "batch_id"], ["batch.org_id", "batch.batch_id"]),
)

# --- what callers asked to keep: sealed like `content`, in the project, until `expires_at_ns`.

stored_response = Table(
    "stored_response",
    metadata,
    _text("org_id"),
    _text("response_id"),
    _text("project_id"),
    _text("key_id"),
    _text("previous_id", null=True),
    _text("conversation_id", null=True),
    _text("provider"),
    _int("at_ns"),
    _int("expires_at_ns"),
    _int("key_version"),
    _blob("nonce"),
    _blob("body"),
    PrimaryKeyConstraint("org_id", "response_id"),
    Index(None, "expires_at_ns"),
)

stored_output = Table(
    "stored_output",
    metadata,
    _text("org_id"),
    _text("item_id"),  # by which a later request may refer to an item of the response
    _text("response_id"),
    _int("expires_at_ns"),
    PrimaryKeyConstraint("org_id", "item_id", "response_id"),
    Index(None, "org_id", "response_id"),
    Index(None, "expires_at_ns"),
    sqlite_with_rowid=False,
)

conversation = Table(
    "conversation",
    metadata,
    _text("org_id"),
    _text("conversation_id"),
    _text("project_id"),
    _int("at_ns"),
    _int("expires_at_ns"),
    _int("key_version"),
    _blob("nonce"),
    _blob("body"),
    PrimaryKeyConstraint("org_id", "conversation_id"),
    Index(None, "expires_at_ns"),
)

conversation_item = Table(
    "conversation_item",
    metadata,
    _text("org_id"),
    _text("conversation_id"),
    _text("place"),  # a number: the order in which it was said
    _text("item_id"),
    _text("provider"),
    _int("at_ns"),
    _int("expires_at_ns"),
    _int("key_version"),
    _blob("nonce"),
    _blob("body"),
    PrimaryKeyConstraint("org_id", "conversation_id", "place"),
    Index(None, "org_id", "conversation_id", "item_id"),
    Index(None, "expires_at_ns"),
)

audit = Table(
    "audit",
    metadata,
    _text("org_id"),
    _text("audit_id"),
    _int("at_ns"),
    _text("actor"),
    _text("action"),
    _text("target"),
    _text("before", null=True),
    _text("after", null=True),
    _blob("leaf"),
    PrimaryKeyConstraint("org_id", "audit_id"),
)

meta = Table(
    "meta",
    metadata,
    _text("org_id"),
    _text("name"),
    _int("value"),
    PrimaryKeyConstraint("org_id", "name"),
)
