"""What a caller says in headers: `x-passerelle-*`, session hints, and the few a provider may see."""

from typing import get_args

from passerelle.core.cascade import OFF, verifier_of
from passerelle.core.errors import ProblemError, invalid
from passerelle.core.model import DATA_CLASSES, DataClass
from passerelle.core.plan import Affinity, Mode
from passerelle.core.principal import PRIORITIES, Priority, Way
from passerelle.gateway.trip import NO_WISHES, Wishes
from passerelle.server.route import WANTED

_MODES: tuple[Mode, ...] = tuple(m for m in get_args(Mode) if m != "named")
_WAYS: tuple[Way, ...] = get_args(Way)
_AFFINITIES: tuple[Affinity, ...] = get_args(Affinity)
_PREFIX = b"x-passerelle-"
_CLAUDE_CODE = b"x-claude-code-session-id"
"""Claude Code sends it, and leaves out of its next request every thought of an answer whose `model` is not
the name it asked for (2.1.197, read and seen 2026-11-22): with an alias, or another maker's model, no thought
and no thought signature would ever come back. It alone is answered under the name it used."""
_SESSIONS = (
    b"x-passerelle-session",
    _CLAUDE_CODE,
    b"x-session-id",
    b"session-id",
    b"x-session-affinity",
    b"session_id",
)
"""What names a conversation, the surest first. opencode sends `x-session-id` and `x-session-affinity`
(coder/coder, pull request 26140), Codex CLI `session-id` (0.169, seen), and `session_id` before; read
2026-11-22. Gemini CLI sends none: there the opening of the conversation tells."""
_FORWARDED = (b"anthropic-beta", b"anthropic-version", b"openai-beta")
_READ = frozenset({*_SESSIONS, *(name for name in WANTED if name.startswith(_PREFIX))})
_LIST_BOUND = 32
_WORD_BOUND = 128


def read_wishes(headers: dict[bytes, bytes], path_tags: str = "") -> Wishes:
    """The caller's wishes; `path_tags` join those of the header. Raises `ProblemError` naming the header
    for a value that means nothing.
    """
    if path_tags:
        said = headers.get(b"x-passerelle-tags")
        both = path_tags.encode("utf-8", "replace") + (b"" if said is None else b"," + said)
        headers = {**headers, b"x-passerelle-tags": both}
    if headers.keys().isdisjoint(_READ):
        return NO_WISHES
    session = next((_text(headers[n]) for n in _SESSIONS if n in headers), None)
    if not any(name.startswith(_PREFIX) for name in headers):
        if session is None:
            return NO_WISHES
        return Wishes(session=session, keep_name=_CLAUDE_CODE in headers)
    return Wishes(
        mode=_mode(headers),
        models=_words(headers, "x-passerelle-models"),
        data_class=_data_class(headers),
        tags=_words(headers, "x-passerelle-tags"),
        strict=_flag(headers, "x-passerelle-strict"),
        session=session,
        affinity=_affinity(headers),
        cascade=_cascade(headers),
        task=_task(headers),
        keep_name=_CLAUDE_CODE in headers,
        explain=_flag(headers, "x-passerelle-plan"),
        delivery=_delivery(headers),
        continues=_flag(headers, "x-passerelle-continue"),
        hedge=_flag(headers, "x-passerelle-hedge"),
        priority=priority_of(headers),
    )


def forwarded(headers: dict[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """The protocol headers that may travel to a provider of the same dialect."""
    if headers.keys().isdisjoint(_FORWARDED):
        return ()
    return tuple([(n.decode(), _text(headers[n])) for n in _FORWARDED if n in headers])


def _text(value: bytes) -> str:
    return value.decode("latin-1")[:1024]


def _bad(name: str, value: str, allowed: str) -> ProblemError:
    return invalid(f"`{name}` is `{value[:_WORD_BOUND]}`; send {allowed}.", param=name)


def _mode(headers: dict[bytes, bytes]) -> Mode | None:
    raw = headers.get(b"x-passerelle-mode")
    if raw is None:
        return None
    for mode in _MODES:
        if raw == mode.encode():
            return mode
    raise _bad("x-passerelle-mode", _text(raw), "one of " + ", ".join(f"`{m}`" for m in _MODES))


def _affinity(headers: dict[bytes, bytes]) -> Affinity | None:
    raw = headers.get(b"x-passerelle-affinity")
    if raw is None:
        return None
    for affinity in _AFFINITIES:
        if raw == affinity.encode():
            return affinity
    raise _bad("x-passerelle-affinity", _text(raw), "one of " + ", ".join(f"`{a}`" for a in _AFFINITIES))


def _cascade(headers: dict[bytes, bytes]) -> str | None:
    raw = headers.get(b"x-passerelle-cascade")
    if raw is None:
        return None
    word = _text(raw).strip()
    if len(word) > _WORD_BOUND or (word != OFF and verifier_of(word) is None):
        raise _bad(
            "x-passerelle-cascade",
            word,
            "`schema`, `agreement`, `tests:NAME` with tests that your organisation configured, or `off`",
        )
    return word


def _task(headers: dict[bytes, bytes]) -> str | None:
    raw = headers.get(b"x-passerelle-task")
    if raw is None:
        return None
    task = _text(raw).strip()
    if not task or len(task) > _WORD_BOUND:
        raise _bad("x-passerelle-task", task, f"a word of at most {_WORD_BOUND} characters, such as `code`")
    return task


def _delivery(headers: dict[bytes, bytes]) -> Way | None:
    raw = headers.get(b"x-passerelle-delivery")
    if raw is None:
        return None
    for way in _WAYS:
        if raw == way.encode():
            return way
    raise _bad("x-passerelle-delivery", _text(raw), "one of " + ", ".join(f"`{w}`" for w in _WAYS))


def _data_class(headers: dict[bytes, bytes]) -> DataClass | None:
    raw = headers.get(b"x-passerelle-data-class")
    if raw is None:
        return None
    for data_class in DATA_CLASSES:
        if raw == data_class.encode():
            return data_class
    allowed = "one of " + ", ".join(f"`{c}`" for c in DATA_CLASSES)
    raise _bad("x-passerelle-data-class", _text(raw), allowed)


def priority_of(headers: dict[bytes, bytes]) -> Priority | None:
    """What `x-passerelle-priority` says. Raises `ProblemError`."""
    raw = headers.get(b"x-passerelle-priority")
    if raw is None:
        return None
    for priority in PRIORITIES:
        if raw == priority.encode():
            return priority
    raise _bad("x-passerelle-priority", _text(raw), "one of " + ", ".join(f"`{p}`" for p in PRIORITIES))


def _words(headers: dict[bytes, bytes], name: str) -> tuple[str, ...]:
    raw = headers.get(name.encode())
    if raw is None:
        return ()
    words = [word for part in _text(raw).split(",") if (word := part.strip())]
    if len(words) > _LIST_BOUND or any(len(word) > _WORD_BOUND for word in words):
        raise invalid(
            f"`{name}` may list {_LIST_BOUND} names of {_WORD_BOUND} characters; send fewer.", param=name
        )
    return tuple(dict.fromkeys(words))


def _flag(headers: dict[bytes, bytes], name: str) -> bool:
    raw = headers.get(name.encode())
    if raw is None or raw in (b"0", b"false"):
        return False
    if raw in (b"1", b"true"):
        return True
    raise _bad(name, _text(raw), "`1` or `0`")
