"""What a caller asks as one piece of work: files and batches. Contents of files lie beside the database."""

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from passerelle.store.schema.columns import blob, metadata, number, words

file = Table(
    "file",
    metadata,
    words("org_id"),
    words("file_id"),
    words("project_id"),
    words("key_id"),
    words("name"),
    words("purpose"),
    words("media_type"),
    number("size_bytes"),
    number("created_at_ns"),
    number("expires_at_ns", null=True),
    PrimaryKeyConstraint("org_id", "file_id"),
    UniqueConstraint("file_id"),
    Index(None, "org_id", "project_id", "file_id"),
    Index(None, "expires_at_ns"),
)

batch = Table(
    "batch",
    metadata,
    words("org_id"),
    words("batch_id"),
    words("project_id"),
    words("key_id"),
    words("surface"),  # openai | anthropic | gemini
    words("endpoint"),
    words("state"),
    words("input_file_id"),
    words("output_file_id", null=True),
    words("error_file_id", null=True),
    words("terms"),
    words("problems"),
    words("tokens"),
    words("reached"),
    number("total"),
    number("completed"),
    number("failed"),
    number("expired"),
    number("cancelled"),
    number("created_at_ns"),
    number("expires_at_ns"),
    number("purge_at_ns", null=True),  # set once it is over: when the row itself goes
    words("owner"),  # the worker that runs it; empty: nobody
    number("leased_until_ns"),  # without an owner: nobody takes it up before
    words("native", null=True),  # where it is with a provider's own batch service: `core.batch.Native`
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
    words("org_id"),
    words("batch_id"),
    number("line"),
    words("kind"),  # ok | error
    words("receipt_id"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "batch_id", "line"),
    ForeignKeyConstraint(["org_id", "batch_id"], ["batch.org_id", "batch.batch_id"]),
)
