"""What callers asked to keep: sealed like `content`, in the project, until `expires_at_ns`."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from passerelle.store.schema.columns import blob, flag, metadata, number, words

stored_response = Table(
    "stored_response",
    metadata,
    words("org_id"),
    words("response_id"),
    words("project_id"),
    words("key_id"),
    words("previous_id", null=True),
    words("conversation_id", null=True),
    words("provider"),
    number("at_ns"),
    number("expires_at_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "response_id"),
    Index(None, "expires_at_ns"),
)

stored_output = Table(
    "stored_output",
    metadata,
    words("org_id"),
    words("item_id"),  # by which a later request may refer to an item of the response
    words("response_id"),
    number("expires_at_ns"),
    PrimaryKeyConstraint("org_id", "item_id", "response_id"),
    Index(None, "org_id", "response_id"),
    Index(None, "expires_at_ns"),
    sqlite_with_rowid=False,
)

conversation = Table(
    "conversation",
    metadata,
    words("org_id"),
    words("conversation_id"),
    words("project_id"),
    number("at_ns"),
    number("expires_at_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "conversation_id"),
    Index(None, "expires_at_ns"),
)

conversation_item = Table(
    "conversation_item",
    metadata,
    words("org_id"),
    words("conversation_id"),
    words("place"),  # a number: the order in which it was said
    words("item_id"),
    words("provider"),
    number("at_ns"),
    number("expires_at_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "conversation_id", "place"),
    Index(None, "org_id", "conversation_id", "item_id"),
    Index(None, "expires_at_ns"),
)

# A response asked for in the background, from its request until `expires_at_ns`; both are sealed.
background_response = Table(
    "background_response",
    metadata,
    words("org_id"),
    words("response_id"),
    words("project_id"),
    words("key_id"),
    words("state"),
    flag("stream"),
    number("tries"),
    number("losses"),
    number("events"),
    number("at_ns"),
    number("expires_at_ns"),
    words("owner"),  # the worker that runs it; empty: nobody
    number("leased_until_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "response_id"),
    Index(None, "state"),
    Index(None, "expires_at_ns"),
)

# The events of one that is streamed, several in a row of the table.
background_event = Table(
    "background_event",
    metadata,
    words("org_id"),
    words("response_id"),
    number("number"),  # of the first of them
    number("until"),
    number("expires_at_ns"),
    number("key_version"),
    blob("nonce"),
    blob("body"),
    PrimaryKeyConstraint("org_id", "response_id", "number"),
    Index(None, "expires_at_ns"),
)
