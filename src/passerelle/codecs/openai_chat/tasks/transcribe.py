"""What was said, as OpenAI's callers ask for it: `audio/transcriptions` and `audio/translations`.

Shapes: `openai.types.audio.transcription*` and `translation*` (SDK 3.54, read 2026-11-22). `text`, `srt` and
`vtt` are plain text; the rest is JSON.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from passerelle.codecs.base import Envelope, PathTarget, ReplyContext, Whole
from passerelle.codecs.multipart import is_form
from passerelle.codecs.openai_chat.tasks.fields import read_fields
from passerelle.codecs.openai_chat.tasks.subtitles import Form, srt, vtt
from passerelle.codecs.openai_reading import Json, left, need_text, take_number, take_text
from passerelle.codecs.sse import write_event
from passerelle.core.errors import invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Granularity, Media, TranscribeRequest, TranscribeResponse
from passerelle.core.usage import Usage

_json = msgspec.json.Encoder()

_FORMS: Final = get_args(Form)
_PLAIN: Final = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
LEAST_BYTES_A_SECOND: Final = 500
"""Speech codecs go down to some 6 kbit a second (Opus, RFC 6716 §2.1.1): no sound is longer than that."""
LIKELY_BYTES_A_SECOND: Final = 8_000
"""64 kbit a second: a common voice recording."""
TOKENS_A_SECOND: Final = 50
"""Above what models that count tokens take for a second of sound, words and all."""


class TranscribeClient:
    """Obeys `TaskClientSide`."""

    dialect: Dialect = "openai_chat"

    def __init__(self, *, into_english: bool = False) -> None:
        self._into_english = into_english

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        asked = self.decode_request(body, target)
        size = len(asked.sound.data)
        longest_s = size // LEAST_BYTES_A_SECOND + 1
        tokens = longest_s * TOKENS_A_SECOND
        return Envelope(
            operation="translate" if self._into_english else "transcribe",
            model=asked.model,
            stream=asked.stream,
            text_bytes=len((asked.prompt or "").encode("utf-8", "surrogatepass")),
            likely=Usage(input_audio_ms=size * 1000 // LIKELY_BYTES_A_SECOND),
            most=Usage(input_audio_ms=longest_s * 1000, input_audio_tokens=tokens, output_tokens=tokens),
        )

    def decode_request(self, body: bytes, target: PathTarget) -> TranscribeRequest:
        """The whole request. Raises `ProblemError`."""
        if not is_form(target.content_type):
            raise invalid(
                "`content-type` must be `multipart/form-data`; send the sound as the form's `file`.",
                "content-type",
            )
        fields, files = read_fields(body, target.content_type)
        model = need_text(fields, "model", "")
        if not model:
            raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
        form = take_text(fields, "response_format") or "json"
        if form not in _FORMS:
            allowed = ", ".join(f"`{name}`" for name in _FORMS)
            raise invalid(f"`response_format` is `{form[:60]}`; use one of {allowed}.", "response_format")
        stream = fields.pop("stream", None) is True and not self._into_english
        return TranscribeRequest(
            model=model,
            sound=_sound(files),
            dialect="openai_chat",
            language=take_text(fields, "language"),
            prompt=take_text(fields, "prompt"),
            form=form,
            temperature=take_number(fields, "temperature"),
            granularities=_granularities(fields),
            logprobs="logprobs" in (fields.pop("include", None) or ()),
            into_english=self._into_english,
            stream=stream,
            extra=left(fields),
        )

    def encode_response(
        self, response: TranscribeResponse, request: TranscribeRequest, context: ReplyContext
    ) -> Whole:
        """In the form asked for: text and subtitles are made here, out of the segments."""
        if request.stream:
            return Whole(_events(response), "text/event-stream")
        kind = _PLAIN.get(request.form)
        if kind is not None:
            return Whole(_plain(response, request.form).encode("utf-8", "replace"), f"{kind}; charset=utf-8")
        body: Json = {"text": response.text}
        if request.form in ("verbose_json", "diarized_json"):
            body["task"] = "translate" if request.into_english else "transcribe"
            body["language"] = response.language or request.language or ""
            body["duration"] = response.duration_s or response.usage.input_audio_ms / 1000
            body["segments"] = list(response.segments or ())
            if response.words is not None:
                body["words"] = list(response.words)
        body |= response.extra or {}
        if response.usage.source == "provider":
            body["usage"] = _encode_usage(response.usage)
        return Whole(_json.encode(body))


def _plain(response: TranscribeResponse, form: str) -> str:
    if form == "text":
        return response.text + "\n"
    return (srt if form == "srt" else vtt)(response.segments or ())


def _events(response: TranscribeResponse) -> bytes:
    delta = _json.encode({"type": "transcript.text.delta", "delta": response.text})
    done = {"type": "transcript.text.done", "text": response.text, "usage": _encode_usage(response.usage)}
    return write_event(b"transcript.text.delta", delta) + write_event(
        b"transcript.text.done", _json.encode(done)
    )


def _encode_usage(usage: Usage) -> Json:
    """By length, or by token where the provider counts those."""
    if not usage.total_tokens:
        return {"type": "duration", "seconds": usage.input_audio_ms / 1000}
    return {
        "type": "tokens",
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": {
            "audio_tokens": usage.input_audio_tokens,
            "text_tokens": usage.total_input_tokens - usage.input_audio_tokens,
        },
    }


def _sound(files: Mapping[str, list[Media]]) -> Media:
    found = files.get("file", [])
    if len(found) != 1:
        raise invalid(f"`file` came {len(found)} times; send one sound file in the form.", "file")
    if not found[0].data:
        raise invalid("`file` is empty; send the sound itself.", "file")
    return found[0]


def _granularities(fields: Json) -> tuple[Granularity, ...]:
    given: Any = fields.pop("timestamp_granularities", None) or ()
    if isinstance(given, str):
        given = (given,)
    found: list[Granularity] = []
    for word in given:
        if word == "word" or word == "segment":
            found.append(word)
        else:
            name = "timestamp_granularities"
            raise invalid(f"`{name}` holds `{str(word)[:60]}`; use `word` and `segment`.", name)
    return tuple(found)
