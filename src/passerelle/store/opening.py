"""Opening a store: files, keys, database, recovery, threads, in the order that makes each safe.

The heavy imports (SQLAlchemy 0.25 s, `cryptography` 0.05 s) happen here, not with `import passerelle.store`.
"""

import hashlib
import logging
import os
import re
from collections import deque
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.core.clock import Clock
from passerelle.store import changes
from passerelle.store.audit import Audit
from passerelle.store.backgrounds import Backgrounds
from passerelle.store.batch_runs import BatchRuns
from passerelle.store.batches import Batches
from passerelle.store.batches_native import NativeBatches
from passerelle.store.bell import Bell
from passerelle.store.booking import Booker
from passerelle.store.budgets import Budgets, Draw, LeaseRules
from passerelle.store.contents import Contents
from passerelle.store.conversations import Conversations
from passerelle.store.database import Database
from passerelle.store.drills import Drills
from passerelle.store.errors import SchemaMismatch, StoreUnavailable
from passerelle.store.files import private_directory
from passerelle.store.generations import GenerationBook
from passerelle.store.identity import Identity
from passerelle.store.journal import Bounds, Journal
from passerelle.store.keeping import Keeper
from passerelle.store.kept_files import KeptFiles
from passerelle.store.keys import Keys
from passerelle.store.migrate import migrate
from passerelle.store.poller import Poller
from passerelle.store.quarantine import Quarantine
from passerelle.store.receipts import Receipts
from passerelle.store.recovery import Recovery
from passerelle.store.repeats import Repeats
from passerelle.store.schema import INSTALLATION, signing_key
from passerelle.store.sealing import Sealer
from passerelle.store.signing import Signer, load_pepper
from passerelle.store.tenants import Tenants
from passerelle.store.upkeep import Upkeep
from passerelle.store.usage import UsageBook
from passerelle.store.vault import Vault
from passerelle.store.writer import Writer

if TYPE_CHECKING:
    from passerelle.store.feedback import Feedback
    from passerelle.store.router_states import RouterStates

log = logging.getLogger(__name__)

_TIDY_EVERY_S = 3_600.0
"""Between two looks for contents of files that nothing names."""


