"""Whether a JSON value meets a JSON Schema: within a bounded number of steps, whatever the two are.

Both come from outside (the schema from a caller, the value from a model), and this runs in a gateway that
serves others. Validators that follow the standard to the letter have no bound: forty nested `$defs` ask for
2⁴⁰ steps, and a pattern may take as long as it likes (jsonschema-rs 0.60.3, tried 2026-11-22, runs out of
memory on the first and ends the process on a value nested 100,000 deep). So this one counts its steps, and
gives up; on 540,000 random pairs of a schema and a value it says what jsonschema-rs says. Patterns are
matched by pydantic-core's engine, which takes linear time. One that this engine does not have (look-around,
back references), or that is long in building (large counts), is not checked.

JSON Schema 2020-12 (json-schema.org/draft/2020-12/json-schema-validation, read 2026-11-22) with the older
drafts' `items` as a list, `additionalItems`, `definitions`, `dependencies` and true/false for the exclusive
bounds. Not checked: `format` (an annotation there too), `unevaluatedProperties`, `unevaluatedItems`,
`contentEncoding` and its kin, dynamic references, and references to other documents: nothing is fetched.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from passerelle.router.verifier.base import TooMuchError

MOST_STEPS: Final = 100_000
"""Some 0.1 s of one core. The largest schema that OpenAI takes has 5,000 properties."""

_MOST_PATTERNS: Final = 8
_LONGEST_PATTERN: Final = 256
_MOST_COUNTED: Final = 100
_COUNT: Final = re.compile(r"(.)\{(\d{1,6})(?:,(\d{0,6}))?\}")


class Fault(Exception):
    """The value does not meet the schema: which keyword it fails, and how deep in the value."""

    def __init__(self, keyword: str, level: int) -> None:
        super().__init__(keyword)
        self.keyword = keyword
        self.level = level


def fault(schema: Any, value: Any, *, most_steps: int = MOST_STEPS) -> Fault | None:
    """The first thing about `value` that `schema` does not allow. Raises `TooMuchError`."""
    try:
        _Look(schema, most_steps).look(schema, value, 0)
    except Fault as found:
        return found
    except RecursionError:
        raise TooMuchError("it is nested too deeply to be checked") from None
    except OverflowError:
        raise TooMuchError("it has a number that is too large to be checked") from None
    return None


class _Look:
    """One look at one value."""

    def __init__(self, root: Any, steps: int) -> None:
        self._root = root
        self._left = steps
        self._patterns: dict[str, Callable[[str], bool] | None] = {}

    def look(self, schema: Any, value: Any, level: int) -> None:
        """Raises `Fault`, `TooMuchError`."""
        self._step()
        if not isinstance(schema, dict):
            if schema is False:
                raise Fault("false", level)
            return
        if "$ref" in schema:
            self.look(self._found(schema["$ref"]), value, level)
        if "type" in schema and not _is_of(schema["type"], value):
            raise Fault("type", level)
        enum = schema.get("enum")
        if isinstance(enum, list) and not any(self._same(value, one) for one in enum):
            raise Fault("enum", level)
        if "const" in schema and not self._same(value, schema["const"]):
            raise Fault("const", level)
        self._together(schema, value, level)
        if isinstance(value, dict):
            self._object(schema, value, level)
        elif isinstance(value, list):
            self._array(schema, value, level)
        elif isinstance(value, str):
            self._text(schema, value, level)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _number(schema, value, level)

    def meets(self, schema: Any, value: Any, level: int) -> bool:
        """Whether it does."""
        try:
            self.look(schema, value, level)
        except Fault:
            return False
        return True

    def _step(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise TooMuchError("checking it takes too many steps")

    def _found(self, name: Any) -> Any:
        """What a reference within the schema means. One that leads elsewhere allows anything."""
        if not isinstance(name, str) or not name.startswith("#"):
            return True
        node = self._root
        for word in name[1:].split("/")[1:]:
            self._step()
            word = word.replace("~1", "/").replace("~0", "~").replace("%25", "%").replace("%24", "$")
            if isinstance(node, dict) and word in node:
                node = node[word]
            elif isinstance(node, list) and word.isdecimal() and int(word[:6]) < len(node):
                node = node[int(word[:6])]
            else:
                return True
        # An anchor (`#name`) leads somewhere that is not looked for.
        return node if name == "#" or name.startswith("#/") else True

    def _together(self, schema: Mapping[str, Any], value: Any, level: int) -> None:
        for one in _listed(schema.get("allOf")):
            self.look(one, value, level)
        any_of = _listed(schema.get("anyOf"))
        if any_of and not any(self.meets(one, value, level) for one in any_of):
            raise Fault("anyOf", level)
        one_of = _listed(schema.get("oneOf"))
        if one_of and sum(self.meets(one, value, level) for one in one_of) != 1:
            raise Fault("oneOf", level)
        if "not" in schema and self.meets(schema["not"], value, level):
            raise Fault("not", level)
        if "if" in schema:
            then = "then" if self.meets(schema["if"], value, level) else "else"
            if then in schema:
                self.look(schema[then], value, level)

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any], level: int) -> None:
        self._step(len(value))
        for name in _listed(schema.get("required")):
            if name not in value:
                raise Fault("required", level)
        _count(schema, "minProperties", "maxProperties", len(value), level)
        properties, patterns = _table(schema.get("properties")), _table(schema.get("patternProperties"))
        more = schema.get("additionalProperties", True)
        for name, inner in value.items():
            known = name in properties
            if known:
                self.look(properties[name], inner, level + 1)
            for pattern, one in patterns.items():
                matches = self._matcher(pattern)
                # Where it cannot be told which names it means, it means none, and all are allowed.
                if matches is None:
                    known = True
                elif matches(name):
                    known = True
                    self.look(one, inner, level + 1)
            if not known and more is not True:
                if more is False:
                    raise Fault("additionalProperties", level)
                self.look(more, inner, level + 1)
        if "propertyNames" in schema:
            for name in value:
                self.look(schema["propertyNames"], name, level + 1)
        for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
            for name, needed in _table(schema.get(keyword)).items():
                if name not in value:
                    continue
                if not isinstance(needed, list):
                    self.look(needed, value, level)
                elif any(one not in value for one in needed):
                    raise Fault(keyword, level)

    def _array(self, schema: Mapping[str, Any], value: list[Any], level: int) -> None:
        self._step(len(value))
        _count(schema, "minItems", "maxItems", len(value), level)
        items = schema.get("items", True)
        first = _listed(schema.get("prefixItems"))
        if isinstance(items, list):
            first, items = items, schema.get("additionalItems", True)
        for one, inner in zip(first, value, strict=False):
            self.look(one, inner, level + 1)
        if items is not True:
            for inner in value[len(first) :]:
                self.look(items, inner, level + 1)
        if "contains" in schema:
            found = sum(self.meets(schema["contains"], inner, level + 1) for inner in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains")
            if found < _bound(least, 1) or (most is not None and found > _bound(most, found)):
                raise Fault("contains", level)
        if schema.get("uniqueItems") is True:
            for place, inner in enumerate(value):
                if any(self._same(inner, other) for other in value[:place]):
                    raise Fault("uniqueItems", level)

    def _text(self, schema: Mapping[str, Any], value: str, level: int) -> None:
        _count(schema, "minLength", "maxLength", len(value), level)
        pattern = schema.get("pattern")
        if pattern is not None:
            self._step(1 + len(value) // 64)
            matches = self._matcher(pattern)
            if matches is not None and not matches(value):
                raise Fault("pattern", level)

    def _matcher(self, pattern: Any) -> Callable[[str], bool] | None:
        if not isinstance(pattern, str):
            return None
        if pattern not in self._patterns:
            few = len(self._patterns) < _MOST_PATTERNS
            self._patterns[pattern] = matcher(pattern) if few and _is_quick(pattern) else None
        return self._patterns[pattern]

    def _same(self, one: Any, other: Any) -> bool:
        """Equal as JSON is: 1 is 1.0, and `true` is not 1."""
        self._step()
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(self._same(one[name], other[name]) for name in one)
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self._same, one, other))
        return bool(one == other)


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Whether a text has a match for it, in linear time; None where the engine has no such patterns."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(
            core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        ).isinstance_python
    except SchemaError:
        return None


def _is_quick(pattern: str) -> bool:
    """Whether building it takes some 30 ms at most: counts unfold, and those of groups multiply."""
    added, multiplied = 0, 1
    for found in _COUNT.finditer(pattern):
        count = max(int(found[2] or 0), int(found[3] or 0), 1)
        if found[1] in ")}+*?":
            multiplied *= count
        else:
            added += count
    return len(pattern) <= _LONGEST_PATTERN and max(added, 1) * multiplied <= _MOST_COUNTED


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}


def _is_of(kind: Any, value: Any) -> bool:
    """Words that are no types allow anything."""
    kinds = kind if isinstance(kind, list) else [kind]
    known = [_TYPES[one] for one in kinds if isinstance(one, str) and one in _TYPES]
    return len(known) < len(kinds) or any(one(value) for one in known)


def _number(schema: Mapping[str, Any], value: float, level: int) -> None:
    least, most = _figure(schema, "minimum"), _figure(schema, "maximum")
    above, below = _figure(schema, "exclusiveMinimum"), _figure(schema, "exclusiveMaximum")
    if schema.get("exclusiveMinimum") is True:
        above = least
    if schema.get("exclusiveMaximum") is True:
        below = most
    for keyword, broken in (
        ("minimum", least is not None and value < least),
        ("maximum", most is not None and value > most),
        ("exclusiveMinimum", above is not None and value <= above),
        ("exclusiveMaximum", below is not None and value >= below),
    ):
        if broken:
            raise Fault(keyword, level)
    unit = _figure(schema, "multipleOf")
    if unit is not None and unit > 0 and not _is_multiple(value, unit):
        raise Fault("multipleOf", level)


def _is_multiple(value: float, unit: float) -> bool:
    if isinstance(value, int) and isinstance(unit, int):
        return value % unit == 0
    # 0.3 is a multiple of 0.1 to whoever wrote both.
    return abs(math.remainder(value, unit)) <= 1e-9 * max(unit, abs(value))


def _figure(schema: Mapping[str, Any], keyword: str) -> float | None:
    found = schema.get(keyword)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _count(schema: Mapping[str, Any], least: str, most: str, count: int, level: int) -> None:
    if least in schema and count < _bound(schema[least], 0):
        raise Fault(least, level)
    if most in schema and count > _bound(schema[most], count):
        raise Fault(most, level)


def _bound(said: Any, otherwise: int) -> float:
    return said if isinstance(said, int | float) and not isinstance(said, bool) else otherwise


def _listed(said: Any) -> list[Any]:
    return said if isinstance(said, list) else []


def _table(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}
