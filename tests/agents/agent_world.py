"""One gateway before the replayed provider, and agents run against it, each alone in a home of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.agents.agent_clients import Launch
from tests.agents.agent_door import Door
from tests.agents.agent_replay import Replay, Turn
from tests.serving import Gateway

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini")
_KINDS = {"openai_chat": "openai_like", "openai_responses": "openai_like"}
_ALONE = Path(__file__).with_name("agent_alone.py")
UPSTREAM = {
    "openai_chat": "gpt-6.1-sol",
    "openai_responses": "gpt-6.1-sol",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
}
"""What the model behind each dialect is called there: names decide which settings are sent."""
ALIASES = {
    "gpt-6.1-sol": "openai_responses",
    "gpt-6-sol": "anthropic",
    "gpt-6-luna": "openai_chat",
    "gpt-6.1-terra": "gemini",
    "claude-sonnet-5-5": "openai_responses",
    "gemini-3.8-flash": "anthropic",
}
"""Names that clients know, for models of other makers: what they send depends on the name."""
SETTLED_S = 10.0
"""Until a receipt can be read, at the very most."""
LONGEST_S = 150.0
"""For one run of an agent; they take one to eight seconds on a quiet machine."""
SECRET = "secret-" + "4711aa" * 2


@dataclass
class Ran:
    """How a run ended."""

    status: int
    said: str
    grumbled: str
    took_s: float
    folder: Path
    turns: list[Turn]
    troubles: list[str]
    receipts: list[dict[str, Any]]
    log: list[str] = field(default_factory=list)

    def file(self, name: str) -> str:
        """A file of the working folder, or nothing."""
        path = self.folder / name
        return path.read_text() if path.is_file() else ""


def config(base_url: str) -> str:
    """Four providers, one for each dialect, with a model that can do everything agents ask for."""
    lines = ["providers_from_environment = false", "[local]", "enabled = false"]
    for dialect in DIALECTS:
        lines += [
            f"[providers.{dialect}]",
            f'kind = "{_KINDS.get(dialect, dialect)}"',
            f'dialect = "{dialect}"',
            f'base_url = "{base_url}{"/v1" if dialect in _KINDS else ""}"',
            'credential = "env:AGENTS_UPSTREAM"',
            "allow_private_network = true",
            "models = []",
        ]
    for dialect in DIALECTS:
        lines += [
            "[[models]]",
            f'id = "errand-{dialect}"',
            'capabilities = ["tools", "json_schema", "json", "streaming", "reasoning"]',
            'input_modalities = ["text", "image"]',
            "context_tokens = 400000",
            "max_output_tokens = 64000",
            'price = { input = "3", output = "15" }',
            "[[deployments]]",
            f'provider = "{dialect}"',
            f'model = "errand-{dialect}"',
            f'upstream_model = "{UPSTREAM[dialect]}"',
        ]
    lines.append("[aliases]")
    lines += [f'"{name}" = "errand-{dialect}"' for name, dialect in ALIASES.items()]
    return "\n".join(lines)


def gateway_for(folder: Path, replay: Replay) -> Gateway:
    """The gateway, not started yet."""
    env = {"AGENTS_UPSTREAM": "upstream-credential-of-agents-0123456789"}
    return Gateway(folder, config(replay.base_url), env=env)


@dataclass
class World:
    """The running gateway, the provider behind it, a key, and the door agents go through."""

    gateway: Gateway
    replay: Replay
    token: str
    door: Door

    def run(self, launch: Callable[[Path, str, str], Launch], model: str, folder: Path) -> Ran:
        """Let an agent do its errand with a model, by the name it is asked for."""
        home, work = folder / "home", folder / "work"
        for each in (home, work, folder / "tmp"):
            each.mkdir(parents=True)
        (work / "secret.txt").write_text(f"{SECRET}\n")
        started = launch(home, self.token, model)
        self.replay.folder = work
        self.replay.turns, self.replay.troubles = [], []
        logged = len(self.gateway.log)
        known = {receipt["id"] for receipt in self.receipts()}
        begun = time.monotonic()
        command = [*alone(self.door.path), *started.command]
        status, said, grumbled = _bounded(command, work, {**_bare_env(folder), **started.env})
        return Ran(
            status=status,
            said=said,
            grumbled=grumbled,
            took_s=time.monotonic() - begun,
            folder=work,
            turns=self.replay.turns,
            troubles=self.replay.troubles,
            receipts=self._new_receipts(known, logged, len(self.replay.turns)),
            log=self.gateway.log[logged:],
        )

    def _new_receipts(self, known: set[str], logged: int, awaited: int) -> list[dict[str, Any]]:
        """Those not known. The last request may be settled after its answer has ended: the log tells when."""

        def settled() -> bool:
            return sum('"message":"settled"' in line for line in self.gateway.log[logged:]) >= awaited

        self.gateway.wait_for(settled, SETTLED_S)
        with suppress(HTTPError):  # looking one up, whatever its name, waits for the writer
            self._get("receipts/rcp_none")
        return [receipt for receipt in self.receipts() if receipt["id"] not in known]

    def receipts(self) -> list[dict[str, Any]]:
        """The receipts of all requests so far, the newest first."""
        found: list[dict[str, Any]] = self._get("receipts?limit=500")["receipts"]
        return found

    def _get(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        with urlopen(Request(f"{self.gateway.base_url}/api/{path}", headers=headers), timeout=10) as answer:
            return json.load(answer)


def _bounded(command: list[str], work: Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Run to the end, or to `LONGEST_S`; then all of its process group ends, and its status is -9."""
    process = subprocess.Popen(
        command,
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, grumbled = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, grumbled = process.communicate()
        grumbled += f"\nnot done after {LONGEST_S:.0f} s"
    return process.returncode, said, grumbled


def alone(door: Path) -> list[str]:
    """What stands before a command so that it sees nothing but loopback."""
    unshare = shutil.which("unshare") or "unshare"
    return [unshare, "--user", "--map-root-user", "--net", sys.executable, "-I", str(_ALONE), str(door)]


def _bare_env(folder: Path) -> dict[str, str]:
    """An environment that knows nothing of this user, and sends what asks for a proxy to a shut port."""
    home = folder / "home"
    shut = "http://127.0.0.1:9"
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "HTTP_PROXY": shut,
        "HTTPS_PROXY": shut,
        "NO_PROXY": "127.0.0.1,localhost",
    }
