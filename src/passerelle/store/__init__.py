"""What is kept: SQLite or PostgreSQL behind SQLAlchemy Core, a journal in front, one writer per worker.

    store = open_store(default_url(data_dir), data_dir, clock=SystemClock(), worker="w0")
    store.identity   who a token belongs to, from memory            store.receipts  signed records
    store.budgets    holds from leases, from memory                 store.usage     reports, ledger, prices
    store.journal    intents and settlements, kept before told      store.keys, .tenants, .audit, .contents
                                                                    store.files, .batches
    store.drills     what is taken out for whom, from memory
    store.feedback, .router_states      what the router learns from, and has learned
    store.conversations, .backgrounds   what callers asked to keep, and for later; .repeats: idempotency keys

The first column is for the hot path: sync, microseconds, no database. The second reads and writes the
database on the calling thread: call it from a worker thread (`asyncio.to_thread`), never the event loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.core.clock import Clock, SystemClock
from passerelle.core.receipt import Held
from passerelle.store.budgets import LeaseRules
from passerelle.store.errors import BudgetDenied, ConversationTooLong, SchemaMismatch, StoreUnavailable
from passerelle.store.journal import Bounds
from passerelle.store.values import Budget, BudgetState, KeyEntry

if TYPE_CHECKING:
    from passerelle.store.opening import Store

__all__ = [
    "Bounds",
    "Budget",
    "BudgetDenied",
    "BudgetState",
    "ConversationTooLong",
    "Held",
    "KeyEntry",
    "LeaseRules",
    "SchemaMismatch",
    "Store",
    "StoreUnavailable",
    "check_signature",
    "default_url",
    "open_store",
]


def open_store(
    url: str,
    data_dir: Path,
    *,
    clock: Clock | None = None,
    worker: str = "w0",
    bounds: Bounds | None = None,
    rules: LeaseRules | None = None,
) -> "Store":
    """The store of one worker: migrated, recovered from crashes, writing. Open it after forking.

    `url` is SQLAlchemy's (`sqlite:////var/lib/passerelle/passerelle.db`, `postgresql+psycopg://…`). When the
    database is down but was known before, the store opens degraded: keys work, health says so, writing
    waits in the journal. Raises `StoreUnavailable` when it was never known, `SchemaMismatch`, `OSError`
    when `data_dir` cannot be written.
    """
    from passerelle.store.opening import Store

    return Store(url, data_dir, clock or SystemClock(), worker, bounds or Bounds(), rules or LeaseRules())


def default_url(data_dir: Path) -> str:
    """The SQLite database that lives in the data directory."""
    return f"sqlite:///{data_dir.absolute() / 'passerelle.db'}"


def check_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is good: pass it to `passerelle.ledger.receipts.verify`."""
    from passerelle.store.signing import check

    return check(public_key, signature, message)


def __getattr__(name: str) -> object:
    """`Store` itself, for annotations and `isinstance`, without importing the database for the rest."""
    if name == "Store":
        from passerelle.store.opening import Store

        return Store
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
