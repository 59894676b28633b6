"""What the simulated provider makes of work that is no conversation: always the same."""

import hashlib
import math
import struct
import zlib
from typing import Any

from passerelle.core.request import EmbedRequest
from passerelle.core.response import EmbedResponse
from passerelle.core.tasks import (
    ImageRequest,
    ImageResponse,
    Judged,
    MadeImage,
    Media,
    ModerateRequest,
    ModerateResponse,
    Ranked,
    RerankRequest,
    RerankResponse,
    SpeakRequest,
    SpeakResponse,
    TranscribeRequest,
    TranscribeResponse,
)
from passerelle.core.usage import Usage
from passerelle.providers.simulated.script import Script

_RATE = 8_000
_SIDE = 64
"""Pixels of a simulated picture, which is never the size that was asked for."""


def perform(request: Any, script: Script, *, model: str) -> Any:
    """The response to a request of `TASKS`."""
    match request:
        case EmbedRequest():
            return vectors(request, model=model, dimensions=script.dimensions)
        case RerankRequest():
            return ranking(request, model=model)
        case ModerateRequest():
            return verdicts(request, model=model)
        case SpeakRequest():
            return speech(request, model=model)
        case TranscribeRequest():
            return transcript(request, model=model)
        case ImageRequest():
            return pictures(request, model=model)
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


def pictures(request: ImageRequest, *, model: str) -> ImageResponse:
    """Plain colour, another one for each prompt."""
    made = []
    for at in range(request.n):
        colour = hashlib.sha256(f"{request.prompt}\0{at}".encode()).digest()[:3]
        made.append(MadeImage(Media("image/png", _png(colour)), "simulated: a plain colour"))
    size = f"{_SIDE}x{_SIDE}"
    return ImageResponse(tuple(made), model, Usage(output_images=request.n), size=size)


def speech(request: SpeakRequest, *, model: str) -> SpeakResponse:
    """Silence as long as the text would take, at fifteen characters a second: a WAV of 8,000 samples."""
    samples = b"\x80" * (len(request.text) * _RATE // 15)
    form = struct.pack("<HHIIHH", 1, 1, _RATE, _RATE, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples))
    sound = b"RIFF" + struct.pack("<I", len(body) + len(samples)) + body + samples
    return SpeakResponse(Media("audio/wav", sound), model, Usage(input_characters=len(request.text)))


def transcript(request: TranscribeRequest, *, model: str) -> TranscribeResponse:
    """How much was heard, not what."""
    size = len(request.sound.data)
    text = f"[simulated] {size} bytes of sound were sent; a simulation does not hear."
    usage = Usage(input_audio_ms=size // 8)
    segment = {"id": 0, "start": 0.0, "end": usage.input_audio_ms / 1000, "text": text}
    return TranscribeResponse(
        text, model, usage, "en", usage.input_audio_ms / 1000, segments=(segment,), words=()
    )


def _png(colour: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + colour * _SIDE) * _SIDE
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


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
