"""The provider without a model: what it sends, the provider side of each codec must accept."""

import asyncio
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import Target
from passerelle.core.event import Failed, Finished, PartDelta, UsageReported
from passerelle.core.message import Message, RefusalPart, TextPart, ToolCallPart, ToolResultPart
from passerelle.core.model import Deployment, Model
from passerelle.core.request import (
    Dialect,
    EmbedRequest,
    Operation,
    OutputFormat,
    Request,
    Tool,
    ToolChoice,
)
from passerelle.core.response import Response
from passerelle.providers.base import Call, Deadlines, Reply, SendError
from passerelle.providers.failures import classify
from passerelle.providers.simulated import Script, SimulatedProvider, read_script, simulated_name
from passerelle.providers.simulated.schema import instance

DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
WEATHER = Tool(
    "weather",
    "Says the weather",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


class Sleeper:
    """Time that passes only on paper."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def simulated(sleep: Sleeper | None = None, **script: Any) -> SimulatedProvider:
    return SimulatedProvider("sim", Script(**script), sleep=sleep or Sleeper())


def request(words: str = "Tell me something.", dialect: Dialect = "openai_chat", **more: Any) -> Request:
    return Request("m", (Message("user", (TextPart(words),)),), dialect, max_output_tokens=500, **more)


def call(
    asked: Request | EmbedRequest, dialect: Dialect, operation: Operation = "chat", **changes: Any
) -> Call:
    deployment = Deployment("sim/demo", Model("demo", "x", "x"), "sim", "demo", dialect)
    target = Target("demo")
    if isinstance(asked, EmbedRequest):
        codec = registry.task_provider("embed", dialect)
        assert codec is not None
        body, stream = codec.encode_request(asked, target).body, False
    else:
        body, stream = registry.provider(dialect).encode_request(asked, target).body, asked.stream
    made = Call(deployment, operation, body, stream, dialect)
    return msgspec.structs.replace(made, **changes)


async def body_of(reply: Reply) -> bytes:
    try:
        return await reply.read()
    finally:
        await reply.aclose()


async def whole(provider: SimulatedProvider, asked: Request, dialect: Dialect) -> Response:
    reply = await provider.send(call(asked, dialect))
    assert reply.status == 200
    return registry.provider(dialect).decode_response(await body_of(reply))


async def streamed(provider: SimulatedProvider, asked: Request, dialect: Dialect) -> list[Any]:
    reply = await provider.send(call(msgspec.structs.replace(asked, stream=True), dialect))
    decoder = registry.provider(dialect).stream_decoder()
    events: list[Any] = []
    async for chunk in reply:
        events += decoder.feed(chunk)
    return events + decoder.close()


def text(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, PartDelta))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_says_what_it_is_and_says_the_same_twice(dialect: Dialect) -> None:
    provider = simulated()
    first = await whole(provider, request(), dialect)
    again = await whole(provider, request(), dialect)
    other = await whole(provider, request("Something else."), dialect)
    words = "".join(part.text for part in first.parts if isinstance(part, TextPart))
    assert words.startswith("[simulated by simulated-demo; no model was called]")
    assert first.model == "simulated-demo"
    assert (first.parts, first.usage) == (again.parts, again.usage)
    assert first.parts != other.parts
    assert first.finish == "stop"
    assert first.usage.output_tokens == 40


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_says_the_same_as_the_whole_answer(dialect: Dialect) -> None:
    asked = request()
    # The stream's request differs by its `stream` field, and so may its hash; the counts may not.
    answer = await whole(simulated(answers=("Always this.",)), asked, dialect)
    events = await streamed(simulated(answers=("Always this.",)), asked, dialect)
    assert isinstance(events[-1], Finished)
    assert text(events) == "".join(part.text for part in answer.parts if isinstance(part, TextPart))
    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert (usage.input_tokens, usage.output_tokens) == (
        answer.usage.input_tokens,
        answer.usage.output_tokens,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_calls_a_tool_and_answers_in_words_after_the_result(dialect: Dialect) -> None:
    provider = simulated()
    asked = request(tools=(WEATHER,), dialect=dialect)
    answer = await whole(provider, asked, dialect)
    assert answer.finish == "tool_calls"
    (part,) = answer.parts
    assert isinstance(part, ToolCallPart)
    assert part.name == "weather"
    assert set(msgspec.json.decode(part.arguments)) == {"city"}

    events = await streamed(provider, asked, dialect)
    assert isinstance(events[-1], Finished)
    assert events[-1].finish == "tool_calls"
    assert set(msgspec.json.decode(text(events))) == {"city"}

    result = Message("tool", (ToolResultPart(part.id, (TextPart("sunny"),), name="weather"),))
    turn = (*asked.messages, Message("assistant", (part,)), result)
    after = await whole(provider, msgspec.structs.replace(asked, messages=turn), dialect)
    assert after.finish == "stop"
    assert isinstance(after.parts[0], TextPart)


async def test_a_choice_of_tools_is_obeyed() -> None:
    tools = (WEATHER, Tool("clock", None, {"type": "object"}))
    forced = request(tools=tools, tool_choice=ToolChoice("tool", "clock"))
    (part,) = (await whole(simulated(), forced, "openai_chat")).parts
    assert isinstance(part, ToolCallPart)
    assert (part.name, part.arguments) == ("clock", "{}")
    none = request(tools=tools, tool_choice=ToolChoice("none"))
    assert (await whole(simulated(), none, "openai_chat")).finish == "stop"
    assert (await whole(simulated(call_tools=False), forced, "openai_chat")).finish == "stop"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_structured_output_fits_its_schema(dialect: Dialect) -> None:
    schema = {
        "type": "object",
        "properties": {"size": {"enum": ["s", "l"]}, "n": {"type": "integer", "minimum": 3, "maximum": 4}},
        "required": ["size", "n"],
    }
    asked = request(output=OutputFormat("json_schema", "x", schema))
    answer = await whole(simulated(), asked, dialect)
    (part,) = answer.parts
    assert isinstance(part, TextPart)
    value = msgspec.json.decode(part.text)
    assert value["size"] in ("s", "l")
    # Anthropic's structured output takes no bounds: its codec leaves them out.
    assert value["n"] in (3, 4) or dialect == "anthropic"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_callers_limit_cuts_the_answer_and_says_so(dialect: Dialect) -> None:
    asked = msgspec.structs.replace(request(), max_output_tokens=17)
    answer = await whole(simulated(), asked, dialect)
    assert (answer.finish, answer.usage.output_tokens) == ("length", 17)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, "overloaded"), (429, "rate_limited"), (500, "server_error"), (400, "invalid_request")],
)
async def test_scripted_failures_are_errors_of_the_dialect(dialect: Dialect, status: int, kind: str) -> None:
    provider = simulated(fail_first=2, fail_status=status, fail_retry_after_s=3.0)
    asked = call(request(), dialect)
    for _ in range(2):
        reply = await provider.send(asked)
        failure = classify(reply.status, reply.headers, await body_of(reply), provider="sim")
        assert (reply.status, failure.kind) == (status, kind)
        assert failure.retry_after_s == 3.0
    assert (await provider.send(asked)).status == 200


async def test_every_so_manyth_request_fails() -> None:
    provider = simulated(fail_every=3)
    found = [(await provider.send(call(request(), "openai_chat"))).status for _ in range(7)]
    assert found == [200, 200, 503, 200, 200, 503, 200]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_cut_stream_breaks_and_never_ends_cleanly(dialect: Dialect) -> None:
    asked = msgspec.structs.replace(request(), stream=True)
    reply = await simulated(cut_after_events=6).send(call(asked, dialect))
    decoder = registry.provider(dialect).stream_decoder()
    events: list[Any] = []
    error: SendError | None = None
    try:
        async for chunk in reply:
            events += decoder.feed(chunk)
    except SendError as raised:
        error = raised
    assert error is not None
    assert error.failure == "transport"
    assert isinstance((events + decoder.close())[-1], Failed)
    with pytest.raises(SendError):
        await body_of(await simulated(cut_after_events=6).send(call(request(), dialect)))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_scripted_refusal_is_a_refusal(dialect: Dialect) -> None:
    provider = simulated(refuse_every=1)
    answer = await whole(provider, request(), dialect)
    refused = answer.finish in ("refusal", "content_filter")
    assert refused or any(isinstance(part, RefusalPart) for part in answer.parts)
    events = await streamed(provider, request(), dialect)
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_pace_is_the_scripts(dialect: Dialect) -> None:
    sleep = Sleeper()
    await streamed(
        simulated(sleep, first_content_s=0.5, tokens_per_s=100, answer_tokens=41), request(), dialect
    )
    assert sleep.slept[0] == 0.5
    assert sleep.slept.count(0.01) >= 40
    assert sum(sleep.slept) == pytest.approx(0.9, abs=0.06)  # the closing events take a step each


async def test_a_whole_answer_takes_as_long_as_its_stream() -> None:
    sleep = Sleeper()
    await whole(simulated(sleep, first_content_s=0.5, tokens_per_s=100), request(), "openai_chat")
    assert sum(sleep.slept) == pytest.approx(0.9)


async def test_a_fast_stream_sleeps_for_several_tokens_at_once() -> None:
    sleep = Sleeper()
    await streamed(simulated(sleep, first_content_s=0, tokens_per_s=10_000), request(), "openai_chat")
    assert all(one >= 0.002 for one in sleep.slept)
    sleep = Sleeper()
    await streamed(simulated(sleep, first_content_s=0, tokens_per_s=0), request(), "openai_chat")
    assert sleep.slept == []


async def test_deadlines_are_kept_to() -> None:
    sleep = Sleeper()
    slow = simulated(sleep, first_content_s=60)
    with pytest.raises(SendError) as error:
        await slow.send(call(request(), "openai_chat", deadlines=Deadlines(headers_s=2.0)))
    assert error.value.failure == "timeout"
    assert sleep.slept == [2.0]
    reply = await slow.send(call(msgspec.structs.replace(request(), stream=True), "openai_chat"))
    reply.set_deadline(asyncio.get_running_loop().time() + 1.0)
    with pytest.raises(SendError, match="in time") as late:
        await body_of(reply)
    assert late.value.failure == "timeout"
    assert sleep.slept[-1] == pytest.approx(1.0, abs=0.1)


async def test_a_closed_stream_sends_no_more() -> None:
    reply = await simulated().send(call(msgspec.structs.replace(request(), stream=True), "openai_chat"))
    seen = 0
    async for _ in reply:
        seen += 1
        await reply.aclose()
    assert seen == 1


@pytest.mark.parametrize("dialect", ["openai_chat", "gemini"])
async def test_vectors_are_unit_long_repeatable_and_near_for_like_texts(dialect: Dialect) -> None:
    provider = simulated(dimensions=64)
    asked = EmbedRequest("m", ("the cat sat", "the cat slept", "quarterly tax report"), dialect)
    reply = await provider.send(call(asked, dialect, "embed"))
    codec = registry.task_provider("embed", dialect)
    assert codec is not None
    found = codec.decode_response(await body_of(reply))
    cat, cats, tax = [tuple(v) for v in found.vectors if not isinstance(v, str)]
    assert len(cat) == 64
    assert math.isclose(sum(x * x for x in cat), 1.0, rel_tol=1e-6)
    near = sum(x * y for x, y in zip(cat, cats, strict=True))
    far = sum(x * y for x, y in zip(cat, tax, strict=True))
    assert near > 0.4 > abs(far)
    again = codec.decode_response(await body_of(await provider.send(call(asked, dialect, "embed"))))
    assert again.vectors == found.vectors


async def test_asked_dimensions_are_given() -> None:
    asked = EmbedRequest("m", ("x",), "openai_chat", dimensions=8)
    body = msgspec.json.decode(await body_of(await simulated().send(call(asked, "openai_chat", "embed"))))
    assert len(body["data"][0]["embedding"]) == 8
    assert body["model"] == "simulated-demo"
    assert body["usage"]["prompt_tokens"] == 1


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_prompts_are_counted_as_they_are_charged(dialect: Dialect) -> None:
    provider = simulated()
    counted = await body_of(await provider.send(call(request(), dialect, "count_tokens")))
    answer = await whole(provider, request(), dialect)
    assert registry.provider(dialect).decode_token_count(counted) == answer.usage.input_tokens


async def test_a_malformed_request_is_a_400_of_the_dialect() -> None:
    reply = await simulated().send(call(request(), "openai_chat", body=b'{"model": "x"}'))
    failure = classify(reply.status, reply.headers, await body_of(reply), provider="sim")
    assert (reply.status, failure.kind) == (400, "invalid_request")


def test_what_it_supports_follows_the_dialect() -> None:
    provider = simulated()
    able = {
        (dialect, operation)
        for dialect in DIALECTS
        for operation in ("chat", "embed", "count_tokens")
        if provider.supports(operation, Deployment("d", Model("m", "x", "x"), "sim", "m", dialect))
    }
    assert able == {(dialect, "chat") for dialect in DIALECTS} | {
        ("openai_chat", "embed"), ("gemini", "embed"),
        ("anthropic", "count_tokens"), ("gemini", "count_tokens"),
    }  # fmt: skip


def test_names_are_marked_once() -> None:
    assert simulated_name("gpt-5") == "simulated-gpt-5"
    assert simulated_name("simulated-small") == "simulated-small"


def test_a_script_is_read_from_plain_settings() -> None:
    assert read_script({"fail_every": 3, "answers": ["a", "b"]}) == Script(fail_every=3, answers=("a", "b"))
    with pytest.raises(ValueError, match="it may hold `first_content_s`"):
        read_script({"speed": 3})


_schemas = st.deferred(
    lambda: (
        st.sampled_from(
            [{"type": "string", "maxLength": 4}, {"type": "integer", "minimum": -3, "maximum": 2},
             {"type": "boolean"}, {"type": "null"}, {"enum": ["a", 1, None]}, {"const": {"x": 1}},
             {"$ref": "#/$defs/me"}, {"$ref": "#"}, True, {}]
        )
        | st.builds(lambda s: {"type": "array", "items": s, "minItems": 2}, _schemas)
        | st.builds(lambda s: {"anyOf": [s, {"type": "string"}]}, _schemas)
        | st.builds(
            lambda a, b: {"type": "object", "properties": {"a": a, "b": b}, "required": ["a"]},
            _schemas, _schemas,
        )
    )
)  # fmt: skip


@settings(max_examples=60)
@given(_schemas, st.binary(min_size=32, max_size=32))
def test_any_schema_gives_a_finite_json_value(schema: Any, digest: bytes) -> None:
    root = {"$defs": {"me": {"$ref": "#/$defs/me"}}, "allOf": [schema if isinstance(schema, dict) else {}]}
    assert len(msgspec.json.encode(instance(root, digest))) < 1 << 20