class Store:
    """Everything that is kept, open for one worker. Made by `open_store`; ends with `close`."""

    def __init__(
        self, url: str, data_dir: Path, clock: Clock, worker: str, bounds: Bounds, rules: LeaseRules
    ) -> None:
        private_directory(data_dir)
        pepper = load_pepper(data_dir)
        signer = Signer.load(data_dir)
        self._database = Database(url)
        self._data_dir = data_dir
        self._clock = clock
        self._signer = signer
        self.instance = f"{re.sub(r'[^A-Za-z0-9_-]', '_', worker)}-{os.getpid()}-{os.urandom(4).hex()}"
        """This worker's life: what its leases and journal are named after."""
        self._bell = Bell()
        self._draws: deque[Draw] = deque()
        self._quarantine = Quarantine(data_dir / "quarantine")
        sealer = Sealer(self._database, data_dir, clock)
        keeper = Keeper(self._database, sealer)
        booker = Booker(self._database, signer, sealer, keeper)
        self._recovery = Recovery(data_dir / "journal", self._database, booker, self._quarantine, clock)
        self.files = KeptFiles(self._database, Vault(data_dir / "files", self._database, sealer), clock)
        self.batches = Batches(self._database, clock)
        self.batch_runs = BatchRuns(self._database, sealer, clock)
        self.native_batches = NativeBatches(self._database, self.batch_runs, booker, clock)
        self._next_tidying_s = 0.0
        self.budgets = Budgets(clock, rules, self._submit)
        self.identity = Identity(
            pepper,
            clock,
            data_dir / "identity.snapshot",
            _database_id(self._database),
            lambda known, name: changes.read(self._database, known, name),
            on_budgets=self.budgets.recall,
        )
        self.drills = Drills(self._database, clock)
        self._degraded = not self._prepared()
        self.journal = Journal(data_dir / "journal", self.instance, self.budgets, self._bell.ring, bounds)
        self._writer = Writer(
            database=self._database,
            booker=booker,
            journal=self.journal,
            upkeep=Upkeep(self._database, self.budgets, clock, self.instance),
            quarantine=self._quarantine,
            bell=self._bell,
            draws=self._draws,
            clock=clock,
            worker=self.instance,
            prepare=self._prepare if self._degraded else None,
            sweep=self._sweep,
        )
        self.receipts = Receipts(self._database)
        self.usage = UsageBook(self._database, clock)
        self.keys = Keys(self._database, clock, pepper, self.identity.refresh)
        self.tenants = Tenants(self._database, clock, self.identity.refresh)
        self.audit = Audit(self._database, clock)
        self.contents = Contents(self._database, sealer, clock)
        self.conversations = Conversations(self._database, keeper, clock)
        self.backgrounds = Backgrounds(self._database, keeper, clock)
        self.repeats = Repeats(self._database, keeper, clock, self.instance)
        self.generations = GenerationBook(self._database)
        self._pepper = pepper
        self._closed = False
        self._poller = Poller(self._look)
        self._writer.start()
        self._poller.start()

    @cached_property
    def feedback(self) -> "Feedback":
        """How well answers did, as they were judged; loaded when somebody judges, or learns."""
        from passerelle.store.feedback import Feedback

        return Feedback(self._database, self._clock)

    @cached_property
    def router_states(self) -> "RouterStates":
        """What was learned of it, by version; loaded likewise."""
        from passerelle.store.router_states import RouterStates

        return RouterStates(self._database, self._clock)

    @property
    def public_key(self) -> bytes:
        """The raw Ed25519 key that verifies this installation's receipts."""
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        """The installation's Ed25519 signature of a statement. Its first line must say what kind it is, so
        that no signature of one kind passes for another (`ledger.receipts.signed_text`)."""
        return self._signer.sign(message)

    @property
    def pepper(self) -> bytes:
        """The secret under which digests of requests and answers are made. Never shown, never sent."""
        return self._pepper

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything journalled so far is in the database; whether it was in time."""
        return self.journal.flush(timeout_s)

    def catch_up(self) -> Future[None]:
        """Done once everything committed before this call, by any process, is known here: keys, rights,
        budgets. Fails with `StoreUnavailable` when that cannot be read."""
        return self._poller.ask()

    def health(self) -> dict[str, object]:
        """The truth for `/readyz`: whether the store writes, how far behind it is, what is wrong.

        `ok` is what readiness needs; everything is measured now and cheap.
        """
        writer = self._writer
        last = writer.last_commit_s
        error = writer.last_error or self._poller.error
        return {
            "ok": writer.alive and error is None,
            "writer_alive": writer.alive,
            "database_ok": error is None,
            "error": error,
            "queue_depth": self.journal.backlog,
            "open_requests": self.journal.open_requests,
            "open_holds": self.budgets.open_holds,
            "last_commit_age_s": None if last is None else self._clock.monotonic_s() - last,
            "journal_bytes": self.journal.size_bytes,
            "quarantined": self._quarantine.count,
            "revision": self.identity.revision,
            "keys": self.identity.key_count,
        }

    def close(self, deadline_s: float = 10.0) -> None:
        """Write what is queued, give leases back, let go of files. Nothing is lost if time runs out: the
        journal stays and the next start books it. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        clean = self._writer.close(deadline_s)
        self._poller.stop(deadline_s)
        self.journal.close(clean=clean)
        self._database.close()

    def _sweep(self) -> None:
        """From time to time: book what dead workers left, and take away what has expired."""
        self._recovery.run()
        self.files.expire()
        self.batches.purge()
        if self._clock.monotonic_s() >= self._next_tidying_s:
            self._next_tidying_s = self._clock.monotonic_s() + _TIDY_EVERY_S
            self.files.sweep()

    def _submit(self, draw: Draw) -> None:
        self._draws.append(draw)
        self._bell.ring(urgent=True)

    def _prepared(self) -> bool:
        """Make the database ready. False when it is down but the last known keys can serve meanwhile."""
        try:
            self._prepare()
        except SchemaMismatch:
            raise
        except StoreUnavailable as error:
            if not self.identity.load_snapshot():
                raise
            log.error("starting without the database, on the keys last known: %s", error)
            return False
        return True

    def _prepare(self) -> None:
        """Tables, our public key, what dead workers left, and who is who. Each may be done twice."""
        migrate(self._database, self._data_dir)
        with self._database.write() as connection:
            connection.execute(
                self._database.insert(signing_key)
                .values(
                    org_id=INSTALLATION,
                    signer=self._signer.key_id,
                    public_key=self._signer.public_key,
                    first_seen_ns=self._clock.unix_ns(),
                )
                .on_conflict_do_nothing()
            )
            changes.give_name(self._database, connection)
        self._recovery.run()
        self.identity.refresh()
        self.drills.refresh()

    def _look(self) -> None:
        """Take over what other processes changed. Raises `StoreUnavailable`."""
        if self._database.moved:
            self._database.reopen()
            log.warning("the database was replaced by another, which is in use now")
            self._writer.prepare_with(self._prepare)
        self.identity.refresh()
        self.drills.follow(self.identity.revision)


def _database_id(database: Database) -> str:
    """Tells databases apart without keeping the password."""
    shown = database.engine.url.render_as_string(hide_password=True)
    return hashlib.sha256(shown.encode()).hexdigest()
