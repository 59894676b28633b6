"""Multipart forms: a parser that is fed bytes cut anywhere, a whole form at once, and the writer.

The parser is strict where leniency has been abused (a boundary that is not there, endless heads, parts
without a name), and bounded in everything it holds. Grammar: RFC 7578 (form-data) and RFC 2046 §5.1
(multipart), read 2026-11-22; what clients do with file names: WHATWG HTML, "multipart/form-data encoding
algorithm" (`%22`, `%0D`, `%0A`), read 2026-11-22.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import unquote

import msgspec

from passerelle.core.errors import invalid

HEAD_BYTES = 8 << 10
"""Of one part's head."""
FIELD_BYTES = 64 << 10
"""Of one field that is no file."""
PARTS = 128
_CONTENT_TYPE = re.compile(rb"multipart/form-data\s*;", re.IGNORECASE)
_BOUNDARY = re.compile(
    rb';\s*boundary=(?:"([0-9A-Za-z\'()+_,./:=? -]{0,69}[0-9A-Za-z\'()+_,./:=?-])"'
    rb"|([0-9A-Za-z'()+_,./:=?-]{1,70}))\s*(?:;|\Z)",
    re.IGNORECASE,
)
_PARAMETER = re.compile(rb';\s*([a-zA-Z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))')


class FormError(Exception):
    """What came is no well-formed form; the message says why."""


class PartHead(msgspec.Struct, frozen=True):
    """What a part says of itself before its content."""

    name: str
    filename: str | None = None
    """Given for files only. A caller's word: never a path."""
    content_type: str = ""


class PartData(msgspec.Struct, frozen=True):
    """A piece of the content of the part begun last."""

    data: bytes


class PartEnd(msgspec.Struct, frozen=True):
    """That part is whole."""


Event = PartHead | PartData | PartEnd


class FormParser:
    """Feed it bytes; it gives what they complete. Raises `FormError`, and is then of no more use."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._held = b"\r\n"  # the first boundary has no line end before it
        self._state: Literal["before", "after_mark", "head", "content", "over"] = "before"
        self._parts = 0
        self._fresh = False
        """No content of this part was given yet: what is held begins with a line end that is not its own."""

    @property
    def over(self) -> bool:
        """The closing boundary was seen."""
        return self._state == "over"

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes."""
        self._held += data
        while True:
            state = self._state
            if state == "content":
                yield from self._content()
            elif state == "before":
                self._before()
            elif state == "after_mark":
                self._after_mark()
            elif state == "head":
                yield from self._head()
            else:
                self._held = b""  # what follows the closing boundary means nothing
            if self._state == state:
                return

    def _before(self) -> None:
        if len(self._held) >= len(self._mark):
            if not self._held.startswith(self._mark):
                raise FormError("it does not begin with the boundary its `content-type` names")
            self._held = self._held[len(self._mark) :]
            self._state = "after_mark"

    def _after_mark(self) -> None:
        held = self._held.lstrip(b" \t")
        if len(held) < 2:
            if len(self._held) > HEAD_BYTES:
                raise FormError("a boundary is followed by too much white space")
            return
        if held.startswith(b"--"):
            self._state = "over"
        elif held.startswith(b"\r\n"):
            self._parts += 1
            if self._parts > PARTS:
                raise FormError(f"it has more than {PARTS} parts")
            self._held = held
            self._state = "head"
        else:
            raise FormError("a boundary stands inside the content of a part")

    def _head(self) -> Iterator[Event]:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > HEAD_BYTES:
                raise FormError(f"the head of a part is larger than {HEAD_BYTES} bytes")
            return
        if end > HEAD_BYTES:
            raise FormError(f"the head of a part is larger than {HEAD_BYTES} bytes")
        head = _part_head(self._held[:end])
        self._held = b"\r\n" + self._held[end + 4 :]  # an empty part's boundary follows at once
        self._fresh = True
        self._state = "content"
        yield head

    def _content(self) -> Iterator[Event]:
        # The line end in front was put there by `_head`, so that a boundary right after the head is found.
        lead = 2 if self._fresh else 0
        at = self._held.find(self._mark)
        if at >= 0:
            content, self._held = self._held[lead:at], self._held[at + len(self._mark) :]
            self._state = "after_mark"
            if content:
                yield PartData(content)
            yield PartEnd()
            return
        sure = len(self._held) - len(self._mark) + 1  # the rest may be the beginning of a boundary
        if sure > lead:
            content, self._held = self._held[lead:sure], self._held[sure:]
            self._fresh = False
            yield PartData(content)


