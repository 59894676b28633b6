"""Both ends of the conformance table can say no: providers to requests, clients to answers.

A table whose ends accept anything would pass everything.
"""

import json
from typing import Any

import pytest
from tests.conformance import client_anthropic, client_chat, client_gemini, client_responses
from tests.conformance.cells import CLIENTS
from tests.conformance.compare import differences
from tests.conformance.feature import SAID, WEATHER, WORDS, chain
from tests.conformance.features import FEATURES
from tests.conformance.house import House
from tests.conformance.houses import (
    ANTHROPIC,
    COHERE,
    DEEPSEEK,
    GEMINI,
    GROQ,
    HOUSES,
    MISTRAL,
    OPENAI,
    RESPONSES,
    XAI,
)
from tests.conformance.talk import Ask, IllegalError, RefusedError, UnsayableError, words
from tests.conformance.world import MAKERS

HI = [{"role": "user", "content": "Hi."}]
CALL = {"id": "a1B2c3D45", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SAYS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "a1B2c3D45", "content": "1"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "1"}
GCALL = {"functionCall": {"name": "f", "args": {}}}
GREPLY = {"functionResponse": {"name": "f", "response": {"result": "1"}}}


def chat(**fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "gpt-4.1", "messages": HI, **fields}


def claude(**fields: Any) -> dict[str, Any]:
    """A Messages request."""
    return {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": HI, **fields}


def google(*contents: tuple[str, list[Any]], **fields: Any) -> dict[str, Any]:
    """A generateContent request."""
    said = [{"role": role, "parts": parts} for role, parts in contents]
    return {"model": "gemini-2.5-flash", "contents": said or [{"parts": [{"text": "Hi."}]}], **fields}


def items(*entries: Any, **fields: Any) -> dict[str, Any]:
    """A Responses request."""
    return {"model": "gpt-4.1", "input": list(entries) or "Hi.", **fields}


REFUSED: list[tuple[House, dict[str, Any], str]] = [
    (OPENAI, chat(nonsense=1), "Unrecognized"),
    (OPENAI, chat(messages=[*HI, SAYS]), "without response"),
    (OPENAI, chat(messages=[*HI, ANSWER]), "must answer"),
    (OPENAI, chat(messages=[*HI, SAYS, ANSWER, ANSWER]), "must answer"),
    (OPENAI, chat(messages=[*HI, {**SAYS, "tool_calls": [{**CALL, "id": "x" * 41}]}, ANSWER]), "id"),
    (OPENAI, chat(tool_choice="auto"), "only allowed"),
    (OPENAI, chat(tools=[]), "too short"),
    (OPENAI, chat(stop=list("abcde")), "stop"),
    (OPENAI, chat(response_format={"type": "json_object"}), "json"),
    (OPENAI, chat(reasoning_effort="high"), "reasoning_effort"),
    (OPENAI, chat(model="gpt-5.4", temperature=0.5), "temperature"),
    (OPENAI, chat(tools=[{"type": "function", "function": {"name": "a.b"}}]), "name"),
    (OPENAI, chat(metadata={"a": "b"}), "metadata"),
    (MISTRAL, chat(messages=[*HI, SAYS, ANSWER, *HI]), "Unexpected role"),
    (MISTRAL, chat(messages=[*HI, {**SAYS, "tool_calls": [{**CALL, "id": "call_1"}]}, ANSWER]), "9"),
    (MISTRAL, chat(stream=True, stream_options={"include_usage": True}), "Unrecognized"),
    (XAI, chat(stop=["a"]), "stop"),
    (DEEPSEEK, chat(messages=[*HI, SAYS, ANSWER]), "reasoning_content"),
    (DEEPSEEK, chat(messages=[{"role": "developer", "content": "x"}, *HI]), "role"),
    (GROQ, chat(logprobs=True), "Unrecognized"),
    (GROQ, chat(messages=[{**HI[0], "name": "me"}]), "name"),
    (COHERE, chat(n=2), "Unrecognized"),
    (
        RESPONSES,
        items({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}),
        "No tool output",
    ),
    (RESPONSES, items({"type": "function_call_output", "call_id": "c", "output": "1"}), "No tool call"),
    (RESPONSES, items(max_output_tokens=1), "minimum"),
    (RESPONSES, items(include=["reasoning.encrypted_content"]), "Encrypted"),
    (
        RESPONSES,
        items({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}),
        "Invalid value",
    ),
    (
        RESPONSES,
        items({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}),
        "following",
    ),
    (ANTHROPIC, claude(nonsense=1), "Extra inputs"),
    (ANTHROPIC, {"model": "claude-sonnet-4-5", "messages": HI}, "max_tokens"),
    (ANTHROPIC, claude(messages=[{"role": "user", "content": [{"type": "text", "text": " "}]}]), "non-empty"),
    (ANTHROPIC, claude(messages=[*HI, {"role": "assistant", "content": [USE]}]), "without"),
    (
        ANTHROPIC,
        claude(
            messages=[
                *HI,
                {"role": "assistant", "content": [USE]},
                {"role": "user", "content": [{"type": "text", "text": "x"}, RESULT]},
            ]
        ),
        "first",
    ),
    (ANTHROPIC, claude(messages=[{"role": "user", "content": [RESULT]}]), "tool_result"),
    (ANTHROPIC, claude(thinking={"type": "enabled", "budget_tokens": 2000}), "greater"),
    (ANTHROPIC, claude(temperature=0.5, top_p=0.5), "both"),
    (ANTHROPIC, claude(temperature=1.5), "range"),
    (ANTHROPIC, claude(model="claude-opus-5-5", temperature=1), "temperature"),
    (
        ANTHROPIC,
        claude(
            messages=[
                *HI,
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "x", "signature": "made up"}],
                },
            ]
        ),
        "signature",
    ),
    (GEMINI, google(nonsense=1), "Cannot find"),
    (GEMINI, google(("user", [{"text": ""}])), "text"),
    (GEMINI, google(("user", [{"text": "x"}]), ("model", [GCALL]), ("user", [{"text": "x"}])), "as many"),
    (GEMINI, google(("user", [GREPLY])), "as many"),
    (GEMINI, google(generationConfig={"thinkingConfig": {"thinkingLevel": "HIGH"}}), "level"),
    (
        GEMINI,
        google(("user", [{"text": "x"}]), ("model", [GCALL]), ("user", [GREPLY]), model="gemini-3.5-flash"),
        "thought_signature",
    ),
    (GEMINI, google(generationConfig={"stopSequences": list("abcdef")}), "stop"),
]


