"""What the local engine runs, and how much of the machine it may take."""

import hashlib
from pathlib import Path

import msgspec

MODEL = "smollm2-135m-instruct"
"""The true name of the weights that `passerelle local install` fetches."""

WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class LocalOptions(msgspec.Struct, frozen=True):
    """Settings of one local engine."""

    data_dir: Path
    """Weights are under `models/`, what workers tell each other about the engine under `engine/`."""
    weights: Path | None = None
    """A GGUF of the operator's own; None for the one `passerelle local install` puts there."""
    model: str = ""
    """What the model is called in answers; empty for the file's own name, or the installed model's."""
    threads: int = 1
    """Two were slower than one for the installed model on a shared two-core machine."""
    context_tokens: int = 4096
    """Prompt and answer together, per call."""
    slots: int = 1
    """Calls worked on at once. On one thread two of them share its speed (37 tokens/s in all against 34),
    and each costs a context's memory (94 MB for the installed model at 4,096 tokens)."""
    max_queue: int = 16
    """Calls that may wait for a slot in each worker; one more is refused as `overloaded`."""
    embeddings: bool = False
    """Serve vectors too (mean of the last layer). For weights made for it; the installed ones are not."""
    start_s: float = 60.0
    """How long loading may take. The installed weights load in one second, a 7B file in about twenty."""

    @property
    def weights_path(self) -> Path:
        """The file to load."""
        return self.weights or installed_path(self.data_dir)

    @property
    def model_name(self) -> str:
        """The model's name, as answers will say it."""
        if self.model:
            return self.model
        return MODEL if self.weights is None else self.weights.stem.lower()


def installed_path(data_dir: Path) -> Path:
    """Where `passerelle local install` puts the weights."""
    return data_dir / "models" / WEIGHTS_FILE


def fingerprint(options: LocalOptions) -> str:
    """Sixteen hex digits that differ when another engine is meant: other weights, or other settings.

    Raises `OSError` when the weights are not there.
    """
    path = options.weights_path
    facts = path.stat()
    what = (
        str(path.resolve()),
        facts.st_size,
        facts.st_mtime_ns,
        options.model_name,
        options.threads,
        options.context_tokens,
        options.slots,
        options.embeddings,
    )
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]
