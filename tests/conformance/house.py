"""A provider under test: where the gateway finds it, which models it has, and the rules of its owner."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
_NOTHING: Mapping[str, str] = {}


def _no_efforts(_: str) -> tuple[str, ...]:
    return ()


def _nothing(_: str) -> Mapping[str, str]:
    return _NOTHING


@dataclass(frozen=True)
class ChatRules:
    """How a house of the Chat dialect differs. The defaults are the most lenient of them."""

    known: frozenset[str] | None = None
    """Every field it takes; None where others are ignored."""
    refused: Callable[[str], Mapping[str, str]] = _nothing
    """By model: fields it names in a 400, and its words."""
    roles: tuple[str, ...] = ("system", "user", "assistant", "tool")
    contents: tuple[str, ...] = ("text", "image_url")
    formats: tuple[str, ...] = ("text", "json_object", "json_schema")
    efforts: Callable[[str], tuple[str, ...]] = _no_efforts
    """By model: the words of `reasoning_effort`."""
    ids: re.Pattern[str] = re.compile(r".{1,40}")
    """What a call's id may be."""
    stops: int = 4
    hottest: float = 2.0
    links: bool = True
    """Takes pictures by URL."""
    strict: bool = True
    customs: bool = False
    marks: bool = False
    """Takes `cache_control`."""
    names: bool = True
    empty_texts: bool = True
    thoughts: Literal["refused", "ignored", "taken", "needed"] = "ignored"
    """What it does with `reasoning_content` of the past; `needed`: refuses calls without it."""
    user_after_tool: bool = True
    choices: tuple[str, ...] | None = None
    """The words of `tool_choice`; None: all of them, and the name of one."""
    thinks: str | None = None
    """Where its thoughts stand: `reasoning_content`, `reasoning`, or `content` (Mistral)."""
    counts: Literal["openai", "plain", "deepseek", "details"] = "details"
    reasoning_apart: bool = False
    usage_at_end: bool = False
    """Usage stands in the last chunk with a choice, asked for or not (Mistral)."""
    filters: bool = False
    """Begins with `prompt_filter_results` (Azure)."""
    comments: bool = False
    """Begins with an SSE comment (OpenRouter)."""
    whole_calls: bool = False
    """Streams a call's arguments in one piece."""


@dataclass(frozen=True)
class House:
    """A provider."""

    name: str
    """The entry's name in the gateway's configuration."""
    label: str
    dialect: str
    """What it speaks: the module that reads its requests."""
    entry: str
    """Lines of its entry beside address and credential."""
    models: Mapping[str, str]
    """What a feature asks for (`plain`, `thinks`, …) → a model of the catalog it has."""
    root: str = "/v1"
    """What its address ends with."""
    chat: ChatRules = ChatRules()
    agent: bool = False
    """Of Responses, it speaks Perplexity's part (`maker_agent`)."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What there is no such thing of here, and how we know: then it must be said to be left out."""
    unable: Mapping[str, str] = field(default_factory=dict)
    """What its models cannot do: then the gateway refuses before it calls."""
    unlike: Mapping[str, str] = field(default_factory=dict)
    """What cannot be asked of a provider at all here, so that there is nothing to carry."""
    more: str = ""
    """Further lines of configuration: models of its own."""

    def model(self, role: str) -> str:
        """The name to ask for."""
        return f"{self.name}/{self.models.get(role) or self.models['plain']}"

    def true_model(self, upstream: str) -> str:
        """What it calls itself in answers."""
        return f"{upstream.rpartition('/')[2]}-2026-01-01"
