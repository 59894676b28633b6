"""Where the shared real material lies, when it is there. The project passes its tests without it."""

import os
from pathlib import Path


def shared_data(*parts: str) -> Path | None:
    """The path of `data/…` beside the checkout (or under `PASSERELLE_SHARED`), or None when absent."""
    root = os.environ.get("PASSERELLE_SHARED")
    base = Path(root) if root else Path(__file__).resolve().parents[2] / "shared"
    path = base.joinpath("data", *parts)
    return path if path.exists() else None
