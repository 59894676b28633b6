"""Data URLs, and telling words from inline media."""

import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.codecs.media import (
    audio_format,
    audio_type,
    estimate_text_bytes,
    media_kind,
    parse_data_url,
    to_data_url,
)


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


@settings(deadline=None)
@given(st.sampled_from(["image/png", "application/pdf", "audio/wav"]), st.binary(max_size=64))
def test_a_written_data_url_reads_back(media_type: str, content: bytes) -> None:
    data = base64.b64encode(content).decode()
    assert parse_data_url(to_data_url(media_type, data)) == (media_type, data)


@settings(deadline=None)
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


def test_inline_media_is_left_out_of_the_words() -> None:
    words = b"tell me what you see " * 100
    media = base64.b64encode(os.urandom(60_000))
    body = b'{"messages":[{"text":"%b"},{"url":"data:image/png;base64,%b"}]}' % (words, media)
    assert len(words) <= estimate_text_bytes(body) <= len(words) + 100


def test_media_with_escaped_slashes_is_left_out_too() -> None:
    media = base64.b64encode(os.urandom(60_000)).replace(b"/", b"\\/")
    assert estimate_text_bytes(b'{"data":"%b"}' % media) < 100


def test_a_body_without_media_counts_whole() -> None:
    body = b'{"content":"' + b"word " * 2_000 + b'"}'
    assert estimate_text_bytes(body) == len(body)
    long_word = b'{"content":"' + b"a" * 2_000 + b'"}'
    assert estimate_text_bytes(long_word) == len(long_word)
