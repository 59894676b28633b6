"""Perplexity's Agent API takes a part of Responses, and refuses any other field."""

import json
from typing import Any

import pytest
from tests.codecs.responses_support import AGENT, CHAT, dumps, encode, foreign

from passerelle.codecs.base import Target
from passerelle.codecs.custom import TEXT_SCHEMA
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.codecs.openai_responses.agent_api import LISTED
from passerelle.core.event import Finished, PartDelta
from passerelle.core.message import Message, TextPart, ToolCallPart, ToolResultPart
from passerelle.core.request import OutputFormat, Reasoning, Tool

SONAR = Target("perplexity/sonar", quirks=frozenset({"agent_api"}), capabilities=frozenset({"web_search"}))
WORDS = (TextPart("hi"),)
SEARCH = [{"type": "web_search"}]


def relay(**fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = dumps({"model": "m", "input": "hi"} | fields)
    sent = PROVIDER.relay_request(body, SONAR, CLIENT.envelope(body, CHAT))
    return json.loads(sent), PROVIDER.relay_losses(body, SONAR)


def test_a_plain_question_is_searched_for() -> None:
    body, dropped = encode(foreign(Message("system", (TextPart("be brief"),)), Message("user", WORDS)), SONAR)
    assert body == {
        "model": "perplexity/sonar",
        "instructions": "be brief",
        "store": False,
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "tools": SEARCH,
    }
    assert dropped == ()


def test_functions_of_the_callers_stand_alone() -> None:
    tool = Tool("find", parameters={"type": "object", "properties": {}}, strict=True)
    body, _ = encode(foreign(Message("user", WORDS), tools=(tool,)), SONAR)
    assert body["tools"] == [
        {
            "type": "function",
            "name": "find",
            "parameters": {"type": "object", "properties": {}},
            "strict": True,
        }
    ]


def test_a_turn_of_tools_holds_what_is_listed_and_nothing_else() -> None:
    call = ToolCallPart(id="c1", name="find", arguments='{"q": 1}')
    result = ToolResultPart(call_id="c1", content=(TextPart("four"), TextPart("two")))
    turns = (
        Message("user", WORDS),
        Message("assistant", (TextPart("let me"), call)),
        Message("tool", (result,)),
        Message("assistant", (TextPart("42"),)),
        Message("user", (TextPart("sure?"),)),
    )
    body, dropped = encode(foreign(*turns), SONAR)
    assert body["input"] == [
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "message", "role": "assistant", "content": "let me"},
        {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"q": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "fourtwo"},
        {"type": "message", "role": "assistant", "content": "42"},
        {"type": "message", "role": "user", "content": "sure?"},
    ]
    assert dropped == ()


def test_the_form_of_the_answer_stands_in_response_format() -> None:
    form = OutputFormat("json_schema", name="n", schema={"type": "object"}, strict=True)
    body, dropped = encode(foreign(Message("user", WORDS), output=form, verbosity="low"), SONAR)
    assert "text" not in body
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }
    assert dropped == ("verbosity",)
    assert encode(foreign(Message("user", WORDS), output=OutputFormat("json")), SONAR)[1] == (
        "response_format",
    )


def test_what_it_does_not_list_is_left_out_and_told() -> None:
    request = foreign(Message("user", WORDS), user="u", prompt_cache_key="k", service_tier="flex")
    body, dropped = encode(request, SONAR)
    assert set(body) <= LISTED - {"text"}
    assert set(dropped) == {"user", "prompt_cache_key", "service_tier"}


@pytest.mark.parametrize(("effort", "sent"), [("low", {"effort": "low"}), ("none", None)])
def test_an_effort_goes_along_and_none_has_no_word(effort: Any, sent: Any) -> None:
    target = Target("m", quirks=SONAR.quirks, capabilities=frozenset({"reasoning"}))
    body, _ = encode(foreign(Message("user", WORDS), reasoning=Reasoning(effort=effort, show=True)), target)
    assert body.get("reasoning") == sent
    assert "include" not in body


