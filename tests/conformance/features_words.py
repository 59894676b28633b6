"""Rows about words, their count, and who says them."""

from dataclasses import replace

from tests.conformance.feature import ASK, SAID, Feature, both, model, system, user
from tests.conformance.talk import Text, Turn, Usage

WORDS_AND_TURNS: tuple[Feature, ...] = (
    *both(Feature("plain text")),
    *both(
        Feature(
            "usage: cached and reasoned",
            answer=replace(SAID, usage=Usage(40, 24, 0, 21, 5)),
            role="thinks",
            needs=("cached_given",),
        )
    ),
    *both(
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
)
