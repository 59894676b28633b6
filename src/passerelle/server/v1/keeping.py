"""What the routes of files and batches have in common: the right to keep, pages, and what is not there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from passerelle.core.batch import Batch, KeptFile
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.principal import Principal
from passerelle.gateway.batch.run import DAY_NS, Rules
from passerelle.server.route import Arrival
from passerelle.store import Store
from passerelle.store.batches import TooManyBatches
from passerelle.store.kept_files import MOST_FILES, QuotaExceeded
from passerelle.store.vault import Draft

_INPUT = "message_batch_input"
"""The purpose of a file that no caller uploaded, and none may see."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def may_keep(principal: Principal) -> None:
    """Raises `ProblemError(permission_denied)` where the tenant said that nothing of its prompts be stored.

    Unless a level says `content = "none"`, a caller's own upload is reason enough to keep what it uploads:
    sealed under the tenant's key, for a time, and for nobody else.
    """
    if principal.rights.content == "none":
        raise ProblemError(
            Problem(
                "permission_denied",
                'This key\'s organisation, workspace or project has `content = "none"`: nothing of what it '
                "asks may be stored, so neither files nor batches can be kept; send the requests one by one.",
                code="content_not_kept",
            )
        )


@contextmanager
def within_bounds(rules: Rules) -> Iterator[None]:
    """Tells what the store refuses to keep because the project has enough of it."""
    try:
        yield
    except QuotaExceeded as error:
        most = rules.files.max_project_bytes
        raise ProblemError(
            Problem(
                "too_large",
                f"This project's files may be {MOST_FILES} and take {most} bytes; delete some first.",
                code="project_storage_full",
            )
        ) from error
    except TooManyBatches as error:
        most = rules.batches.max_active
        raise ProblemError(
            Problem(
                "rate_limited",
                f"This project has {most} batches under way already; wait until one is over.",
                code="too_many_batches",
                retry_after_s=60,
            )
        ) from error


def keep_with_input(store: Store, rules: Rules, draft: Draft, batch: Batch) -> None:
    """Keep a batch whose requests came with its making: they as a file of ours, then the batch. In a thread.
    Raises what `within_bounds` tells; the draft is then still to be dropped."""
    settings = rules.batches
    life_ns = int(settings.window_s * 1e9) + settings.retention_days * DAY_NS
    file = KeptFile(
        id=batch.input_file_id,
        org_id=batch.org_id,
        project_id=batch.project_id,
        key_id=batch.key_id,
        name=f"{batch.id}.jsonl",
        purpose=_INPUT,
        media_type="application/jsonl",
        size_bytes=draft.size_bytes,
        created_at_ns=batch.created_at_ns,
        expires_at_ns=batch.created_at_ns + life_ns,
    )
    store.files.keep(draft, file, most_bytes=rules.files.max_project_bytes)
    try:
        store.batches.create(batch, most_active=settings.max_active)
    except BaseException:
        store.files.discard(batch.org_id, [file.id])
        raise


def named(arrival: Arrival, kind: str) -> str:
    """The id at the end of a path. Raises `ProblemError(not_found)` for what can be none."""
    if not _ID.fullmatch(arrival.rest):
        raise absent(kind, arrival.rest)
    return arrival.rest


def absent(kind: str, name: str) -> ProblemError:
    """What is not this project's does not exist for it."""
    return ProblemError(
        Problem(
            "not_found",
            f"There is no {kind} `{name[:100]}` in this key's project; list what there is.",
            param="id",
        )
    )


class Query:
    """The query string, each parameter once."""

    def __init__(self, arrival: Arrival) -> None:
        raw: bytes = arrival.scope.get("query_string", b"")
        self._values = parse_qs(raw.decode("latin-1"), keep_blank_values=True)

    def text(self, name: str) -> str | None:
        """A parameter, None when it was not sent or is empty."""
        return self._values.get(name, [""])[0] or None

    def limit(self, default: int, most: int, name: str = "limit") -> int:
        """How many a page may have. Raises `ProblemError` for what is no number within bounds."""
        said = self.text(name)
        if said is None:
            return default
        if not said.isdecimal() or not 1 <= int(said[:9]) <= most:
            raise invalid(f"`{name}` is `{said[:20]}`; send a number from 1 to {most}.", param=name)
        return int(said)
