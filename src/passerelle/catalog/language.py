"""Static vectors of words, from the package that brings them: WordLlama's `l2_supercat_256`.

32,000 tokens × 256 half floats and the tokeniser, 16 MB and 2 MB, MIT (pypi.org/project/wordllama, version
0.4.0.post1, read 2026-11-22). The files are read where pip put them. The package itself is not imported: that
would bring `requests`, a hub client and compiled helpers, and its own loader asks a hub on the network.
"""

import importlib.util
import json
import mmap
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENISER = "tokenizers/l2_supercat_tokenizer_config.json"


class _Model(msgspec.Struct):
    vocab: dict[str, int]


class _Tokeniser(msgspec.Struct):
    """What is needed of the tokeniser's file: the ranks of its merges are the order of its vocabulary."""

    model: _Model


def static_vectors() -> "tuple[NDArray[np.float16], dict[str, int]] | None":
    """The table (tokens × 256) and the vocabulary, `piece → row` with spaces for `▁` (see `router.tokens`);
    None without the extra `router`.
    """
    folder = _folder()
    if folder is None or importlib.util.find_spec("numpy") is None:
        return None
    said = (folder / _TOKENISER).read_bytes().replace("▁".encode(), b" ")
    return _table(folder / _WEIGHTS), msgspec.json.decode(said, type=_Tokeniser).model.vocab


def _folder() -> Path | None:
    found = importlib.util.find_spec("wordllama")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    return folder if (folder / _WEIGHTS).exists() and (folder / _TOKENISER).exists() else None


def _table(path: Path) -> "NDArray[np.float16]":
    """The one tensor of a safetensors file, mapped: pages come in as words are met, and workers share them.

    A safetensors file is a length of eight bytes, a JSON header of that length and the raw tensors
    (huggingface.co/docs/safetensors, "Format", read 2026-11-22).
    """
    import numpy as np

    with path.open("rb") as file:
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    if len(header) != 1:
        raise ValueError(
            f"`{path.name}` holds {len(header)} tensors where one is known; reinstall wordllama 0.4"
        )
    (tensor,) = header.values()
    if tensor["dtype"] != "F16":
        raise ValueError(
            f"`{path.name}` holds `{tensor['dtype']}` where F16 is known; reinstall wordllama 0.4"
        )
    first, last = tensor["data_offsets"]
    count = (last - first) // 2
    return np.frombuffer(raw, np.float16, count, 8 + length + first).reshape(tensor["shape"])


class TaskWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data/tasks.json`: the coefficients of the task classifier, and where they come from."""

    provenance: str
    accuracy: dict[str, float]
    """On what was held out of training, by what it was."""
    names: tuple[str, ...]
    buckets: int
    step: float
    """What one unit of the weights is."""
    bias: tuple[float, ...]
    weights: bytes
    """Buckets × tasks, a signed byte each, compressed by zlib."""


def task_weights() -> TaskWeights:
    """The classifier's coefficients as they stand in the package."""
    text = files("passerelle.catalog").joinpath("data", "tasks.json").read_bytes()
    return msgspec.json.decode(text, type=TaskWeights)
