"""Rows about tools: offered, called, answered, called again."""

from dataclasses import replace

from tests.conformance.feature import (
    DEEP,
    EMPTY,
    ONE,
    OTHER,
    PNG,
    RICH,
    SCHEMA,
    TIDES,
    TOOLS,
    WEATHER,
    Feature,
    answered,
    both,
    calls,
    chain,
    result,
)
from tests.conformance.talk import Answer, Call, Image, Result, Text, Tool

_ODD = Tool("mcp.server/weather of " + "a" * 60, "Of a far server.", SCHEMA)

TOOL_ROWS: tuple[Feature, ...] = (
    *both(Feature("a tool called", TOOLS, calls(ONE))),
    *both(Feature("two tools called at once", TOOLS, calls(ONE, OTHER))),
    *both(Feature("words, then a tool called", TOOLS, Answer((Text("I shall look."), ONE), "calls"))),
    *both(Feature("a tool called without arguments", replace(TOOLS, tools=(WEATHER, TIDES)), calls(EMPTY))),
    Feature("a tool's result", answered(result("18 degrees"))),
    Feature(
        "results in another order",
        answered(result("21 degrees", "call_2"), result("18 degrees"), calls=(ONE, OTHER)),
    ),
    Feature("a result and words of the user", answered(result("18 degrees"), more=("And Arles?",))),
    Feature("an empty result", answered(Result("call_1", (), name="weather"))),
    Feature("a result that is an error", answered(result("no such city", error=True))),
    Feature(
        "a result with a picture",
        answered(Result("call_1", (Text("Look:"), Image(PNG)), name="weather")),
        also=("result_image",),
        role="sees",
    ),
    Feature("ids as long as the dialect takes them", kind="longest"),
    Feature("ids used again in a later turn", chain("call_1"), illegal=("openai_responses", "anthropic")),
    Feature("calls without ids", chain(""), clients=("gemini",), why="every call has an id in this dialect"),
    Feature("`tool_choice`: a call is required", replace(TOOLS, choice="required"), calls(ONE)),
    Feature("`tool_choice`: one tool", replace(TOOLS, tools=(TIDES, WEATHER), choice="=weather"), calls(ONE)),
    Feature("`tool_choice`: none", replace(TOOLS, choice="none")),
    Feature("one call at a time", replace(TOOLS, parallel=False), calls(ONE)),
    Feature(
        "a strict tool",
        replace(TOOLS, tools=(replace(WEATHER, strict=True, schema=DEEP),)),
        calls(Call("weather", {"river": "Rhône", "arches": [], "closed": None}, "$1")),
    ),
    *both(
        Feature(
            "a tool of free text", replace(TOOLS, tools=(Tool("sql", "Runs SQL.", free=True),)), kind="free"
        )
    ),
    Feature(
        "a tool with a schema of many words",
        replace(TOOLS, tools=(replace(WEATHER, schema=RICH),)),
        calls(ONE),
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
    *both(Feature("two calls there, and back with results", TOOLS, calls(ONE, OTHER), kind="return")),
    *both(
        Feature(
            "two calls that the provider names alike, and back",
            TOOLS,
            calls(replace(ONE, id="$same"), replace(OTHER, id="$same")),
            kind="same",
        )
    ),
    Feature("a tool with an odd name", replace(TOOLS, tools=(_ODD,)), kind="renamed"),
)
