"""`POST /api/verdicts`: which of two answers is better, for the router to learn from.

Each key compares two receipts once: the same again changes nothing, something else is refused. The verdict of
the two named the other way round is the same one.
"""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.outcome import WEIGHTS, Better, Overall, Verdict
from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generations
from passerelle.gateway.road import Road
from passerelle.server.api.guard import Guarded, caller
from passerelle.server.api.judged import learned, outcome_of, receipt_of
from passerelle.store import Store

Caller = Annotated[Principal, Depends(caller)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
SCORES: dict[Overall, tuple[float, float]] = {
    "a": (1.0, 0.0), "b": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.0, 0.0)
}  # fmt: skip
MOST_CRITERIA = 32


class NewVerdict(BaseModel):
    """Two receipts, and which is better: over all, and by each criterion."""

    model_config = ConfigDict(extra="forbid")

    receipts: list[Name] = Field(min_length=2, max_length=2)
    overall: Overall
    criteria: dict[Annotated[str, Field(min_length=1, max_length=64)], Better] = Field(
        default_factory=dict, max_length=MOST_CRITERIA
    )


def add(guarded: Guarded, store: Store, generations: Generations, road: Road) -> None:
    """Register the route."""

    @guarded.route("POST", "/verdicts", "feedback:write", status_code=201)
    async def give(principal: Caller, new: NewVerdict, response: Response) -> dict[str, Any]:
        """Said before: 200."""
        first, second = [await receipt_of(store, principal, one, "receipts") for one in new.receipts]
        if first.id == second.id:
            raise invalid("`receipts` names one receipt twice; name two.", param="receipts")
        scores = SCORES[new.overall]
        a, b = (
            outcome_of(
                one, generations, source="verdict", score=score, weight=WEIGHTS["compared"], param="receipts"
            )
            for one, score in zip((first, second), scores, strict=True)
        )

        def keep() -> tuple[Verdict, bool]:
            from passerelle.store.feedback import SaidOtherwise

            try:
                return store.feedback.compare(
                    principal.org_id,
                    (a, b),
                    overall=new.overall,
                    criteria=dict(new.criteria),
                    actor=principal.key_id,
                )
            except SaidOtherwise:
                raise ProblemError(
                    Problem(
                        "conflict",
                        "This key compared these two before and said otherwise, and that stands; compare two "
                        "other receipts.",
                        param="receipts",
                    )
                ) from None

        verdict, fresh = await asyncio.to_thread(keep)
        if not fresh:
            response.status_code = 200
        await road.heard()
        worse = a if a.features is None else b
        return {
            "id": verdict.id,
            "receipts": list(verdict.receipts),
            "models": [a.model, b.model],
            "overall": verdict.overall,
            "criteria": verdict.criteria,
            "learns": a.features is not None and b.features is not None,
            "words": learned(worse),
        }
