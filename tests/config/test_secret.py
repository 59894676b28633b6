"""Secrets: named in settings, never shown."""

import copy
import json
import pickle
import traceback
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.config.secret import Secret, SecretError, SecretRef, looks_like_secret

VALUE = "canary-7f3a9c"


@pytest.mark.parametrize("show", [repr, str, format, lambda s: f"{s}", lambda s: f"{s!r:>40}"])
def test_a_secret_does_not_show_in_text(show: object) -> None:
    assert VALUE not in show(Secret(VALUE))  # type: ignore[operator]


@pytest.mark.parametrize(
    "carry", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode, msgspec.msgpack.encode]
)
def test_a_secret_cannot_be_serialised_or_copied(carry: object) -> None:
    with pytest.raises(TypeError) as raised:
        carry(Secret(VALUE))  # type: ignore[operator]
    assert VALUE not in str(raised.value)


def test_a_secret_may_not_be_a_key_because_keys_get_logged() -> None:
    with pytest.raises(TypeError):
        {Secret(VALUE): 1}


def test_equal_secrets_are_equal_and_reveal_gives_them() -> None:
    assert Secret(VALUE) == Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE).reveal() == VALUE


def test_an_environment_reference_reads_the_environment_it_is_given() -> None:
    assert SecretRef.parse("env:A_KEY").resolve({"A_KEY": f"  {VALUE}\n"}).reveal() == VALUE


def test_a_file_reference_sees_a_rotated_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    reference = SecretRef.parse(f"file:{file}")
    for value in ("first", "second"):
        file.write_text(value + "\n")
        assert reference.resolve({}).reveal() == value


@pytest.mark.parametrize("content", [b"", b"  \n", b"two\nlines", b"\xff\xfe", b"x" * 70_000, b"a\x00b"])
def test_a_file_that_holds_no_single_secret_is_refused_without_its_content(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SecretError) as raised:
        SecretRef("file", str(file)).resolve({})
    shown = "".join(traceback.format_exception(raised.value))
    assert "lines" not in raised.value.message.replace("line breaks", "")
    assert "two\nlines" not in shown


def test_a_missing_variable_and_a_missing_file_say_the_next_step(tmp_path: Path) -> None:
    for reference in (SecretRef("env", "NOT_THERE"), SecretRef("file", str(tmp_path / "none"))):
        with pytest.raises(SecretError) as raised:
            reference.resolve({})
        assert raised.value.next_step


@pytest.mark.parametrize(
    "text", ["sk-abc", "env:", "env:A B", "env:1A", "file:relative", "file:", "", "vault:x"]
)
def test_what_is_no_reference_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the words are checked below
        SecretRef.parse(text)
    assert text == "" or text not in str(raised.value) or text in ("env:", "file:")


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghijklmnop1234",
        "sk-ant-api03-abcdefghijklmnop",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "gsk_abcdefghijklmnop1234",
        "xai-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwx",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "Bearer abcdefghijklmnop",
        "postgresql://user:hunter2@db/x",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_pasted_secrets_are_recognised(text: str) -> None:
    assert looks_like_secret(text)
    assert looks_like_secret(f"prefix {text}")


@pytest.mark.parametrize(
    "text",
    [
        "gpt-6.1-sol", "claude-opus-4-5-20251101", "https://api.openai.com/v1", "sk-small", "env:SK_LIVE_KEY",
        "global.anthropic.claude-haiku-4-5-20251001-v1:0", "accounts/fireworks/models/deepseek-v4p1-flash",
        "postgresql://user@db/x", "http://localhost:8000/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ],
)  # fmt: skip
def test_ordinary_values_are_not_taken_for_secrets(text: str) -> None:
    assert looks_like_secret(text) is None


@given(st.text(max_size=200))
def test_looking_for_secrets_never_raises(text: str) -> None:
    looks_like_secret(text)
