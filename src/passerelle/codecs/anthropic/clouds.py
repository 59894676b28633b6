"""How Claude is asked at the clouds that sell it: what stands in the body there, and which betas are known.

A quirk of the target names the cloud. Everywhere the words are Anthropic's own; what differs is this:

    quirk        model    version in the body    `stream`   betas
    on_vertex    path     vertex-2023-10-16      body       header, those known there
    on_bedrock   path     bedrock-2023-05-31     path       body, `anthropic_beta`, those known there
    on_foundry   body     (header, as usual)     body       header, those known there

Sources, read 2026-11-22: the anthropic SDK 2.12.0, `lib/vertex/_client.py`, `lib/bedrock/_client.py` and
`lib/foundry.py` (what each client puts where; counting tokens on Vertex keeps the model in the body);
docs.anthropic.com, "Claude on Vertex AI". Which betas a cloud knows: BerriAI/litellm,
`anthropic_beta_headers_config.json` at 030dd40 and in 1.109.1, a table its users correct; that the clouds
answer 400 to any other ("Unexpected value(s) … for the `anthropic-beta` header"): ax-llm/ax#462. So a beta
that is not in the table is left out, and said to be.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from passerelle.codecs.base import Target
from passerelle.codecs.splice import quoted, split

Fields = dict[str, msgspec.Raw]


class Cloud(msgspec.Struct, frozen=True):
    """One cloud's way of being asked for Claude."""

    label: str
    betas: Mapping[str, str]
    """Betas known there: the caller's name → the name there."""
    version: str | None = None
    """`anthropic_version` in the body; None where it is a header, as at Anthropic."""
    model_in_path: bool = False
    stream_in_path: bool = False
    betas_in: Literal["header", "body"] = "header"
    scoped_cache: bool = False
    """Takes `cache_control.scope` (beta prompt-caching-scope)."""
    refused: frozenset[str] = frozenset()
    """Top-level fields that it refuses, and that only bear on speed, place or bookkeeping: left out, and
    said to be."""


def _same(*betas: str) -> dict[str, str]:
    return {beta: beta for beta in betas}


_EVERYWHERE: Final = _same(
    "computer-use-2025-01-24", "computer-use-2025-11-24", "context-1m-2025-08-07",
    "context-management-2025-06-27", "dangerous-tool-use-2026-09-03", "thinking-display-updates-2026-08-18",
)  # fmt: skip
_TOOL_SEARCH: Final = {
    "advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19",
    "tool-search-tool-2025-10-19": "tool-search-tool-2025-10-19",
}
"""Anthropic's own name covers three features, of which these clouds have one, under its older name."""

NEEDLESS: Final = frozenset(
    {
        "claude-code-20250219",
        "effort-2025-11-24",
        "extended-cache-ttl-2025-04-11",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "pdfs-2024-09-25",
        "prompt-caching-2024-07-31",
        "structured-outputs-2025-11-13",
        "token-counting-2024-11-01",
        "token-efficient-tools-2025-02-19",
        "web-search-2025-03-05",
    }
)
"""Names of what has become general since, or asks for nothing: left out without a word where unknown."""

