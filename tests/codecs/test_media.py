"""Data URLs and media types."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext
from passerelle.codecs.media import (
    audio_format,
    audio_type,
    in_words,
    media_kind,
    parse_data_url,
    to_data_url,
    true_type,
)
from passerelle.core.message import AudioPart, TextPart
from passerelle.core.request import Dialect
from passerelle.core.response import Response


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,AAAA", ("image/png", "AAAA")),
        ("DATA:Image/PNG;charset=x;BASE64,AAAA", ("image/png", "AAAA")),
        ("data:;base64,AAAA", ("text/plain", "AAAA")),
        ("data:,a%20b", ("text/plain", base64.b64encode(b"a b").decode())),
        ("data:text/csv,a,b", ("text/csv", base64.b64encode(b"a,b").decode())),
        ("data:image/png;base64", None),
        ("https://example.com/x.png", None),
        ("", None),
    ],
)
def test_a_data_url_is_its_media_type_and_base64(url: str, expected: tuple[str, str] | None) -> None:
    assert parse_data_url(url) == expected


@given(st.sampled_from(["image/png", "application/pdf", "audio/wav"]), st.binary(max_size=64))
def test_a_written_data_url_reads_back(media_type: str, content: bytes) -> None:
    data = base64.b64encode(content).decode()
    assert parse_data_url(to_data_url(media_type, data)) == (media_type, data)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(url: str) -> None:
    parse_data_url(url)
    parse_data_url("data:" + url)


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus", "pcm16", "aac"])
def test_audio_formats_have_a_type_and_back(format: str) -> None:
    assert audio_format(audio_type(format)) == format


def test_media_kinds_are_told_apart() -> None:
    kinds = [media_kind(t) for t in ("image/png", "audio/wav", "application/pdf", "text/csv", "x/y", None)]
    assert kinds == ["image", "audio", "pdf", "text", "other", "other"]


@pytest.mark.parametrize(
    ("said", "true"), [("image/jpg", "image/jpeg"), ("image/png", "image/png"), ("", "")]
)
def test_a_picture_goes_by_its_true_name(said: str, true: str) -> None:
    assert true_type(said) == true


def test_what_was_spoken_is_told_once_to_who_cannot_hear() -> None:
    sound = AudioPart("audio/wav", "AAAA", transcript="Hello.")
    assert in_words((sound,)) == (TextPart("Hello."),)
    assert in_words((TextPart("Hello. "), sound)) == (TextPart("Hello. "),)
    assert in_words((TextPart("Listen:"), sound)) == (TextPart("Listen:"), TextPart("Hello."))
    assert in_words((AudioPart("audio/wav", "AAAA"),)) == ()


@pytest.mark.parametrize("dialect", ["anthropic", "openai_responses", "bedrock"])
def test_a_spoken_answer_is_never_empty_where_nobody_hears(dialect: Dialect) -> None:
    client = registry.client(dialect)
    asked = registry.client("openai_chat").decode_request(
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', PathTarget("chat")
    )
    answer = Response((AudioPart("audio/wav", "AAAA", transcript="Hello."),), "stop", "m")
    said = client.encode_response(answer, ReplyContext("req_01TEST", "m", 1, request=asked))
    assert said.count(b'"Hello."') == 1
