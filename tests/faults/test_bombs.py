"""What is meant to fill the memory does not: the peak stays within 32 MiB of what is held at rest."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.faultd import Flood, Send, Step, chunk, chunked_head
from tests.faults.fault_catalogue import BY_NAME, nothing_said
from tests.faults.fault_readers import whole_text
from tests.faults.fault_scene import Scene
from tests.gateway.door import DIALECTS
from tests.gateway.duos import Theatre, theatre
from tests.gateway.stage import Stage
from tests.serving import children
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

MOST_BYTES = 32 << 20
ROOMY = "deadlines = { connect_s = 5, headers_s = 5, first_content_s = 1.2, between_s = 1.2, total_s = 15 }"


def _endless_piece(dialect: Dialect) -> Sequence[Step]:
    """One piece of the answer without end, as the dialect writes it."""
    begun = b"" if dialect == "bedrock" else b'data: {"choices": [{"delta": {"content": "'
    return [Send(chunked_head()), *([Send(chunk(begun))] if begun else []), Flood(chunk(b"a" * 65_536))]


BOMBS: dict[str, tuple[bool, Callable[[Dialect], Sequence[Step]]]] = {
    "a decompression bomb": (
        False,
        lambda d: BY_NAME["a decompression bomb"].steps(Scene(d, False, "before")),
    ),
    "a decompression bomb for a stream": (
        True,
        lambda d: BY_NAME["a decompression bomb"].steps(Scene(d, True, "before")),
    ),
    "a line without end": (True, _endless_piece),
    "lifecycle without end": (True, lambda d: [Send(chunked_head()), Flood(chunk(nothing_said(d)) * 400)]),
    "empty lines without end": (True, lambda _: [Send(chunked_head()), Flood(chunk(b"\n" * 65_536))]),
    "comments without end": (True, lambda _: [Send(chunked_head()), Flood(chunk(b": ping\n\n" * 9_000))]),
    "a body without end": (
        False,
        lambda _: [
            Send(chunked_head(content_type="application/json") + chunk(b'{"a": "')),
            Flood(chunk(b"a" * 65_536)),
        ],
    ),
    "a body of any size": (False, lambda d: BY_NAME["a body of any size"].steps(Scene(d, False, "before"))),
    "a head without end": (False, lambda _: [Send(b"HTTP/1.1 200 OK\r\nx: "), Flood(b"a" * 65_536)]),
}


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(tmp_path_factory.mktemp("bombs"), stage, duos=20, firsts={"a": None}, also=ROOMY) as play:
        yield play
        play.balanced()


def _memory(pid: int, field: str) -> int:
    """Bytes of `VmRSS` or `VmHWM` (proc(5)); the latter since it was last reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no {field}")


def _workers(play: Theatre) -> list[int]:
    pid = play.house.gateway.process.pid
    return children(pid) or [pid]


WAITS = ("lifecycle without end", "empty lines without end", "comments without end")
"""They end by a deadline: two dialects of two framings stand for all."""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_does_not_fill_the_memory(play: Theatre, bomb: str) -> None:
    stream, steps = BOMBS[bomb]
    for dialect in ("openai_chat", "bedrock") if bomb in WAITS else DIALECTS:
        duo = play.duo(dialect)
        assert play.ask(dialect, duo, stream=stream).status == 200
        rest = {pid: _memory(pid, "VmRSS") for pid in _workers(play)}
        for pid in rest:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak
        play.stage.script(duo.first, *steps(dialect))

        said = play.ask(dialect, duo, stream=stream)

        if (dialect, stream) != ("openai_chat", True):  # whose usage was not asked for
            assert whole_text(dialect, said, stream=stream) == TEXT
        assert said.headers["x-passerelle-attempts"] == "2"
        for pid, before in rest.items():
            grown = _memory(pid, "VmHWM") - before
            assert grown <= MOST_BYTES, f"{dialect}: {grown >> 20} MiB"
