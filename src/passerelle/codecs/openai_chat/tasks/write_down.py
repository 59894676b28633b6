"""What was said, as OpenAI's API and those who copied it are asked to write it down.

Read 2026-11-22: `openai.types.audio` (SDK 3.54); Groq's and Mistral's `/v1/audio/transcriptions` take the
same form (console.groq.com/docs/speech-to-text, docs.mistral.ai "Audio"), Mistral's with
`prompt_audio_seconds` in its usage.
"""

from typing import Any

import msgspec

from passerelle.codecs.base import Encoded, Envelope, Target, Watched
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.multipart import PartHead, Upload, write_form
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_chat.tasks.stream import EventWatcher
from passerelle.core.errors import AnswerError
from passerelle.core.request import Dialect
from passerelle.core.tasks import TranscribeRequest, TranscribeResponse
from passerelle.core.usage import NO_USAGE, Usage

_json = msgspec.json.Encoder()


_RENDERED_HERE = {"text": "json", "srt": "verbose_json", "vtt": "verbose_json"}
"""Forms that say nothing of usage, and that not everybody offers: made here out of one that has all of it."""


class _Details(msgspec.Struct):
    audio_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """`usage`, by token or by length."""

    type: str | None = None
    seconds: float | None = None
    prompt_audio_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_token_details: _Details | None = None


class _Answer(msgspec.Struct):
    text: str
    model: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None
    words: list[dict[str, Any]] | None = None
    usage: WireUsage | None = None
    logprobs: list[Any] | None = None
    languages: list[Any] | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


class TranscribeProvider:
    """Obeys `TaskProviderSide` and `StreamingTask`."""

    dialect: Dialect = "openai_chat"

    def encode_request(self, request: TranscribeRequest, target: Target) -> Encoded:
        """A form with the sound in it."""
        form = _RENDERED_HERE.get(request.form, request.form)
        fields: list[tuple[str, str]] = [("model", target.model), ("response_format", form)]
        for name, value in (
            ("language", None if request.into_english else request.language),
            ("prompt", request.prompt),
            ("temperature", None if request.temperature is None else f"{request.temperature:g}"),
            ("stream", "true" if request.stream else None),
        ):
            if value is not None:
                fields.append((name, value))
        fields += [("timestamp_granularities[]", word) for word in request.granularities]
        if request.logprobs:
            fields.append(("include[]", "logprobs"))
        if request.extra and request.dialect == self.dialect:
            for name, value in request.extra.items():
                if isinstance(value, list):
                    fields += [(f"{name}[]", _text(item)) for item in value]
                else:
                    fields.append((name, _text(value)))
        sound = request.sound
        upload = Upload(PartHead("file", sound.filename or "audio", sound.media_type), sound.data)
        body, content_type = write_form(fields, [upload])
        return Encoded(body, content_type=content_type)

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: the model's name stands in the form."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> TranscribeResponse:
        """Raises `AnswerError`."""
        try:
            answer = _answer_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)  # an error body says more than its shape does
            raise AnswerError("what was said is not in OpenAI's form") from None
        more = {
            name: value
            for name, value in (("logprobs", answer.logprobs), ("languages", answer.languages))
            if value is not None
        }
        return TranscribeResponse(
            text=answer.text,
            model=answer.model or "",
            usage=decode_usage(answer.usage, answer.duration),
            language=answer.language,
            duration_s=answer.duration,
            segments=None if answer.segments is None else tuple(answer.segments),
            words=None if answer.words is None else tuple(answer.words),
            extra=more or None,
        )

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)

    def stream_watcher(self, envelope: Envelope) -> EventWatcher:
        """Over with `transcript.text.done`."""
        return EventWatcher("transcript.text.done", 1, _stream_usage)


def decode_usage(usage: WireUsage | None, duration_s: float | None) -> Usage:
    """Sound by its length, and by token where the provider counts those."""
    heard_s = duration_s or 0.0
    given = made = sound = 0
    if usage is not None:
        heard_s = usage.seconds or usage.prompt_audio_seconds or heard_s
        given = max(0, usage.input_tokens or usage.prompt_tokens or 0)
        made = max(0, usage.output_tokens or usage.completion_tokens or 0)
        details = usage.input_token_details
        sound = min(given, max(0, (details.audio_tokens or 0) if details is not None else 0))
    if not (0 < heard_s < 1e7) and not given and not made:
        return NO_USAGE
    return Usage(
        input_tokens=given - sound,
        input_audio_tokens=sound,
        output_tokens=made,
        input_audio_ms=round(heard_s * 1000) if 0 < heard_s < 1e7 else 0,
    )


def _stream_usage(event: dict[str, Any]) -> Usage:
    try:
        return decode_usage(msgspec.convert(event.get("usage"), WireUsage | None), None)
    except msgspec.ValidationError:
        return NO_USAGE


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json.encode(value).decode()
