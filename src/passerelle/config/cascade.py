"""`[router.tests.NAME]`, and the settings that name tests: what checks a cheaper model's answer first."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic_core import SchemaError, SchemaValidator, core_schema

from passerelle.config.findings import Finding, did_you_mean
from passerelle.config.origin import Origin, table
from passerelle.config.types import Count, Flag, Section
from passerelle.core.cascade import OFF, TESTS, VERIFIERS, verifier_of


def _word(said: str) -> str:
    if said != OFF and verifier_of(said) is None:
        raise ValueError("this is none of `schema`, `agreement`, `tests:NAME` and `off`")
    return said


def _pattern(said: str) -> str:
    """Checked with the engine that will match it: one that takes linear time, whatever the answer."""
    try:
        SchemaValidator(core_schema.str_schema(pattern=said, regex_engine="rust-regex"))
    except SchemaError:
        raise ValueError(
            "this is no regular expression without look-around and back references (docs.rs/regex)"
        ) from None
    return said


CascadeWord = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=128), AfterValidator(_word)]
Samples = Annotated[int, Strict(), Field(ge=2, le=3)]
Points = Annotated[float, Strict(), Field(ge=0, le=100)]
_Piece = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=1000)]
_Pieces = Annotated[tuple[_Piece, ...], Field(max_length=100)]


class TestSettings(Section):
    """What an answer must be. Same names as `router.verifier.checks.Tests`."""

    __test__ = False

    is_json: Flag = False
    is_python: Flag = False
    not_a_refusal: Flag = False
    contains: _Pieces = ()
    lacks: _Pieces = ()
    starts_with: _Piece | None = None
    ends_with: _Piece | None = None
    one_of: _Pieces = ()
    pattern: Annotated[str, Strict(), StringConstraints(max_length=1000), AfterValidator(_pattern)] | None = (
        None
    )
    min_chars: Count | None = None
    max_chars: Count | None = None


def cascade_findings(data: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    """Settings that name tests which do not exist, and tests without a check."""
    router = table(data, "router")
    everybodys = set(table(router, "tests"))
    yield from _empty(("router", "tests"), table(router, "tests"), origin)
    yield from _named(("router",), router, everybodys, origin)
    for name, tenant in table(router, "organisations").items():
        if isinstance(tenant, dict):
            path = ("router", "organisations", name)
            own = table(tenant, "tests")
            yield from _empty((*path, "tests"), own, origin)
            yield from _named(path, tenant, everybodys | set(own), origin)


def _named(
    path: tuple[str, ...], node: Mapping[str, Any], known: set[str], origin: Origin
) -> Iterator[Finding]:
    said = [((*path, "cascade"), node.get("cascade"))]
    said += [
        ((*path, "aliases", name, "cascade"), alias.get("cascade"))
        for name, alias in table(node, "aliases").items()
        if isinstance(alias, dict)
    ]
    for place, word in said:
        if isinstance(word, str) and word.startswith(TESTS) and word[len(TESTS) :] not in known:
            name = word[len(TESTS) :]
            otherwise = f"Describe them in `[router.tests.{name}]`, or say {_or(VERIFIERS)}"
            yield origin.finding(
                place,
                f"there are no tests of the name `{name}`",
                did_you_mean(name, sorted(known), otherwise),
                code="unknown_tests",
            )


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(f"`{word}`" for word in words if word != "tests")


def _empty(path: tuple[str, ...], tests: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    for name, checks in tests.items():
        if checks == {}:
            yield origin.finding(
                (*path, name),
                "these tests check nothing, so that every answer would pass",
                "Say at least one check, such as `contains`, `pattern` or `is_json`",
                code="no_checks",
            )
