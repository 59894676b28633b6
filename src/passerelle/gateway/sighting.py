"""A request as the router sees it: what is asked, which conversation it is of, and what it is bound to."""

import msgspec

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope
from passerelle.core.errors import ProblemError
from passerelle.core.message import ReasoningPart, TextPart, ToolCallPart
from passerelle.core.request import Request
from passerelle.gateway.estimate import input_tokens
from passerelle.gateway.trip import Ask
from passerelle.gateway.whereabouts import conversation
from passerelle.router.quality.base import Sight, cut
from passerelle.router.task import Work, told

_TASK, _ROLE = "task:", "role:"
_NOT_SAID = "x-anthropic-billing-header:"
"""Claude Code's first system block, which differs from request to request and is not part of the prompt that
is cached (anthropics/claude-code, issues on `cch=`; seen 2026-11-22)."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What is seen of one request."""

    sight: Sight
    told: Work | None = None
    """What somebody says it is."""
    turn: int = 1
    """Which of its conversation: answers of the model so far, and one."""
    opened: int | None = None
    """What the conversation is found by (see `whereabouts`): its opening, which is what a cache holds."""
    called: int | None = None
    """And the name its caller gave it, which outlives an opening that is rewritten."""
    sealed: frozenset[str] = frozenset()
    """The dialects whose sealed reasoning it carries."""


def see(ask: Ask, envelope: Envelope, route: str | None = None) -> tuple[Seen, Request | None]:
    """Reads the whole request once. Gives it decoded, too, for a translation; None where it cannot be: a
    provider of its own dialect may still know better. `route`: the task that the name asked for stands for.
    """
    wishes = ask.wishes
    work = told(wishes.task or _tagged(wishes.tags, _TASK), route, _tagged(wishes.tags, _ROLE))
    task = None if work is None else work.task
    tokens, schema = input_tokens(envelope), "json_schema" in envelope.features
    session = wishes.session or (ask.keeping.conversation_id if ask.keeping is not None else None)
    org = ask.principal.org_id
    called = None if session is None else conversation(org, "called", session)
    try:
        request = registry.client(ask.dialect).decode_request(ask.body, ask.target)
    except (ProblemError, RecursionError):
        sight = Sight(words="", task=task, images=envelope.images, schema=schema, input_tokens=tokens)
        return Seen(sight, work, called=called), None
    system: list[str] = []
    first = last = ""
    turns, turn = 0, 1
    sealed: set[str] = set()
    for message in request.messages:
        match message.role:
            case "system" | "developer":
                if turn == 1:  # what is added on the way is no part of the opening
                    system += [
                        part.text
                        for part in message.parts
                        if isinstance(part, TextPart) and not part.text.startswith(_NOT_SAID)
                    ]
            case "user":
                text = message.text
                if text:
                    turns += 1
                    last = text
                    first = first or text
            case "assistant":
                turn += 1
                for part in message.parts:
                    if isinstance(part, ReasoningPart):
                        if part.signature or part.encrypted:
                            sealed.add(part.origin or ask.dialect)
                    elif isinstance(part, ToolCallPart) and part.signature:
                        sealed.add("gemini")
            case "tool":
                pass
    instructions = "\n".join(system)
    opened = conversation(org, "opened", session or envelope.session or "", instructions, first)
    sight = Sight(
        words=cut(last),
        system=cut(instructions),
        task=task,
        turns=max(turns, 1),
        tools=len(request.tools),
        images=envelope.images,
        schema=schema,
        input_tokens=tokens,
    )
    return Seen(sight, work, turn, opened, called, frozenset(sealed)), request


def _tagged(tags: tuple[str, ...], name: str) -> str | None:
    """What the first tag of that name says."""
    return next((tag[len(name) :] for tag in tags if tag.startswith(name) and tag != name), None)