class Upload(msgspec.Struct, frozen=True):
    """A file part held in memory."""

    head: PartHead
    data: bytes


class Form(msgspec.Struct, frozen=True):
    """A form held in memory."""

    fields: tuple[tuple[str, str], ...]
    """What is no file, in its order."""
    uploads: tuple[Upload, ...]


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form."""
    return _CONTENT_TYPE.match(content_type.encode("latin-1", "replace")) is not None


def boundary_in(content_type: str) -> bytes:
    """The boundary that a `content-type` names. Raises `ProblemError`."""
    said = content_type.encode("latin-1", "replace")
    found = _BOUNDARY.search(said) if _CONTENT_TYPE.match(said) else None
    if found is None:
        raise invalid(
            "`content-type` must be `multipart/form-data` with a `boundary`; send the file as a form.",
            param="content-type",
        )
    return found[1] or found[2]


def read_form(body: bytes, content_type: str) -> Form:
    """All of a form. Raises `ProblemError`."""
    parser = FormParser(boundary_in(content_type))
    fields: list[tuple[str, str]] = []
    uploads: list[Upload] = []
    head, content = PartHead(""), bytearray()
    try:
        for event in parser.feed(body):
            match event:
                case PartHead():
                    head, content = event, bytearray()
                case PartData(data):
                    content += data
                    if head.filename is None and len(content) > FIELD_BYTES:
                        raise FormError(f"the field `{head.name[:60]}` is larger than {FIELD_BYTES} bytes")
                case PartEnd() if head.filename is None:
                    fields.append((head.name, content.decode()))
                case PartEnd():
                    uploads.append(Upload(head, bytes(content)))
        if not parser.over:
            raise FormError("it ends before its closing boundary")
    except (FormError, UnicodeDecodeError) as error:
        said = error if isinstance(error, FormError) else "a field is not UTF-8"
        raise invalid(f"The body is no well-formed `multipart/form-data`: {said}; send it anew.") from error
    return Form(tuple(fields), tuple(uploads))


def write_form(fields: Iterable[tuple[str, str]], uploads: Iterable[Upload]) -> tuple[bytes, str]:
    """A form's body and content type. Equal forms have equal bytes."""
    parts: list[tuple[bytes, bytes]] = [
        (b'content-disposition: form-data; name="%b"' % _escaped(name), value.encode())
        for name, value in fields
    ]
    for upload in uploads:
        head = b'content-disposition: form-data; name="%b"; filename="%b"\r\ncontent-type: %b' % (
            _escaped(upload.head.name),
            _escaped(upload.head.filename or "file"),
            (upload.head.content_type or "application/octet-stream").encode("ascii", "replace"),
        )
        parts.append((head, upload.data))
    digest = hashlib.sha256()
    for head, content in parts:
        digest.update(b"%b\0%d\0%b" % (head, len(content), content))
    mark = b"passerelle-" + digest.hexdigest()[:40].encode()
    pieces = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (mark, head, content) for head, content in parts]
    pieces.append(b"--%b--\r\n" % mark)
    return b"".join(pieces), f"multipart/form-data; boundary={mark.decode()}"


def _escaped(text: str) -> bytes:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").encode()


def _part_head(head: bytes) -> PartHead:
    disposition = content_type = b""
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or b"\0" in value or b"\n" in value:
            raise FormError("the head of a part has a malformed line")
        match name.lower():
            case b"content-disposition":
                if disposition:
                    raise FormError("a part has two `content-disposition` lines")
                disposition = value.strip()
            case b"content-type":
                content_type = value.strip()
            case b"content-transfer-encoding":
                if value.strip().lower() not in (b"binary", b"8bit", b"7bit"):
                    raise FormError("a part has a `content-transfer-encoding`, which forms have not")
    kind, _, _ = disposition.partition(b";")
    if kind.strip().lower() != b"form-data":
        raise FormError("a part is not `form-data`")
    said = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(disposition)}
    if not said.get(b"name"):
        raise FormError("a part has no `name`")
    return PartHead(_text(said[b"name"]), _filename(said), content_type.decode("latin-1")[:255])


def _filename(said: dict[bytes, bytes]) -> str | None:
    extended = said.get(b"filename*")  # RFC 5987; RFC 7578 forbids it, some clients send it
    if extended is not None and extended.lower().startswith(b"utf-8''"):
        return unquote(extended[7:].decode("latin-1"), errors="replace")
    plain = said.get(b"filename")
    return None if plain is None else _text(plain)


def _text(value: bytes) -> str:
    text = re.sub(rb'\\(["\\])', rb"\1", value).decode("utf-8", "replace")
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
