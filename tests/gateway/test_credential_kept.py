"""A provider that repeats the credential it was shown: nobody is told it, and nothing keeps it."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from tests.faultd import Send
from tests.gateway.door import DIALECTS, asked
from tests.gateway.faulty import error_frame, failing, opened
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage, frames, short

from passerelle.core.request import Dialect
from passerelle.providers.failures import hiding, sanitise

KEY = "tr0ub4dor+3/correct=horse"
"""In no shape that a known provider's keys have."""
SPELT: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in capitals": str.upper,
    "in a URL": lambda key: quote(key, safe=""),
    "in hex": lambda key: key.encode().hex(),
    "in base64": lambda key: base64.b64encode(key.encode()).decode(),
    "in base64 for URLs": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "after a user's name": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "between others": lambda key: base64.b64encode(f"ab{key}ab".encode()).decode(),
}


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"m-{short(dialect)}", short(dialect))
    with running(
        tmp_path_factory.mktemp("kept"), catalogue.text, **{**ENV, "STAGE_CREDENTIAL": KEY}
    ) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


def traces(text: str) -> list[str]:
    """How the key can be found in a text."""
    low = text.lower()
    forms = [KEY.lower(), quote(KEY, safe="").lower(), binascii.hexlify(KEY.encode()).decode()]
    return [form for form in forms if form in low]


@pytest.mark.parametrize("status", [400, 401, 429, 503])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_that_repeats_the_credential_is_told_and_kept_without_it(
    house: House, stage: Stage, caller: Caller, dialect: Dialect, status: int
) -> None:
    name = short(dialect)
    steps = failing(status, f"the key {KEY} is not for this")(dialect)
    for _ in range(3):
        stage.script(f"m-{name}.{name}", *steps)
    said = caller.door.send(asked(dialect, f"m-{name}"))
    stage.clear(f"m-{name}.{name}")

    receipt = house.receipt(caller, said)
    assert receipt["attempts"][0]["failure"]
    assert "the key [removed] is not for this" in json.dumps(receipt)
    assert traces(said.body.decode()) == []
    assert traces(json.dumps(receipt)) == []
    assert traces("".join(house.gateway.log)) == []


@pytest.mark.parametrize("after", ["nothing", "content"])
def test_a_stream_that_fails_with_the_credential_is_told_without_it(
    house: House, stage: Stage, caller: Caller, after: str
) -> None:
    error = error_frame("openai_chat").replace(b'"message": "', f'"message": "bad {KEY} '.encode())
    assert KEY.encode() in error
    before = frames("openai_chat")[:3] if after == "content" else []
    for _ in range(3):
        stage.script("m-chat.chat", Send(opened(*before, error) + b"0\r\n\r\n"))
    said = caller.door.send(asked("openai_chat", "m-chat", stream=True))
    stage.clear("m-chat.chat")

    receipt = house.receipt(caller, said)
    assert "[removed]" in json.dumps(receipt)
    assert traces(said.body.decode() + json.dumps(receipt)) == []


@pytest.mark.parametrize("spelling", SPELT)
def test_the_credential_is_found_however_it_is_spelt(spelling: str) -> None:
    hidden = hiding((KEY,))
    words = sanitise(f"no: {SPELT[spelling](KEY)} is refused", hidden=hidden)

    assert "[removed]" in words
    assert len(words) < len("no: [removed] is refused") + 12  # at most what stood beside it is left


def test_a_cut_leaves_no_piece_of_it() -> None:
    words = sanitise("x" * 590 + KEY * 100, hidden=hiding((KEY,)))

    assert KEY[:6] not in words


def test_a_short_word_in_the_place_of_a_key_hides_nothing() -> None:
    assert hiding(("EMPTY", "x")) is None
