"""Requests that their callers may send again: one row per idempotency key, for a day."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from passerelle.store.schema.columns import blob, metadata, number, words

repeat = Table(
    "repeat",
    metadata,
    words("org_id"),
    words("name"),  # a digest of the caller's key and of what it called the request
    words("digest"),  # of the request itself
    words("receipt_id"),
    words("state"),  # running | answered
    words("owner"),  # the worker that runs it; empty: nobody
    number("leased_until_ns"),
    number("at_ns"),
    number("expires_at_ns"),
    number("key_version"),  # 0: the answer is not kept
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "name"),
    Index(None, "expires_at_ns"),
    Index(None, "owner"),
)
