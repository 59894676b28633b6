"""Files and batches as values: what a caller keeps with us, and many requests asked as one piece of work.

A batch's states are OpenAI's (`types/batch.py` of its Python SDK 3.54, read 2026-11-22); Anthropic's three
are a coarser view of them (`types/messages/message_batch.py` of its SDK 2.12).

    validating ─→ in_progress ─→ finalizing ─→ completed
        │    │      │      │                └─→ expired      the window passed before every line was answered
        │    │      │      └─→ cancelling ─→ cancelled
        │    └──────┼───────────↗
        └─→ failed ←┘                                        nothing of the input could be asked
"""

from typing import Literal

import msgspec

BatchState = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled",
]  # fmt: skip

MOVES: dict[BatchState, frozenset[BatchState]] = {
    "validating": frozenset({"in_progress", "failed", "cancelling"}),
    "in_progress": frozenset({"finalizing", "failed", "cancelling"}),
    "finalizing": frozenset({"completed", "expired"}),
    "cancelling": frozenset({"cancelled"}),
    "completed": frozenset(),
    "expired": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""Where a batch may go from each state."""

ACTIVE: frozenset[BatchState] = frozenset(state for state, onward in MOVES.items() if onward)
"""The states in which there is work left to do."""

Surface = Literal["openai", "anthropic", "gemini"]
"""Whose batches they are: the shape of their input, their results and their words."""

LineKind = Literal["ok", "error"]
"""An answered line, or one that ended with a problem. Lines never asked have no result of their own."""

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a caller may upload a file for (`types/file_purpose.py` of OpenAI's SDK 3.54, read 2026-11-22)."""

SHOWN_PURPOSES = (*PURPOSES, "batch_output")
"""The purposes of files a caller can see; the rest are ours (the inputs and results of message batches)."""


class KeptFile(msgspec.Struct, frozen=True):
    """A file kept for a project."""

    id: str
    org_id: str
    project_id: str
    key_id: str
    """The key that brought it."""
    name: str
    """The caller's word for it: shown, never part of a path."""
    purpose: str
    media_type: str
    size_bytes: int
    created_at_ns: int
    expires_at_ns: int | None


class LineProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with a line of a batch's input, or with the whole of it (`line` None)."""

    code: str
    message: str
    line: int | None = None
    """From 1."""
    param: str | None = None


class Tally(msgspec.Struct, frozen=True):
    """How a batch's lines ended."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch's maker said beside its lines; it holds for each of them."""

    metadata: dict[str, str] | None = None
    output_expires_s: int | None = None
    """Life of the files it ends with, in seconds from their making."""
    wishes: dict[str, object] = {}
    """`x-passerelle-*` of the request that made it, as `gateway.trip.Wishes` is written."""
    headers: tuple[tuple[str, str], ...] = ()
    """Protocol headers a provider may see."""


class Tokens(msgspec.Struct, frozen=True):
    """What the answered lines used, for the batch as it is shown."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


NativeStep = Literal["here", "sending", "waiting", "collected", "over"]
"""How far a batch is with a provider's own batch service. `here`: it does not go there, all of it is run by
us. `over`: what the provider answered is booked, and nothing of it is left there; the rest is run by us.

    sending ─→ waiting ─→ collected ─→ over
       └──────────┴───────────↗
"""


class Native(msgspec.Struct, frozen=True, omit_defaults=True):
    """A batch, or what is asked of it, at a provider's own batch service. Every step is kept before the next
    depends on it."""

    step: NativeStep
    why: str = ""
    """Why it is run here, or how it ended there: for the operator."""
    provider: str = ""
    deployment: str = ""
    percent: int = 100
    """What is charged there, of the price of the same request asked alone."""
    lines: int = 0
    at_ns: int = 0
    """When it was decided."""
    input_id: str = ""
    """The provider's name of the input file."""
    batch_id: str = ""
    """The provider's name of the batch."""
    files: tuple[str, ...] = ()
    """The provider's names of the result files."""
    told: bool = False
    """The provider was told to cancel it."""
    troubles: int = 0
    """Tries in a row that came to nothing."""
    leases: tuple[tuple[str, str], ...] = ()
    """(budget, lease): money set aside for all of it, whatever becomes of any worker."""
    held_nanos: int = 0
    workspace_id: str = ""
    data_class: str = ""
    generation: int = 0
    policy_version: str = ""
    catalog_version: str = ""


class Batch(msgspec.Struct, frozen=True):
    """A batch as it is kept."""

    id: str
    org_id: str
    project_id: str
    key_id: str
    """The key that made it: its rights, limits and budgets are those of every line."""
    surface: Surface
    endpoint: str
    state: BatchState
    input_file_id: str
    created_at_ns: int
    expires_at_ns: int
    """When its window has passed."""
    terms: Terms = Terms()
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[LineProblem, ...] = ()
    tally: Tally = Tally()
    tokens: Tokens = Tokens()
    reached: dict[BatchState, int] = {}
    """When it came to each state, Unix nanoseconds."""
    native: Native | None = None
    """None before it was decided whether a provider's batch service gets it."""


class LineResult(msgspec.Struct, frozen=True):
    """How one line ended, as it is kept until the batch's files are written."""

    line: int
    kind: LineKind
    receipt_id: str
    body: bytes
    """The line of the results file, without its line end."""
    tokens: Tokens = Tokens()
