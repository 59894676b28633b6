"""The elements of one array of a large body, each as its own bytes, as the body comes.

    {"requests": [ELEMENT, ELEMENT, …], …}      the array is a field of the outermost object

Feed it pieces cut anywhere. What is held is one element. It finds where elements begin and end and leaves to
whoever decodes them whether they are well formed; what stands beside the array is passed over.
"""

import re
from typing import Final

import msgspec

from passerelle.codecs.fields import BAD_JSON

_MARKS: Final = re.compile(rb'["{}\[\],:]')
_IN_TEXT: Final = re.compile(rb'["\\]')
_CLOSES: Final = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _COMMA, _COLON, _OBJECT, _ARRAY, _END = b'",:{[]'
_ENDS: Final = (_COMMA, _END)
_DEEPEST: Final = 512


class ElementsError(Exception):
    """The body is no object as it should be; says why."""


class Elements:
    """Takes one body apart."""

    def __init__(self, name: str, longest: int) -> None:
        """`name`: the array's. `longest`: of an element, in bytes."""
        self.found = False
        """The array has begun."""
        self._name = name
        self._longest = longest
        self._open: list[int] = []
        """What will close the objects and arrays that are open."""
        self._over = False
        self._in_text = False
        self._escaped = False
        self._field = ""
        self._within = False
        """In the array."""
        self._first = True
        """No element of it has come yet."""
        self._gathering = False
        """What comes is kept: the name of a field, or an element."""
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The elements that are whole by now. Raises `ElementsError`."""
        ended: list[bytes] = []
        begun = at = 0
        if self._escaped and data:
            self._escaped, at = False, 1
        while at < len(data):
            if self._in_text:
                at = self._through_text(data, at)
                continue
            mark = _MARKS.search(data, at)
            if mark is None:
                break
            start, at = mark.span()
            sign = data[start]
            if sign == _QUOTE:
                self._in_text = True
            elif len(self._open) == 1:
                self._in_object(sign, data[begun:start])
                begun = at
            elif self._within and len(self._open) == 2 and sign in _ENDS:
                ended += self._element(sign, data[begun:start])
                begun = at
            elif self._open:
                self._nested(sign)
            else:
                self._begin(sign)
                begun = at
        if self._gathering:
            self._gather(data[begun:])
        return ended

    def finish(self) -> None:
        """There is no more. Raises `ElementsError` when it is not whole."""
        if not self._over:
            raise ElementsError("it ends before its end")

    def _through_text(self, data: bytes, at: int) -> int:
        mark = _IN_TEXT.search(data, at)
        if mark is None:
            return len(data)
        if data[mark.start()] == _QUOTE:
            self._in_text = False
            return mark.end()
        self._escaped = mark.end() == len(data)
        return mark.end() + (not self._escaped)

    def _begin(self, sign: int) -> None:
        if self._over or sign != _OBJECT:
            raise ElementsError("it is no object")
        self._open.append(_CLOSES[sign])
        self._gathering = True

    def _in_object(self, sign: int, text: bytes) -> None:
        """Between the fields of the outermost object."""
        if sign == _COLON:
            self._field = self._named(self._taken(text))
        elif sign == _COMMA:
            self._held, self._size = [], 0
            self._field, self._gathering = "", True
        elif sign in _CLOSES:
            if self._gathering:
                raise ElementsError("a field has no name")
            if self._field == self._name:
                if sign != _ARRAY or self.found:
                    raise ElementsError(f"`{self._name}` must be one array")
                self.found = self._within = self._gathering = True
            self._open.append(_CLOSES[sign])
        else:
            self._close(sign)
            self._over, self._gathering = True, False

    def _element(self, sign: int, text: bytes) -> list[bytes]:
        """At the end of an element."""
        whole = self._taken(text).strip()
        alone = self._first and sign != _COMMA
        self._first = False
        if sign == _COMMA:
            self._gathering = True
        else:
            self._close(sign)
            self._within = False
        if not whole and not alone:
            raise ElementsError("there is nothing between two commas")
        return [whole] if whole else []

    def _nested(self, sign: int) -> None:
        if sign in _CLOSES:
            if len(self._open) >= _DEEPEST:
                raise ElementsError("it is nested too deeply")
            self._open.append(_CLOSES[sign])
        elif sign not in (_COMMA, _COLON):
            self._close(sign)

    def _close(self, sign: int) -> None:
        if self._open.pop() != sign:
            raise ElementsError("its brackets do not match")

    def _named(self, text: bytes) -> str:
        try:
            return msgspec.json.decode(text, type=str)
        except BAD_JSON as error:
            raise ElementsError("the name of a field is no text") from error

    def _gather(self, text: bytes) -> None:
        self._size += len(text)
        if self._size > self._longest:
            raise ElementsError(f"one of `{self._name}` is larger than {self._longest} bytes")
        self._held.append(text)

    def _taken(self, text: bytes) -> bytes:
        if not self._gathering:
            raise ElementsError("a field has no name")
        self._gather(text)
        whole = b"".join(self._held)
        self._held, self._size, self._gathering = [], 0, False
        return whole
