"""What the routes of responses and conversations have in common: reading, pages, what is not there."""

import asyncio
from collections.abc import Callable
from typing import Literal, TypeVar
from urllib.parse import parse_qs

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.ids import plausible
from passerelle.gateway.keep import too_long
from passerelle.server.route import Arrival
from passerelle.store import ConversationTooLong, StoreUnavailable

T = TypeVar("T")
GET = frozenset({"GET", "HEAD"})
POST = frozenset({"POST"})
DELETE = frozenset({"DELETE"})
DIALECT: Literal["openai_responses"] = "openai_responses"
_PAGE, _MOST_ON_A_PAGE = 20, 100


class Query:
    """The query of a list or a retrieval."""

    def __init__(self, arrival: Arrival) -> None:
        self._fields: dict[str, list[str]] = parse_qs(
            arrival.scope.get("query_string", b"").decode("latin-1")
        )
        self.included = frozenset([*self._fields.get("include", ()), *self._fields.get("include[]", ())])
        after = self._one("after")
        self.after = after if after is not None and plausible(after) else None

    def _one(self, name: str) -> str | None:
        said = self._fields.get(name)
        return said[0] if said else None

    @property
    def order(self) -> Literal["asc", "desc"]:
        """Of a list. It and the rest raise `ProblemError` naming the parameter."""
        said = self._one("order")
        if said not in (None, "asc", "desc"):
            raise invalid(f"`order` is `{said[:40]}`; send `asc` or `desc`.", "order")
        return "asc" if said == "asc" else "desc"

    @property
    def limit(self) -> int:
        """Most entries on a page."""
        return self._number("limit", _PAGE, 1, _MOST_ON_A_PAGE)

    @property
    def starting_after(self) -> int:
        """The number of the last event that the caller has; -1 for none."""
        return self._number("starting_after", -1, -1, 1 << 31)

    @property
    def stream(self) -> bool:
        """Whether events are asked for."""
        return self._one("stream") == "true"

    def _number(self, name: str, usual: int, least: int, most: int) -> int:
        said = self._one(name)
        if said is None:
            return usual
        try:
            number = int(said[:12])
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise invalid(f"`{name}` is `{said[:40]}`; send a number from {least} to {most}.", name)
        return number


async def read(look: Callable[[], T]) -> T:
    """What `look` finds in the database, without holding up other requests."""
    try:
        return await asyncio.to_thread(look)
    except ConversationTooLong:
        raise too_long() from None
    except StoreUnavailable as error:
        raise ProblemError(
            Problem("overloaded", "What is kept cannot be reached now; try again shortly.", retry_after_s=5)
        ) from error


def named(arrival: Arrival) -> tuple[str, str]:
    """The id in the path, and what stands below it. Raises `ProblemError` for what is no id of anything."""
    identifier, _, below = arrival.rest.partition("/")
    if not plausible(identifier) or not (below == "" or plausible(below)):
        raise no_such(arrival)
    return identifier, below


def no_such(arrival: Arrival) -> ProblemError:
    """A path below a known one that nothing is at."""
    path = arrival.scope["path"]
    return ProblemError(
        Problem("not_found", f"`{path[:200]}` is not served here; see docs/api.md for the routes.")
    )
