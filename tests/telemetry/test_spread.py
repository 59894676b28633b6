"""Observations gathered in plain numbers are what prometheus-client would have made of them one by one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from passerelle.telemetry.metrics import _Spread

BOUNDS = (0.05, 0.5, 1.0, 30.0)


def _histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram("took", "Seconds", ["who"], buckets=BOUNDS, registry=registry)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.05, 0.0500001, 0.5, 0.75, 1.0, 29.5, 30.0, 31.0, 4096.0])),
        max_size=4,
    )
)
def test_moving_a_spread_is_observing_each(folds: list[list[float]]) -> None:
    one_by_one, at_once = CollectorRegistry(), CollectorRegistry()
    each = _histogram(one_by_one).labels("x")
    gathered = _histogram(at_once).labels("x")
    spread = _Spread(BOUNDS)
    for values in folds:
        for value in values:
            each.observe(value)
        spread.add(values)
        spread.move(gathered)

    def lines(registry: CollectorRegistry) -> list[bytes]:
        return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]

    sums = [line for line in lines(one_by_one) if b"_sum" in line]
    assert [line for line in lines(one_by_one) if b"_sum" not in line] == [
        line for line in lines(at_once) if b"_sum" not in line
    ]
    ours = [line for line in lines(at_once) if b"_sum" in line]
    assert abs(float(ours[0].split()[-1]) - float(sums[0].split()[-1])) < 1e-6
