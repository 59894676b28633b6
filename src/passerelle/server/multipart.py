"""Multipart forms, as they stream in: fields are kept, files go to wherever the route sends them.

    form = await read_form(arrival, open_file, most_bytes=…)     a file goes to the sink `open_file` gives

For uploads that must not be held in memory. The parser is `codecs.multipart`'s, which also reads small forms
whole.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from passerelle.codecs.multipart import (
    FIELD_BYTES,
    FormError,
    FormParser,
    PartData,
    PartEnd,
    PartHead,
    boundary_in,
)
from passerelle.core.errors import invalid
from passerelle.server.body import BODY_SETTING, pieces_of
from passerelle.server.route import Arrival


class Sink(Protocol):
    """Where a file part goes."""

    async def write(self, data: bytes) -> None:
        """A piece of it, in order."""
        ...


class Form(msgspec.Struct, frozen=True):
    """The fields of a form that are no files, in their order."""

    fields: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str | None:
        """The only value of a field, or None. Raises `ProblemError` when it came twice."""
        found = [value for key, value in self.fields if key == name]
        if len(found) > 1:
            raise invalid(f"`{name}` was sent {len(found)} times; send it once.", param=name)
        return found[0] if found else None


OpenFile = Callable[[PartHead], Awaitable[Sink]]


async def read_form(
    arrival: Arrival, open_file: OpenFile, *, most_bytes: int, setting: str = BODY_SETTING
) -> Form:
    """The form's fields; each file part goes to the sink that `open_file` gives for it. `setting` is what
    bounds the body, for whoever may have it raised.

    Raises `ProblemError` (`invalid_request`, `too_large`), `CallerGone`, and whatever a sink raises.
    """
    content_type = arrival.headers.get(b"content-type", b"").decode("latin-1")
    parser = FormParser(boundary_in(content_type))
    fields: list[tuple[str, str]] = []
    head: PartHead | None = None
    value = bytearray()
    sink: Sink | None = None
    try:
        async for piece in pieces_of(arrival, most_bytes, setting):
            for event in parser.feed(piece):
                match event:
                    case PartHead():
                        head, value = event, bytearray()
                        sink = None if event.filename is None else await open_file(event)
                    case PartData(data) if sink is not None:
                        await sink.write(data)
                    case PartData(data):
                        value += data
                        if len(value) > FIELD_BYTES:
                            raise FormError(f"a field is larger than {FIELD_BYTES} bytes")
                    case PartEnd():
                        if sink is None and head is not None:
                            fields.append((head.name, value.decode("utf-8", "strict")))
        if not parser.over:
            raise FormError("it ends before its closing boundary")
    except (FormError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, FormError) else "a field is not UTF-8"
        raise invalid(f"The body is no well-formed `multipart/form-data`: {said}; send it anew.") from error
    return Form(tuple(fields))
