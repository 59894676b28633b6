"""What the simulated provider makes of work that is no conversation: always the same."""

import hashlib
import math
from typing import Any

from passerelle.core.request import EmbedRequest, Operation
from passerelle.core.response import EmbedResponse
from passerelle.core.tasks import (
    Judged,
    ModerateRequest,
    ModerateResponse,
    Ranked,
    RerankRequest,
    RerankResponse,
)
from passerelle.core.usage import Usage
from passerelle.providers.simulated.script import Script

PERFORMED: frozenset[Operation] = frozenset({"embed", "rerank", "moderate"})


def perform(request: Any, script: Script, *, model: str) -> Any:
    """The response to a request of one of the operations `PERFORMED`."""
    match request:
        case EmbedRequest():
            return vectors(request, model=model, dimensions=script.dimensions)
        case RerankRequest():
            return ranking(request, model=model)
        case ModerateRequest():
            return verdicts(request, model=model)
        case _:
            raise TypeError(f"nothing simulates {type(request).__name__}")


def ranking(request: RerankRequest, *, model: str) -> RerankResponse:
    """The share of the query's words that a document has."""
    wanted = set(request.query.lower().split())
    scored = [
        Ranked(at, len(wanted & set(text.lower().split())) / (len(wanted) or 1))
        for at, text in enumerate(request.documents)
    ]
    scored.sort(key=lambda ranked: -ranked.score)
    return RerankResponse(tuple(scored[: request.top_n]), model, Usage(searches=1))


def verdicts(request: ModerateRequest, *, model: str) -> ModerateResponse:
    """Nothing is ever held against anything: a simulation knows no better."""
    return ModerateResponse(
        tuple(Judged(False, {"simulated": False}, {"simulated": 0.0}) for _ in request.inputs), model
    )


def vectors(request: EmbedRequest, *, model: str, dimensions: int) -> EmbedResponse:
    """Unit vectors, the sum of one pseudo-random direction a word: texts with words in common are near."""
    size = request.dimensions or dimensions
    found: list[tuple[float, ...]] = []
    tokens = 0
    for text in request.inputs:
        words = text.lower().split() if isinstance(text, str) else [str(token) for token in text]
        tokens += len(words)
        found.append(_vector(words or [""], size))
    return EmbedResponse(tuple(found), model=model, usage=Usage(input_tokens=tokens))


def _vector(words: list[str], size: int) -> tuple[float, ...]:
    total = [0.0] * size
    for word in words:
        direction = hashlib.shake_128(word.encode()).digest(size)
        total = [have + (byte - 127.5) for have, byte in zip(total, direction, strict=True)]
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return tuple(value / length for value in total)
