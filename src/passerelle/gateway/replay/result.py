"""The result of a replay as one value: everything that is shown, and nothing of when it was made.

Amounts of different currencies are never added: money is a mapping from currency to nanos. Qualities lie in
[0, 1], times are Unix nanoseconds, latencies seconds.
"""

import msgspec

from passerelle.gateway.drill.report import Inputs

Money = dict[str, int]
"""Currency → nanos."""
VERSION = 1
"""Of this shape of result."""


class Span(msgspec.Struct, frozen=True):
    """A mean, and between what it lies nine times in ten."""

    mean: float
    low: float
    high: float


class Supposed(msgspec.Struct, frozen=True, omit_defaults=True):
    """By what it was decided."""

    version: str
    """Of Passerelle."""
    policy_version: str
    catalog_version: str
    policy_in_force: str
    catalog_in_force: str
    without: str | None = None
    mode: str | None = None
    models: tuple[str, ...] = ()
    files: dict[str, str] = {}
    """Option → SHA-256 of the file given with it."""


class Totals(msgspec.Struct, frozen=True):
    """Requests by what becomes of them. `same + changed + lost + gained + unserved` is `requests`."""

    requests: int
    same: int
    """The same place first."""
    changed: int
    """Another place first."""
    lost: int
    """Was to be served, and nobody may now."""
    gained: int
    """Nobody was allowed to serve it, and somebody may now."""
    unserved: int
    """By nobody, then or now."""
    same_order: int
    """Every place in the same order: the decision is reproduced whole."""
    forbidden: int
    """Served then by a place that these rules forbid."""
    left_to_us: int
    """Of all: those that left the choice of model to us."""


class Basis(msgspec.Struct, frozen=True):
    """On what the decisions rest: how many requests each is said of."""

    under_another_catalog: int
    """Decided then by a catalog that is not in force any more: they are decided here by another."""
    under_another_policy: int
    """The same of the policy."""
    without_record: int
    """Their receipts are from before all that a decision rests on was kept."""
    reckoned: int
    """Figures computed anew, because a price, the turn's place or what is committed is another."""
    predicted: int
    """A model that was no candidate then has its quality predicted now."""
    elsewhere: int
    """Turns of conversations that would be elsewhere by now."""
    routers: dict[str, int]
    """Versions of what predicted quality, as recorded."""


class Change(msgspec.Struct, frozen=True):
    """Requests that go from one to another, by model, provider, jurisdiction or deployment."""

    before: str
    after: str
    requests: int


class Costs(msgspec.Struct, frozen=True):
    """Of the requests that are served both ways, at places with a price."""

    compared: int
    unpriced: int
    """Served both ways, and without a price now."""
    without_usage: int
    """Served both ways, and nothing is known of what they used."""
    recorded: Money
    replayed: Money
    difference: Money
    lost: Money
    """What requests cost that nobody may serve now; in none of the sums."""


class Qualities(msgspec.Struct, frozen=True):
    """Predicted, of the requests that are served both ways by models of known quality."""

    compared: int
    recorded: Span | None
    replayed: Span | None
    difference: Span | None


class Times(msgspec.Struct, frozen=True):
    """Expected, of the requests that are served both ways at places whose pace is known."""

    compared: int
    recorded_s: float | None
    replayed_s: float | None


class Forbidden(msgspec.Struct, frozen=True):
    """A place that served, and these rules forbid."""

    deployment: str
    rule: str
    requests: int
    example: str
    """A receipt's id."""


class Loss(msgspec.Struct, frozen=True):
    """A kind of request that nobody may serve now."""

    requested: str
    data_class: str
    rules: tuple[str, ...]
    problem: str
    requests: int
    example: str


class Example(msgspec.Struct, frozen=True):
    """One request that goes elsewhere."""

    receipt: str
    requested: str
    before: str
    after: str
    because: str
    """Why the place stands first now, in the plan's words."""


class Point(msgspec.Struct, frozen=True):
    """Of a stretch of time that begins at `at_ns`."""

    at_ns: int
    requests: int
    changed: int
    recorded: Money
    replayed: Money


class Result(msgspec.Struct, frozen=True):
    """The whole."""

    supposed: Supposed
    inputs: Inputs
    totals: Totals
    basis: Basis
    costs: Costs
    quality: Qualities
    first_content: Times
    whole: Times
    models: tuple[Change, ...]
    providers: tuple[Change, ...]
    jurisdictions: tuple[Change, ...]
    deployments: tuple[Change, ...]
    forbidden: tuple[Forbidden, ...]
    losses: tuple[Loss, ...]
    losses_left_out: int
    examples: tuple[Example, ...]
    series: tuple[Point, ...]
    notes: tuple[str, ...]
    limits: tuple[str, ...]
    version: int = VERSION


LIMITS = (
    "Health, drills in earnest, the price of money and each request's draw are taken as recorded.",
    "What goes elsewhere is priced with what it used, scaled as its answer and its cache are predicted.",
    "The rights are those that the keys have now.",
    "Of a place or a model that was no candidate then, the catalog and the period's measurements speak.",
    "The requests are those recorded: what callers would have asked after another answer is unknown.",
)
