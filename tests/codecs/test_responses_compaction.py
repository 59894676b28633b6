"""Compaction: what a model is asked, and what of its summary a later request holds."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_responses import CLIENT, compaction
from passerelle.core.message import TextPart

TARGET = PathTarget("chat")
CALL = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
DONE = {"type": "function_call_output", "call_id": "c", "output": "seen"}
USER = {"role": "user", "content": "Hi"}


def _body(*items: Any, **more: Any) -> bytes:
    return json.dumps({"model": "m", "input": list(items), **more}).encode()


def _answer(text: str, status: str = "completed") -> bytes:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]}
    usage = {
        "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip
    return json.dumps({"status": status, "output": [message], "usage": usage}).encode()


def test_the_conversation_is_sent_as_it_is_and_no_tool_may_be_called() -> None:
    told = json.loads(compaction.asking(_body(USER, CALL, DONE, {**CALL, "call_id": "open"})))
    assert told["input"][:-1] == [{**USER}, CALL, DONE]
    assert told["input"][-1]["role"] == "user"
    assert ([tool["name"] for tool in told["tools"]], told["tool_choice"]) == (["look"], "none")
    known = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    assert json.loads(compaction.asking(_body(USER, CALL, DONE, tools=[known])))["tools"] == [known]
    more = {"type": "additional_tools", "tools": [known]}
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "exec", "input": "1"}
    told = json.loads(compaction.asking(_body(more, USER, custom, CALL, DONE)))
    assert told["tools"] == [{"type": "custom", "name": "exec"}]
    for body in (_body(USER), _body(USER, tools=None)):
        assert not json.loads(compaction.asking(body)).get("tools")


def test_only_what_shapes_the_summary_is_taken_over() -> None:
    body = _body(USER, stream=True, store=True, background=True, text={}, metadata={}, instructions="Be.")
    assert json.loads(compaction.unstored(body)) == {
        "model": "m", "input": [USER], "instructions": "Be.", "store": False,
    }  # fmt: skip


def test_a_summary_that_is_not_whole_is_none() -> None:
    for answer in (
        _answer("So far", "incomplete"),
        _answer(" "),
        b'{"status":"completed","output":[{"type":"reasoning"}]}',
    ):
        assert compaction.compacted(_body(USER), answer, "T", created_s=9) is None


@given(st.text(min_size=1).filter(str.strip))
def test_any_summary_comes_back_word_for_word(summary: str) -> None:
    answer = _answer(summary)
    summary = json.loads(answer)["output"][0]["content"][0]["text"]
    made = compaction.compacted(
        _body({"role": "developer", "content": "Be."}, USER, CALL, DONE), answer, "T", created_s=9
    )
    assert made is not None
    told = json.loads(made)
    assert [item["type"] for item in told["output"]] == ["message", "message", "compaction"]
    assert (told["object"], told["id"], told["usage"]["total_tokens"]) == (
        "response.compaction", "resp_T", 5,
    )  # fmt: skip
    onward = json.dumps({"model": "m", "input": [*told["output"], USER]}).encode()
    assert not CLIENT.envelope(onward, TARGET).relayable
    messages = CLIENT.decode_request(onward, TARGET).messages
    assert [message.role for message in messages] == ["developer", "user", "user", "user"]
    (part,) = messages[2].parts
    assert isinstance(part, TextPart)
    assert part.text.endswith(summary)


def test_an_item_of_openai_s_own_stays_what_it_is() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    body = _body(item, USER)
    assert CLIENT.envelope(body, TARGET).relayable
    assert compaction.reopened(item) is None
    (first, _) = CLIENT.decode_request(body, TARGET).messages
    assert first.role == "assistant"
