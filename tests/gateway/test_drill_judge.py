"""A drill never proposes what the rules exclude, and never what it takes out; it is the road that decides."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import MAKERS, REGIONS, demands, deployments, principal

from passerelle.catalog import Catalog
from passerelle.codecs.base import Envelope
from passerelle.core.errors import ProblemError
from passerelle.core.model import DATA_CLASSES, Deployment
from passerelle.core.principal import Principal, Rights
from passerelle.core.usage import Usage
from passerelle.gateway.admit import admit
from passerelle.gateway.drill.judge import Judge
from passerelle.gateway.drill.shapes import Case
from passerelle.gateway.drill.tally import Latencies, Tally
from passerelle.gateway.generation import Generation
from passerelle.gateway.trip import Wishes
from passerelle.policy.eligible import classify, eligible
from passerelle.policy.removal import MAKER, RULE, Removal, Without, parse, takes_out
from passerelle.policy.rules import compile_policy


class Anything:
    """A provider that offers everything."""

    def supports(self, *_: object) -> bool:
        return True


def generation(places: tuple[Deployment, ...], asks: Any, default: Any) -> Generation:
    models = list({d.model.id: d.model for d in places}.values())
    policy = compile_policy({"confidential": asks}, default=default, version="v")
    names = {d.provider for d in places}
    return Generation(
        number=1,
        digest="0" * 64,
        catalog=Catalog.of(models, places),
        policy=policy,
        providers={name: Anything() for name in names},  # type: ignore[misc]
        deadlines={},
    )


withouts = st.one_of(
    st.sampled_from(["p0", "p1", "p2"]),
    st.sampled_from([MAKER + maker for maker in MAKERS]),
)
rights = st.builds(
    Rights,
    data_class=st.none() | st.sampled_from(DATA_CLASSES),
    regions=st.none() | st.lists(st.sampled_from(REGIONS), min_size=1).map(tuple),
)
envelopes = st.builds(
    Envelope,
    operation=st.just("chat"),
    model=st.sampled_from(["smart", "m0", "m1", "m2"]),
    features=st.frozensets(st.sampled_from(["tools", "images", "json_schema"])),
    text_bytes=st.integers(0, 2_000_000),
)
wishes = st.builds(
    Wishes,
    mode=st.none() | st.sampled_from(["quality", "balanced", "cost", "fast"]),
    data_class=st.none() | st.sampled_from(DATA_CLASSES),
    models=st.sampled_from([(), ("m0",), ("m*",)]),
)


@given(
    places=deployments(),
    asks=demands,
    default=st.sampled_from(DATA_CLASSES),
    who=rights.map(principal),
    envelope=envelopes,
    wish=wishes,
    supplier=withouts,
    place=st.just("") | st.sampled_from(REGIONS),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_drill_proposes_only_what_is_eligible_and_never_what_is_taken_out(
    places: tuple[Deployment, ...],
    asks: Any,
    default: Any,
    who: Principal,
    envelope: Envelope,
    wish: Wishes,
    supplier: str,
    place: str,
    draw: float,
) -> None:
    without = Without(supplier, place)
    world = generation(places, asks, default)
    case = Case("case", who, envelope, wish, Usage(input_tokens=10, output_tokens=5), draw)
    found = Judge(world, 1, Removal(without), {}).judge(case)

    request = classify(
        world.policy, who, "chat", declared=wish.data_class, features=envelope.features,
        allowed_models=wish.models, text_bytes=envelope.text_bytes,
    )  # fmt: skip
    # Said again, apart from the admission: the rules alone, on the catalogue without the supplier.
    left = tuple(d for d in places if not takes_out(without, d))
    allowed = {d.id for d in eligible(world.policy, who, request, left).deployments}
    every = {d.id for d in eligible(world.policy, who, request, places).deployments}
    if found.before is not None:
        assert {c.deployment for c in found.before.candidates} <= every
    if found.after is not None:
        after = {c.deployment for c in found.after.candidates}
        assert after
        assert after <= allowed
        assert found.before is not None
        assert after == {c.deployment for c in found.before.candidates} & allowed
    elif found.before is not None:
        assert not {c.deployment for c in found.before.candidates} & allowed
        removed = {r.deployment for r in found.rejections if r.rule == RULE}
        assert removed == {c.deployment for c in found.before.candidates}

    tally = Tally(world.catalog, without)
    tally.judged(case, found, measure=True)
    totals = tally.totals()
    assert totals.unaffected + totals.moved + totals.lost + totals.unserved == totals.requests == 1
    assert all(move.after not in tally.taken_out for move in tally.moves(Latencies()))
    for share in tally.shares({}):
        assert not (share.taken_out and share.of == "provider" and share.request_share_after)


@given(
    places=deployments(), who=rights.map(principal), envelope=envelopes, supplier=withouts,
    default=st.sampled_from(DATA_CLASSES), asks=demands,
)  # fmt: skip
def test_a_removal_is_remembered_apart_from_its_absence(
    places: tuple[Deployment, ...],
    who: Principal,
    envelope: Envelope,
    supplier: str,
    default: Any,
    asks: Any,
) -> None:
    """One generation, asked with and without, in either order, gives what fresh ones give."""
    removed = (Removal(Without(supplier)),)
    shared = generation(places, asks, default)
    for order in ((), removed, (), removed):
        assert told(shared, who, envelope, order) == told(
            generation(places, asks, default), who, envelope, order
        )


def told(world: Generation, who: Principal, envelope: Envelope, removed: tuple[Removal, ...]) -> object:
    try:
        found = admit(world, who, 1, envelope, Wishes(), removed)
    except ProblemError as error:
        return error.problem
    return [d.id for d in found.deployments], found.rejections


def test_a_place_is_out_where_it_may_run_and_a_supplier_by_each_of_its_names() -> None:
    from tests.worlds import deployment

    from passerelle.core.model import Attributes

    one = deployment(
        "work/m", provider="work", supplier="bedrock", region="eu-central-1",
        attributes=Attributes(regions=("eu-central-1", "eu-west-3")),
    )  # fmt: skip
    taking = ("work", "bedrock", "aws", "aws,eu", "bedrock,eu-west-3", "work,aws", "maker:mistral,aws")
    leaving = (
        "azure",
        "bedrock,us",
        "bedrock,eu-west-1",
        "work,azure",
        "maker:openai",
        "maker:mistral,azure",
    )
    assert [text for text in (*taking, *leaving) if takes_out(parse(text), one)] == list(taking)


def test_a_removal_is_over_by_the_clock_and_binds_its_scope_alone() -> None:
    who = principal()
    out = Without("p")
    for scope, mine in (
        ("organisation", who.org_id),
        ("workspace", who.workspace_id),
        ("project", who.project_id),
        ("key", who.key_id),
    ):
        assert Removal(out, scope, mine, "drl_1", until_ns=10).binds(who, 9)  # type: ignore[arg-type]
        assert not Removal(out, scope, mine, "drl_1", until_ns=10).binds(who, 10)  # type: ignore[arg-type]
        assert not Removal(out, scope, "another", "drl_1", until_ns=10).binds(who, 9)  # type: ignore[arg-type]
