"""One batch, from validation to its files. Each state is a step that may be begun anew after a crash.

    validating              look the whole input through; nothing is asked before all of it is sound
    in_progress             hand it to a provider's batch service where that can be (see `native`); then ask
                            every line that has no result yet; a result counts once it is on disk
    finalizing, cancelling  write the files, and in one transaction make them the batch's

A line in flight when a worker dies has no result and is asked again: its first asking may have been billed,
and stands in the ledger. A line with a result is never asked again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar, assert_never

import msgspec

from passerelle.config.sections import BatchSettings, FileSettings
from passerelle.core.batch import ACTIVE, Batch, BatchState, KeptFile, LineProblem, LineResult
from passerelle.core.clock import Clock, mint
from passerelle.gateway.batch.ask import Asker
from passerelle.gateway.batch.input import Input
from passerelle.gateway.batch.lines import Line, check
from passerelle.gateway.batch.native.carry import Carrier
from passerelle.gateway.batch.outputs import Unasked, unasked
from passerelle.store import Store, StoreUnavailable
from passerelle.store.vault import ContentGone, Draft

_T = TypeVar("_T")
DAY_NS = 86_400 * 1_000_000_000
_AHEAD_LINES = 64
_AHEAD_BYTES = 1 << 20
"""Lines read ahead of their asking."""
_STORE_AGAIN_S = 1.0


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says of batches."""

    files: FileSettings
    batches: BatchSettings
    longest_line: int
    """Bytes: as much as a request may have."""


