"""By `verified`, the caller sees exactly one whole answer or one honest error, whatever breaks where."""

import random
import string
from collections.abc import Iterator, Sequence

import pytest
from tests.faultd import LAST_CHUNK, Close, Reset, Send, Step, chunk
from tests.gateway.door import DIALECTS, Answer, read_error, read_stream, status_of
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, cut_after, error_frame, failing, opened
from tests.gateway.stage import Stage, frames
from tests.upstream_answers import PIECES, TEXT
from tests.upstream_bedrock import frame as bedrock_frame

from passerelle.core.request import Dialect

ALSO = "[delivery]\nmax_held_bytes = 65536"
VERIFIED = {"x_passerelle_delivery": "verified"}


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(
        tmp_path_factory.mktemp("verified"), stage, duos=80, firsts={"a": None}, before=ALSO
    ) as play:
        yield play
        play.balanced()


def _ask(play: Theatre, dialect: Dialect, duo: Duo, *, stream: bool = True, **headers: str) -> Answer:
    return play.ask(dialect, duo, stream=stream, **VERIFIED, **headers)


FAULTS: dict[str, Sequence[Step] | None] = {
    "closed": [Close()],
    "reset": [Reset()],
    "closed in a chunk": [Send(b"80\r\ndata: {"), Close()],
    "ended too soon": [Send(LAST_CHUNK)],
    "no JSON": [Send(chunk(b"data: {nope}\n\n") + LAST_CHUNK)],
    "an error in the stream": None,
}


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_breaks_after_content_is_taken_over_unseen(
    play: Theatre, dialect: Dialect, provider: Dialect, fault: str
) -> None:
    duo = play.duo(provider)
    steps = FAULTS[fault] or [Send(chunk(error_frame(provider)) + LAST_CHUNK)]
    play.stage.script(duo.first, *cut_after(provider, 2, *steps))

    said = _ask(play, dialect, duo)

    assert said.status == 200
    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    assert SECRET_WORDS.encode() not in said.body
    assert said.headers["x-passerelle-attempts"] == "2"
    assert said.headers["x-passerelle-deployment"] == duo.places[1]
    assert said.headers["x-passerelle-cost"]
    receipt = play.receipt(said)
    assert (receipt["outcome"], receipt["delivery"]) == ("answered", "verified")
    broken, whole = receipt["attempts"]
    assert (broken["deployment"], whole["deployment"]) == duo.places
    assert (broken["ok"], whole["ok"]) == (False, True)
    assert broken["cost_nanos"] > 0
    assert broken["first_content_ns"] > 0


@pytest.mark.parametrize("fault", ["no JSON", "an error in the stream"])
@pytest.mark.parametrize("provider", DIALECTS)
def test_content_that_comes_along_with_its_failure_is_content_still(
    play: Theatre, provider: Dialect, fault: str
) -> None:
    duo = play.duo(provider)
    steps = FAULTS[fault] or [Send(chunk(error_frame(provider)) + LAST_CHUNK)]
    sent = b"".join(step.data for step in cut_after(provider, 2, *steps) if isinstance(step, Send))
    play.stage.script(duo.first, Send(sent))

    said = _ask(play, provider, duo)

    heard = read_stream(provider, said.body)
    assert (said.status, heard.text, heard.ended, heard.error) == (200, TEXT, True, None)
    broken, _ = play.receipt(said)["attempts"]
    assert not broken["ok"]
    assert broken["cost_nanos"] > 0
    assert broken["first_content_ns"] > 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_that_comes_soon_has_its_own_status_though_content_came_before(
    play: Theatre, dialect: Dialect
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *cut_after(dialect, 2, Close()))
    play.stage.script(duo.second, *failing(400, "a bad schema")(dialect))

    said = _ask(play, dialect, duo)

    assert said.status == 400
    assert "a bad schema" in read_error(dialect, said).message
    receipt = play.receipt(said)
    assert receipt["outcome"] == "failed"
    assert "model" not in receipt
    assert len(receipt["attempts"]) == 2


def _saying(dialect: Dialect, words: str) -> bytes:
    """A whole stream that says `words` first."""
    said = frames(dialect)
    if dialect == "bedrock":
        said[1] = bedrock_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": words}})
    else:
        said = [frame.replace(PIECES[0].encode(), words.encode()) for frame in said]
    return opened(*said) + LAST_CHUNK


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_long_answer_is_held_packed(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    words = "the same words again " * 5_000
    play.stage.script(duo.first, Send(_saying(dialect, words)))

    said = _ask(play, dialect, duo)

    assert read_stream(dialect, said.body).text == TEXT.replace(PIECES[0], words)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_more_than_may_be_held_back_is_an_honest_error(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    noise = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=300_000))
    play.stage.script(duo.first, Send(_saying(dialect, noise)))

    said = _ask(play, dialect, duo)

    assert said.status == status_of(dialect, 502)
    assert "x-passerelle-delivery" in read_error(dialect, said).message
    receipt = play.receipt(said)
    assert [a["failure"] for a in receipt["attempts"]] == ["oversized"]
