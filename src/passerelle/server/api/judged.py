"""What feedback and verdicts share: finding the receipt that is judged, and telling what came of it."""

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.outcome import Judged
from passerelle.core.principal import Principal
from passerelle.core.receipt import Receipt
from passerelle.gateway.generation import Generations
from passerelle.gateway.learning.judging import judged
from passerelle.ledger import receipts
from passerelle.server.api.settled import look_for
from passerelle.store import Store


async def receipt_of(store: Store, principal: Principal, name: str, param: str) -> Receipt:
    """The receipt of that id, or of that request. Raises `ProblemError` (404) where the caller has none: of
    another organisation, and for a member of another project, there is none.
    """

    def read() -> Receipt | None:
        store.flush()
        found = (
            store.receipts.get(principal.org_id, name)
            if name.startswith("rcp_")
            else store.receipts.by_request(principal.org_id, name)
        )
        return None if found is None else receipts.read(found)

    found = await look_for(name, read)
    confined = principal.role in ("member", "builder")
    if found is not None and not (confined and found.project_id != principal.project_id):
        return found
    raise ProblemError(
        Problem(
            "not_found",
            "There is no such receipt here; take it from `x-passerelle-receipt`, or `GET /api/receipts`.",
            param=param,
        )
    )


def outcome_of(
    receipt: Receipt,
    generations: Generations,
    *,
    source: str,
    score: float,
    param: str,
    weight: float = 1.0,
) -> Judged:
    """What is to be kept. Raises `ProblemError` for a receipt that cannot be judged."""
    said = judged(receipt, generations.current.catalog, source=source, score=score, weight=weight)
    if isinstance(said, str):
        raise invalid(f"`{receipt.id}` cannot be judged: {said}; judge one that was answered.", param=param)
    return said


def learned(outcome: Judged) -> str:
    """What the router makes of it, in words."""
    if outcome.features is None:
        return (
            "kept; its receipt has nothing that could be learned from: the model was named "
            '(`router.learn_from = "all"` learns from those, too), or the learner was still being loaded'
        )
    return "kept; the router learns from it"
