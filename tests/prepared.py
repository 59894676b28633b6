"""What `scripts/prepare_tests.py` puts in place for the tests, where it lies, and whether it is there."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from passerelle.providers.local.options import WEIGHTS_FILE, installed_path

ROOT = Path(__file__).resolve().parents[1]
NODE_FOLDER = ROOT / "tests" / "contract" / "node"
NODE_STAMP = NODE_FOLDER / "node_modules" / ".prepared"
"""Holds the digest of the lock file that was installed from; written last."""
AGENTS_FOLDER = ROOT / "tests" / "agents"
AGENTS_STAMP = AGENTS_FOLDER / "node_modules" / ".prepared"
"""As `NODE_STAMP`, for the agent CLIs."""
DATA = ROOT / ".passerelle-test"
"""A data directory of the tests' own: the demo model's weights, fetched once."""


def python_sdks(group: str) -> Path:
    """The environment that `locks/{group}.txt` is installed in."""
    return DATA / group


def python_sdks_digest(group: str) -> str:
    """What the stamp of that environment must say."""
    return hashlib.sha256((ROOT / "locks" / f"{group}.txt").read_bytes()).hexdigest()


def python_sdks_missing(group: str) -> str:
    """Why the SDKs of `locks/{group}.txt` cannot be run here, or nothing."""
    stamp = python_sdks(group) / ".prepared"
    if not stamp.is_file() or stamp.read_text() != python_sdks_digest(group):
        return f"locks/{group}.txt is not installed, run `python scripts/prepare_tests.py`"
    return ""


def node_digest() -> str:
    """What `NODE_STAMP` must say."""
    return hashlib.sha256((NODE_FOLDER / "package-lock.json").read_bytes()).hexdigest()


def node_missing() -> str:
    """Why the Node SDKs cannot be run here, or nothing."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not NODE_STAMP.is_file() or NODE_STAMP.read_text() != node_digest():
        return "the SDKs are not installed, run `python scripts/prepare_tests.py`"
    return ""


def agents_digest() -> str:
    """What `AGENTS_STAMP` must say."""
    return hashlib.sha256((AGENTS_FOLDER / "package-lock.json").read_bytes()).hexdigest()


def agents_missing() -> str:
    """Why the agent CLIs cannot be run here, or nothing. They run only where they can be shut in."""
    apart = agents_cannot_be_shut_in()
    if apart:
        return apart
    if shutil.which("node") is None:
        return "node is not installed"
    if not AGENTS_STAMP.is_file() or AGENTS_STAMP.read_text() != agents_digest():
        return "they are not installed, run `python scripts/prepare_tests.py`"
    return ""


def agents_cannot_be_shut_in() -> str:
    """Why no network namespace of our own can be made here, or nothing."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "there is no `unshare` (util-linux)"
    command = [unshare, "--user", "--map-root-user", "--net", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    said = done.stderr.strip()
    return "" if done.returncode == 0 else f"they cannot be cut off from the network ({said})"


def weights() -> Path | None:
    """The demo model's weights: in `PASSERELLE_MODELS` (a folder), where the tests keep them, or where
    `passerelle local install` puts them by default.
    """
    places = [installed_path(DATA), Path.home() / ".local/share/passerelle/models" / WEIGHTS_FILE]
    named = os.environ.get("PASSERELLE_MODELS")
    if named:
        places.insert(0, Path(named) / WEIGHTS_FILE)
    return next((place for place in places if place.is_file()), None)


def local_model_missing() -> str:
    """Why the real local engine cannot be run here, or nothing."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed, run `pip install passerelle[local]`"
    if weights() is None:
        return f"{WEIGHTS_FILE} is not here, run `python scripts/prepare_tests.py` or set PASSERELLE_MODELS"
    return ""
