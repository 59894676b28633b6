"""The events of one stream as they are written: numbered from 0, gathered until they are taken."""

import msgspec

from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.answer_out import Reply
from passerelle.codecs.sse import SseParser

_encoder = msgspec.json.Encoder()
_quote = _encoder.encode


class _Numbered(msgspec.Struct):
    """An event's number; servers that are not OpenAI's may leave it out."""

    sequence_number: int | None = None


_numbered = msgspec.json.Decoder(_Numbered)


def next_number(passed: bytes) -> int:
    """The number that follows the last one in `passed`, a piece of a stream that holds whole events."""
    for frame in reversed(SseParser().feed(passed)):
        try:
            number = _numbered.decode(frame.data).sequence_number
        except msgspec.DecodeError:
            continue  # `[DONE]`
        if number is not None:
            return number + 1
    return 0


class Log:
    """The events of one stream: numbered, and gathered until they are taken."""

    def __init__(self, reply: Reply, number: int = 0) -> None:
        """`number`: of the first event."""
        self.reply = reply
        self._events: list[bytes] = []
        self._number = number
        self._places = 0
        self._items: dict[int, bytes] = {}

    def take(self) -> bytes:
        """The bytes since the last time."""
        found = self._events
        if len(found) == 1:
            self._events = []
            return found[0]
        self._events = []
        return b"".join(found)

    def raw(self, name: str, fields: bytes) -> None:
        """An event whose fields are JSON already."""
        kind = name.encode()
        comma = b"," if fields else b""
        self._events.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d%b%b}\n\n'
            % (kind, kind, self._number, comma, fields)
        )
        self._number += 1

    def say(self, name: str, fields: Json) -> None:
        """An event."""
        self.raw(name, _encoder.encode(fields)[1:-1])

    def delta(self, head: bytes, words: str, tail: bytes) -> None:
        """An event of the hot path: `head` and `tail` were written when its item was announced."""
        self._events.append(b'%b%b,"sequence_number":%d%b}\n\n' % (head, _quote(words), self._number, tail))
        self._number += 1

    def place(self) -> int:
        """The next `output_index`."""
        self._places += 1
        return self._places - 1

    def added(self, at: int, item: Json) -> None:
        """An item is announced."""
        self.say("response.output_item.added", {"output_index": at, "item": item})

    def done(self, at: int, item: Json) -> None:
        """An item is whole."""
        self._items[at] = _encoder.encode(item)
        self.raw("response.output_item.done", b'"output_index":%d,"item":%b' % (at, self._items[at]))

    def left(self, at: int, item: Json) -> None:
        """An item that will never be whole, for the failed response's output."""
        self._items[at] = _encoder.encode(item)

    def output(self) -> bytes:
        """The items so far, as JSON joined by commas, in their places."""
        return b",".join([self._items[at] for at in sorted(self._items)])


def delta_head(name: str, at: int, item_id: str, index: str = "") -> bytes:
    """What comes before the words of a delta event. `index`: the field naming the content or summary."""
    place = f'"{index}":0,' if index else ""
    return (
        f'event: {name}\ndata: {{"type":"{name}","output_index":{at},"item_id":'.encode()
        + _quote(item_id)
        + f",{place}".encode()
        + b'"delta":'
    )