CLOUDS: Final[Mapping[str, Cloud]] = {
    "on_vertex": Cloud(
        "Vertex AI",
        {
            **_EVERYWHERE,
            **_TOOL_SEARCH,
            **_same(
                "compact-2026-01-12", "compact-2026-09-04", "inline-tools-2026-09-15",
                "interleaved-thinking-2025-05-14", "per-turn-control-2026-07-01",
                "thinking-binding-controls-2026-08-01", "web-search-2025-03-05",
            ),
        },
        version="vertex-2023-10-16",
        model_in_path=True,
        refused=frozenset({"service_tier", "speed"}),
    ),
    "on_bedrock": Cloud(
        "Amazon Bedrock",
        {
            **_EVERYWHERE,
            **_TOOL_SEARCH,
            **_same(
                "compact-2026-01-12", "effort-2025-11-24", "fine-grained-tool-streaming-2025-05-14",
                "mid-conversation-output-config-2026-07-01", "mid-conversation-tool-changes-2026-07-01",
                "thinking-binding-controls-2026-08-01",
            ),
        },
        version="bedrock-2023-05-31",
        model_in_path=True,
        stream_in_path=True,
        betas_in="body",
        refused=frozenset({"service_tier", "speed"}),
    ),
    "on_foundry": Cloud(
        "Microsoft Foundry",
        {
            **_EVERYWHERE,
            **_same(
                "advanced-tool-use-2025-11-20", "code-execution-2025-08-25", "effort-2025-11-24",
                "files-api-2025-04-14", "interleaved-thinking-2025-05-14", "mcp-client-2025-04-04",
                "mcp-client-2025-11-20", "per-turn-control-2026-07-01", "prompt-caching-scope-2026-01-05",
                "skills-2025-10-02", "structured-outputs-2025-11-13", "web-fetch-2025-09-10",
                "web-search-2025-03-05",
            ),
        },
        scoped_cache=True,
        refused=frozenset({"service_tier", "speed"}),
    ),
}  # fmt: skip
"""By the quirk that names each."""


def cloud_of(quirks: frozenset[str]) -> Cloud | None:
    """The cloud a target stands at, or None for Anthropic itself and those that present themselves as it."""
    return next((CLOUDS[quirk] for quirk in quirks if quirk in CLOUDS), None)


def known_betas(cloud: Cloud, betas: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a caller's betas that the cloud knows, by its names for them."""
    return tuple(dict.fromkeys(cloud.betas[beta] for beta in betas if beta in cloud.betas))


def lost_betas(cloud: Cloud, betas: tuple[str, ...]) -> tuple[str, ...]:
    """What leaving the others out takes from the caller, as the names of its fields."""
    return tuple(f"anthropic-beta.{b}" for b in betas if b not in cloud.betas and b not in NEEDLESS)


def shape(fields: Fields, target: Target, cloud: Cloud) -> tuple[str, ...]:
    """Give a whole Messages body, field by field, the form its cloud takes; `fields` is changed.

    Returns the names of the fields left out.
    """
    counting = target.operation == "count_tokens"
    if cloud.model_in_path and not (counting and cloud.version == "vertex-2023-10-16"):
        fields.pop("model", None)
    if cloud.stream_in_path:
        fields.pop("stream", None)
    if cloud.version is not None:
        fields["anthropic_version"] = msgspec.Raw(quoted(cloud.version))
    if cloud.betas_in == "body":
        known = known_betas(cloud, target.betas)
        if known:
            fields["anthropic_beta"] = msgspec.Raw(_encode(known))
        if counting:  # it counts what could be sent, and a message to be sent has a limit
            fields.setdefault("max_tokens", msgspec.Raw(b"1"))
    lost = [name for name in fields if name in cloud.refused]
    for name in lost:
        del fields[name]
    if not cloud.scoped_cache and _unscope(fields):
        lost.append("cache_control.scope")
    return tuple(lost)


def shape_losses(body: bytes, target: Target, cloud: Cloud) -> tuple[str, ...]:
    """What `shape` and the cloud's table of betas take from a caller's body and headers."""
    return (*shape(split(body), target, cloud), *lost_betas(cloud, target.betas))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_HOLDERS: Final = ("system", "messages", "tools", "cache_control")


def _unscope(fields: Fields) -> bool:
    """Take `scope` out of every `cache_control`; fields without one keep their bytes."""
    found = False
    for name in _HOLDERS:
        raw = fields.get(name)
        if raw is None or b'"scope"' not in bytes(raw):
            continue
        value = _decode(raw)
        held = [value] if name != "cache_control" else [{"cache_control": value}]
        if _without_scopes(held):
            found = True
            fields[name] = msgspec.Raw(_encode(value))
    return found


def _without_scopes(values: list[Any]) -> bool:
    """Walks blocks, results and documents, but not what a tool is called with: that is the model's own."""
    found = False
    stack = values
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            mark = value.get("cache_control")
            if isinstance(mark, dict) and mark.pop("scope", None) is not None:
                found = True
            stack.extend(value[name] for name in ("content", "source") if name in value)
    return found
