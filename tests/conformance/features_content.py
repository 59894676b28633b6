"""Rows about pictures, documents, sound, forms of an answer, and thoughts."""

from dataclasses import replace

from tests.conformance.feature import ASK, DEEP, ONE, PDF, PNG, TOOLS, WAV, WORDS, Feature, both, user
from tests.conformance.talk import Answer, Document, Image, Sound, Text, Thought, Usage

_THOUGHT = Thought("Is it windy there? Better ask.", "$proof")
CONTENT: tuple[Feature, ...] = (
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
    *both(
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
    *both(
        Feature(
            "thoughts shown",
            replace(ASK, show=True, effort="high", max_tokens=32000),
            Answer((_THOUGHT, Text(WORDS)), usage=Usage(40, 0, 0, 21, 9)),
            role="thinks",
            kind="effort",
            needs=("thought_given",),
        )
    ),
    *both(
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
)
