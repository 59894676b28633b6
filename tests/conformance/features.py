"""What is tried between every client and every provider: a conversation, its answer, what it is about."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
    Image,
    Json,
    Refusal,
    Result,
    Sound,
    Text,
    Thought,
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


def _calls(*calls: Call, reasoning: int = 0) -> Answer:
    return Answer(calls, "calls", Usage(40, 0, 0, 21, reasoning))


ONE = Call("weather", {"city": "Avignon"}, "$1", ('{"ci', 'ty": "Avi', 'gnon"}'))
OTHER = Call("weather", {"city": "Arles"}, "$2", ('{"city": ', '"Arles"}'))
EMPTY = Call("tides", {}, "$1", ())
TOOLS = replace(ASK, tools=(WEATHER,))


def _answered(*results: Result, calls: tuple[Call, ...] = (ONE,), more: tuple[Any, ...] = ()) -> Ask:
    said = tuple([replace(call, id=call.id.replace("$", "call_")) for call in calls])
    turns = (user("What is the weather?"), model(*said), user(*results, *more))
    return replace(TOOLS, turns=turns)


def _result(words: str, call: str = "call_1", name: str = "weather", **more: Any) -> Result:
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


_both: Callable[[Feature], tuple[Feature, Feature]] = lambda feature: (feature, streamed(feature))  # noqa: E731

_THOUGHT = Thought("Is it windy there? Better ask.", "$proof")
_ODD = Tool("mcp.server/weather of " + "a" * 60, "Of a far server.", SCHEMA)

FEATURES: tuple[Feature, ...] = (
    *_both(Feature("plain text")),
    *_both(
        Feature(
            "usage: cached and reasoned",
            answer=replace(SAID, usage=Usage(40, 24, 0, 21, 5)),
            role="thinks",
            needs=("cached_given",),
        )
    ),
    *_both(
        Feature(
            "usage: cache written",
            answer=replace(SAID, usage=Usage(40, 24, 16, 21, 0)),
            kind="written",
            needs=("written",),
        )
    ),
    Feature("system prompt", replace(ASK, turns=(system("Answer briefly."), *ASK.turns))),
    Feature(
        "developer message",
        replace(
            ASK,
            turns=(user("Hi."), model("Yes?"), Turn("developer", (Text("Answer in verse."),)), *ASK.turns),
        ),
    ),
    Feature(
        "system message in mid-conversation",
        replace(
            ASK,
            turns=(
                system("Be brief."),
                user("Hi."),
                model("Yes?"),
                user("Hm."),
                system("Answer in verse."),
                user("Go on."),
            ),
        ),
        role="modern",
    ),
    Feature(
        "many turns",
        replace(ASK, turns=(user("One?"), model("Two."), user("Three?"), model("Four."), user("Five?"))),
    ),
    Feature(
        "the same role twice, empty words",
        replace(ASK, turns=(user("One?"), user("And two?"), model("Three."), user("Four?", ""))),
        illegal=("anthropic", "gemini", "bedrock"),
    ),
    *_both(Feature("a tool called", TOOLS, _calls(ONE))),
    *_both(Feature("two tools called at once", TOOLS, _calls(ONE, OTHER))),
    *_both(Feature("words, then a tool called", TOOLS, Answer((Text("I shall look."), ONE), "calls"))),
    *_both(Feature("a tool called without arguments", replace(TOOLS, tools=(WEATHER, TIDES)), _calls(EMPTY))),
    Feature("a tool's result", _answered(_result("18 degrees"))),
    Feature(
        "results in another order",
        _answered(_result("21 degrees", "call_2"), _result("18 degrees"), calls=(ONE, OTHER)),
    ),
    Feature("a result and words of the user", _answered(_result("18 degrees"), more=("And Arles?",))),
    Feature("an empty result", _answered(Result("call_1", (), name="weather"))),
    Feature("a result that is an error", _answered(_result("no such city", error=True))),
    Feature(
        "a result with a picture",
        _answered(Result("call_1", (Text("Look:"), Image(PNG)), name="weather")),
        also=("result_image",),
        role="sees",
    ),
    Feature("ids as long as the dialect takes them", kind="longest"),
    Feature("ids used again in a later turn", chain("call_1"), illegal=("openai_responses", "anthropic")),
    Feature("calls without ids", chain(""), clients=("gemini",), why="every call has an id in this dialect"),
    Feature("`tool_choice`: a call is required", replace(TOOLS, choice="required"), _calls(ONE)),
    Feature(
        "`tool_choice`: one tool", replace(TOOLS, tools=(TIDES, WEATHER), choice="=weather"), _calls(ONE)
    ),
    Feature("`tool_choice`: none", replace(TOOLS, choice="none")),
    Feature("one call at a time", replace(TOOLS, parallel=False), _calls(ONE)),
    Feature(
        "a strict tool",
        replace(TOOLS, tools=(replace(WEATHER, strict=True, schema=DEEP),)),
        _calls(Call("weather", {"river": "Rhône", "arches": [], "closed": None}, "$1")),
    ),
    *_both(
        Feature(
            "a tool of free text", replace(TOOLS, tools=(Tool("sql", "Runs SQL.", free=True),)), kind="free"
        )
    ),
    Feature(
        "a tool with a schema of many words",
        replace(TOOLS, tools=(replace(WEATHER, schema=RICH),)),
        _calls(ONE),
    ),
    Feature(
        "an empty list of tools",
        kind="raw",
        illegal=("openai_chat",),
        more={
            "openai_responses": {"tools": []},
            "anthropic": {"tools": []},
            "gemini": {"tools": []},
            "bedrock": {},
        },
    ),
    *_both(Feature("two calls there, and back with results", TOOLS, _calls(ONE, OTHER), kind="return")),
    *_both(
        Feature(
            "two calls that the provider names alike, and back",
            TOOLS,
            _calls(replace(ONE, id="$same"), replace(OTHER, id="$same")),
            kind="same",
        )
    ),
    Feature("a tool with an odd name", replace(TOOLS, tools=(_ODD,)), kind="renamed"),
    Feature(
        "a picture, inline", replace(ASK, turns=(user("Look.", Image(PNG)),)), role="sees", also=("image",)
    ),
    Feature(
        "a picture by URL",
        replace(ASK, turns=(user("Look.", Image(url="https://example.com/a.png")),)),
        role="sees",
        also=("image_url",),
    ),
    Feature("a PDF", replace(ASK, turns=(user("Read.", Document(PDF)),)), also=("document",)),
    Feature("sound", replace(ASK, turns=(user("Listen.", Sound(WAV)),)), also=("sound",)),
    *_both(
        Feature(
            "JSON of a schema",
            replace(ASK, schema=DEEP),
            Answer((Text('{"river": "Rhône", "arches": [], "closed": null}'),)),
            also=("schema",),
        )
    ),
    Feature(
        "JSON without a schema",
        replace(ASK, json=True, turns=(user("Say it in JSON."),)),
        Answer((Text('{"arches": 4}'),)),
    ),
    Feature(
        "an effort asked for", replace(ASK, effort="high", max_tokens=32000), role="thinks", kind="effort"
    ),
    Feature("thinking turned off", replace(ASK, effort="off"), role="thinks", also=("effort_off",)),
    Feature("a budget for thinking", replace(ASK, budget=6000, max_tokens=8000), role="thinks"),
    *_both(
        Feature(
            "thoughts shown",
            replace(ASK, show=True, effort="high", max_tokens=32000),
            Answer((_THOUGHT, Text(WORDS)), usage=Usage(40, 0, 0, 21, 9)),
            role="thinks",
            kind="effort",
            needs=("thought_given",),
        )
    ),
    *_both(
        Feature(
            "thoughts and their proof come back with a call",
            TOOLS,
            Answer((_THOUGHT, replace(ONE, proof="$call")), "calls", Usage(40, 0, 0, 21, 9)),
            kind="return",
            role="thinks",
            needs=("thought_given",),
        )
    ),
    Feature("thoughts of another provider", TOOLS, kind="switch", role="thinks"),
    Feature("stop sequences", replace(ASK, stop=("END", "\n\n"[:1] + "Q:"))),
    Feature(
        "the stop sequence that was hit",
        replace(ASK, stop=("END",)),
        replace(SAID, stop_sequence="END"),
        kind="talk",
        needs=("stop_told",),
    ),
    Feature(
        "a required call and an effort",
        replace(TOOLS, choice="required", effort="high", max_tokens=32000),
        _calls(ONE),
        kind="either",
        role="thinks",
        more={"either": ("choice", "effort")},
        illegal=("anthropic",),
    ),
    Feature(
        "temperature and an effort",
        replace(ASK, temperature=0.25, effort="high", max_tokens=32000),
        kind="either",
        role="thinks",
        more={"either": ("temperature", "effort", "effort_off")},
        illegal=("anthropic",),
    ),
    Feature(
        "temperature and `top_p`",
        replace(ASK, temperature=0.25, top_p=0.75),
        kind="either",
        more={"either": ("temperature", "top_p")},
    ),
    Feature(
        "temperature of 1.75",
        replace(ASK, temperature=1.75),
        kind="either",
        more={"either": ("temperature",)},
        illegal=("anthropic", "bedrock"),
    ),
    Feature(
        "a limit of one token",
        replace(ASK, max_tokens=1),
        replace(SAID, finish="length"),
        kind="either",
        more={"either": ("max_tokens",)},
    ),
    Feature(
        "seven stop sequences",
        replace(ASK, stop=tuple("ABCDEFG")),
        kind="either",
        more={"either": ("stop",)},
        illegal=("openai_chat", "gemini", "bedrock"),
    ),
    Feature("temperature", replace(ASK, temperature=0.625)),
    Feature("`top_p`", replace(ASK, top_p=0.75)),
    Feature("`top_k`", replace(ASK, top_k=40)),
    Feature("penalties", replace(ASK, presence=0.25, frequency=0.5)),
    Feature("seed", replace(ASK, seed=4242)),
    Feature(
        "logprobs",
        replace(ASK, logprobs=3),
        replace(SAID, logprobs=("The", " bridge", " at")),
        also=("logprobs",),
    ),
    Feature("several answers (`n`)", replace(ASK, n=2), kind="several"),
    *_both(
        Feature("the limit on tokens is met", replace(ASK, max_tokens=64), replace(SAID, finish="length"))
    ),
    *_both(
        Feature(
            "a refusal in words",
            ASK,
            Answer((Refusal("I cannot help with that."),), "stop"),
            kind="refusal",
            needs=("refusal",),
        )
    ),
    *_both(Feature("cut by a content filter", ASK, replace(SAID, finish="filter"))),
    *_both(
        Feature("citations", ASK, replace(SAID, citations=("https://example.com/avignon",)), kind="cited")
    ),
    Feature(
        "marks of what to cache",
        replace(
            ASK,
            turns=(Turn("system", (Text("Be brief.", cache=True),)), *ASK.turns),
            tools=(replace(WEATHER, cache=True),),
        ),
    ),
    Feature("a key for the cache", replace(ASK, cache_key="thread-7")),
    Feature("service tier", replace(ASK, tier="flex"), kind="tier"),
    Feature("the end user", replace(ASK, user="user-77")),
    Feature("metadata", replace(ASK, metadata={"ticket": "77"})),
    Feature("verbosity", replace(ASK, verbosity="low"), role="thinks"),
    Feature("a field nobody knows", kind="unknown"),
    Feature(
        "context edits",
        role="plain",
        kind="raw",
        clients=("anthropic",),
        why="no such thing in this dialect",
        more={
            "anthropic": {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            "lost": "context_management",
        },
    ),
    Feature(
        "tools in a namespace",
        TOOLS,
        _calls(ONE),
        kind="namespace",
        clients=("openai_responses",),
        why="no namespaces in this dialect",
    ),
    Feature(
        "count of tokens",
        kind="count",
        clients=("anthropic", "gemini"),
        why="no such question in this dialect",
    ),
    Feature(
        "embeddings", kind="embed", clients=("openai_chat", "gemini"), why="no embeddings in this dialect"
    ),
    *[
        Feature(f"the provider's {status}", kind="error", more={"status": status})
        for status in (400, 401, 403, 404, 413, 429, 500, 503, 529)
    ],
    Feature("a stream cut in the middle", replace(ASK, stream=True), kind="broken", more={"how": "cut"}),
    Feature("an error inside a stream", replace(ASK, stream=True), kind="broken"),
)
