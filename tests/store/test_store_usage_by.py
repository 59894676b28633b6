"""Usage by tag counts a request in each of its tags, and by model under our own names."""

from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.world import Tenant, a_settlement, a_tenant, an_intent

from passerelle.store import Store


def _use(store: Store, tenant: Tenant, *tags: str, nanos: int) -> None:
    settlement = a_settlement(an_intent(tenant), amount_nanos=nanos)
    receipt = msgspec.structs.replace(settlement.receipt, tags=tags)
    store.journal.settle(msgspec.structs.replace(settlement, receipt=receipt))
    assert store.flush()


def _by_tag(store: Store, tenant: Tenant) -> dict[str, tuple[int, int]]:
    lines = store.usage.report(tenant.org_id, by=("tag",))
    return {line.group["tag"]: (line.attempts, line.amount_nanos) for line in lines}


def test_a_request_of_two_tags_counts_in_both_and_one_without_in_none(store: Store) -> None:
    tenant, other = a_tenant(store), a_tenant(store)
    _use(store, tenant, "search", "night", nanos=10)
    _use(store, tenant, "search", "search", nanos=5)
    _use(store, tenant, nanos=100)
    _use(store, other, "search", nanos=7)
    assert _by_tag(store, tenant) == {"search": (2, 15), "night": (1, 10)}
    assert _by_tag(store, other) == {"search": (1, 7)}
    (total,) = store.usage.report(tenant.org_id)
    assert (total.attempts, total.amount_nanos) == (3, 115)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.integers(1, 99)), min_size=1, max_size=5))
def test_each_tags_line_is_the_sum_of_its_requests(store: Store, used: list[tuple[set[str], int]]) -> None:
    tenant = a_tenant(store)
    for tags, nanos in used:
        _use(store, tenant, *sorted(tags), nanos=nanos)
    expected = {
        tag: (len(mine), sum(mine))
        for tag in "abc"
        if (mine := [nanos for tags, nanos in used if tag in tags])
    }
    assert _by_tag(store, tenant) == expected


def test_a_model_is_ours_where_its_deployment_is_known_and_the_providers_beside_it(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    settlement = a_settlement(an_intent(tenant), amount_nanos=3)
    first = settlement.receipt.attempts[0]
    dated = [msgspec.structs.replace(first, model=f"{first.model}-2026-0{n}-01") for n in (1, 2)]
    for at, attempt in enumerate(dated):
        again = a_settlement(an_intent(tenant), amount_nanos=3)
        attempt = msgspec.structs.replace(attempt, id=again.receipt.attempts[0].id)
        receipt = msgspec.structs.replace(again.receipt, attempts=(attempt,), tags=(f"t{at}",))
        store.journal.settle(msgspec.structs.replace(again, receipt=receipt))
    assert store.flush()
    names = {first.deployment: "ours"}
    (line,) = store.usage.report(tenant.org_id, by=("model",), models=names)
    assert (line.group, line.attempts) == ({"model": "ours"}, 2)
    lines = store.usage.report(tenant.org_id, by=("model", "provider_model", "tag"), models=names)
    assert [tuple(line.group.values()) for line in lines] == [
        ("ours", dated[0].model, "t0"),
        ("ours", dated[1].model, "t1"),
    ]
    unknown = store.usage.report(tenant.org_id, by=("model",))
    assert {line.group["model"] for line in unknown} == {attempt.model for attempt in dated}
