"""A Responses client talks to models of other dialects, turn after turn, and nothing they signed is lost."""

import json
from typing import Any

import pytest
from tests.codecs.responses_support import CHAT, Grammar, context, dumps, parse

from passerelle.codecs import registry
from passerelle.codecs.base import Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.core.request import Dialect

ASKED: dict[str, Any] = {
    "model": "m",
    "input": [{"role": "user", "content": "weather?"}],
    "tools": [
        {
            "type": "namespace",
            "name": "wx",
            "description": "",
            "tools": [
                {"type": "function", "name": "get", "parameters": {"type": "object", "properties": {}}}
            ],
        },
        {"type": "custom", "name": "exec"},
    ],
    "reasoning": {"effort": "high"},
}

ANTHROPIC: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB=="}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "wx__get", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
    },
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_2", "name": "exec", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {"type": "input_json_delta", "partial_json": '{"input":"ls"}'},
    },
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]

GEMINI: list[dict[str, Any]] = [
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"name": "wx__get", "args": {"a": 1}}, "thoughtSignature": "R0VN"},
                        {"functionCall": {"name": "exec", "args": {"input": "ls"}}},
                    ],
                },
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7},
        "modelVersion": "gemini-x",
    }
]


@pytest.mark.parametrize(
    ("dialect", "events", "signed"),
    [("anthropic", ANTHROPIC, '"signature":"EqQB=="'), ("gemini", GEMINI, '"thoughtSignature":"R0VN"')],
)
def test_what_a_model_signed_comes_back_to_it_and_to_no_other(
    dialect: Dialect, events: list[dict[str, Any]], signed: str
) -> None:
    decoder = registry.provider(dialect).stream_decoder()
    encoder = CLIENT.stream_encoder(context(CLIENT.decode_request(dumps(ASKED), CHAT)))
    wire = b"".join([f"event: {e.get('type', '')}\ndata: {json.dumps(e)}\n\n".encode() for e in events])
    told = parse(b"".join([encoder.encode(event) for event in decoder.feed(wire) + decoder.close()]))
    output = Grammar().check(told)["response"]["output"]

    calls = [item for item in output if "call_id" in item]
    assert [(call["type"], call["name"], call.get("namespace")) for call in calls] == [
        ("function_call", "get", "wx"),
        ("custom_tool_call", "exec", None),
    ]
    assert calls[1]["input"] == "ls"

    results = [
        {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": "sunny"} for call in calls
    ]
    again = dumps({**ASKED, "input": [*ASKED["input"], *output, *results]})
    assert not CLIENT.envelope(again, CHAT).relayable
    request = CLIENT.decode_request(again, CHAT)
    target = Target("x", max_output_tokens=1000, capabilities=frozenset({"reasoning", "tools"}))
    home = registry.provider(dialect).encode_request(request, target)
    assert signed in home.body.decode().replace('": "', '":"')
    assert b"psl1" not in home.body

    away = PROVIDER.encode_request(request, target)
    assert "reasoning" in away.dropped
    kinds = [item["type"] for item in json.loads(away.body)["input"]]
    assert kinds == [
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
    ]
