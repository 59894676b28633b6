"""The text of an API key."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.mac import Mac
from passerelle.store import token

PUBLIC, TEXT = token.issue("live", os.urandom)


def test_an_issued_token_has_the_documented_shape_and_parses() -> None:
    assert re.fullmatch(r"psk_live_[0-9a-z]{12}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", TEXT)
    parsed = token.parse(TEXT)
    assert parsed is not None
    assert (parsed.env, parsed.id, len(parsed.secret)) == ("live", PUBLIC, 43)


@given(st.binary(min_size=40, max_size=40))
def test_every_entropy_gives_a_token_that_parses_to_its_parts(entropy: bytes) -> None:
    source = iter([entropy[:8], entropy[8:]])
    public, text = token.issue("test", lambda n: next(source)[:n])
    parsed = token.parse(text)
    assert parsed is not None
    assert parsed.id == public
    assert parsed.env == "test"


def test_different_secrets_have_different_texts() -> None:
    """43 base-62 digits hold 32 bytes without loss."""
    assert 62**token.SECRET_LENGTH > 2**256
    assert 62**token.CHECKSUM_LENGTH > 2**32


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii"))
def test_any_changed_character_is_refused(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    assert changed == TEXT or token.parse(changed) is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", TEXT + "\n", "\n" + TEXT, TEXT + " ", TEXT.upper(), TEXT[:-1], TEXT + "A", "Bearer " + TEXT,
        TEXT.replace("live", "prod"), "psk_", "psk_live_", "null", "undefined", "None", "0" * len(TEXT),
        TEXT.replace("_", "-"), TEXT + "\0", "\u0660" * len(TEXT), TEXT[:-6] + "000000", "sk-" + "a" * 48,
    ],
    ids=lambda text: f"{len(text)}-characters",  # random tokens: each worker must name the cases alike
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    assert token.parse(text) is None


@given(st.text(max_size=200))
def test_no_text_makes_parsing_fail(text: str) -> None:
    assert token.parse(text) is None


def test_a_parsed_token_does_not_show_its_secret() -> None:
    parsed = token.parse(TEXT)
    assert parsed is not None
    assert parsed.secret not in repr(parsed)


def test_the_digest_depends_on_pepper_and_secret() -> None:
    assert token.digest(Mac(b"p" * 32), "a") != token.digest(Mac(b"q" * 32), "a")
    assert token.digest(Mac(b"q" * 32), "a") != token.digest(Mac(b"q" * 32), "b")
