"""What nobody knows inside a known object goes back at home, and is told as lost elsewhere."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import Encoded, PathTarget, Target
from passerelle.core.request import Dialect

FUNCTION = {"name": "f", "parameters": {"type": "object"}}
SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA", "odd": 1}
LINK = {"type": "url", "url": "https://example.org/a.png", "odd": 1}
PAGES = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0=", "odd": 1}
CASES: list[tuple[Dialect, dict[str, Any], str]] = [
    (
        "openai_chat",
        {
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "f", "odd": 1}},
        },
        "tool_choice",
    ),
    (
        "openai_chat",
        {
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "f"}, "odd": 1},
        },
        "tool_choice",
    ),
    (
        "openai_responses",
        {
            "tools": [{"type": "function", **FUNCTION}],
            "tool_choice": {"type": "function", "name": "f", "odd": 1},
        },
        "tool_choice.odd",
    ),
    (
        "openai_responses",
        {
            "tools": [{"type": "function", **FUNCTION}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [], "odd": 1},
        },
        "tool_choice.odd",
    ),
    (
        "openai_responses",
        {
            "tools": [
                {"type": "namespace", "name": "n", "odd": 1, "tools": [{"type": "function", **FUNCTION}]}
            ]
        },
        "tools.odd",
    ),
    ("anthropic", {"content": [{"type": "image", "source": SOURCE}]}, "source"),
    (
        "anthropic",
        {"content": [{"type": "image", "source": LINK}]},
        "source",
    ),
    ("anthropic", {"content": [{"type": "document", "source": PAGES}]}, "source"),
]


def encoded(dialect: Dialect, fields: dict[str, Any], to: Dialect) -> Encoded:
    message = {"role": "user", "content": fields.get("content", "hi")}
    body: dict[str, Any] = {"model": "m", "messages": [message]}
    if dialect == "openai_responses":
        body = {"model": "m", "input": [message]}
    elif dialect == "anthropic":
        body["max_tokens"] = 9
    body |= {name: value for name, value in fields.items() if name != "content"}
    request = registry.client(dialect).decode_request(json.dumps(body).encode(), PathTarget("chat"))
    return registry.provider(to).encode_request(request, Target("gemini-2.5-pro" if to == "gemini" else "m"))


@pytest.mark.parametrize(("dialect", "fields", "name"), CASES)
def test_an_unknown_inner_field_is_carried_home_and_reported_elsewhere(
    dialect: Dialect, fields: dict[str, Any], name: str
) -> None:
    home = encoded(dialect, fields, dialect)
    assert home.dropped == ()
    sent = json.loads(home.body)
    message = sent.get("messages", sent.get("input"))[0]
    for field, value in fields.items():
        assert (message if field == "content" else sent)[field] == value
    for other in ("openai_chat", "openai_responses", "anthropic", "gemini"):
        if other != dialect:
            assert name in encoded(dialect, fields, other).dropped, other
