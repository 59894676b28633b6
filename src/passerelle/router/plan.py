"""Which of the eligible is tried first, and why.

Two questions, one shape of answer:

- a *named* model: its deployments, by weight drawn with the request's own number, ailing ones last; an
  alias with several targets tries them in order;
- `smart`: every eligible model, by a rule simple enough to say in a sentence per mode:

    quality    the best catalog quality, then the cheaper
    balanced   the cheapest within 1.5 points of the best quality, then the others by quality
    cost       the cheapest within 5.5 points of the best quality, then the others by quality
    fast       the shortest measured time to first content, unmeasured ones after, then the cheaper

Quality is the catalog's prior in points of 100, not a measurement. Models without one come after those
with one; demo models after everything real; deployments that are put last for their health (see `standing`)
after the rest. The same arguments always give the same plan. The windows of 1.5 and 5.5 points follow the
modes that Azure Foundry's model router documents (learn.microsoft.com, "model router", read 2026-11-22).
"""

from collections.abc import Mapping

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.money import show
from passerelle.core.plan import Candidate, Mode, Onward, Plan, Rejection
from passerelle.router.standing import ALL_WELL, Standings

WINDOW_POINTS: dict[Mode, float] = {"balanced": 1.5, "cost": 5.5}
MODE_WORDS: dict[Mode, str] = {
    "named": "the model was named",
    "quality": "the best quality first",
    "balanced": "the cheapest within 1.5 points of the best quality first",
    "cost": "the cheapest within 5.5 points of the best quality first",
    "fast": "the quickest to first content first",
}
LAST = "put last: "
"""How the reason for that begins, at the end of a candidate's words."""
_UNPRICED = 1 << 62


class Scene(msgspec.Struct, frozen=True, gc=False):
    """What a plan is made from, beside the eligible deployments themselves."""

    requested: str
    mode: Mode
    data_class: str
    rejections: tuple[Rejection, ...]
    costs: Mapping[str, int | None]
    """Expected cost of this request by deployment id, in nanos; None where no price is known."""
    draw: float
    """A number in [0, 1) of the request's own: spreads requests over equals by weight."""
    generation: int
    policy_version: str
    catalog_version: str
    tiers: Mapping[str, int] = {}
    """For an alias: the place of each deployment's target; earlier targets are tried first."""
    standings: Standings = ALL_WELL
    """What the health of deployments means for this request, where there is something to say."""
    latencies: Mapping[str, float] = {}
    """Measured seconds to first content, by deployment id."""
    onward: Onward = Onward()


def plan(deployments: tuple[Deployment, ...], scene: Scene) -> Plan:
    """The order of trying. Never adds to `deployments`, never leaves one out."""
    if scene.mode == "named":
        ordered = _spread(deployments, scene)
    else:
        ordered = _rank(deployments, scene)
    top = len(ordered)
    candidates = tuple(
        Candidate(
            deployment=d.id,
            model=d.model.id,
            score=float(top - place),
            quality=d.model.quality,
            cost_nanos=scene.costs.get(d.id),
            latency_s=scene.latencies.get(d.id),
            because=_because(d, scene),
        )
        for place, d in enumerate(ordered)
    )
    return Plan(
        requested=scene.requested,
        mode=scene.mode,
        data_class=scene.data_class,
        candidates=candidates,
        rejections=scene.rejections,
        generation=scene.generation,
        policy_version=scene.policy_version,
        catalog_version=scene.catalog_version,
        on_context_length=scene.onward.on_context_length,
        on_refusal=scene.onward.on_refusal,
    )


