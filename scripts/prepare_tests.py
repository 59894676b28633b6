"""Put in place what the tests need beyond Python packages. Run by `make test`.

- the Node SDKs, which `tests/contract` drives: `npm ci` in `tests/contract/node`
- the Python SDKs it drives beside those of the development environment: in `.passerelle-test`, each of
  `locks/sdks.txt` and `locks/llamaindex.txt` in an environment of its own
- the agent CLIs, which `tests/agents` runs: `npm ci` in `tests/agents` (0.9 GB, half a minute)
- the demo model's weights, which the real local engine runs: in `.passerelle-test/models`

What is there already is not fetched again. What cannot be had is said, with the tests that are left out
for it, and the exit status is 0 all the same: pytest repeats it at its end.
"""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import prepared

from passerelle.providers.local.install import InstallError, install

_FETCH_S = 600.0
SDK_GROUPS = ("sdks", "llamaindex")


def main() -> None:
    """Prepare everything that can be."""
    tried = (node_sdks(), *map(python_sdks, SDK_GROUPS), agents(), local_model())
    left_out = [told for told in tried if told]
    for told in left_out:
        sys.stderr.write(f"\n!!! LEFT OUT: {told}\n")
    if left_out:
        sys.stderr.write("\n")


def node_sdks() -> str:
    """Install the Node SDKs from their lock; gives what is left out, and why."""
    missing = prepared.node_missing()
    if not missing:
        _say("Node SDKs: there already")
        return ""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        return "the Node SDKs in tests/contract (node and npm are not both installed)"
    _say("Node SDKs: npm ci…")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    why = _run(command, prepared.NODE_FOLDER)
    if why:
        return f"the Node SDKs in tests/contract ({why})"
    prepared.NODE_STAMP.write_text(prepared.node_digest())
    return ""


def python_sdks(group: str) -> str:
    """Install one of the locked groups of Python SDKs; gives what is left out, and why."""
    what = f"the SDKs of locks/{group}.txt in tests/contract"
    if not prepared.python_sdks_missing(group):
        _say(f"Python SDKs, {group}: there already")
        return ""
    _say(f"Python SDKs, {group}: installing…")
    folder = prepared.python_sdks(group)
    uv = [sys.executable, "-m", "uv"]
    lock = str(prepared.ROOT / "locks" / f"{group}.txt")
    made = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
    filled = [*uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode"]
    for command in (made, [*filled, "--python", str(folder), "-r", lock]):
        why = _run(command)
        if why:
            return f"{what} ({why})"
    (folder / ".prepared").write_text(prepared.python_sdks_digest(group))
    return ""


def agents() -> str:
    """Install the agent CLIs from their lock; gives what is left out, and why."""
    what = "the agent CLIs in tests/agents"
    apart = prepared.agents_cannot_be_shut_in()
    if apart:
        return f"{what} ({apart})"
    if not prepared.agents_missing():
        _say("agent CLIs: there already")
        return ""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        return f"{what} (node and npm are not both installed)"
    _say("agent CLIs: npm ci…")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    why = _run(command, prepared.AGENTS_FOLDER)
    if why:
        return f"{what} ({why})"
    prepared.AGENTS_STAMP.write_text(prepared.agents_digest())
    return ""


def local_model() -> str:
    """Fetch the demo model's weights; gives what is left out, and why."""
    if prepared.weights() is None:
        _say("demo model: fetching 93 MB…")
        try:
            install(prepared.DATA)
        except InstallError as error:
            return f"the real local engine in tests/providers ({error.message})"
    missing = prepared.local_model_missing()
    if missing:
        return f"the real local engine in tests/providers ({missing})"
    _say("demo model: there")
    return ""


def _run(command: list[str], folder: Path = prepared.ROOT) -> str:
    """Why a command did not succeed, or nothing."""
    name = " ".join(part for part in command[:4] if not part.startswith("-"))
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command line
            command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"`{name}` took more than {_FETCH_S:.0f} s"
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        return f"`{name}` failed: {said[-1] if said else 'silently'}"
    return ""


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
