"""What a translation could not carry, each name once and in the order it was met."""

from collections.abc import Iterable


class Loss:
    """An ordered set of the caller's field names."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = dict.fromkeys(names)

    def add(self, name: str) -> None:
        """One more."""
        self._names[name] = None

    def update(self, names: Iterable[str] | None) -> None:
        """Several more, or none."""
        if names:
            self._names.update(dict.fromkeys(names))

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._names)
