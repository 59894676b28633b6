"""Requests encoded and decoded: nothing is lost that is not named."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.responses_support import CHAT, some_words

from passerelle.codecs.base import Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import OutputFormat, Reasoning, Request, Sampling, Tool

plain = some_words.map(TextPart)
pictures = st.sampled_from(
    [
        ImagePart("image/png", "iVBO"),
        ImagePart(url="https://a.example/i.png", detail="low"),
        FilePart("application/pdf", "JVBE", name="a.pdf"),
        AudioPart("audio/mpeg", "SUQz"),
    ]
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = []
    for n in range(draw(st.integers(1, 4))):
        role = draw(st.sampled_from(["system", "developer", "user"]))
        content = st.one_of(plain, pictures) if role == "user" else plain
        messages.append(Message(role, tuple(draw(st.lists(content, min_size=1, max_size=3)))))
        said: list[Any] = draw(st.lists(st.one_of(plain, some_words.map(RefusalPart)), max_size=2))
        calls = [
            ToolCallPart(
                f"call_{n}_{i}",
                "f",
                "text" if custom else '{"a": 1}',
                kind="custom" if custom else "function",
            )
            for i, custom in enumerate(draw(st.lists(st.booleans(), max_size=2)))
        ]
        if said or calls:
            messages.append(Message("assistant", (*said, *calls)))
        if calls:
            results = [
                ToolResultPart(call.id, tuple(draw(st.lists(plain, min_size=1, max_size=2))), name="f")
                for call in calls
            ]
            messages.append(Message("tool", tuple(results)))
    return tuple(messages)


requests = st.builds(
    Request,
    model=st.just("m"),
    messages=conversations(),
    dialect=st.sampled_from(["anthropic", "gemini", "openai_chat"]),
    max_output_tokens=st.none() | st.integers(16, 99),
    stream=st.booleans(),
    tools=st.lists(
        st.sampled_from(
            [
                Tool("f", "d", {"type": "object", "properties": {"a": {"type": "string"}}}, strict=True),
                Tool("g", None, {"type": "object", "properties": {}}, strict=False),
                Tool("h", kind="custom", grammar={"syntax": "lark", "definition": "x"}),
            ]
        ),
        unique_by=lambda tool: tool.name,
    ).map(tuple),
    tool_choice=st.none(),
    parallel_tool_calls=st.none() | st.booleans(),
    output=st.sampled_from(
        [OutputFormat(), OutputFormat("json"), OutputFormat("json_schema", "n", {"a": 1}, strict=True)]
    ),
    reasoning=st.sampled_from(
        [Reasoning(), Reasoning(effort="low"), Reasoning(effort="high", show=True, summary="auto")]
    ),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.just(0.5),
        top_p=st.none() | st.just(0.9),
        seed=st.none() | st.just(1),
    ),
    user=st.none() | st.just("someone"),
    metadata=st.none() | st.just({"a": "b"}),
    service_tier=st.none() | st.just("flex"),
    prompt_cache_key=st.none() | st.just("thread"),
    verbosity=st.none() | st.just("low"),
)


def flat(messages: tuple[Message, ...]) -> list[Any]:
    """The conversation without its grouping: who said what, in order."""
    found: list[Any] = []
    for message in messages:
        for part in message.parts:
            match part:
                case TextPart(text=text):
                    found.append((message.role, text))
                case RefusalPart(text=text):
                    found.append((message.role, "refusal", text))
                case ToolResultPart():
                    inside = [p.text for p in part.content if isinstance(p, TextPart)]
                    found.append(("result", part.call_id, part.name, inside))
                case ToolCallPart():
                    found.append(("call", part.id, part.name, part.arguments, part.kind))
                case _:
                    found.append((message.role, part))
    return found


@given(requests)
@settings(max_examples=100)
def test_a_request_encoded_and_decoded_loses_only_what_is_named(request: Request) -> None:
    encoded = PROVIDER.encode_request(request, Target("m"))
    back = CLIENT.decode_request(encoded.body, CHAT)
    assert flat(back.messages) == flat(request.messages)
    assert set(encoded.dropped) == ({"seed"} if request.sampling.seed is not None else set())
    for field in (
        "model", "max_output_tokens", "stream", "parallel_tool_calls", "output", "reasoning", "user",
        "metadata", "service_tier", "prompt_cache_key", "verbosity",
    ):  # fmt: skip
        assert getattr(back, field) == getattr(request, field), field
    assert (back.sampling.temperature, back.sampling.top_p) == (
        request.sampling.temperature,
        request.sampling.top_p,
    )
    assert [(t.name, t.description, t.parameters, t.strict, t.kind, t.grammar) for t in back.tools] == [
        (
            t.name,
            t.description,
            t.parameters,
            bool(t.strict) if t.kind == "function" else None,
            t.kind,
            t.grammar,
        )
        for t in request.tools
    ]


@given(requests)
@settings(max_examples=50)
def test_a_request_of_this_dialect_is_given_back_byte_for_byte(request: Request) -> None:
    body = PROVIDER.encode_request(request, Target("m")).body
    again = PROVIDER.encode_request(CLIENT.decode_request(body, CHAT), Target("m"))
    assert json.loads(again.body) == json.loads(body)
    assert again.dropped == ()
