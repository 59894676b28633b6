"""Which cascade a request is to have, and what is learned from one. Loaded when the first is asked for."""

from typing import TYPE_CHECKING, Final

import msgspec

from passerelle.catalog import Catalog
from passerelle.codecs.base import Envelope
from passerelle.core.cascade import Cascade, Verifier, verifier_of
from passerelle.core.errors import invalid
from passerelle.core.outcome import GATEWAY, WEIGHTS, Judged
from passerelle.core.plan import Mode
from passerelle.core.receipt import Receipt
from passerelle.core.request import Request
from passerelle.gateway.admit import Admission
from passerelle.gateway.learning.judging import as_usual, judged
from passerelle.gateway.smart import PLAIN, RouterRules, cascade_of, checks_of, meant
from passerelle.gateway.trip import Ask
from passerelle.router.cascade import Wanted
from passerelle.router.verifier import schema
from passerelle.store import Store, StoreUnavailable
from passerelle.store.feedback import SaidOtherwise

if TYPE_CHECKING:
    from passerelle.gateway.choosing import Chooser

SOURCE: Final = "verifier"
"""Who said it, of outcomes that come from here. No caller can say that it is."""
WEIGHT: Final = 0.5
"""Of one, for tests: what passes them may still be wrong. A form weighs what it does elsewhere."""
_MOST_WAITING: Final = 4096
"""While the database is away."""
_HEADER: Final = "x-passerelle-cascade"


def wanted(
    ask: Ask,
    envelope: Envelope,
    admission: Admission,
    request: Request | None,
    rules: RouterRules,
    chooser: "Chooser",
) -> Wanted | None:
    """The cascade, or why there is none; None where nobody asked. Raises `ProblemError` for tests that the
    caller's organisation does not have.
    """
    principal, wish = ask.principal, ask.wishes.cascade
    smart = meant(rules, principal, envelope.model) or PLAIN
    asked = None if wish is None else verifier_of(wish)
    if wish is not None and asked is not None and asked[1] is not None:
        _known(rules, ask, asked[1])
    word = cascade_of(rules, principal, smart, wish)
    found = None if word is None else verifier_of(word)
    if word is None or found is None:
        if asked is None:
            return None
        return Wanted(
            asked[0],
            asked[1],
            refused="this key may not ask for one (`passerelle keys create --cascade` makes one that may)",
        )
    verifier, tests = found
    return Wanted(
        verifier,
        tests,
        samples=rules.cascade_samples if verifier == "agreement" else 1,
        within_points=rules.cascade_within_points,
        refused=_unfit(verifier, envelope, admission.mode, request),
        accepted=chooser.acceptances.of(
            principal.org_id, word, [deployment.model.id for deployment in admission.deployments]
        ),
    )


def _known(rules: RouterRules, ask: Ask, name: str) -> None:
    if checks_of(rules, ask.principal, name) is None:
        known = sorted({*rules.tests, *rules.tenant(ask.principal).tests})
        listed = ", ".join(f"`tests:{one}`" for one in known)
        raise invalid(
            f"`{_HEADER}` names the tests `{name}`, which do not exist here; send "
            f"{'one of ' + listed + ', ' if listed else ''}`schema`, `agreement` or `off`.",
            param=_HEADER,
        )


def _unfit(verifier: Verifier, envelope: Envelope, mode: Mode, request: Request | None) -> str:
    """Why a request is not one for a cascade, whoever may serve it."""
    if mode == "fast":
        return "the mode is `fast`, and two models take longer than one"
    if envelope.answers > 1:
        return "several answers are asked for at once"
    if "builtin_tools" in envelope.features:
        return "tools that run at the provider may do something twice"
    if verifier == "schema" and not schema.applies(envelope.features):
        return "the request has no schema, and no tools, to hold an answer against"
    if verifier == "agreement" and request is not None:
        sampling = request.sampling
        if sampling.temperature == 0 or sampling.seed is not None:
            return "its temperature of 0, or its seed, gives the same answer twice whether it is right or not"
    return ""


def learn(receipt: Receipt, catalog: Catalog, chooser: "Chooser") -> None:
    """Take note of what became of a cascade."""
    done, plan = receipt.cascade, receipt.plan
    if done is None or plan is None or plan.cascade is None or not done.tells:
        return
    cascade, held = plan.cascade, done.end == "accepted"
    model = next((one.model for one in plan.candidates if one.deployment == cascade.first), None)
    if model is not None:
        chooser.acceptances.add(receipt.org_id, _word(cascade), model, held=held)
    if len(chooser.verdicts) < _MOST_WAITING:
        chooser.verdicts += [(receipt.org_id, actor, one) for actor, one in outcomes(receipt, catalog)]


def outcomes(receipt: Receipt, catalog: Catalog) -> list[tuple[str, Judged]]:
    """What a cascade says of its models, each with its actor.

    An organisation's own tests speak of the first, and of the better one where it was asked, so that both are
    held against the same. A schema speaks of the first alone, as the form of an answer does everywhere (see
    `learning.signals`, which sees delivered answers, and so the better one's): 0 without it, and with it what
    the catalog says, since rejections alone would make the cheap model seem to fail at everything. A model
    that agrees with itself teaches nothing: it would seem better than one that was never asked twice.
    """
    done = receipt.cascade
    cascade = None if receipt.plan is None else receipt.plan.cascade
    if done is None or cascade is None or cascade.first is None or not done.tells:
        return []
    held = done.end == "accepted"
    match cascade.verifier:
        case "agreement":
            return []
        case "schema":
            one = judged(
                _of(receipt, cascade.first), catalog, source=SOURCE, score=0.0, weight=WEIGHTS["form"]
            )
            return [] if isinstance(one, str) else [(GATEWAY, as_usual(one) if held else one)]
        case "tests":
            told = [(cascade.first, held)]
            if done.escalated_holds is not None and receipt.deployment is not None:
                told.append((receipt.deployment, done.escalated_holds))
            found = [
                judged(_of(receipt, place), catalog, source=SOURCE, score=float(holds), weight=WEIGHT)
                for place, holds in told
            ]
            # Each model of a receipt is told of once: the store asks for the same of every actor.
            return [(f"{SOURCE}:{one.deployment}", one) for one in found if isinstance(one, Judged)]


def _of(receipt: Receipt, place: str) -> Receipt:
    return msgspec.structs.replace(receipt, deployment=place)


def keep_verdicts(store: Store, found: list[tuple[str, str, Judged]]) -> None:
    """Keep them as outcomes; those for which the database cannot be had stay in `found`. Blocks: for a
    thread. What a killed worker had not kept, a second's worth, is not learned from.
    """
    while found:
        org_id, actor, one = found[0]
        try:
            store.feedback.add(org_id, one, actor=actor)
        except StoreUnavailable:
            return
        except SaidOtherwise:  # by a worker before us, which wrote it and could not tell
            pass
        del found[0]


def _word(cascade: Cascade) -> str:
    return cascade.verifier if cascade.tests is None else f"{cascade.verifier}:{cascade.tests}"
