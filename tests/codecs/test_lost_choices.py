"""A choice among tools that did not come along is not sent, and told as lost, to every dialect."""

import json

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import Target
from passerelle.core.message import Message, TextPart
from passerelle.core.request import Dialect, Request, Tool, ToolChoice

DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
HELLO = (Message("user", (TextPart("hi"),)),)


def foreign(dialect: Dialect) -> tuple[Dialect, Tool]:
    """Another dialect, and a tool only it runs."""
    origin: Dialect = "gemini" if dialect == "anthropic" else "anthropic"
    return origin, Tool("web_search", kind="builtin", origin=origin, extra={"type": "web_search_1"})


@pytest.mark.parametrize("others", [(), (Tool("f", parameters={"type": "object"}),)])
@pytest.mark.parametrize("mode", ["required", "tool"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_choice_of_a_tool_that_is_lost_is_lost_too(
    dialect: Dialect, mode: str, others: tuple[Tool, ...]
) -> None:
    origin, builtin = foreign(dialect)
    choice = ToolChoice("tool", name="web_search") if mode == "tool" else ToolChoice("required")
    request = Request("m", HELLO, origin, tools=(builtin, *others), tool_choice=choice)
    encoded = registry.provider(dialect).encode_request(request, Target("m"))
    body = json.loads(encoded.body)
    assert "tools.web_search" in encoded.dropped
    if mode == "required" and others:
        assert "tool_choice" not in encoded.dropped
    else:
        assert "tool_choice" in encoded.dropped
        assert body.get("tool_choice", {"type": "auto"}) == {"type": "auto"}
        assert "web_search" not in json.dumps(body)
