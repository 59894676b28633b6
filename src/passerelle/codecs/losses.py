"""What translations lose, to be told to the caller."""


class Losses:
    """What a translation could not carry, each name once, in the order it was met."""

    def __init__(self, before: tuple[str, ...] = ()) -> None:
        self._names: dict[str, None] = dict.fromkeys(before)

    def __call__(self, name: str) -> None:
        """One more."""
        self._names[name] = None

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._names)
