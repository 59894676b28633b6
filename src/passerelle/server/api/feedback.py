"""`POST /api/feedback`: how well the answer of a receipt did, for the router to learn from.

Whoever may call models may judge the answers: a member those of its project. What each source says of a
receipt through one key is said once: the same again changes nothing, something else is refused.
"""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.outcome import WEIGHTS, Outcome, Source
from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generations
from passerelle.gateway.road import Road
from passerelle.server.api.guard import Guarded, caller
from passerelle.server.api.judged import learned, outcome_of, receipt_of
from passerelle.store import Store

Caller = Annotated[Principal, Depends(caller)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class NewFeedback(BaseModel):
    """A receipt, who judges, and one word on it."""

    model_config = ConfigDict(extra="forbid")

    receipt: str = Field(min_length=1, max_length=128)
    source: Source = "person"
    score: Unit | None = None
    thumbs: Literal["up", "down"] | None = None
    edit_distance: Unit | None = None
    accepted: bool | None = Field(default=None, strict=True)
    retried: Literal[True] | None = None


_WORDS = ("score", "thumbs", "edit_distance", "accepted", "retried")


def add(guarded: Guarded, store: Store, generations: Generations, road: Road) -> None:
    """Register the route."""

    @guarded.route("POST", "/feedback", "feedback:write", status_code=201)
    async def give(principal: Caller, new: NewFeedback, response: Response) -> dict[str, Any]:
        """One of `score`, `thumbs`, `edit_distance`, `accepted` and `retried`. Said before: 200."""
        score, weight = _score(new)
        receipt = await receipt_of(store, principal, new.receipt, "receipt")
        judged = outcome_of(
            receipt, generations, source=new.source, score=score, weight=weight, param="receipt"
        )

        def keep() -> tuple[Outcome, bool]:
            from passerelle.store.feedback import SaidOtherwise

            try:
                return store.feedback.add(principal.org_id, judged, actor=principal.key_id)
            except SaidOtherwise as said:
                raise ProblemError(
                    Problem(
                        "conflict",
                        f"This key said {said} of `{judged.receipt_id}` before, as `{new.source}`, and that "
                        "stands; judge another receipt, or as another `source`.",
                        param="receipt",
                    )
                ) from None

        outcome, fresh = await asyncio.to_thread(keep)
        if not fresh:
            response.status_code = 200
        await road.heard()
        return {
            "receipt": judged.receipt_id,
            "source": new.source,
            "model": judged.model,
            "task": judged.task,
            "score": outcome.judged.score_ppm / 1_000_000,
            "number": outcome.number,
            "learns": judged.features is not None,
            "words": learned(judged),
        }


def _score(new: NewFeedback) -> tuple[float, float]:
    """The score in [0, 1], and how much it weighs. Raises `ProblemError` unless one word is said."""
    said = [name for name in _WORDS if getattr(new, name) is not None]
    if len(said) != 1:
        listed = ", ".join(f"`{name}`" for name in _WORDS)
        found = "none" if not said else " and ".join(f"`{name}`" for name in said)
        raise invalid(f"Say one of {listed}: here is {found}.", param=said[1] if len(said) > 1 else "score")
    weight = WEIGHTS[said[0]]
    if new.score is not None:
        return new.score, weight
    if new.thumbs is not None:
        return float(new.thumbs == "up"), weight
    if new.edit_distance is not None:
        return 1.0 - new.edit_distance, weight
    if new.accepted is not None:
        return float(new.accepted), weight
    return 0.0, weight
