"""What every decoder owes for any bytes: an end, soon, of a bounded size, and the same for any pieces."""

import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.usage import BUCKETS, Usage

SAME_BYTES = 64 << 10
"""What an output may have beside what its input caused."""
GROWTH = 24
"""How many bytes of output a byte of input may cause: `\\u0000` is six, and names are said anew."""


def pieces(data: bytes) -> Iterator[list[bytes]]:
    """`data` in a few ways of being cut, which depend on nothing but `data`."""
    dice = random.Random(zlib.crc32(data))
    for cuts in (1, 4, 12):
        at = sorted(dice.randrange(len(data) + 1) for _ in range(cuts))
        yield [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]
    if len(data) < 300:
        yield [data[i : i + 1] for i in range(len(data))]


def _integer(digits: str) -> int | float:
    """A whole number of any length: JSON has no limit, and Python reads 4,300 digits."""
    return int(digits) if len(digits) < 4_000 else float(digits)


def check_json(body: bytes, asked: bytes, *, growth: int = GROWTH) -> Any:
    """`body` is JSON, in UTF-8, and no larger than `asked` explains."""
    check_size(body, asked, growth=growth)
    try:
        return msgspec.json.decode(body.decode())
    except msgspec.ValidationError:  # a number beyond all floats, which is JSON, and the caller's own
        return json.loads(body, parse_int=_integer)


def check_size(said: bytes, asked: bytes, *, growth: int = GROWTH) -> None:
    assert len(said) <= SAME_BYTES + growth * len(asked), f"{len(asked)} bytes became {len(said)}"


def check_words(message: str) -> None:
    """Words for a log and a caller: nothing that moves a cursor."""
    assert message.isprintable(), message


def check_usage(usage: Usage) -> None:
    for bucket in BUCKETS:
        count = getattr(usage, bucket)
        assert type(count) is int, f"`{bucket}` is {count!r}"
        assert count >= 0, f"`{bucket}` is {count}"


def check_events(events: list[Event]) -> None:
    """The grammar of `core/event.py`."""
    begun: set[int] = set()
    ended: set[int] = set()
    started = over = False
    for event in events:
        assert not over, f"{event} follows the end"
        if not isinstance(event, Failed):
            assert started or isinstance(event, Started), f"{event} stands before `Started`"
        match event:
            case Started():
                assert not started, "it starts twice"
                started = True
                if event.usage is not None:
                    check_usage(event.usage)
            case PartStarted(index):
                assert index == len(begun), f"part {index} begins after {len(begun)} others"
                begun.add(index)
            case PartDelta(index):
                assert index in begun, f"part {index} grows before it begins"
                assert index not in ended, f"part {index} grows after its end"
            case PartEnded(index):
                assert index in begun, f"part {index} ends before it begins"
                assert index not in ended, f"part {index} ends twice"
                ended.add(index)
            case UsageReported(usage):
                check_usage(usage)
            case Finished():
                assert begun == ended, f"parts {begun - ended} never end"
                over = True
            case Failed():
                over = True
