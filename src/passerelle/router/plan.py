"""Which of the eligible is tried first, and why.

Two questions, one shape of answer:

- a *named* model: its deployments, by weight drawn with the request's own number, ailing ones last; an
  alias with several targets tries them in order;
- `smart`: every eligible model, by what is predicted of it: see `rank`.

Demo models come after everything real; deployments that are put last for their health (see `standing`)
after the rest. The same arguments always give the same plan.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from passerelle.core.cascade import Cascade
from passerelle.core.model import Deployment
from passerelle.core.plan import Candidate, Choice, Mode, Onward, Plan, Rejection, TaskFrom
from passerelle.router.standing import ALL_WELL, Standings

if TYPE_CHECKING:  # a named model needs none of it
    from passerelle.router.cascade import Wanted
    from passerelle.router.quality.base import Estimate
    from passerelle.router.utility import Prices

MODE_WORDS: dict[Mode, str] = {
    "named": "the model was named",
    "quality": "the best quality first",
    "balanced": "the cheapest within 1.5 points of the best quality first",
    "cost": "the cheapest within 5.5 points of the best quality first",
    "fast": "the quickest to its whole answer first",
}
LAST = "put last: "
"""How the reason for that begins, at the end of a candidate's words."""


class Figure(msgspec.Struct, frozen=True, gc=False):
    """What a request will probably use at one deployment."""

    cost_nanos: int | None
    """None where no price is known."""
    weighed_nanos: int | None
    """What is weighed for it: see `core.plan.Candidate`."""
    output_tokens: int | None = None
    cached_tokens: int = 0
    whole_s: float | None = None


class Thought(msgspec.Struct, frozen=True, gc=False):
    """What is predicted of a request whose model is to be chosen."""

    choice: Choice
    estimates: Mapping[str, "Estimate"]
    """Predicted quality by model id. For a model without, the catalog's prior."""
    figures: Mapping[str, Figure]
    """By deployment id. For one without, `costs` is all that is known."""
    prices: "Prices"
    """What money and time are worth now."""
    cascade: "Wanted | None" = None
    """The cascade that is asked for, if any."""


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
    default: str | None = None
    """The model taken first where nothing is known of a request whose model is to be chosen."""
    thought: Thought | None = None
    """What is predicted, where a model is to be chosen; None: the catalog and `costs` are all there is."""


def plan(deployments: tuple[Deployment, ...], scene: Scene) -> Plan:
    """The order of trying. Never adds to `deployments`, never leaves one out."""
    choice: Choice | None = None
    cascade: Cascade | None = None
    if scene.mode == "named":
        candidates = _named(deployments, scene)
    else:
        # A gateway that is never asked for a choice does not load what choosing takes.
        from passerelle.router.rank import ranked

        candidates, choice = ranked(deployments, scene)
        thought = scene.thought
        if thought is not None and thought.cascade is not None:
            cascade = _cascade(deployments, candidates, choice, thought.cascade, scene)
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
        choice=choice,
        draw=scene.draw if choice is None and len(deployments) > 1 else None,
        cascade=cascade,
    )


def _cascade(
    deployments: tuple[Deployment, ...],
    candidates: tuple[Candidate, ...],
    choice: Choice,
    wanted: "Wanted",
    scene: Scene,
) -> Cascade:
    from passerelle.router.cascade import Standing, chosen

    places = {d.id: Standing(d.provider, ailing(d, scene), d.demo) for d in deployments}
    return chosen(candidates, places, choice, wanted)


def _named(deployments: tuple[Deployment, ...], scene: Scene) -> tuple[Candidate, ...]:
    ordered = _spread(deployments, scene)
    top = len(ordered)
    return tuple(
        Candidate(
            deployment=d.id,
            model=d.model.id,
            score=float(top - place),
            quality=d.model.quality,
            cost_nanos=scene.costs.get(d.id),
            latency_s=scene.latencies.get(d.id),
            because=", ".join(said_of_place(d, scene)),
        )
        for place, d in enumerate(ordered)
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
        if plan.choice is not None:
            head += _choice_in_words(plan.choice, first)
        if plan.cascade is not None:
            from passerelle.router.cascade import in_words as cascade_in_words

            head += f"; {cascade_in_words(plan.cascade)}"
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


def _choice_in_words(choice: Choice, first: Candidate) -> str:
    said = _task_in_words(choice)
    if not choice.known and choice.router_version:
        said += "; of requests like this nothing is learned yet"
        if choice.default is not None:
            said += f", and the default is `{choice.default}`"
    if choice.bound:
        said += "; the request carries sealed reasoning of " + ", ".join(f"`{p}`" for p in choice.bound)
    if choice.moved:
        said += f"; the conversation leaves `{choice.stay}`: {choice.moved}"
    elif choice.stay is not None and choice.stay == first.deployment:
        said += "; the conversation stays where it is"
    if choice.money_points:
        said += f"; a budget is running short: a usual request is worth {choice.money_points:.1f} points"
    if choice.explored:
        said += "; tried to learn how it does"
    return said


_BY: dict[TaskFrom | None, str] = {
    None: "",
    "tag": ", by its tag",
    "route": ", by the name asked for",
    "role": ", by the agent's role",
    "images": ", as it holds pictures",
    "tools": ", as it offers tools",
}


def _task_in_words(choice: Choice) -> str:
    if choice.task_from == "words":
        if choice.task is None:
            return "; what kind of work it is is unknown"
        return f"; the task is `{choice.task}`, told from its words ({choice.task_sure or 0:.0%} sure)"
    return "" if choice.task is None else f"; the task is `{choice.task}`{_BY[choice.task_from]}"


def ailing(deployment: Deployment, scene: Scene) -> bool:
    """Whether its health puts it last."""
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
    return sorted(drawn, key=lambda d: (ailing(d, scene), scene.tiers.get(d.id, 0), d.demo, d.retired))


def said_of_place(deployment: Deployment, scene: Scene) -> list[str]:
    """What a deployment's own state has to do with its place, in words."""
    said = ["demo model"] if deployment.demo else []
    standing = scene.standings.get(deployment.id)
    if standing is not None:
        said.append(f"{LAST}{standing.why}" if standing.last else standing.why)
    return said
