"""Speech as OpenAI's callers ask for it, and as OpenAI's likes are asked for it: `audio/speech`.

Shapes: `openai.types.audio.speech_create_params` (SDK 3.54, read 2026-11-22). The answer is the sound itself,
its kind in `content-type`; there is no usage in it, so characters are counted here. With `stream_format: sse`
it comes as `speech.audio.delta` and `speech.audio.done` events, the last with usage.

Mistral (quirk `speech_base64`) wants `voice_id`, and gives `{"audio_data": base64}` (docs.mistral.ai,
"Quickstart: generate speech", read 2026-11-22).
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Envelope, PathTarget, ReplyContext, Target, Watched, Whole
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_chat.tasks.fields import sniffed
from passerelle.codecs.openai_chat.tasks.stream import EventWatcher
from passerelle.codecs.openai_reading import decode_object, left, need_text, take_number, take_text
from passerelle.codecs.sse import write_event
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Media, SpeakRequest, SpeakResponse
from passerelle.core.usage import Usage

_json = msgspec.json.Encoder()

MOST_CHARACTERS: Final = 100_000
"""OpenAI takes 4,096; others take more, and say themselves when it is too much."""
TOKENS_PER_CHARACTER: Final = 4
"""Above what any voice needs: speech runs at some 15 characters a second, and models at 20 to 50 tokens."""
TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class SpeechClient:
    """Obeys `TaskClientSide`."""

    dialect: Dialect = "openai_chat"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        asked = self.decode_request(body, target)
        characters = len(asked.text)
        return Envelope(
            operation="speak",
            model=asked.model,
            stream=asked.stream,
            text_bytes=len(body),
            likely=Usage(
                input_tokens=characters // 4 + 1,
                output_audio_tokens=characters * 14 // 10,
                input_characters=characters,
            ),
            most=Usage(
                input_characters=characters, output_audio_tokens=characters * TOKENS_PER_CHARACTER + 1_000
            ),
        )

    def decode_request(self, body: bytes, target: PathTarget) -> SpeakRequest:
        """The whole request. Raises `ProblemError`."""
        fields = decode_object(body)
        model = need_text(fields, "model", "")
        if not model:
            raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
        text = need_text(fields, "input", "")
        if not text.strip():
            raise invalid("`input` is empty; send the text to be read out.", "input")
        if len(text) > MOST_CHARACTERS:
            raise invalid(f"`input` has {len(text)} characters; send at most {MOST_CHARACTERS}.", "input")
        form = take_text(fields, "response_format")
        if form is not None and form not in TYPES:
            allowed = ", ".join(f"`{name}`" for name in TYPES)
            raise invalid(f"`response_format` is `{form[:60]}`; use one of {allowed}.", "response_format")
        speed = take_number(fields, "speed")
        if speed is not None and not 0.25 <= speed <= 4:
            raise invalid(f"`speed` is {speed:g}; it lies between 0.25 and 4.", "speed")
        streamed = take_text(fields, "stream_format")
        if streamed not in (None, "audio", "sse"):
            raise invalid(f"`stream_format` is `{streamed[:60]}`; use `audio` or `sse`.", "stream_format")
        return SpeakRequest(
            model=model,
            text=text,
            voice=_voice(fields),
            dialect="openai_chat",
            form=form,
            speed=speed,
            instructions=take_text(fields, "instructions"),
            stream=streamed == "sse",
            extra=left(fields),
        )

    def encode_response(self, response: SpeakResponse, request: SpeakRequest, context: ReplyContext) -> Whole:
        """The sound; as events when they were asked for."""
        sound = response.sound
        if request.form == "pcm" and sound.media_type == "audio/wav":
            sound = Media("audio/pcm", sound.data[sound.data.find(b"data") + 8 :])
        if not request.stream:
            return Whole(sound.data, sound.media_type or TYPES[request.form or "mp3"])
        usage = response.usage
        said = {
            "input_tokens": usage.total_input_tokens,
            "output_tokens": usage.total_output_tokens,
            "total_tokens": usage.total_tokens,
        }
        audio = binascii.b2a_base64(sound.data, newline=False).decode("ascii")
        delta = _json.encode({"type": "speech.audio.delta", "audio": audio})
        done = _json.encode({"type": "speech.audio.done", "usage": said})
        frames = write_event(b"speech.audio.delta", delta) + write_event(b"speech.audio.done", done)
        return Whole(frames, "text/event-stream")


class SpeechProvider:
    """Obeys `TaskProviderSide` and `StreamingTask`."""

    dialect: Dialect = "openai_chat"

    def encode_request(self, request: SpeakRequest, target: Target) -> Encoded:
        """The request, and at Mistral what it has no field for."""
        body: dict[str, Any] = {"model": target.model, "input": request.text}
        more: dict[str, Any] = {"response_format": request.form}
        rest = {"speed": request.speed, "instructions": request.instructions}
        dropped: tuple[str, ...] = ()
        if "speech_base64" in target.quirks:
            body["voice_id"] = request.voice
            dropped = tuple(name for name, value in rest.items() if value is not None)
        else:
            body["voice"] = request.voice
            more |= {**rest, "stream_format": "sse" if request.stream else None}
        body |= {name: value for name, value in more.items() if value is not None}
        if request.extra and request.dialect == self.dialect:
            body |= {name: value for name, value in request.extra.items() if name not in body}
        return Encoded(_json.encode(body), dropped)

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: it is read whole for its price in any case."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> SpeakResponse:
        """Raises `AnswerError` for anything that is no sound."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith("text/") or kind == "application/json" or (not kind and body[:1] == b"{"):
            within = _within(body)
            if within:
                return SpeakResponse(Media(sniffed(within) or "", within))
            parse_answer(body)
            raise AnswerError(f"the provider answered with `{kind[:60]}` in place of sound")
        if not body:
            raise AnswerError("the provider's sound is empty")
        return SpeakResponse(Media(kind if kind.startswith("audio/") else "", body))

    def watch_response(self, body: bytes) -> Watched:
        """What is said of sound is nothing."""
        return Watched()

    def stream_watcher(self, envelope: Envelope) -> EventWatcher:
        """Over with `speech.audio.done`."""
        return EventWatcher("speech.audio.done", 1, _stream_usage)


class _Within(msgspec.Struct):
    audio_data: str = ""


_within_decoder: Final = msgspec.json.Decoder(_Within)


def _within(body: bytes) -> bytes:
    """The sound that JSON holds as base64; empty when it holds none. Raises `AnswerError` for other text."""
    try:
        return binascii.a2b_base64(_within_decoder.decode(body).audio_data)
    except BAD_JSON:
        return b""
    except ValueError:
        raise AnswerError("the provider's sound is no base64") from None


class _Counted(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0


def _stream_usage(event: dict[str, Any]) -> Usage:
    try:
        said = msgspec.convert(event.get("usage") or {}, _Counted)
    except msgspec.ValidationError:
        said = _Counted()
    return Usage(input_tokens=max(0, said.input_tokens), output_audio_tokens=max(0, said.output_tokens))


def _voice(fields: dict[str, Any]) -> str:
    """A voice by name, or by its id in an object."""
    voice = fields.pop("voice", None)
    if isinstance(voice, dict):
        voice = voice.get("id")
    if not isinstance(voice, str) or not voice:
        raise invalid("`voice` is missing; name one of the model's voices.", "voice")
    return voice
