"""Numbers of configuration generations: the same digest has the same number on every worker and replica."""

from sqlalchemy import func, select

from passerelle.store.database import Database
from passerelle.store.errors import StoreUnavailable
from passerelle.store.schema import INSTALLATION, meta

_PREFIX = "generation:"


class GenerationBook:
    """Hands out numbers in the order in which configurations are first seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = 0

    def number_of(self, digest: str) -> int:
        """The number of a configuration; a new one gets the next. Raises `StoreUnavailable`."""
        name = _PREFIX + digest
        mine = (meta.c.org_id == INSTALLATION, meta.c.name == name)
        all_of_them = (meta.c.org_id == INSTALLATION, meta.c.name.startswith(_PREFIX))
        with self._database.write() as connection:
            number = connection.scalar(select(meta.c.value).where(*mine))
            if number is None:
                # Two workers that see a new configuration at once: one insert wins, both read it.
                highest = connection.scalar(select(func.max(meta.c.value)).where(*all_of_them)) or 0
                connection.execute(
                    self._database.insert(meta)
                    .values(org_id=INSTALLATION, name=name, value=highest + 1)
                    .on_conflict_do_nothing()
                )
                number = connection.scalar(select(meta.c.value).where(*mine))
        self._last = number or 0
        return self._last

    def number_unless_down(self, digest: str) -> int:
        """As `number_of`, or the last known number while the database is down."""
        try:
            return self.number_of(digest)
        except StoreUnavailable:
            return self._last
