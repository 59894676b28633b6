"""Work that is no conversation: ranking, judging, pictures, speech and what was said. In no dialect.

Each task is a request and an answer of its own. They share the road with chat: eligibility, holds, ledger and
receipts are the same. Embeddings came first, and their request stands in `core.request`.
"""

from typing import Any, Literal

import msgspec

from passerelle.core.message import Extra
from passerelle.core.request import Dialect
from passerelle.core.usage import NO_USAGE, Usage

Granularity = Literal["word", "segment"]
"""What times are given of in a transcript."""


class Media(msgspec.Struct, frozen=True, gc=False):
    """A picture or a sound as bytes or as an address."""

    media_type: str
    """`image/png`, `audio/mpeg`…; empty when nobody said."""
    data: bytes = b""
    url: str | None = None
    """Where the provider keeps it, instead of `data`."""
    filename: str | None = None


class RerankRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Documents to be put in order of how well they answer a query."""

    model: str
    query: str
    documents: tuple[str, ...]
    dialect: Dialect
    top_n: int | None = None
    return_documents: bool = False
    given: tuple[Any, ...] = ()
    """The documents as the caller wrote them: what the answer shows again."""
    extra: Extra = None


class Ranked(msgspec.Struct, frozen=True):
    """One document's place."""

    index: int
    """In the request's list."""
    score: float


class RerankResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order found, best first."""

    results: tuple[Ranked, ...]
    model: str = ""
    usage: Usage = NO_USAGE
    id: str | None = None


class ModerateRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Texts and pictures to be judged."""

    model: str
    inputs: tuple[tuple[str | Media, ...], ...]
    """Each is judged by itself; one of several parts is judged as a whole."""
    dialect: Dialect
    extra: Extra = None


class Judged(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model holds against one input."""

    flagged: bool
    categories: dict[str, bool]
    """In the provider's own words: no two makers draw the lines alike."""
    scores: dict[str, float]
    applied: Extra = None
    """For which kinds of input each category was looked at (OpenAI's `category_applied_input_types`)."""


class ModerateResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One judgement per input, in their order."""

    results: tuple[Judged, ...]
    model: str = ""
    usage: Usage = NO_USAGE
    id: str | None = None


class ImageRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture to be made (operation `generate_image`), or made of others (`edit_image`)."""

    model: str
    prompt: str
    dialect: Dialect
    n: int = 1
    size: str | None = None
    """`1024x1536`, in pixels; None: the model's own choice (also the caller's `auto`)."""
    quality: str | None = None
    """The provider's word: `low`, `medium`, `high`, `standard`, `hd`."""
    background: str | None = None
    """`transparent` or `opaque`."""
    form: str | None = None
    """`png`, `jpeg`, `webp`…"""
    compression: int | None = None
    """0 to 100, for `jpeg` and `webp`."""
    as_url: bool | None = None
    """True: an address is wanted; False: the bytes; None: whatever the model does."""
    images: tuple[Media, ...] = ()
    mask: Media | None = None
    user: str | None = None
    stream: bool = False
    partial_images: int = 0
    """How many unfinished pictures to show on the way, in a stream."""
    extra: Extra = None


class MadeImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture made."""

    image: Media
    revised_prompt: str | None = None


class ImageResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pictures, in no promised order."""

    images: tuple[MadeImage, ...]
    model: str = ""
    usage: Usage = NO_USAGE
    size: str | None = None
    quality: str | None = None
    background: str | None = None


class SpeakRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text to be read out."""

    model: str
    text: str
    voice: str
    dialect: Dialect
    form: str | None = None
    """`mp3`, `opus`, `aac`, `flac`, `wav`, `pcm`; None: the provider's own choice."""
    speed: float | None = None
    instructions: str | None = None
    stream: bool = False
    """As events, in place of the bare sound."""
    extra: Extra = None


class SpeakResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text, read out."""

    sound: Media
    model: str = ""
    usage: Usage = NO_USAGE


class TranscribeRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sound to be written down, or, with `into_english`, translated as well."""

    model: str
    sound: Media
    dialect: Dialect
    language: str | None = None
    """ISO-639-1, where the caller knows it."""
    prompt: str | None = None
    form: str = "json"
    """`json`, `text`, `srt`, `verbose_json`, `vtt`, `diarized_json`."""
    temperature: float | None = None
    granularities: tuple[Granularity, ...] = ()
    logprobs: bool = False
    into_english: bool = False
    stream: bool = False
    extra: Extra = None


class TranscribeResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was said."""

    text: str
    model: str = ""
    usage: Usage = NO_USAGE
    language: str | None = None
    duration_s: float | None = None
    segments: tuple[dict[str, Any], ...] | None = None
    """As OpenAI writes them: `id`, `start`, `end`, `text`…"""
    words: tuple[dict[str, Any], ...] | None = None
    extra: Extra = None


TaskRequest = RerankRequest | ModerateRequest | ImageRequest | SpeakRequest | TranscribeRequest
TaskResponse = RerankResponse | ModerateResponse | ImageResponse | SpeakResponse | TranscribeResponse
