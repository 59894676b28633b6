"""A row of the table: a conversation, its answer, what it is about; and the pieces that rows are made of."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Json,
    Result,
    Text,
    Tool,
    Turn,
    Usage,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKMSAwIG9iago8PC9UeXBlL0NhdGFsb2c+PgplbmRvYmoKdHJhaWxlcgo8PC9Sb290IDEgMCBSPj4KJSVFT0YK"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
WORDS = "The bridge at Avignon has four arches left; Rhône floods took « the rest »."
SAID = Answer((Text(WORDS),), usage=Usage(40, 0, 0, 21, 0))
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name."}},
    "required": ["city"],
    "additionalProperties": False,
}
DEEP: Json = {
    "type": "object",
    "properties": {
        "river": {"type": "string", "enum": ["Rhône", "Durance"]},
        "arches": {"type": "array", "items": SCHEMA},
        "closed": {"type": ["string", "null"]},
    },
    "required": ["river", "arches", "closed"],
    "additionalProperties": False,
}
RICH: Json = {
    "type": "object",
    "properties": {
        "place": {"$ref": "#/$defs/place"},
        "day": {"type": "string", "format": "date", "description": "Which."},
        "hours": {"type": "integer", "minimum": 1, "maximum": 24, "default": 6},
        "unit": {"anyOf": [{"type": "string", "enum": ["C", "F"]}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["place"],
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}
WEATHER = Tool("weather", "The weather in a city, now.", SCHEMA)
TIDES = Tool("tides", "The tides, now.", {"type": "object", "properties": {}, "additionalProperties": False})


def user(*parts: Any) -> Turn:
    """A turn of the user."""
    return Turn("user", tuple([Text(part) if isinstance(part, str) else part for part in parts]))


def model(*parts: Any) -> Turn:
    """A turn of the assistant."""
    return Turn("assistant", tuple([Text(part) if isinstance(part, str) else part for part in parts]))


def system(words: str) -> Turn:
    """Instructions."""
    return Turn("system", (Text(words),))


ASK = Ask((user("What of the bridge at Avignon?"),), max_tokens=2048)


@dataclass(frozen=True)
class Feature:
    """A row of the table."""

    name: str
    ask: Ask = ASK
    answer: Answer = SAID
    kind: str = "talk"
    """How it is tried: see `cells`."""
    role: str = "plain"
    """Which model of a house is asked."""
    needs: tuple[str, ...] = ()
    """Keys of `House.unlike` that make it pointless there."""
    also: tuple[str, ...] = ()
    """Keys of `lacks` and `unable` that it is about, beside what differs."""
    clients: tuple[str, ...] | None = None
    """The only dialects that can ask for it; `why` says what the others lack."""
    why: str = ""
    illegal: tuple[str, ...] = ()
    """Dialects whose own owner refuses such a request."""
    more: Json = field(default_factory=dict)


def calls(*calls: Call, reasoning: int = 0) -> Answer:
    return Answer(calls, "calls", Usage(40, 0, 0, 21, reasoning))


ONE = Call("weather", {"city": "Avignon"}, "$1", ('{"ci', 'ty": "Avi', 'gnon"}'))
OTHER = Call("weather", {"city": "Arles"}, "$2", ('{"city": ', '"Arles"}'))
EMPTY = Call("tides", {}, "$1", ())
TOOLS = replace(ASK, tools=(WEATHER,))


def answered(*results: Result, calls: tuple[Call, ...] = (ONE,), more: tuple[Any, ...] = ()) -> Ask:
    said = tuple([replace(call, id=call.id.replace("$", "call_")) for call in calls])
    turns = (user("What is the weather?"), model(*said), user(*results, *more))
    return replace(TOOLS, turns=turns)


def result(words: str, call: str = "call_1", name: str = "weather", **more: Any) -> Result:
    return Result(call, (Text(words),), name=name, **more)


def chain(ident: str) -> Ask:
    turns: tuple[Turn, ...] = (user("The weather, twice."),)
    for number in (1, 2):
        name = ident.replace("#", str(number))
        call = Call("weather", {"city": f"City {number}"}, name)
        turns += (model(call), user(Result(name, (Text(f"{number}8 degrees"),), name="weather")))
    return replace(TOOLS, turns=turns)


def streamed(feature: Feature, name: str | None = None) -> Feature:
    """The same as a stream."""
    ask = replace(feature.ask, stream=True)
    return replace(feature, name=name or f"{feature.name}, streamed", ask=ask)


both: Callable[[Feature], tuple[Feature, Feature]] = lambda feature: (feature, streamed(feature))  # noqa: E731
