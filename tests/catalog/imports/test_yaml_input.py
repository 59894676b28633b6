"""YAML of strangers: bounded, without tags, with lines."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.catalog.imports.yaml_input import YamlRefusedError, read_yaml


def test_values_come_with_the_line_of_each_path() -> None:
    document = read_yaml("a: 1\nb:\n  - c: x\n  - d:\n      e: 2025-01-01\n")
    assert document.data["b"][0] == {"c": "x"}
    assert document.lines["b", 1, "d", "e"] == 5
    assert document.lines["b", 0] == 3


def test_aliases_and_merges_are_followed() -> None:
    document = read_yaml("base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\nagain: *b\n")
    assert document.data["use"] == {"x": 1, "y": 2}
    assert document.data["again"] == {"x": 1}


def test_a_key_written_twice_is_told() -> None:
    assert read_yaml("a: 1\na: 2\n").repeated == (("a",),)


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        laughs(9),
        "a: &a [*a]",
        "a: &a\n  b: *a",
        "a: " + "[" * 200 + "]" * 200,
        "a: " + "[" * 1500,
        "x: " + "y" * (3 << 20),
        "a: !!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "- a\n- b",
        "just words",
        "",
        "a: [1,",
        "a: 'unclosed",
        "? [a, b]\n: 1",
        "a: b: c",
        "--- {a: 1}\n--- {b: 2}",
        "a: 2025-99-99",
        "\x00",
    ],
)
def test_what_is_dangerous_or_not_a_mapping_is_refused(text: str) -> None:
    with pytest.raises(YamlRefusedError) as raised:
        read_yaml(text)
    assert raised.value.message
    assert raised.value.next_step


@given(st.text(st.sampled_from("abc: -[]{}&*!|>#'\"\n\t<,?1"), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(YamlRefusedError):
        read_yaml(text)
