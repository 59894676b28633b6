"""Records that cannot be booked for a reason of their own: set aside, so that they hold up no other.

A database that cannot be used is not such a reason: then everything waits. A record that contradicts what
is kept, or holds a value no column can, would fail for ever; it is written to `quarantine/` as it was
journalled, counted in `health`, and an operator decides.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from passerelle.core.clock import mint
from passerelle.store.errors import StoreUnavailable
from passerelle.store.files import private_directory, replace

_T = TypeVar("_T")
_Text = Callable[[_T], Iterable[bytes]]

log = logging.getLogger(__name__)


class Quarantine:
    """The directory of records set aside."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def count(self) -> int:
        """How many records lie there."""
        try:
            return sum(1 for entry in os.scandir(self._directory) if entry.name.endswith(".record"))
        except FileNotFoundError:
            return 0

    def keep(self, payload: bytes) -> Path:
        """Set one record aside."""
        path = private_directory(self._directory) / f"{mint('bad')}.record"
        replace(path, payload)
        return path

    def book(self, units: Sequence[_T], transaction: Callable[[Sequence[_T]], None], text: _Text[_T]) -> None:
        """Book all units in one transaction, or, if that fails, each in its own; set aside what still fails.

        `text` gives the records of a unit. Raises `StoreUnavailable` when the database goes away; booking
        again is harmless.
        """
        try:
            transaction(units)
        except StoreUnavailable:
            raise
        except Exception:
            # Whatever is wrong with one record must not stop the others from being booked.
            log.exception("%d journal records cannot be booked together", len(units))
        else:
            return
        for unit in units:
            try:
                transaction((unit,))
            except StoreUnavailable:
                raise
            except Exception:
                # This one is what is wrong: it is kept as it is for somebody to look at.
                paths = [str(self.keep(payload)) for payload in text(unit)]
                log.exception("a journal record cannot be booked and was set aside in %s", paths)
