"""Speech by Gemini's own models: `generateContent` that answers in sound.

From ai.google.dev/gemini-api/docs/speech-generation and `google-genai` 3.4.0 (`types.SpeechConfig`, read
2026-11-22): `responseModalities: ["AUDIO"]`, a voice by name; the answer is `audio/L16;rate=24000`, bare
samples of 16 bits in one channel.
"""

import binascii
import re
import struct
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.gemini.response import decode_response as decode_answer
from passerelle.core.errors import AnswerError
from passerelle.core.message import AudioPart, TextPart
from passerelle.core.request import Dialect
from passerelle.core.tasks import Media, SpeakRequest, SpeakResponse

_json = msgspec.json.Encoder()

_RATE: Final = re.compile(r"rate=(\d{4,6})")
_USUAL_RATE: Final = 24_000


class SpeechProvider:
    """Obeys `codecs.base.TaskProviderSide`. What comes is a WAV, or bare samples where `pcm` is asked for."""

    dialect: Dialect = "gemini"

    def encode_request(self, request: SpeakRequest, target: Target) -> Encoded:
        """How to read it stands in front of the text, as Gemini wants it said."""
        words = request.text if request.instructions is None else f"{request.instructions}: {request.text}"
        dropped = ["speed"] if request.speed is not None else []
        if request.form not in (None, "wav", "pcm"):
            dropped.append("response_format")
        dropped += request.extra or ()
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": request.voice}}}
        body: dict[str, Any] = {
            "contents": [{"role": "user", "parts": [{"text": words}]}],
            "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": voice},
        }
        return Encoded(_json.encode(body), tuple(dropped))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: callers of this dialect ask for speech in a conversation."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> SpeakResponse:
        """Raises `AnswerError`, also when words came in place of sound."""
        answer = decode_answer(body)
        sounds = [part for part in answer.parts if isinstance(part, AudioPart) and part.data]
        if not sounds:
            said = " ".join(part.text for part in answer.parts if isinstance(part, TextPart))
            raise AnswerError(f"the provider gave words in place of sound: {said[:200]}")
        try:
            samples = b"".join([binascii.a2b_base64(part.data or "") for part in sounds])
        except ValueError:
            raise AnswerError("the provider's sound is no base64") from None
        rate = _RATE.search(sounds[0].media_type or "")
        sound = Media("audio/wav", _wav(samples, int(rate[1]) if rate else _USUAL_RATE))
        usage = answer.usage
        if usage.source != "none" and not usage.output_audio_tokens:
            usage = msgspec.structs.replace(usage, output_tokens=0, output_audio_tokens=usage.output_tokens)
        return SpeakResponse(sound, answer.model, usage)

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)


def _wav(samples: bytes, rate: int) -> bytes:
    """Samples of 16 bits in one channel, with their RIFF head."""
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", len(body) + len(samples)) + body + samples
