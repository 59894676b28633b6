"""Whether a JSON value meets a JSON schema: three answers, yes, no and "that cannot be told here".

Schemas and values come from callers and models, so nothing in them may cost more than is given for it: every
step is counted, patterns take linear time, nothing is fetched, and nothing is generated and executed. The
kept libraries leave these open: `jsonschema` follows references over the network unless told not to, and runs
any pattern with `re`; `fastjsonschema` compiles a schema to Python and executes it; jsonschema-rs 0.60.3 runs
out of memory on forty nested references that ask for 2⁴⁰ steps, and ends the process on a value nested
100,000 deep (tried 2026-11-22).

What is read are the assertions of "JSON Schema Validation" and the applicators of "JSON Schema Core" of draft
2020-12, and of those since 4 where they differ (json-schema.org/draft/2020-12, read 2026-11-22). `format` is
an annotation, as there. Not read, so that a schema with one of them cannot be told: references out of the
schema, `$dynamicRef`, `unevaluated…`, and patterns that `patterns` does not have.
"""

import math
from collections.abc import Callable, Iterable, Sized
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from passerelle.router.verifier import facets, patterns
from passerelle.router.verifier.base import UndecidedError
from passerelle.router.verifier.facets import listed, mapped, number

STEPS: Final = 100_000
"""Some 100 ms at the most. An answer of 4,000 values takes 10,000 under a schema of its form."""
_DEEPEST: Final = 96
_BUILDING: Final = 4
_MATCHING: Final = 4_096
_LOOKING: Final = 16
"""A step is a microsecond. Four for each weight of a pattern that is built (see `patterns`); one for so many
letters by weight that are matched, or that are compared; and one for so many names that are looked up."""
_OLD = ("draft-03", "draft-04", "draft-06", "draft-07")
_UNREAD = frozenset(
    ["$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "disallow", "extends"]
)


class Fault(NamedTuple):
    """What of a value does not meet its schema, without a word of either: receipts keep it."""

    keyword: str
    level: int = 0
    """How deep in the value."""


def fault(schema: Any, value: Any, *, steps: int = STEPS) -> Fault | None:
    """The first thing about `value` that `schema` does not allow. Raises `UndecidedError`."""
    return _Check(schema, steps).fault(schema, value, 0)


class _Check:
    """One check. Its methods are keywords: (what the schema says, the value, the schema, depth)."""

    def __init__(self, root: Any, steps: int) -> None:
        self.root = root
        self.left = steps
        self.references: dict[str, Any] = {}
        self.patterns: dict[str, patterns.Pattern] = {}
        said = root.get("$schema") if isinstance(root, dict) else None
        self.old = isinstance(said, str) and any(draft in said for draft in _OLD)
        if isinstance(said, str) and "//json-schema.org/draft" not in said:
            raise UndecidedError("the schema is of a kind of its own")

    def spend(self, steps: int) -> None:
        """Raises `UndecidedError` where there are no more."""
        self.left -= steps
        if self.left < 0:
            raise UndecidedError("it takes more steps than are given to it")

    def look(self, said: Sized) -> None:
        """Go through what a schema lists, or through the names of a value."""
        self.spend(len(said) // _LOOKING)

    def fault(self, schema: Any, value: Any, depth: int) -> Fault | None:
        self.spend(1)
        if depth > _DEEPEST:
            raise UndecidedError("it is nested too deep")
        if schema is True:
            return None
        if schema is False:
            return Fault("false")
        if not isinstance(schema, dict):
            raise UndecidedError("the schema is neither an object nor a boolean")
        self.look(schema)
        if not _UNREAD.isdisjoint(schema):
            raise UndecidedError("the schema has keywords that are not read here")
        if depth and isinstance(schema.get("$id"), str):
            raise UndecidedError("the schema holds another one with a name of its own")
        if self.old and "$ref" in schema:
            return self.ref(schema["$ref"], value, schema, depth)
        for keyword, said in schema.items():
            held = _KEYWORDS.get(keyword)
            if held is not None:
                found = held(self, said, value, schema, depth)
                if found is not None:
                    return found
        return None

    # --- any value

    def ref(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return self.fault(self.named(said), value, depth + 1)

    def named(self, said: Any) -> Any:
        """The schema that a reference names."""
        if not isinstance(said, str) or not said.startswith("#"):
            raise UndecidedError("the schema refers to something outside of it")
        if said not in self.references:
            self.spend(len(said) // _LOOKING)
            self.references[said] = self.found(said)
        return self.references[said]

    def found(self, said: str) -> Any:
        """The same, looked for."""
        if said == "#":
            return self.root
        if not said.startswith("#/"):
            raise UndecidedError("the schema refers to an anchor")
        found = self.root
        for part in unquote(said[2:]).split("/"):
            self.spend(1)
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name[:7]) < len(found):
                found = found[int(name[:7])]
            else:
                raise UndecidedError("the schema refers to something that is not in it")
            if isinstance(found, dict) and isinstance(found.get("$id"), str):
                raise UndecidedError("the schema holds another one with a name of its own")
        return found

    def type(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        names = said if isinstance(said, list) else [said]
        self.look(names)
        for name in names:
            is_one = facets.TYPES.get(name) if isinstance(name, str) else None
            if is_one is None:
                raise UndecidedError("the schema names a type that there is not")
            if is_one(value):
                return None
        return Fault("type")

    def enum(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return None if any(self.equal(one, value) for one in listed(said)) else Fault("enum")

    def const(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return None if self.equal(said, value) else Fault("const")

    def equal(self, one: Any, other: Any, depth: int = 0) -> bool:
        """As JSON is equal: 1 is 1.0, and true is not 1."""
        if depth > _DEEPEST:
            raise UndecidedError("it is nested too deep")
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, dict) and isinstance(other, dict):
            self.spend(len(one))
            return one.keys() == other.keys() and all(self.equal(one[k], other[k], depth + 1) for k in one)
        if isinstance(one, list) and isinstance(other, list):
            self.spend(len(one))
            return len(one) == len(other) and all(
                self.equal(a, b, depth + 1) for a, b in zip(one, other, strict=True)
            )
        if isinstance(one, str):
            self.spend(1 + len(one) // _MATCHING)
        else:
            self.spend(1)
        return bool(one == other)

    # --- several schemas

    def all_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return _first(self.fault(one, value, depth + 1) for one in listed(said))

    def any_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return None if self.met(said, value, depth, 1) else Fault("anyOf")

    def one_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return None if self.met(said, value, depth, 2) == 1 else Fault("oneOf")

    def met(self, said: Any, value: Any, depth: int, enough: int) -> int:
        """How many of several schemas are met, counted up to `enough`. One that cannot be told matters only
        where the others do not settle it.
        """
        count, unsure = 0, None
        for one in listed(said):
            try:
                count += self.fault(one, value, depth + 1) is None
            except UndecidedError as error:
                if self.left < 0:
                    raise
                self.spend(depth)  # it came up from below
                unsure = str(error)
            if count >= enough:
                return count
        if unsure is not None:
            raise UndecidedError(unsure)
        return count

    def not_(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return Fault("not") if self.fault(said, value, depth + 1) is None else None

    def if_(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        then = "then" if self.fault(said, value, depth + 1) is None else "else"
        return self.fault(schema.get(then, True), value, depth + 1)

    # --- strings

    def pattern(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return Fault("pattern") if isinstance(value, str) and not self.matches(said, value) else None

    def matches(self, pattern: Any, text: str) -> bool:
        known = self.patterns.get(pattern) if isinstance(pattern, str) else None
        if known is None:
            known = patterns.pattern(pattern) if isinstance(pattern, str) else None
            if known is None:
                raise UndecidedError("the schema has a pattern that is not run here")
            self.spend(known.weight * _BUILDING)
            self.patterns[pattern] = known
        self.spend(1 + known.weight * len(text) // _MATCHING)
        return known.found(text)

    # --- arrays

    def items(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, list):
            return None
        if isinstance(said, list):  # before 2020-12, what `prefixItems` is now
            rest = schema.get("additionalItems", True)
            return self.prefix(said, value, schema, depth) or self.each(rest, value, len(said), depth)
        before = schema.get("prefixItems")
        return self.each(said, value, len(before) if isinstance(before, list) else 0, depth)

    def each(self, said: Any, value: list[Any], start: int, depth: int) -> Fault | None:
        if said is True:
            return None
        return _first(
            _inside(self.fault(said, value[place], depth + 1)) for place in range(start, len(value))
        )

    def prefix(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, list):
            return None
        pairs = zip(listed(said), value, strict=False)
        return _first(_inside(self.fault(one, item, depth + 1)) for one, item in pairs)

    def unique(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if said is not True or not isinstance(value, list):
            return None
        plain = [one for one in value if isinstance(one, str)]
        self.spend(len(value))
        if len(set(plain)) < len(plain):
            return Fault("uniqueItems")
        others = [one for one in value if not isinstance(one, str)]
        for place, one in enumerate(others):
            if any(self.equal(one, other) for other in others[:place]):
                return Fault("uniqueItems")
        return None

    def contains(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, list):
            return None
        least = 1 if self.old else number(schema.get("minContains", 1))
        most = math.inf if self.old else number(schema.get("maxContains", math.inf))
        count = sum(self.fault(said, one, depth + 1) is None for one in value)
        return None if least <= count <= most else Fault("contains")

    # --- objects

    def required(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, dict):
            return None
        self.look(listed(said))
        return None if all(name in value for name in said) else Fault("required")

    def properties(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, dict):
            return None
        known = mapped(said)
        fewer = known if len(known) < len(value) else value
        self.look(fewer)
        return _first(
            _inside(self.fault(known[name], value[name], depth + 1))
            for name in fewer
            if name in known and name in value
        )

    def by_pattern(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, dict):
            return None
        return _first(
            _inside(self.fault(one, item, depth + 1))
            for pattern, one in mapped(said).items()
            for name, item in value.items()
            if self.matches(pattern, name)
        )

    def others(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if said is True or not isinstance(value, dict):
            return None
        known, patterns = mapped(schema.get("properties", {})), mapped(schema.get("patternProperties", {}))
        self.look(value)
        for name, item in value.items():
            if name in known or any(self.matches(pattern, name) for pattern in patterns):
                continue
            if self.fault(said, item, depth + 1) is not None:
                return Fault("additionalProperties")
        return None

    def names(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, dict):
            return None
        wrong = any(self.fault(said, name, depth + 1) is not None for name in value)
        return Fault("propertyNames") if wrong else None

    def depends(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        if not isinstance(value, dict):
            return None
        self.look(mapped(said))
        for name, one in said.items():
            if name in value:
                found = (
                    self.required(one, value, schema, depth)
                    if isinstance(one, list)
                    else self.fault(one, value, depth + 1)
                )
                if found is not None:
                    return found
        return None


_Keyword = Callable[[_Check, Any, Any, dict[str, Any], int], Fault | None]


def _facet(keyword: str, holds: facets.Facet) -> _Keyword:
    broken = Fault(keyword)

    def held(check: _Check, said: Any, value: Any, schema: dict[str, Any], depth: int) -> Fault | None:
        return None if holds(said, value, schema) else broken

    return held


_KEYWORDS: dict[str, _Keyword] = {
    "$ref": _Check.ref,
    "additionalProperties": _Check.others,
    "allOf": _Check.all_of,
    "anyOf": _Check.any_of,
    "const": _Check.const,
    "contains": _Check.contains,
    "dependencies": _Check.depends,
    "dependentRequired": _Check.depends,
    "dependentSchemas": _Check.depends,
    "enum": _Check.enum,
    "if": _Check.if_,
    "items": _Check.items,
    "not": _Check.not_,
    "oneOf": _Check.one_of,
    "pattern": _Check.pattern,
    "patternProperties": _Check.by_pattern,
    "prefixItems": _Check.prefix,
    "properties": _Check.properties,
    "propertyNames": _Check.names,
    "required": _Check.required,
    "type": _Check.type,
    "uniqueItems": _Check.unique,
    **{keyword: _facet(keyword, holds) for keyword, holds in facets.FACETS.items()},
}


def _first(found: Iterable[Fault | None]) -> Fault | None:
    return next((one for one in found if one is not None), None)


def _inside(found: Fault | None) -> Fault | None:
    return None if found is None else Fault(found.keyword, found.level + 1)
