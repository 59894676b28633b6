"""The report of a drill as one value: everything the pages show, and what is signed.

Amounts of different currencies are never added: money is a mapping from currency to nanos. Shares are
fractions of 1. Times are Unix nanoseconds, latencies seconds.
"""

from typing import Literal

import msgspec

from passerelle.core.plan import Rejection

Money = dict[str, int]
"""Currency → nanos."""

VERSION = 1
"""Of this shape of report."""


class Inputs(msgspec.Struct, frozen=True):
    """What was judged."""

    kind: Literal["receipts", "golden"]
    since_ns: int
    until_ns: int
    read: int
    """Receipts in the period, or lines of the set."""
    judged: int
    """Requests judged: fewer than were read where a key is unknown or nothing was planned."""
    digest: str
    """SHA-256 over the signed text of every receipt read, each with a line's end, or over the set's bytes."""
    first: str
    last: str
    organisations: tuple[str, ...]
    """Whose requests: ids."""
    unknown_keys: int
    """Not judged: receipts of keys that are not known any more."""
    unplanned: int
    """Not judged: receipts of requests that never reached a decision."""
    revoked: int
    """Judged by the rights of keys that were revoked, or expired, since."""
    without_shape: int
    """Judged without what they needed: receipts from before shapes were kept."""


class Basis(msgspec.Struct, frozen=True):
    """What it was judged by."""

    version: str
    """Of Passerelle."""
    generation: str
    generation_digest: str
    policy_version: str
    catalog_version: str
    prices_digest: str
    """SHA-256 over every deployment with its price row."""
    price_versions: tuple[str, ...]
    rights_revision: int
    signer: str
    """The installation, by the id of its signing key."""


class Totals(msgspec.Struct, frozen=True):
    """Requests by what becomes of them. `unaffected + moved + lost + unserved` is `requests`."""

    requests: int
    unaffected: int
    """Served first by another supplier, with and without."""
    moved: int
    """Served by another place."""
    lost: int
    """Served with the supplier, and by nobody without."""
    unserved: int
    """Served by nobody even with the supplier: not its doing."""
    last: int
    """Of those still served: only one place is left."""
    cost_before: Money
    cost_after: Money
    """Of the same requests: those served both ways, at places with a price."""
    unpriced: int
    """Served both ways, and without a price on one side: in neither sum."""
    quality_before: float | None
    quality_after: float | None
    """Means over the requests that moved and have a figure on both sides."""


class Move(msgspec.Struct, frozen=True):
    """Requests that leave one place for another."""

    before: str
    after: str
    """Deployments."""
    supplier_after: str
    requests: int
    unpriced: int
    cost_before: Money
    cost_after: Money
    quality_before: float | None
    quality_after: float | None
    first_content_before_s: float | None
    first_content_after_s: float | None
    """Medians measured in the period; None where nothing was."""
    duration_before_s: float | None
    duration_after_s: float | None


class Tenant(msgspec.Struct, frozen=True):
    """One key's requests."""

    org_id: str
    organisation: str
    project_id: str
    project: str
    key_id: str
    key: str
    requests: int
    unaffected: int
    moved: int
    lost: int
    unserved: int
    last: int


class Loss(msgspec.Struct, frozen=True):
    """Requests of one kind for which nobody is left."""

    org_id: str
    organisation: str
    project_id: str
    project: str
    key_id: str
    key: str
    model: str
    operation: str
    data_class: str
    features: tuple[str, ...]
    requests: int
    example: str
    """The first of them: a receipt, or a line."""
    rejections: tuple[Rejection, ...]
    """Every deployment, with the rule that excludes it."""


class Share(msgspec.Struct, frozen=True):
    """What part of the requests and of the money depends on one supplier, or on one law."""

    of: Literal["provider", "jurisdiction"]
    name: str
    requests: int
    request_share: float
    spend: Money
    spend_share: dict[str, float]
    """By currency."""
    request_share_after: float
    """Of the requests that would still be served without the one taken out."""
    taken_out: bool
    """A supplier whose places are all out."""
    ceiling: float | None
    exceeded: bool


class Finding(msgspec.Struct, frozen=True):
    """What someone must look at."""

    severity: Literal["failed", "exceeded", "note"]
    """`failed`: something would not be served. `exceeded`: a ceiling of `[concentration]`."""
    text: str


class Report(msgspec.Struct, frozen=True):
    """See the module."""

    made_at_ns: int
    without: str
    taken_out: tuple[str, ...]
    """The deployments that are out."""
    inputs: Inputs
    basis: Basis
    totals: Totals
    moves: tuple[Move, ...]
    tenants: tuple[Tenant, ...]
    losses: tuple[Loss, ...]
    losses_left_out: int
    """Kinds of lost requests beyond those listed; their requests are in the sums."""
    shares: tuple[Share, ...]
    findings: tuple[Finding, ...]
    method: tuple[str, ...]
    limits: tuple[str, ...]
    version: int = VERSION

    @property
    def passed(self) -> bool:
        """Everything would be served, and no ceiling is exceeded."""
        return all(finding.severity == "note" for finding in self.findings)


METHOD = (
    (
        "Every request of the inputs is judged twice by the gateway's own admission and plan, as a request "
        "arriving now would be: once with every supplier, once with the deployments named below taken out. "
        "No rule is written a second time, and no provider is called."
    ),
    (
        "Rights, policy, catalog and prices are today's. A request counts as served where at least one "
        "deployment is eligible; the first of the plan is taken to serve it."
    ),
    (
        "Costs compare the same usage at both places: the tokens of the receipt, none of them read from a "
        "cache, at each place's price. Latencies are medians of the successful attempts in the period; "
        "quality is the catalog's figure."
    ),
    (
        "Shares of requests are by the supplier that answered; shares of spend by every attempt that was "
        "billed. Of a golden set, which nobody answered, both are by the plan. Provider entries at one "
        "well-known provider are one supplier. A place under several laws counts for each."
    ),
)

LIMITS = (
    (
        "Capacity is not tested: whether the remaining suppliers take the load, under their rate limits and "
        "quotas, only a drill in earnest shows (`--live`). Budgets and limits of keys are not drawn on."
    ),
    (
        "Quality is the catalog's prior, not a measurement of these requests; latencies of a place that "
        "served nothing in the period are unknown."
    ),
    (
        "Requests that were never sent to this gateway, and what is kept at a supplier (files, batches under "
        "way, fine-tuned models), are not in the inputs."
    ),
    (
        "A model of the same maker at another cloud counts as an alternative; take out the maker with "
        "`--without maker:NAME` to see the other."
    ),
    "Laws, regions and terms are what the catalog and the configuration state of each deployment.",
)
