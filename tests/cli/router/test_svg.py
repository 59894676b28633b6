import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cli.router.svg import HEIGHT, WIDTH, Chart, Dot, Line, svg, ticks

NUMBER = st.floats(-1e6, 1e6, allow_nan=False)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20)


@given(
    points=st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=20),
    dots=st.lists(st.tuples(NUMBER, NUMBER), max_size=8),
    name=NAMES,
)
def test_whatever_is_drawn_lies_within_the_picture_and_is_well_formed(
    points: list[tuple[float, float]], dots: list[tuple[float, float]], name: str
) -> None:
    chart = Chart(
        title=name, x=name, y="y", lines=(Line(name, points, dotted=True),),
        dots=tuple(Dot(name, *at) for at in dots),
    )  # fmt: skip
    drawn = ElementTree.fromstring(svg(chart))
    for circle in drawn.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0 <= float(circle.attrib["cy"]) <= HEIGHT


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_ticks_are_few_even_and_inside(low: float, span: float) -> None:
    made = ticks(low, low + span)
    assert 2 <= len(made) <= 12
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value in made)
    steps = [b - a for a, b in pairwise(made)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def test_names_of_dots_that_lie_together_are_moved_apart() -> None:
    drawn = svg(Chart("t", "x", "y", dots=(Dot("first", 0, 0.5), Dot("second", 0, 0.5), Dot("far", 1, 1))))
    said = {
        element.text: float(element.attrib["y"])
        for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
        if element.text in ("first", "second")
    }
    assert abs(said["first"] - said["second"]) >= 12


@pytest.mark.parametrize("logarithmic", [False, True])
def test_x_rises_to_the_right(logarithmic: bool) -> None:
    chart = Chart(
        "t",
        "x",
        "y",
        lines=(Line("a", [(10, 0), (100, 1), (1000, 2)], dotted=True),),
        logarithmic=logarithmic,
    )
    drawn = ElementTree.fromstring(svg(chart))
    xs = [float(one.attrib["cx"]) for one in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert xs == sorted(xs)
    assert (xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)) is logarithmic