class Run:
    """One batch under our lease. `go` returns when it is over, or `stop` was set."""

    def __init__(
        self,
        batch: Batch,
        owner: str,
        store: Store,
        asker: Asker,
        clock: Clock,
        rules: Rules,
        draining: Callable[[], bool],
        heavy: Executor,
        carrier: Carrier,
    ) -> None:
        """`draining()`: the worker takes no more work, from now to its end. `heavy` does what takes long."""
        self.batch = batch
        self.stop = asyncio.Event()
        """No further line: the batch is cancelled, the worker leaves, or the lease is lost."""
        self.rests_s: float | None = None
        """It was left alone for so long: nothing is to be done for it before."""
        self._leaving = False
        self._owner = owner
        self._store = store
        self._asker = asker
        self._clock = clock
        self._rules = rules
        self._draining = draining
        self._heavy = heavy
        self._carrier = carrier
        self._input = Input(store, batch, rules.longest_line)
        self._results: list[LineResult] = []
        self._writing = asyncio.Lock()

    def leave(self) -> None:
        """Begin nothing more; what is under way still ends, and another worker goes on from there."""
        self._leaving = True
        self.stop.set()

    async def go(self) -> None:
        """Until it is over or left. Raises `LeaseLost`, `StoreUnavailable`."""
        while self.batch.state in ACTIVE and not self._leaving:
            try:
                await self._step()
            except* ContentGone:
                # The tenant destroyed its keys, or the folder was lost: nothing is left to ask or to tell.
                told = LineProblem("input_gone", "The input file can no longer be read; upload it anew.")
                await self._end(_lost(self.batch.state), problems=(told,))

    async def _step(self) -> None:
        state = self.batch.state
        match state:
            case "validating":
                await self._validate()
            case "in_progress":
                await self._at_provider()
                if self.batch.state == state and not self._leaving:
                    await self._ask_all()
            case "cancelling":
                await self._at_provider()
                if not self._leaving:
                    await self._close()
            case "finalizing":
                await self._close()
            case "completed" | "failed" | "expired" | "cancelled":
                raise AssertionError("a batch that is over has no next step")
            case _:
                assert_never(state)

    # --- validating

    async def _validate(self) -> None:
        batch, rules = self.batch, self._rules
        checked = await self._long(
            lambda: check(
                batch.surface, batch.endpoint, self._input.chunks(),
                longest=rules.longest_line, most=rules.batches.max_lines,
            )
        )  # fmt: skip
        if checked.problems:
            await self._end("failed", problems=checked.problems)
            return
        self.batch = await asyncio.to_thread(
            self._store.batch_runs.advance, self._owner, batch, "in_progress", total=checked.total
        )

    async def _long(self, work: Callable[[], _T]) -> _T:
        """Work through a whole input, in the thread that batches have for it: no request waits behind it."""
        return await asyncio.get_running_loop().run_in_executor(self._heavy, work)

    # --- at a provider's own batch service

    async def _at_provider(self) -> None:
        """Come to where nothing is to be done there (any more), or leave until the next look."""
        if self.batch.native is None and self.batch.state == "in_progress":
            if self._rules.batches.native == "never":
                return
            self.batch = await self._carrier.decide(self._owner, self.batch, self._input, self._long)
        while not self._leaving:
            native = self.batch.native
            if native is None or native.step in ("here", "over"):
                return
            self.batch, pause_s = await self._carrier.carry(self._owner, self.batch, self._input, self._long)
            if self._draining():
                self.leave()
            elif pause_s is not None:
                await asyncio.to_thread(
                    self._store.native_batches.rest,
                    self._owner,
                    self.batch,
                    until_ns=self._clock.unix_ns() + int(pause_s * 1e9),
                )
                self.rests_s = pause_s
                self.leave()

    # --- asking

    async def _ask_all(self) -> None:
        source = _Source(await asyncio.to_thread(self._input.unanswered))
        hands = min(self._rules.batches.concurrency, self.batch.tally.total) or 1
        async with asyncio.TaskGroup() as group:
            for _ in range(hands):
                group.create_task(self._hand(source))
        if self._draining():
            self.leave()
        if not self._leaving:
            self.batch = await asyncio.to_thread(
                self._store.batch_runs.advance, self._owner, self.batch, "finalizing"
            )

    async def _hand(self, source: "_Source") -> None:
        """Ask one line after another."""
        while not (self.stop.is_set() or self._draining() or self._passed):
            line = await source.next()
            if line is None:
                return
            result = await self._asker.ask(self.batch, line, self.stop)
            if result is not None:
                await self._keep(result)

    @property
    def _passed(self) -> bool:
        """The window has passed: what is not begun is not asked any more."""
        return self._clock.unix_ns() >= self.batch.expires_at_ns

    async def _keep(self, result: LineResult) -> None:
        """Have a result on disk. Whoever comes while another writes is written next, with all that wait."""
        self._results.append(result)
        async with self._writing:
            group, self._results = self._results, []
            while group:
                try:
                    await asyncio.to_thread(
                        self._store.batch_runs.add_results, self._owner, self.batch, group
                    )
                except StoreUnavailable:
                    # What was answered is paid for: it waits in memory for as long as we are here.
                    await asyncio.sleep(_STORE_AGAIN_S)
                else:
                    return

    # --- closing

    async def _close(self) -> None:
        self.batch = await self._long(self._write_files)

    def _write_files(self) -> Batch:
        """In a thread: the files of what was answered and what was not, and the batch's end."""
        batch, store = self.batch, self._store
        why: Unasked = "cancelled" if batch.state == "cancelling" else "expired"
        files = _Files(self)
        left = 0
        try:
            tally = batch.tally
            counts = {"ok": 0, "error": 0}
            results = store.batch_runs.results(batch)
            result = next(results, None)
            # One cancelled while it was looked through may hold anything, and has no result.
            for number, text in self._input.numbered() if tally.total else ():
                if result is None or result.line != number:
                    line = self._input.line(number, text)
                    files.write(False, unasked(batch.surface, batch.id, line, why))
                    left += 1
                    continue
                counts[result.kind] += 1
                files.write(result.kind == "ok", result.body)
                result = next(results, None)
            kept, output_id, error_id = files.keep()
            ending: BatchState = "cancelled" if why == "cancelled" else "expired" if left else "completed"
            tally = msgspec.structs.replace(
                tally,
                completed=counts["ok"],
                failed=counts["error"],
                expired=left if why == "expired" else 0,
                cancelled=left if why == "cancelled" else 0,
            )
            return store.batch_runs.finish(
                self._owner, batch, ending, files=kept, output_file_id=output_id, error_file_id=error_id,
                tally=tally, purge_at_ns=self._purge_at_ns(),
            )  # fmt: skip
        except BaseException:
            files.drop()
            raise

    async def _end(self, state: BatchState, *, problems: tuple[LineProblem, ...]) -> None:
        self.batch = await asyncio.to_thread(
            lambda: self._store.batch_runs.finish(
                self._owner, self.batch, state, problems=problems, purge_at_ns=self._purge_at_ns()
            )
        )

    def _purge_at_ns(self) -> int:
        return self._clock.unix_ns() + self._rules.batches.retention_days * DAY_NS

    def forget(self, file_id: str) -> None:
        """A file of the batch's came to nothing."""
        self._store.files.discard(self.batch.org_id, [file_id])

    def new_file(self, purpose: str, name: str) -> tuple[Draft, KeptFile]:
        """A file of the batch's in the making."""
        batch = self.batch
        file_id = mint("file").replace("_", "-")
        now_ns = self._clock.unix_ns()
        said_s = batch.terms.output_expires_s
        life_ns = self._rules.batches.retention_days * DAY_NS if said_s is None else said_s * 1_000_000_000
        return self._store.files.draft(batch.org_id, file_id), KeptFile(
            id=file_id,
            org_id=batch.org_id,
            project_id=batch.project_id,
            key_id=batch.key_id,
            name=name,
            purpose=purpose,
            media_type="application/jsonl",
            size_bytes=0,
            created_at_ns=now_ns,
            expires_at_ns=now_ns + life_ns,
        )


