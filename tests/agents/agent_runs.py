"""Which agents run, with the model of which provider behind, and what is true of each run.

`docs/clients/` says the same: `tests/docs/test_clients_page.py` holds one against the other.
"""

from typing import NamedTuple

_CLAUDE = frozenset({"cache_control", "context_management"})
_CODEX = frozenset({"tools.web_search", "client_metadata"})
_CODE = frozenset({"reasoning.context", "client_metadata"})
"""Of a model Codex knows: it gets "code mode", whose tools stand in `input`."""
_NO_KEY = frozenset({"prompt_cache_key", "text.verbosity", "tools.format"})


class Run(NamedTuple):
    """A client, the dialect of the provider behind, and what is true of it."""

    client: str
    dialect: str
    relayed: bool = False
    dropped: frozenset[str] = frozenset()
    """All that `x-passerelle-dropped` named in any of its requests."""
    proofs: int = 0
    """Turns of thought that came back to their provider, of the three that call tools."""
    often: bool = False
    """In `make test` too."""
    asked: str = ""
    """The name asked for, an alias: clients send other things for names they know."""


RUNS = (
    Run("claude-code", "anthropic", relayed=True, proofs=3, often=True),
    Run("claude-code", "openai_chat", dropped=_CLAUDE | {"thinking"}),
    Run("claude-code", "openai_responses", dropped=_CLAUDE, proofs=3),
    Run("claude-code", "gemini", dropped=_CLAUDE | {"metadata.user_id"}, proofs=3, often=True),
    Run("claude-code", "openai_responses", dropped=_CLAUDE, proofs=3, asked="claude-sonnet-5-5"),
    Run("codex", "openai_responses", relayed=True, proofs=3, often=True),
    Run("codex", "openai_chat", dropped=_CODEX | {"reasoning", "reasoning.summary"}),
    Run("codex", "anthropic", dropped=_CODEX | {"prompt_cache_key"}, proofs=3, often=True),
    Run("codex", "gemini", dropped=_CODEX | {"prompt_cache_key"}, proofs=3),
    Run("codex", "openai_responses", relayed=True, proofs=3, asked="gpt-6.1-sol"),
    Run("codex", "anthropic", dropped=_CODE | _NO_KEY, proofs=3, often=True, asked="gpt-6-sol"),
    Run("codex", "openai_chat", dropped=_CODE | {"reasoning", "tools.format"}, asked="gpt-6-luna"),
    Run(
        "codex",
        "gemini",
        dropped=_CODE | _NO_KEY | {"parallel_tool_calls"},
        proofs=3,
        asked="gpt-6.1-terra",
    ),
    Run("gemini-cli", "gemini", relayed=True, proofs=3, often=True),
    Run(
        "gemini-cli",
        "openai_chat",
        dropped=frozenset({"generationConfig.thinkingConfig.includeThoughts", "generationConfig.topK"}),
        often=True,
    ),
    Run("gemini-cli", "openai_responses", dropped=frozenset({"generationConfig.topK"})),
    Run("gemini-cli", "anthropic", dropped=frozenset({"generationConfig.topP", "generationConfig.topK"})),
    Run("opencode", "openai_chat", relayed=True, proofs=3, often=True),
    Run("opencode", "openai_responses"),
    Run("opencode", "anthropic", often=True),
    Run("opencode", "gemini"),
    Run("opencode, Anthropic's package", "anthropic", relayed=True),
    Run("opencode, Anthropic's package", "gemini", dropped=frozenset({"cache_control"}), proofs=3),
    Run("opencode, Google's package", "gemini", relayed=True, proofs=3),
    Run("opencode, Google's package", "openai_chat", dropped=frozenset({"thought"})),
    Run("opencode, OpenAI's package", "openai_responses", relayed=True),
    Run("opencode, OpenAI's package", "anthropic", dropped=frozenset({"prompt_cache_key"})),
)
