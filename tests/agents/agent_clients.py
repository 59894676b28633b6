"""How each agent is installed and started: its command, its settings, its environment. Nothing of the user's.

The settings are those of `docs/clients/`, and no others than are needed to be quiet and unattended.
"""

import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.agents.agent_task import PROMPT

MODULES = Path(__file__).parent / "node_modules"
BASE = "http://127.0.0.1:8080"
_CPU = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Launch:
    """A command, and what must be in its environment."""

    command: list[str]
    env: dict[str, str]


def claude_code(home: Path, key: str, model: str) -> Launch:
    """Claude Code, printing one answer."""
    env = {
        "ANTHROPIC_BASE_URL": BASE,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
    }
    binary = MODULES / f"@anthropic-ai/claude-code-linux-{_CPU}" / "claude"
    allowed = ["--allowedTools", "Bash Write Read Edit"]
    return Launch([str(binary), "-p", PROMPT, "--permission-mode", "acceptEdits", *allowed], env)


def codex(home: Path, key: str, model: str) -> Launch:
    """Codex CLI, one run."""
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f"""\
model = "{model}"
model_provider = "passerelle"
model_reasoning_effort = "medium"
check_for_update_on_startup = false

[model_providers.passerelle]
name = "Passerelle"
base_url = "{BASE}/v1"
env_key = "PASSERELLE_API_KEY"
wire_api = "responses"

[analytics]
enabled = false
"""
    )
    vendor = MODULES / f"@openai/codex-linux-{_CPU}" / "vendor"
    binary = next(vendor.glob("*/bin/codex"), vendor)
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return Launch([str(binary), "exec", *flags, PROMPT], {"PASSERELLE_API_KEY": key})


def gemini_cli(home: Path, key: str, model: str) -> Launch:
    """Gemini CLI, one prompt."""
    folder = home / ".gemini"
    folder.mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "telemetry": {"enabled": False},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    env = {"GOOGLE_GEMINI_BASE_URL": BASE, "GEMINI_API_KEY": key, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    node = shutil.which("node") or "node"
    bundle = MODULES / "@google/gemini-cli/bundle/gemini.js"
    return Launch([node, str(bundle), "-m", model, "--yolo", "-p", PROMPT], env)


def opencode(
    home: Path, key: str, model: str, package: str = "@ai-sdk/openai-compatible", path: str = "/v1"
) -> Launch:
    """OpenCode, one run, through one of the packages it brings along."""
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    options = {"baseURL": f"{BASE}{path}", "apiKey": "{env:PASSERELLE_API_KEY}"}
    provider = {"npm": package, "name": "Passerelle", "options": options, "models": {model: {}}}
    settings = {
        "provider": {"passerelle": provider},
        "model": f"passerelle/{model}",
        "small_model": f"passerelle/{model}",
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow"},
    }
    (folder / "opencode.json").write_text(json.dumps(settings))
    quiet = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE")
    env = {"PASSERELLE_API_KEY": key, **{f"OPENCODE_DISABLE_{name}": "1" for name in quiet}}
    binary = MODULES / f"opencode-linux-{_CPU}" / "bin" / "opencode"
    return Launch([str(binary), "run", PROMPT], env)


CLIENTS: dict[str, Callable[[Path, str, str], Launch]] = {
    "claude-code": claude_code,
    "codex": codex,
    "gemini-cli": gemini_cli,
    "opencode": opencode,
    "opencode, Anthropic's package": partial(opencode, package="@ai-sdk/anthropic"),
    "opencode, Google's package": partial(opencode, package="@ai-sdk/google", path="/v1beta"),
    "opencode, OpenAI's package": partial(opencode, package="@ai-sdk/openai"),
}
_PARTS = {
    "claude-code": f"@anthropic-ai/claude-code-linux-{_CPU}",
    "codex": f"@openai/codex-linux-{_CPU}",
    "gemini-cli": "@google/gemini-cli",
    "opencode": f"opencode-linux-{_CPU}",
}


def missing_part(client: str) -> str:
    """Why this client cannot be run on this machine, or nothing."""
    part = _PARTS[client.partition(",")[0]]
    return "" if (MODULES / part).is_dir() else f"`{part}` is not installed"
