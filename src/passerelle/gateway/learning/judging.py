"""A receipt and what is said of its answer, as an outcome to learn from."""

import msgspec

from passerelle.catalog import Catalog
from passerelle.core.outcome import WHOLE_PPM, Judged
from passerelle.core.receipt import Receipt

_TASK = "task:"
_UNTOLD = 0.75
"""What an answer of the right form counts where the catalog says nothing of its model."""
NO_ANSWER = "its request got no answer, so there is nothing to judge"
NO_MODEL = "no model answered it that the catalog knew"


def judged(
    receipt: Receipt, catalog: Catalog, *, source: str, score: float, weight: float = 1.0
) -> Judged | str:
    """The outcome; or why there can be none."""
    if receipt.outcome not in ("answered", "incomplete") or receipt.deployment is None:
        return NO_ANSWER
    plan = receipt.plan
    model = (
        None
        if plan is None
        else next((one.model for one in plan.candidates if one.deployment == receipt.deployment), None)
    )
    if model is None or plan is None:
        return NO_MODEL
    deployment = catalog.by_id.get(receipt.deployment)
    prior = None if deployment is None else deployment.model.quality
    return Judged(
        receipt_id=receipt.id,
        project_id=receipt.project_id,
        deployment=receipt.deployment,
        model=model,
        source=source,
        score_ppm=round(score * WHOLE_PPM),
        weight_ppm=round(weight * WHOLE_PPM),
        task=_task(receipt),
        prior_ppm=None if prior is None else round(prior * WHOLE_PPM),
        features=_features(receipt),
    )


def as_usual(one: Judged) -> Judged:
    """The same, of an answer that has its form: it counts as what the catalog says of its model."""
    usual = round(_UNTOLD * WHOLE_PPM) if one.prior_ppm is None else one.prior_ppm
    return msgspec.structs.replace(one, score_ppm=usual)


def _features(receipt: Receipt) -> bytes | None:
    """The request as the router saw it: for its choice, or, of a named model, to learn from it."""
    choice = None if receipt.plan is None else receipt.plan.choice
    if choice is not None:
        return choice.features
    return None if receipt.shape is None else receipt.shape.sight


def _task(receipt: Receipt) -> str | None:
    """What somebody said the request is, as the choice saw it or by a tag; no guess is learned from."""
    choice = None if receipt.plan is None else receipt.plan.choice
    if choice is not None and choice.told_task is not None:
        return choice.told_task
    if receipt.shape is not None and receipt.shape.task is not None:
        return receipt.shape.task
    return next((tag[len(_TASK) :] for tag in receipt.tags if tag.startswith(_TASK) and tag != _TASK), None)
