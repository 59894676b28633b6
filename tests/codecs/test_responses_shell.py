"""Codex's own shell in a Responses history: the call and its output go together, wherever they go."""

import json
from typing import Any

import pytest
from tests.codecs.responses_support import CHAT, dumps

from passerelle.codecs import registry
from passerelle.codecs.base import Encoded, Target
from passerelle.codecs.openai_responses import CLIENT
from passerelle.core.request import Dialect

ELSEWHERE: tuple[Dialect, ...] = ("openai_chat", "anthropic", "gemini")
CALL = {
    "type": "local_shell_call",
    "id": "lsh_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls", "-l"], "env": {}, "timeout_ms": None},
}
ANSWERS: list[dict[str, Any]] = [
    {"type": "function_call_output", "call_id": "call_1", "output": "total 0"},
    {"type": "local_shell_call_output", "id": "call_1", "output": "total 0"},
    {"type": "local_shell_call_output", "id": "lsho_1", "call_id": "call_1", "output": "total 0"},
]


def encoded(dialect: Dialect, *items: Any) -> Encoded:
    body = dumps({"model": "m", "input": [{"role": "user", "content": "look"}, *items]})
    return registry.provider(dialect).encode_request(CLIENT.decode_request(body, CHAT), Target("m"))


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("dialect", ELSEWHERE)
def test_a_shell_call_is_a_function_call_elsewhere(dialect: Dialect, answer: dict[str, Any]) -> None:
    sent = encoded(dialect, CALL, answer)
    assert sent.dropped == ()
    body = json.loads(sent.body)
    if dialect == "openai_chat":
        call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
        assert call["function"]["name"] == "local_shell"
        assert json.loads(call["function"]["arguments"]) == {"command": ["ls", "-l"], "env": {}}
        assert (result["tool_call_id"], result["content"]) == (call["id"], "total 0")
    elif dialect == "anthropic":
        (call,), (result,) = body["messages"][1]["content"], body["messages"][2]["content"]
        assert (call["name"], call["input"]["command"]) == ("local_shell", ["ls", "-l"])
        assert (result["tool_use_id"], result["content"]) == (call["id"], "total 0")
    else:
        call = body["contents"][1]["parts"][0]["functionCall"]
        result = body["contents"][2]["parts"][0]["functionResponse"]
        assert call["name"] == result["name"] == "local_shell"


@pytest.mark.parametrize("answer", ANSWERS)
def test_at_home_both_stay_as_they_came(answer: dict[str, Any]) -> None:
    assert json.loads(encoded("openai_responses", CALL, answer).body)["input"][1:] == [CALL, answer]


@pytest.mark.parametrize("dialect", ELSEWHERE)
def test_the_output_of_a_call_nobody_else_knows_goes_with_it(dialect: Dialect) -> None:
    call = {"type": "hologram_call", "id": "h_1", "call_id": "call_h", "action": {}}
    answer = {"type": "function_call_output", "call_id": "call_h", "output": "ok"}
    sent = encoded(dialect, call, answer, {"role": "user", "content": "and?"})
    assert set(sent.dropped) == {"hologram_call", "function_call_output"}
    assert b"call_h" not in sent.body
    assert json.loads(encoded("openai_responses", call, answer).body)["input"][1:] == [call, answer]


@pytest.mark.parametrize("call_id", [5, [], {}, None, ""])
def test_an_odd_call_id_is_no_crash(call_id: Any) -> None:
    odd = {**CALL, "call_id": call_id}
    assert encoded("openai_chat", odd, {"role": "user", "content": "hi"}).dropped == ("local_shell_call",)
