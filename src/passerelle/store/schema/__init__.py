"""The tables. Every primary key begins with the organisation, so no row can be reached without naming it.

What belongs to the installation as a whole (counters, signing keys, the price book) stands under the
organisation `""`. Times are Unix nanoseconds, money is nanos, JSON is text written by msgspec: nothing
here needs a type that SQLite and PostgreSQL understand differently. Rows of `intent`, `outcome`,
`ledger`, `hold`, `signing_batch`, `feedback`, `verdict` and `audit` are only ever added.

`migrations/` creates the same tables step by step; a test compares the two.
"""

from passerelle.store.schema.columns import INSTALLATION, metadata
from passerelle.store.schema.conversations import (
    background_event,
    background_response,
    conversation,
    conversation_item,
    stored_output,
    stored_response,
)
from passerelle.store.schema.identity import api_key, organisation, project, workspace
from passerelle.store.schema.learning import feedback, router, router_state, verdict
from passerelle.store.schema.money import (
    budget,
    budget_account,
    budget_lease,
    hold,
    ledger,
    price_row,
    usage_hour,
    usage_tag,
)
from passerelle.store.schema.record import (
    audit,
    content,
    content_key,
    intent,
    meta,
    outcome,
    signing_batch,
    signing_key,
    speak_postgresql,
)
from passerelle.store.schema.repeats import repeat
from passerelle.store.schema.work import batch, batch_line, file

__all__ = [
    "INSTALLATION",
    "api_key",
    "audit",
    "background_event",
    "background_response",
    "batch",
    "batch_line",
    "budget",
    "budget_account",
    "budget_lease",
    "content",
    "content_key",
    "conversation",
    "conversation_item",
    "feedback",
    "file",
    "hold",
    "intent",
    "ledger",
    "meta",
    "metadata",
    "organisation",
    "outcome",
    "price_row",
    "project",
    "repeat",
    "router",
    "router_state",
    "signing_batch",
    "signing_key",
    "speak_postgresql",
    "stored_output",
    "stored_response",
    "usage_hour",
    "usage_tag",
    "verdict",
    "workspace",
]