def in_words(plan: Plan) -> str:
    """The decision in a sentence or two, for a person. Kept out of the hot path."""
    eligible, excluded = len(plan.candidates), len(plan.rejections)
    if not plan.candidates:
        head = f"No deployment may serve `{plan.requested}`"
    else:
        first = plan.candidates[0]
        head = f"`{plan.requested}` goes to `{first.deployment}`: {MODE_WORDS[plan.mode]}"
        if first.because:
            head += f" ({first.because})"
        if eligible > 1:
            then = ", then ".join(f"`{c.deployment}`" for c in plan.candidates[1:4])
            head += f"; if it fails, {then}" + ("…" if eligible > 4 else "")
            if plan.on_context_length == "larger":
                head += "; a prompt too long for one goes to a larger one"
            if plan.on_refusal == "next":
                head += "; a prompt refused by one goes to the next"
        last = [(c.deployment, c.because.partition(LAST)[2]) for c in plan.candidates if LAST in c.because]
        if last and eligible > 1:
            head += "; " + ", ".join(f"`{place}` is {LAST}{why}" for place, why in last[:3])
    tail = f"Data class `{plan.data_class}`: {eligible} eligible, {excluded} excluded"
    if excluded:
        rules = sorted({rejection.rule for rejection in plan.rejections})
        tail += " by " + ", ".join(f"`{rule}`" for rule in rules)
    return f"{head}. {tail}."


def _ailing(deployment: Deployment, scene: Scene) -> bool:
    standing = scene.standings.get(deployment.id)
    return standing is not None and standing.last


def _spread(deployments: tuple[Deployment, ...], scene: Scene) -> list[Deployment]:
    """Equals in a weighted order that `draw` decides, demo and ailing ones last."""
    if len(deployments) == 1:
        return list(deployments)
    left = list(deployments)
    drawn: list[Deployment] = []
    share = scene.draw
    while left:
        total = sum(d.weight for d in left)
        mark, passed = share * total, 0.0
        chosen = left[-1]
        for deployment in left:
            passed += deployment.weight
            if mark < passed:
                chosen = deployment
                break
        # What is left of the draw inside the chosen one's stretch decides the next place.
        share = min(max(1 - (passed - mark) / chosen.weight, 0.0), 1 - 2**-53) if chosen.weight else 0.0
        drawn.append(chosen)
        left.remove(chosen)
    return sorted(drawn, key=lambda d: (_ailing(d, scene), scene.tiers.get(d.id, 0), d.demo, d.retired))


def _rank(deployments: tuple[Deployment, ...], scene: Scene) -> list[Deployment]:
    known = [
        d.model.quality
        for d in deployments
        if d.model.quality is not None and not d.demo and not _ailing(d, scene)
    ]
    best = max(known, default=0.0)
    window = WINDOW_POINTS.get(scene.mode, 0.0) / 100

    def key(d: Deployment) -> tuple[bool, bool, float, float, str]:
        quality = d.model.quality
        cost = scene.costs.get(d.id)
        price = float(_UNPRICED if cost is None else cost)
        if scene.mode == "fast":
            first = scene.latencies.get(d.id)
            major, minor = (float("inf") if first is None else first), price
        elif quality is not None and quality >= best - window and scene.mode != "quality":
            major, minor = -2.0, price  # inside the window: price decides
        else:
            major, minor = (1.0 if quality is None else -quality), price
        return (_ailing(d, scene), d.demo, major, minor, d.id)

    return sorted(deployments, key=key)


def _because(deployment: Deployment, scene: Scene) -> str:
    said: list[str] = []
    if scene.mode != "named":
        quality = deployment.model.quality
        said.append("quality unknown" if quality is None else f"quality {quality * 100:.1f}")
        cost = scene.costs.get(deployment.id)
        said.append("price unknown" if cost is None else f"about {show(cost)}")
        first = scene.latencies.get(deployment.id)
        if first is not None:
            said.append(f"first content in {first:.2f} s")
    if deployment.demo:
        said.append("demo model")
    standing = scene.standings.get(deployment.id)
    if standing is not None:
        said.append(f"{LAST}{standing.why}" if standing.last else standing.why)
    return ", ".join(said)
