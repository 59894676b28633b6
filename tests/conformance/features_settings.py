"""Rows about settings, endings, side questions, and a provider's troubles."""

from dataclasses import replace

from tests.conformance.feature import ASK, ONE, SAID, TOOLS, WEATHER, Feature, both, calls
from tests.conformance.talk import Answer, Refusal, Text, Turn

SETTINGS_AND_TROUBLES: tuple[Feature, ...] = (
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
        calls(ONE),
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
    *both(Feature("the limit on tokens is met", replace(ASK, max_tokens=64), replace(SAID, finish="length"))),
    *both(
        Feature(
            "a refusal in words",
            ASK,
            Answer((Refusal("I cannot help with that."),), "stop"),
            kind="refusal",
            needs=("refusal",),
        )
    ),
    *both(Feature("cut by a content filter", ASK, replace(SAID, finish="filter"))),
    *both(Feature("citations", ASK, replace(SAID, citations=("https://example.com/avignon",)), kind="cited")),
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
        calls(ONE),
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
