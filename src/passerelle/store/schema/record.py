"""What happened: intents, outcomes, signed receipts, content, audit; and the installation's counters."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table, text

from passerelle.store.schema.columns import blob, metadata, number, words

intent = Table(
    "intent",
    metadata,
    words("org_id"),
    words("attempt_id"),
    words("receipt_id"),
    words("request_id"),
    number("at_ns"),
    words("workspace_id"),
    words("project_id"),
    words("key_id"),
    words("provider"),
    words("deployment"),
    words("model"),
    words("data_class"),
    words("policy_version"),
    number("generation"),
    number("estimate_nanos"),
    words("currency"),
    words("worker"),
    PrimaryKeyConstraint("org_id", "attempt_id"),
    Index(None, "org_id", "at_ns"),
    sqlite_with_rowid=False,
)

# One row per request. `leaf` is its receipt's place in the batch that its group signed: NULL for a request
# lost in a crash, of which nothing can be signed.
outcome = Table(
    "outcome",
    metadata,
    words("org_id"),
    words("receipt_id"),
    words("request_id", null=True),  # NULL where it is ours: the receipt's own ULID
    words("project_id"),
    words("key_id"),
    number("at_ns"),
    words("outcome"),  # as in the receipt, or `unknown` after a crash
    words("problem", null=True),
    number("attempts"),
    words("worker"),
    words("group_id"),  # the transaction that wrote it: tells new rows from replayed ones
    number("leaf", null=True),
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
    words("org_id"),
    words("batch_id"),  # the group that wrote it
    words("signer"),
    number("size"),
    blob("root"),
    blob("signature"),
    blob("bodies"),  # the receipts as they are signed, a line each, in the order of their leaves
    number("at_ns"),
    PrimaryKeyConstraint("org_id", "batch_id"),
)

signing_key = Table(
    "signing_key",
    metadata,
    words("org_id"),
    words("signer"),
    blob("public_key"),
    number("first_seen_ns"),
    PrimaryKeyConstraint("org_id", "signer"),
)

content_key = Table(
    "content_key",
    metadata,
    words("org_id"),
    number("version"),
    blob("wrapped"),
    number("created_at_ns"),
    PrimaryKeyConstraint("org_id", "version"),
)

content = Table(
    "content",
    metadata,
    words("org_id"),
    words("receipt_id"),
    number("at_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "receipt_id"),
    Index(None, "org_id", "at_ns"),
)

audit = Table(
    "audit",
    metadata,
    words("org_id"),
    words("audit_id"),
    number("at_ns"),
    words("actor"),
    words("action"),
    words("target"),
    words("before", null=True),
    words("after", null=True),
    blob("leaf"),
    PrimaryKeyConstraint("org_id", "audit_id"),
)

meta = Table(
    "meta",
    metadata,
    words("org_id"),
    words("name"),
    number("value"),
    PrimaryKeyConstraint("org_id", "name"),
)
