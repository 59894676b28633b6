"""The input of a batch as it is read from disk: never whole, however large it is."""

from array import array
from collections.abc import Iterator

from passerelle.core.batch import Batch
from passerelle.gateway.batch.lines import Line, cut, read_line, read_lines, starts
from passerelle.store import Store
from passerelle.store.vault import Pages


class Input:
    """Reads one batch's input. Everything blocks, and raises `ContentGone`: use a thread."""

    def __init__(self, store: Store, batch: Batch, longest: int) -> None:
        """`longest`: of a line, in bytes."""
        self._store = store
        self._batch = batch
        self._longest = longest

    def chunks(self) -> Iterator[bytes]:
        """All of it, in pieces cut anywhere."""
        return self._store.files.content(self._batch.org_id, self._batch.input_file_id)

    def numbered(self) -> Iterator[tuple[int, bytes | None]]:
        """Every line that is not blank, with its number; None for one that is too long."""
        return cut(self.chunks(), self._longest)

    def line(self, number: int, text: bytes | None) -> Line:
        """A line of an input that was checked."""
        return read_line(self._batch.surface, self._batch.endpoint, number, text)

    def unanswered(self) -> Iterator[Line]:
        """The lines that have no result yet, in their order."""
        done = self._store.batch_runs.done(self._batch)
        batch = self._batch
        return read_lines(batch.surface, batch.endpoint, self.chunks(), self._longest, done)

    def finder(self) -> "Finder":
        """Lines by their number, in any order. Reads all of it once to know where they are. To be closed."""
        places = starts(self.chunks())
        done = self._store.batch_runs.done(self._batch)
        pages = self._store.files.pages(self._batch.org_id, self._batch.input_file_id)
        return Finder(self, places, done, pages)


class Finder:
    """Finds each unanswered line once."""

    def __init__(self, source: Input, places: "array[int]", done: set[int], pages: Pages) -> None:
        self._source = source
        self._places = places
        self._done = done
        self._pages = pages

    def take(self, number: int) -> Line | None:
        """The line, if it is one that has no result and was not taken before."""
        if not 0 < number < len(self._places) or number in self._done:
            return None
        self._done.add(number)
        text = self._pages.read(self._places[number - 1], self._places[number]).removesuffix(b"\n")
        return self._source.line(number, text) if text.strip() else None

    def close(self) -> None:
        """Idempotent."""
        self._pages.close()
