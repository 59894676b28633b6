"""What happened: attempts, the outcome, and the signed record of both."""

from typing import Any, Literal

import msgspec

from passerelle.core.cascade import Cascaded, CascadeStep
from passerelle.core.conversation import Turn
from passerelle.core.errors import FailureKind
from passerelle.core.model import DataClass
from passerelle.core.plan import Affinity, Mode, Plan
from passerelle.core.principal import Way
from passerelle.core.request import Dialect, Operation
from passerelle.core.usage import NO_USAGE, Usage

OutcomeKind = Literal["answered", "failed", "cancelled", "refused", "incomplete"]
"""`refused`: we refused before any provider was called. `incomplete`: cut after content was delivered.
`cancelled`: the caller went away."""


class Attempt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One call to one deployment: one row of the ledger."""

    id: str
    deployment: str
    provider: str
    model: str
    """The model that answered in the provider's words, or the one asked for."""
    started_at_ns: int
    duration_ns: int
    ok: bool
    failure: FailureKind | None = None
    status: int | None = None
    """The provider's HTTP status, when one arrived."""
    detail: str | None = None
    """Ours or the provider's words about the failure, stripped of anything secret."""
    first_content_ns: int | None = None
    """From the start of the attempt to its first content."""
    usage: Usage = NO_USAGE
    cost_nanos: int = 0
    currency: str = "USD"
    price_version: str | None = None
    """None when the deployment has no known price: the cost is then 0 and said to be unpriced."""
    upstream_request_id: str | None = None
    finish: str | None = None
    continued: bool = False
    """It went on from what an attempt before it had delivered."""
    hedge: bool = False
    """It was called beside one that was still under way."""
    step: CascadeStep | None = None
    """What it was called for, in a cascade."""


class Shape(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a request was like beside its model and its tokens, without a word of it: enough to ask who else
    could have served it.
    """

    features: tuple[str, ...] = ()
    """What it needed, sorted: see `codecs.base.Envelope.features`."""
    text_bytes: int = 0
    images: int = 0
    max_output_tokens: int | None = None
    data_class: DataClass | None = None
    """The class its caller declared; the plan has the one that held."""
    mode: Mode | None = None
    """How its caller wanted `smart` to choose."""
    models: tuple[str, ...] = ()
    """The models its caller narrowed it to."""
    task: str | None = None
    """What somebody said the work is, of a request that named its model; of others the choice has it."""
    sight: bytes | None = None
    """Likewise the request as the router sees it, packed, where the tenant wants to learn from such, too."""
    affinity: Affinity | None = None
    """Whether its caller wanted the conversation to stay where it is."""
    conversation: str | None = None
    """Where a model was chosen: the same for the requests of one conversation, and no more can be told from
    it (HMAC-SHA-256 under the installation's pepper, its first 16 hex digits)."""


class Receipt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The record of one request, as it is signed. Holds no prompt and no answer."""

    id: str
    request_id: str
    at_ns: int
    org_id: str
    workspace_id: str
    project_id: str
    key_id: str
    dialect: Dialect
    operation: Operation
    stream: bool
    outcome: OutcomeKind
    plan: Plan | None
    attempts: tuple[Attempt, ...]
    usage: Usage
    """Σ of the attempts."""
    cost_nanos: int
    currency: str
    duration_ns: int
    generation: int
    model: str | None = None
    """The true model that answered."""
    deployment: str | None = None
    relayed: bool = False
    """Bytes went through untranslated."""
    dropped: tuple[str, ...] = ()
    problem: str | None = None
    """The kind of problem told to the caller, if any."""
    tags: tuple[str, ...] = ()
    delivery: Way = "stream"
    """`verified`: nothing was delivered before the answer was whole."""
    request_digest: str | None = None
    """HMAC-SHA-256 of the request body under the installation's pepper, for matching, not reading."""
    shape: Shape | None = None
    """None in receipts from before shapes were kept."""
    cascade: Cascaded | None = None
    """What became of the cascade that the plan intended, if any."""
    version: int = 1


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """Proof that a receipt is ours and unchanged.

    Receipts are signed in batches: their hashes are the leaves of an RFC 6962 tree, `root` is signed
    with Ed25519, and `path` leads from this receipt's leaf to the root. A batch of one has an empty path.
    """

    key_id: str
    """First 16 hex digits of SHA-256 of the public key."""
    root: str
    """Hex of the tree's root."""
    size: int
    index: int
    path: tuple[str, ...]
    signature: str
    """Base64 Ed25519 over `passerelle receipts v1\\n{size}\\n{root}\\n`."""


class SignedReceipt(msgspec.Struct, frozen=True):
    """A receipt with its proof. `body` is the exact JSON text that was hashed."""

    body: str
    signature: Signature


class Held(msgspec.Struct, frozen=True, gc=False):
    """An open hold: `held_nanos` of a budget promised to one request until it settles."""

    hold_id: str
    budget_id: str
    held_nanos: int


class Intent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Said before a provider is called: what is about to happen, for whom, under which hold."""

    attempt_id: str
    receipt_id: str
    request_id: str
    at_ns: int
    org_id: str
    workspace_id: str
    project_id: str
    key_id: str
    deployment: str
    provider: str
    model: str
    data_class: str
    policy_version: str
    generation: int
    estimate_nanos: int
    """Upper bound of the cost, as held."""
    holds: tuple[Held, ...] = ()
    """The holds it runs under: what a crash must book, because the provider may bill."""
    currency: str = "USD"
    """Of `estimate_nanos`."""


class Settlement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Everything one request leaves behind, journalled in one piece before the answer's last byte."""

    receipt: Receipt
    holds: tuple["HoldSettled", ...] = ()
    content: Any = None
    """Prompt and answer, only when the tenant stores content."""
    turn: Turn | None = None
    """What the caller asked to keep, where the tenant allows it."""


class HoldSettled(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A hold that ends: `amount_nanos` is what was really spent against the budget."""

    hold_id: str
    budget_id: str
    held_nanos: int
    amount_nanos: int