@pytest.mark.parametrize(("house", "body", "why"), REFUSED)
def test_a_provider_refuses_what_its_owner_refuses(house: House, body: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        MAKERS[house.dialect].hear(body, house)


@pytest.mark.parametrize("client", CLIENTS, ids=[client.DIALECT for client in CLIENTS])
def test_what_a_client_writes_its_own_provider_hears(client: Any) -> None:
    """The hands of one dialect agree, with no gateway between."""
    house = next(h for h in HOUSES if h.dialect == client.DIALECT)
    said = 0
    for feature in FEATURES:
        if feature.kind != "talk" or feature.role != "plain" or client.DIALECT in feature.illegal:
            continue
        if feature.clients is not None and client.DIALECT not in feature.clients:
            continue
        try:
            path, body = client.write(feature.ask, house.models["plain"])
        except UnsayableError:
            continue
        if house.dialect in ("gemini", "bedrock"):
            body |= {"model": house.models["plain"], "stream": "stream" in path}
        try:
            heard = MAKERS[house.dialect].hear(body, house)
        except RefusedError:
            assert {"sound", "temperature"} & set(feature.also), feature.name
            continue
        assert not differences(feature.ask, heard), feature.name
        said += 1
    assert said > 20


def test_what_is_lost_is_seen() -> None:
    one = Ask(chain("call_1").turns, tools=(WEATHER,), temperature=0.5)
    other = Ask(chain("call_1").turns[:-1], tools=())
    assert differences(one, other).keys() == {"result", "tools", "temperature"}


def frames(house: House) -> list[str]:
    """A legal stream of the house."""
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    streamed: list[str] = MAKERS[house.dialect].stream(SAID, house, body)
    return streamed


READERS = {
    "openai_chat": (client_chat, OPENAI),
    "openai_responses": (client_responses, RESPONSES),
    "anthropic": (client_anthropic, ANTHROPIC),
    "gemini": (client_gemini, GEMINI),
}


@pytest.mark.parametrize("dialect", READERS)
def test_a_client_reads_a_legal_stream_and_refuses_one_cut_anywhere(dialect: str) -> None:
    client, house = READERS[dialect]
    whole = [frame.replace("\r\n", "\n") for frame in frames(house)]
    assert words(client.read_stream("".join(whole).encode()).parts) == WORDS
    for end in range(1, len(whole)):
        with pytest.raises((IllegalError, KeyError, IndexError)):
            client.read_stream("".join(whole[:end]).encode())


@pytest.mark.parametrize("dialect", ["openai_responses", "anthropic"])
def test_a_client_refuses_an_event_out_of_its_place(dialect: str) -> None:
    client, house = READERS[dialect]
    whole = frames(house)
    refused = 0
    for at in range(len(whole) - 1):
        if whole[at] == whole[at + 1] or "ping" in whole[at] + whole[at + 1]:
            continue
        if "delta" in whole[at] and "delta" in whole[at + 1] and "message" not in whole[at + 1]:
            continue  # two pieces of words may come in any order as far as order goes
        swapped = [*whole[:at], whole[at + 1], whole[at], *whole[at + 2 :]]
        with pytest.raises((IllegalError, KeyError, IndexError, TypeError)):
            client.read_stream("".join(swapped).encode())
        refused += 1
    assert refused >= 4


def test_a_chat_client_refuses_what_its_sdk_could_not_read() -> None:
    whole = frames(OPENAI)
    usage = next(i for i, frame in enumerate(whole) if '"choices": []' in frame)
    for broken in (
        [f for i, f in enumerate(whole) if i != usage],
        [*whole[:usage], whole[usage], whole[usage], whole[-1]],
        [f for i, f in enumerate(whole) if i != 0],
    ):
        with pytest.raises(IllegalError):
            client_chat.read_stream("".join(broken).encode())
    answer = MAKERS["openai_chat"].say(SAID, OPENAI, {"model": "m"})
    answer["usage"]["total_tokens"] += 1
    with pytest.raises(IllegalError, match="sum"):
        client_chat.read(json.loads(json.dumps(answer)))


def test_every_house_has_a_name_of_its_own() -> None:
    assert len({house.name for house in HOUSES}) == len(HOUSES) == len({house.label for house in HOUSES})
