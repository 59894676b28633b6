"""A learner's state as bytes, versioned, and back. The same state gives the same bytes."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.drift import Watch
from passerelle.router.quality.kin import Akin, Named
from passerelle.router.quality.linear import Head, Space
from passerelle.router.quality.memory import Memory
from passerelle.router.quality.mind import Mind, Newcomer
from passerelle.router.quality.stack import Gate, Weights
from passerelle.router.quality.tally import Shrink, Tally

FORMAT = 2
_DTYPES = ("<f8", "<f4", "<i8")


class _Array(msgspec.Struct, array_like=True):
    dtype: str
    shape: list[int]
    data: bytes


class _Saved(msgspec.Struct, array_like=True):
    format: int
    digest: bytes
    models: list[str]
    outcomes: list[int]
    tasks: dict[str, int]
    kinds: list[int]
    priors: dict[str, float]
    penalty: float
    carried_penalty: float
    shrink: Shrink
    near: Weights
    far: Weights
    gate: Gate
    noise: float
    unknown: float
    watches: list[Watch]
    newcomers: dict[int, tuple[float, _Array]]
    spread_of: list[int]
    next: int
    arrays: dict[str, _Array]
    spreads: list[_Array]


def save(mind: Mind) -> bytes:
    """Everything, in MessagePack."""
    spreads: list[NDArray[Any]] = []
    spread_of: list[int] = []
    for head in (mind.shared, *mind.heads, *mind.carried):
        place = next((k for k, s in enumerate(spreads) if s is head.spread), None)
        if place is None:
            place = len(spreads)
            spreads.append(head.spread)
        spread_of.append(place)
    arrays: dict[str, NDArray[Any]] = {
        "middles": mind.middles,
        "guess": mind.guess,
        "akin_rows": mind.akin.rows,
        "named_rows": mind.named.rows,
        "akin_words": mind.akin.words,
        "akin_form": mind.akin.form,
        "mean": mind.space.mean,
        "scale": mind.space.scale,
        "centre": mind.space.centre,
        "count": mind.tally.count,
        "total": mind.tally.total,
        "rows": mind.tally.rows,
        "shared": mind.shared.coefficients,
        "heads": np.stack([h.coefficients for h in mind.heads]) if mind.heads else np.zeros((0, 0)),
        "carried": np.stack([h.coefficients for h in mind.carried]) if mind.carried else np.zeros((0, 0)),
        "rarity": mind.scale,
        "words": mind.words,
        "vectors": mind.memory.vectors,
        "left": mind.memory.left,
        "maps": mind.maps,
    }
    saved = _Saved(
        FORMAT, mind.digest, mind.models, mind.outcomes, mind.tasks, mind.kinds, mind.priors,
        mind.penalty, mind.carried_penalty, mind.tally.shrink, mind.near, mind.far, mind.gate,
        mind.noise, mind.unknown, mind.watches,
        {k: (n.outcomes, _array(n.wrong)) for k, n in mind.newcomers.items()}, spread_of, mind.memory.next,
        {name: _array(value) for name, value in arrays.items()}, [_array(s) for s in spreads],
    )  # fmt: skip
    return msgspec.msgpack.encode(saved)


def load(data: bytes) -> Mind:
    """The state that `save` gave. ValueError for anything else."""
    try:
        saved = msgspec.msgpack.decode(data, type=_Saved)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"this is no state of a router ({error}); train one anew") from error
    if saved.format != FORMAT:
        raise ValueError(f"this router state has format {saved.format}, and {FORMAT} is read; train one anew")
    arrays = {name: _plain(value) for name, value in saved.arrays.items()}
    mind = Mind()
    mind.digest, mind.models, mind.outcomes = saved.digest, saved.models, saved.outcomes
    mind.tasks, mind.kinds, mind.priors = saved.tasks, saved.kinds, saved.priors
    mind.carried_penalty = saved.carried_penalty
    mind.penalty, mind.near, mind.far, mind.gate = saved.penalty, saved.near, saved.far, saved.gate
    mind.noise, mind.unknown, mind.watches = saved.noise, saved.unknown, saved.watches
    mind.middles, mind.guess = arrays["middles"], arrays["guess"]
    mind.akin = Akin(arrays["akin_rows"], arrays["akin_words"], arrays["akin_form"])
    named = set(arrays["named_rows"].tolist())
    fitted = {name: row for name, row in saved.tasks.items() if row in named}
    mind.named = Named(fitted, arrays["rows"])
    mind.space = Space(arrays["mean"], arrays["scale"], arrays["centre"])
    mind.tally = Tally(0, 0)
    mind.tally.count, mind.tally.total, mind.tally.rows = arrays["count"], arrays["total"], arrays["rows"]
    mind.tally.shrink = saved.shrink
    spreads = [_plain(s) for s in saved.spreads]
    mind.shared = Head(arrays["shared"], spreads[saved.spread_of[0]])
    many = len(saved.models)
    of_heads, of_carried = saved.spread_of[1 : 1 + many], saved.spread_of[1 + many :]
    mind.heads = [Head(arrays["heads"][k].copy(), spreads[place]) for k, place in enumerate(of_heads)]
    mind.carried = [Head(arrays["carried"][k].copy(), spreads[place]) for k, place in enumerate(of_carried)]
    mind.scale, mind.words, mind.maps = arrays["rarity"], arrays["words"], arrays["maps"]
    mind.memory = Memory(arrays["vectors"], arrays["left"], saved.next)
    for place, (outcomes, wrong) in saved.newcomers.items():
        newcomer = Newcomer(0)
        newcomer.outcomes, newcomer.wrong = outcomes, _plain(wrong)
        mind.newcomers[place] = newcomer
    return mind


def _array(value: NDArray[Any]) -> _Array:
    return _Array(value.dtype.newbyteorder("<").str, list(value.shape), np.ascontiguousarray(value).tobytes())


def _plain(saved: _Array) -> NDArray[Any]:
    if saved.dtype not in _DTYPES:
        raise ValueError(f"this router state holds `{saved.dtype}`, which none does; train one anew")
    return np.frombuffer(saved.data, saved.dtype).reshape(saved.shape).copy()
