"""Whatever breaks, and wherever: by `verified` a caller sees one whole answer or one honest error, and the
books know all of it.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.faultd import LAST_CHUNK, Close, Reset, Send, Step, chunk, chunked_head
from tests.gateway.door import DIALECTS, Answer, read_error, read_stream
from tests.gateway.duos import Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, error_frame, failing
from tests.gateway.stage import Stage, frames, stream_bytes
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

FAULTS = (
    "closed",
    "reset",
    "ended",
    "torn chunk",
    "no JSON",
    "error in the stream",
    "500",
    "429",
    "400",
    "none",
)
VERIFIED = {"x_passerelle_delivery": "verified"}
EXAMPLES = 20


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder = tmp_path_factory.mktemp("whatever")
    with theatre(folder, stage, duos=2 * EXAMPLES, firsts={"a": None}) as play:
        yield play
        play.balanced()


def _broken(dialect: Dialect, fault: str, place: float) -> list[Step]:
    """A stream that breaks after that share of its frames."""
    if fault.isdigit():
        return list(failing(int(fault), "never mind")(dialect))
    if fault == "none":
        return [Send(stream_bytes(dialect))]
    said = frames(dialect)
    begun = chunked_head() + b"".join(chunk(f) for f in said[: int(place * (len(said) - 1))])
    match fault:
        case "closed":
            return [Send(begun), Close()]
        case "reset":
            return [Send(begun), Reset()]
        case "ended":
            return [Send(begun + LAST_CHUNK)]
        case "torn chunk":
            return [Send(begun + b"80\r\ndata: {"), Close()]
        case "no JSON":
            return [Send(begun + chunk(b"data: {nope}\n\n") + LAST_CHUNK)]
        case _:
            return [Send(begun + chunk(error_frame(dialect)) + LAST_CHUNK)]


def _one_whole_or_one_error(dialect: Dialect, said: Answer) -> bool:
    """Whether it is a whole answer; anything but that or an error fails."""
    assert SECRET_WORDS.encode() not in said.body
    if said.status != 200:
        assert read_error(dialect, said).message
        return False
    heard = read_stream(dialect, said.body)
    assert heard.ended != (heard.error is not None)
    assert heard.text == (TEXT if heard.ended else "")
    return heard.ended


@given(
    dialect=st.sampled_from(DIALECTS),
    provider=st.sampled_from(DIALECTS),
    faults=st.tuples(*[st.tuples(st.sampled_from(FAULTS), st.floats(0, 1))] * 2),
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_is_one_whole_answer_or_one_honest_error(
    play: Theatre,
    dialect: Dialect,
    provider: Dialect,
    faults: tuple[tuple[str, float], tuple[str, float]],
) -> None:
    play.taken[provider, "a"] %= play.duos
    duo = play.duo(provider)
    for upstream, (fault, place) in zip((duo.first, duo.second), faults, strict=True):
        play.stage.script(upstream, *_broken(provider, fault, place))

    said = play.ask(dialect, duo, stream=True, **VERIFIED)

    whole = _one_whole_or_one_error(dialect, said)
    play.stage.clear(duo.first)
    play.stage.clear(duo.second)
    receipt = play.receipt(said)
    assert receipt["outcome"] == ("answered" if whole else "failed")
    assert [attempt["ok"] for attempt in receipt["attempts"]].count(True) == whole
    asked = [fault for fault, _ in faults]
    if "400" not in asked:  # the last place is tried again, and well then
        assert whole
