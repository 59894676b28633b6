"""Whether a JSON value meets a JSON schema: three answers, yes, no and "that cannot be told here".

Schemas and values come from callers and models, so nothing in them may cost more than is given for it: every
step is counted, a pattern that may backtrack is not run, nothing is fetched, and nothing is generated and
executed. The kept libraries leave these open: `jsonschema` follows references over the network unless told
not to, runs any pattern with `re`, and takes 2ⁿ steps for n references that name each other twice;
`fastjsonschema` compiles a schema to Python and executes it.

What is read are the assertions of "JSON Schema Validation" and the applicators of "JSON Schema Core" of draft
2020-12, and of those since 4 where they differ (json-schema.org/draft/2020-12, read 2026-11-22). `format` is
an annotation, as there. Not read, so that a schema with one of them cannot be told: references out of the
schema, `$dynamicRef`, and `unevaluated…`.
"""

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from passerelle.gateway.proofs import patterns

STEPS = 100_000
"""Some 100 ms at the most. An answer of 4,000 values takes 10,000 under a schema of its form."""
_DEEPEST = 96
_MATCHING_STEP = 200
_STRING_STEP = 256
_OLD = ("draft-03", "draft-04", "draft-06", "draft-07")
_UNREAD = frozenset(
    ["$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "disallow", "extends"]
)


class UndecidedError(Exception):
    """It cannot be told here; the message says why."""


def fault(schema: Any, value: Any, *, steps: int = STEPS) -> str | None:
    """What of `value` does not meet `schema`: the place as a JSON pointer, and the keyword; None when all
    does. Names only what the schema names. Raises `UndecidedError`.
    """
    return _Check(schema, steps).fault(schema, value, 0)


class _Check:
    """One check. Its methods are keywords: (what the schema says, the value, the schema, depth)."""

    def __init__(self, root: Any, steps: int) -> None:
        self.root = root
        self.left = steps
        said = root.get("$schema") if isinstance(root, dict) else None
        self.old = isinstance(said, str) and any(draft in said for draft in _OLD)
        if isinstance(said, str) and "//json-schema.org/draft" not in said:
            raise UndecidedError("the schema is of a kind of its own")

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise UndecidedError("it takes more steps than are given to it")

    def fault(self, schema: Any, value: Any, depth: int) -> str | None:
        self.spend(1)
        if depth > _DEEPEST:
            raise UndecidedError("it is nested too deep")
        if schema is True:
            return None
        if schema is False:
            return ": nothing is allowed here"
        if not isinstance(schema, dict):
            raise UndecidedError("the schema is neither an object nor a boolean")
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

    def ref(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return self.fault(self.named(said), value, depth + 1)

    def named(self, said: Any) -> Any:
        """The schema that a reference names."""
        if not isinstance(said, str) or not said.startswith("#"):
            raise UndecidedError("the schema refers to something outside of it")
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
            elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise UndecidedError("the schema refers to something that is not in it")
            if isinstance(found, dict) and isinstance(found.get("$id"), str):
                raise UndecidedError("the schema holds another one with a name of its own")
        return found

    def type(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        names = said if isinstance(said, list) else [said]
        for name in names:
            is_one = _TYPES.get(name) if isinstance(name, str) else None
            if is_one is None:
                raise UndecidedError("the schema names a type that there is not")
            if is_one(value):
                return None
        return ": `type`"

    def enum(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return None if any(self.equal(one, value) for one in _listed(said)) else ": `enum`"

    def const(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return None if self.equal(said, value) else ": `const`"

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
            self.spend(1 + len(one) // _STRING_STEP)
        else:
            self.spend(1)
        return bool(one == other)

    # --- several schemas

    def all_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return _first(self.fault(one, value, depth + 1) for one in _listed(said))

    def any_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return None if self.met(said, value, depth, 1) else ": `anyOf`"

    def one_of(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return None if self.met(said, value, depth, 2) == 1 else ": `oneOf`"

    def met(self, said: Any, value: Any, depth: int, enough: int) -> int:
        """How many of several schemas are met, counted up to `enough`. One that cannot be told matters only
        where the others do not settle it.
        """
        count, unsure = 0, None
        for one in _listed(said):
            try:
                count += self.fault(one, value, depth + 1) is None
            except UndecidedError as error:
                if self.left < 0:
                    raise
                unsure = error
            if count >= enough:
                return count
        if unsure is not None:
            raise unsure
        return count

    def not_(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return ": `not`" if self.fault(said, value, depth + 1) is None else None

    def if_(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        then = "then" if self.fault(said, value, depth + 1) is None else "else"
        return self.fault(schema.get(then, True), value, depth + 1)

    # --- numbers

    def multiple(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not _is_number(value):
            return None
        step = _number(said)
        if step <= 0:
            raise UndecidedError("the schema asks for a multiple of nothing")
        if isinstance(value, int) and isinstance(step, int):
            return ": `multipleOf`" if value % step else None
        try:
            times = value / step
        except OverflowError:
            raise UndecidedError("the numbers are too large") from None
        if not math.isfinite(times):
            raise UndecidedError("the numbers are too large")
        # 0.3 is a multiple of 0.1, though not of the nearest doubles of both.
        return None if abs(times - round(times)) < 1e-9 * max(1.0, abs(times)) else ": `multipleOf`"

    # --- strings

    def pattern(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return ": `pattern`" if isinstance(value, str) and not self.matches(said, value) else None

    def matches(self, pattern: Any, text: str) -> bool:
        known = patterns.pattern(pattern) if isinstance(pattern, str) else None
        if known is None or known.worst(len(text)) > patterns.MOST:
            raise UndecidedError("the schema has a pattern that is not run here")
        self.spend(1 + int(known.worst(len(text))) // _MATCHING_STEP)
        return known.found.search(text) is not None

    # --- arrays

    def items(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, list):
            return None
        if isinstance(said, list):  # before 2020-12, what `prefixItems` is now
            rest = schema.get("additionalItems", True)
            return self.prefix(said, value, schema, depth) or self.each(rest, value, len(said), depth)
        before = schema.get("prefixItems")
        return self.each(said, value, len(before) if isinstance(before, list) else 0, depth)

    def each(self, said: Any, value: list[Any], start: int, depth: int) -> str | None:
        if said is True:
            return None
        return _first(
            _at(place, self.fault(said, value[place], depth + 1)) for place in range(start, len(value))
        )

    def prefix(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, list):
            return None
        pairs = zip(_listed(said), value, strict=False)
        return _first(_at(n, self.fault(one, item, depth + 1)) for n, (one, item) in enumerate(pairs))

    def unique(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if said is not True or not isinstance(value, list):
            return None
        plain = [one for one in value if isinstance(one, str)]
        self.spend(len(value))
        if len(set(plain)) < len(plain):
            return ": `uniqueItems`"
        others = [one for one in value if not isinstance(one, str)]
        for place, one in enumerate(others):
            if any(self.equal(one, other) for other in others[:place]):
                return ": `uniqueItems`"
        return None

    def contains(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, list):
            return None
        least = 1 if self.old else _number(schema.get("minContains", 1))
        most = math.inf if self.old else _number(schema.get("maxContains", math.inf))
        count = sum(self.fault(said, one, depth + 1) is None for one in value)
        return None if least <= count <= most else ": `contains`"

    # --- objects

    def required(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, dict):
            return None
        missing = next((name for name in _listed(said) if name not in value), None)
        return None if missing is None else f": `{missing}` is `required`"

    def properties(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, dict):
            return None
        return _first(
            _at(name, self.fault(one, value[name], depth + 1))
            for name, one in _mapped(said).items()
            if name in value
        )

    def by_pattern(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, dict):
            return None
        return _first(
            self.fault(one, item, depth + 1)
            for pattern, one in _mapped(said).items()
            for name, item in value.items()
            if self.matches(pattern, name)
        )

    def others(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if said is True or not isinstance(value, dict):
            return None
        known, patterns = _mapped(schema.get("properties", {})), _mapped(schema.get("patternProperties", {}))
        self.spend(len(value))
        for name, item in value.items():
            if name in known or any(self.matches(pattern, name) for pattern in patterns):
                continue
            if self.fault(said, item, depth + 1) is not None:
                return ": `additionalProperties`"
        return None

    def names(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, dict):
            return None
        wrong = any(self.fault(said, name, depth + 1) is not None for name in value)
        return ": `propertyNames`" if wrong else None

    def depends(self, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if not isinstance(value, dict):
            return None
        for name, one in _mapped(said).items():
            if name in value:
                found = (
                    self.required(one, value, schema, depth)
                    if isinstance(one, list)
                    else self.fault(one, value, depth + 1)
                )
                if found is not None:
                    return found
        return None


_Keyword = Callable[[_Check, Any, Any, dict[str, Any], int], str | None]


def _bounded(keyword: str, holds: Callable[[Any, Any], bool], strictly: str = "") -> _Keyword:
    """A bound of numbers. `strictly`: the word beside which draft 4 has a boolean that sharpens it."""
    said_wrong = f": `{keyword}`"

    def held(check: _Check, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        if isinstance(said, bool) or not _is_number(value):  # that boolean itself
            return None
        good = holds(value, _number(said)) and not (value == said and schema.get(strictly) is True)
        return None if good else said_wrong

    return held


def _sized(keyword: str, kind: type[Any], holds: Callable[[Any, Any], bool]) -> _Keyword:
    """A bound of how long or large something is."""
    said_wrong = f": `{keyword}`"

    def held(check: _Check, said: Any, value: Any, schema: dict[str, Any], depth: int) -> str | None:
        return said_wrong if isinstance(value, kind) and not holds(len(value), _number(said)) else None

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
    "exclusiveMaximum": _bounded("exclusiveMaximum", operator.lt),
    "exclusiveMinimum": _bounded("exclusiveMinimum", operator.gt),
    "if": _Check.if_,
    "items": _Check.items,
    "maxItems": _sized("maxItems", list, operator.le),
    "maxLength": _sized("maxLength", str, operator.le),
    "maxProperties": _sized("maxProperties", dict, operator.le),
    "maximum": _bounded("maximum", operator.le, "exclusiveMaximum"),
    "minItems": _sized("minItems", list, operator.ge),
    "minLength": _sized("minLength", str, operator.ge),
    "minProperties": _sized("minProperties", dict, operator.ge),
    "minimum": _bounded("minimum", operator.ge, "exclusiveMinimum"),
    "multipleOf": _Check.multiple,
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
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _number(said: Any) -> float:
    if not _is_number(said):
        raise UndecidedError("the schema has no number where one belongs")
    return said  # type: ignore[no-any-return]


def _listed(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise UndecidedError("the schema has no list where one belongs")
    return said


def _mapped(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise UndecidedError("the schema has no object where one belongs")
    return said


def _first(found: Iterable[str | None]) -> str | None:
    return next((one for one in found if one is not None), None)


def _at(place: int | str, found: str | None) -> str | None:
    return None if found is None else f"/{place}{found}"