class _Files:
    """The result files of a batch, in the order of the input: OpenAI's are two, and none without a line;
    Anthropic's and Gemini's is one."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._drafts: dict[str, tuple[Draft, KeptFile]] = {}
        self._one = run.batch.surface != "openai"
        if self._one:
            self._drafts["output"] = run.new_file("message_batch_results", f"{run.batch.id}_results.jsonl")

    def write(self, ok: bool, line: bytes) -> None:
        """One result."""
        which = "output" if ok or self._one else "error"
        if which not in self._drafts:
            self._drafts[which] = self._run.new_file("batch_output", f"{self._run.batch.id}_{which}.jsonl")
        self._drafts[which][0].write(line + b"\n")

    def keep(self) -> tuple[list[KeptFile], str | None, str | None]:
        """The files, their contents on disk, and which is which."""
        kept = {}
        for which, (draft, file) in self._drafts.items():
            draft.keep()
            kept[which] = msgspec.structs.replace(file, size_bytes=draft.size_bytes)
        ids = {which: file.id for which, file in kept.items()}
        return list(kept.values()), ids.get("output"), ids.get("error")

    def drop(self) -> None:
        """Leave nothing behind."""
        for draft, file in self._drafts.values():
            draft.drop()
            self._run.forget(file.id)


class _Source:
    """The lines left, read in a thread a little ahead of whoever asks for them."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._ahead: deque[Line] = deque()
        self._over = False
        self._lock = asyncio.Lock()

    async def next(self) -> Line | None:
        """The next line, or None. Raises `ContentGone`."""
        async with self._lock:
            if not self._ahead and not self._over:
                await asyncio.to_thread(self._read_ahead)
            return self._ahead.popleft() if self._ahead else None

    def _read_ahead(self) -> None:
        size = 0
        while len(self._ahead) < _AHEAD_LINES and size < _AHEAD_BYTES:
            line = next(self._lines, None)
            if line is None:
                self._over = True
                return
            self._ahead.append(line)
            size += len(line.body)


def _lost(state: BatchState) -> BatchState:
    """How a batch ends that cannot be gone on with."""
    match state:
        case "cancelling":
            return "cancelled"
        case "finalizing":
            return "expired"
        case _:
            return "failed"
