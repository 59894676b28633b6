"""Speech and transcripts through OpenAI's SDK."""

import base64
import io
from typing import Any

import openai
import pytest
from tests.contract.contract_world import World, upstream_model
from tests.contract.speak_openai import openai_client
from tests.upstream_openai import SAID, SOUND


def sound() -> Any:
    """A file to send."""
    file = io.BytesIO(SOUND)
    file.name = "avignon.mp3"
    return file


def test_a_text_is_read_out(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        found = client.audio.speech.with_raw_response.create(
            model="chat-says", input="Sur le pont", voice="alloy", instructions="softly", speed=1.25
        )
    assert found.content == SOUND
    assert found.headers["content-type"] == "audio/mpeg"
    (seen,) = world.seen()
    assert seen.path == "/v1/audio/speech"
    assert seen.body == {
        "model": "up-chat-says", "input": "Sur le pont", "voice": "alloy", "instructions": "softly",
        "speed": 1.25,
    }  # fmt: skip
    receipt = world.receipt(found.headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["usage"]["source"]) == ("speak", "estimated")


def test_letters_are_billed_by_the_letter(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        found = client.audio.speech.with_raw_response.create(
            model="chat-says-letters", input="é" * 1000, voice="alloy"
        )
    receipt = world.receipt(found.headers["x-passerelle-receipt"])
    assert receipt["usage"]["input_characters"] == 1000
    assert receipt["cost_nanos"] == 15_000_000


def test_speech_is_streamed_as_events_with_its_usage(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        asked = client.audio.speech.with_streaming_response.create(
            model="chat-says", input="Sur le pont", voice="alloy", stream_format="sse"
        )
        with asked as answer:
            frames = answer.read().decode()
            receipt_id = answer.headers["x-passerelle-receipt"]
    assert frames.count("event: speech.audio.delta") == 2
    assert frames.count("event: speech.audio.done") == 1
    receipt = world.receipt(receipt_id)
    assert receipt["usage"] == {"input_tokens": 9, "output_audio_tokens": 70}
    assert receipt["cost_nanos"] == 9 * 600 + 70 * 12_000


@pytest.mark.parametrize(("form", "kind"), [("wav", "audio/wav"), ("pcm", "audio/pcm"), (None, "audio/wav")])
def test_gemini_s_samples_are_given_a_form(world: World, form: Any, kind: str) -> None:
    more = {} if form is None else {"response_format": form}
    with openai_client(world.url, world.token) as client:
        found = client.audio.speech.with_raw_response.create(
            model="gem-says", input="Sur le pont", voice="Kore", **more
        )
    samples = base64.b64decode("AAABAAIAAwA=")
    assert found.headers["content-type"] == kind
    if form == "pcm":
        assert found.content == samples
    else:
        assert found.content[:4] + found.content[8:12] == b"RIFFWAVE"
        assert found.content.endswith(b"data\x08\0\0\0" + samples)
    (seen,) = world.seen()
    assert seen.path == f"/v1beta/models/{upstream_model('gem-says')}:generateContent"
    config = seen.body["generationConfig"]
    assert config["speechConfig"]["voiceConfig"] == {"prebuiltVoiceConfig": {"voiceName": "Kore"}}


def test_what_was_said_comes_with_its_tokens(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.audio.transcriptions.with_raw_response.create(
            model="chat-hears", file=sound(), language="fr", prompt="a song", temperature=0.5
        )
    found: Any = raw.parse()
    assert found.text == SAID
    assert (found.usage.type, found.usage.input_tokens, found.usage.output_tokens) == ("tokens", 30, 12)
    (seen,) = world.seen()
    assert seen.path == "/v1/audio/transcriptions"
    assert seen.body == {
        "model": "up-chat-hears", "response_format": "json", "language": "fr", "prompt": "a song",
        "temperature": "0.5", "file": ("avignon.mp3", "audio/mpeg", SOUND),
    }  # fmt: skip
    receipt = world.receipt(raw.headers["x-passerelle-receipt"])
    assert receipt["usage"] == {"input_tokens": 2, "input_audio_tokens": 28, "output_tokens": 12}
    assert receipt["cost_nanos"] == 2 * 2_500 + 28 * 6_000 + 12 * 10_000


SRT = """1
00:00:00,000 --> 00:00:02,250
Sur le pont d'Avignon,

2
00:00:02,250 --> 00:00:04,500
l'on y danse.
"""
VTT = """WEBVTT

00:00:00.000 --> 00:00:02.250
Sur le pont d'Avignon,

00:00:02.250 --> 00:00:04.500
l'on y danse.
"""


@pytest.mark.parametrize(("form", "expected"), [("text", SAID + "\n"), ("srt", SRT), ("vtt", VTT)])
def test_plain_forms_are_billed_by_the_hour_all_the_same(world: World, form: Any, expected: str) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.audio.transcriptions.with_raw_response.create(
            model="whisper-hears", file=sound(), response_format=form
        )
    assert raw.text == expected
    receipt = world.receipt(raw.headers["x-passerelle-receipt"])
    assert (receipt["usage"], receipt["cost_nanos"]) == ({"input_audio_ms": 4500}, 450_000)


def test_a_verbose_transcript_has_its_segments(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        found = client.audio.transcriptions.create(
            model="whisper-hears", file=sound(), response_format="verbose_json",
            timestamp_granularities=["segment", "word"],
        )  # fmt: skip
    assert (found.duration, found.language, found.text) == (4.5, "french", SAID)
    assert found.segments is not None
    assert [segment.end for segment in found.segments] == [2.25, 4.5]
    (seen,) = world.seen()
    assert seen.body["timestamp_granularities[]"] == ["segment", "word"]


def test_a_transcript_is_streamed(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        events: list[Any] = list(
            client.audio.transcriptions.create(model="chat-hears", file=sound(), stream=True)
        )
    kinds = ["transcript.text.delta", "transcript.text.delta", "transcript.text.done"]
    assert [event.type for event in events] == kinds
    assert events[-1].text == SAID
    assert events[-1].usage.total_tokens == 42


def test_what_was_said_is_translated_into_english(world: World) -> None:
    with (
        openai_client(world.url, world.token) as client,
        pytest.warns(DeprecationWarning, match="deprecated"),  # the SDK's own
    ):
        found = client.audio.translations.create(model="whisper-hears", file=sound())
    assert found.text == SAID
    (seen,) = world.seen()
    assert seen.path == "/v1/audio/translations"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"input": " "}, "input"),
        ({"voice": ""}, "voice"),
        ({"speed": 5}, "speed"),
        ({"model": "gem-plain"}, "model"),
    ],
)
def test_a_wrong_speech_is_refused_naming_the_field(world: World, more: Any, field: str) -> None:
    asked: dict[str, Any] = {"model": "chat-says", "input": "hello", "voice": "alloy", **more}
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(**asked)
    assert refused.value.param == field
    assert not world.seen()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"response_format": "mp3"}, "response_format"),
        ({"file": io.BytesIO(b"")}, "file"),
        ({"model": ""}, "model"),
    ],
)
def test_a_wrong_transcription_is_refused_naming_the_field(world: World, more: Any, field: str) -> None:
    asked: dict[str, Any] = {"model": "chat-hears", "file": sound(), **more}
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(**asked)
    assert refused.value.param == field
    assert not world.seen()