def test_a_callers_own_body_is_fitted_likewise() -> None:
    body, lost = relay(
        text={"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        include=["reasoning.encrypted_content"],
        safety_identifier="u",
        preset="low",
        store=True,
        tools=[
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.eu"]},
                "user_location": {"type": "approximate", "country": "FR", "timezone": "Europe/Paris"},
            }
        ],
    )
    assert body == {
        "model": "perplexity/sonar",
        "input": "hi",
        "preset": "low",
        "store": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "tools": [
            {
                "type": "web_search",
                "filters": {"search_domain_filter": ["a.eu"]},
                "user_location": {"country": "FR"},
            }
        ],
    }
    assert lost == ("store", "text.verbosity", "user")


def test_an_agents_whole_history_leaves_nothing_unlisted() -> None:
    body, _ = relay(**AGENT)
    assert set(body) <= LISTED - {"text"}
    known = {"message", "function_call", "function_call_output"}
    assert {item["type"] for item in body["input"]} <= known


def test_an_answer_with_search_results_is_read() -> None:
    item = {"type": "search_results", "queries": ["q"], "results": [{"url": "https://a.eu", "title": "A"}]}
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "42 [1]"}]}
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "cost": {"total_cost": 0.1}}
    answer = PROVIDER.decode_response(
        dumps({"id": "r", "status": "completed", "model": "m", "output": [item, message], "usage": usage})
    )
    (words,) = (part for part in answer.parts if isinstance(part, TextPart))
    assert words.text == "42 [1]"
    assert [(c["url"], c["title"]) for c in words.citations] == [("https://a.eu", "A")]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2)


def test_its_stream_of_bare_data_lines_is_read() -> None:
    whole = {
        "id": "r",
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "42"}]}
        ],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    }
    item = {"type": "message", "id": "i", "role": "assistant", "content": []}
    results = {"type": "search_results", "queries": ["q"], "results": [{"url": "https://a.eu"}, {"id": 2}]}
    said = {"index": 0, "content_index": 0, "output_index": 0, "item_id": "i"}
    events = [
        {"type": "response.created", "response": whole | {"status": "in_progress", "output": []}},
        {"type": "response.reasoning.search_queries", "queries": ["q"]},
        {"type": "response.output_item.done", "output_index": 1, "item": results},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "item_id": "i",
            "delta": "42",
        },
        {"type": "response.content_part.done", **said, "part": {"type": "output_text", "text": "42"}},
        {"type": "response.completed", "response": whole},
    ]
    decoder = PROVIDER.stream_decoder()
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    found = [*decoder.feed(data), *decoder.close()]
    assert "".join(e.text for e in found if isinstance(e, PartDelta)) == "42"
    cited = [e.citation["url"] for e in found if isinstance(e, PartDelta) and e.citation]
    assert cited == ["https://a.eu"]
    assert any(isinstance(e, Finished) for e in found)


def test_tools_of_free_text_are_functions_of_one_text_and_so_is_their_past() -> None:
    body, dropped = relay(
        tools=[{"type": "custom", "name": "sql", "description": "Runs SQL."}],
        tool_choice={"type": "custom", "name": "sql"},
        input=[
            {"role": "user", "content": "count"},
            {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT 1"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
        ],
    )
    assert body["tools"] == [
        {
            "type": "function",
            "name": "sql",
            "description": "Runs SQL.",
            "parameters": TEXT_SCHEMA,
            "strict": True,
        }
    ]
    assert body["tool_choice"] == {"type": "function", "name": "sql"}
    assert body["input"][1:] == [
        {"type": "function_call", "call_id": "c1", "name": "sql", "arguments": '{"input":"SELECT 1"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ]
    assert dropped == ()


def test_a_picture_in_a_result_is_told_to_be_left_out() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    output = [{"type": "input_text", "text": "look"}, picture]
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": output}
    body, dropped = relay(input=[{"role": "user", "content": "?"}, call, result])
    assert body["input"][2]["output"] == "look"
    assert dropped == ("input_image",)


def test_no_effort_at_all_is_told_to_be_left_out() -> None:
    assert relay(reasoning={"effort": "none"})[1] == ("reasoning.effort",)
