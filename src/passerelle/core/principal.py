"""Who asks: the tenancy tree, keys, and what a key may do.

Organisation → workspace → project → key. Limits and rights intersect downwards: a child can only
narrow its parent.
"""

from typing import Literal

import msgspec

from passerelle.core.model import DataClass
from passerelle.core.plan import Affinity, OnContextLength, OnRefusal, SmartMode

Permission = Literal[
    "model:call", "model:list", "receipt:read", "usage:read", "key:read", "key:write",
    "health:read", "config:read", "config:reload", "metrics:read", "drill:run", "feedback:write",
]  # fmt: skip

Role = Literal["operator", "owner", "admin", "finance", "auditor", "builder", "member"]

_MEMBER: frozenset[Permission] = frozenset(
    {"model:call", "model:list", "receipt:read", "usage:read", "feedback:write"}
)

Priority = Literal["interactive", "agent", "batch"]
"""Who goes first when there is not room for all: a person who waits, a program at work, work for later."""

PRIORITIES: tuple[Priority, ...] = ("interactive", "agent", "batch")
"""From the first to the last."""

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "member": _MEMBER,
    "builder": _MEMBER | {"health:read"},
    "auditor": frozenset({"model:list", "receipt:read", "usage:read", "key:read", "health:read"}),
    "finance": frozenset({"model:list", "receipt:read", "usage:read"}),
    "admin": _MEMBER | {"key:read", "key:write", "health:read"},
    "owner": _MEMBER | {"key:read", "key:write", "health:read"},
    # The operator runs the installation; the role is given from the machine's own command line only.
    "operator": _MEMBER
    | {"key:read", "key:write", "health:read", "config:read", "config:reload", "metrics:read", "drill:run"},
}
"""What each role may do. Organisation roles never reach beyond their organisation."""


Way = Literal["stream", "verified"]
"""How an answer is delivered: as it comes once its first content has, or when it is proven whole."""


class Rights(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node of the tenancy tree allows. None means: no narrower than the parent."""

    models: tuple[str, ...] | None = None
    """Patterns (`gpt-*`, `smart`, `anthropic/*`) of the models and deployments that may serve it."""
    data_class: DataClass | None = None
    """The class its requests have unless they declare a higher one."""
    regions: tuple[str, ...] | None = None
    """Regions its data may go to."""
    max_retention_days: int | None = None
    training_use: tuple[str, ...] | None = None
    """Training uses tolerated at the provider; usually just `no`."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    audit: Literal["standard", "required"] | None = None
    """`required`: the intent is durable before any provider is called, or the request is refused."""
    content: Literal["none", "conversations", "full"] | None = None
    """What of prompts and answers may be stored: nothing, what callers ask to keep (Responses `store`,
    conversations), or that and every request's with its receipt. Default: none."""
    delivery: Way | None = None
    """What its requests get that do not say (`x-passerelle-delivery`); the nearest level's word counts."""
    continues: bool | None = None
    """Whether a text that broke off may be gone on with by another call: False never, True even when the
    request does not ask (`x-passerelle-continue`)."""
    hedge: bool | None = None
    """Whether a request may have a second place called beside the first (`x-passerelle-hedge`): True only."""
    on_context_length: OnContextLength | None = None
    """`larger`: a prompt too long for one model goes on to a larger one that is eligible. `fail` forbids it.
    Unsaid: what the name that is asked for is configured to do."""
    on_refusal: OnRefusal | None = None
    """`next`: a prompt that one provider refuses by policy goes on to the next. `fail` forbids it; unsaid, as
    above."""
    priority: Priority | None = None
    """The highest its requests may have, and what they have unless they ask for less."""
    mode: SmartMode | None = None
    """How `smart` chooses for requests that do not say; the nearest level's word counts."""
    affinity: Affinity | None = None
    """Whether conversations stay where they are, likewise."""
    cascade: bool | None = None
    """Whether a request may ask for a cascade (`x-passerelle-cascade`): True only. False also forbids those
    that the configuration asks for."""


class Organisation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tenant. Nothing crosses from one to another."""

    id: str
    name: str
    rights: Rights = Rights()


class Workspace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A division of an organisation."""

    id: str
    org_id: str
    name: str
    rights: Rights = Rights()


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where work is charged."""

    id: str
    org_id: str
    workspace_id: str
    name: str
    rights: Rights = Rights()


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """A credential of ours, without its secret. `id` is public and may be logged."""

    id: str
    org_id: str
    workspace_id: str
    project_id: str
    name: str
    role: Role
    digest: bytes
    """HMAC-SHA-256 of the secret under the installation's pepper."""
    created_at_ns: int
    rights: Rights = Rights()
    expires_at_ns: int | None = None
    revoked_at_ns: int | None = None


class Principal(msgspec.Struct, frozen=True):
    """Whoever a request acts for: a key with its ancestors, and the rights that result."""

    org_id: str
    workspace_id: str
    project_id: str
    key_id: str
    key_name: str
    role: Role
    permissions: frozenset[Permission]
    rights: Rights
    """Already intersected from organisation down to key."""
    model_patterns: tuple[tuple[str, ...], ...] = ()
    """Each level's model patterns; a model must match every level."""
    budgets: tuple[str, ...] = ()
    """Ids of every budget a request of this key draws on, sorted."""
    org_name: str = ""
    """What configuration may call the organisation by, beside its id."""

    @property
    def tenant(self) -> str:
        """The organisation's id: the first element of every cache and store key."""
        return self.org_id
