"""What a request loses on its way to this dialect, and what an own request brings back."""

from typing import Any, Final

from passerelle.codecs.base import Target
from passerelle.core.request import Request

Json = dict[str, Any]

_SHARED: Final = ("prompt_cache_retention", "prompt_cache_options")
"""Fields that OpenAI's two dialects have alike (openai-python 3.54)."""


class Journey:
    """One request on its way to one target: whose it is, where it goes, what was left behind."""

    __slots__ = ("_dropped", "of", "own", "quirks", "target")

    def __init__(self, request: Request, target: Target) -> None:
        self.own = request.dialect == "openai_chat"
        """The caller spoke this dialect too: what we do not name goes back as it came."""
        self.of = request.dialect
        self.target = target
        self.quirks = target.quirks
        self._dropped = dict.fromkeys(request.dropped)

    def drop(self, *names: str) -> None:
        """Report fields that cannot be carried, once each."""
        for name in names:
            self._dropped[name] = None

    @property
    def dropped(self) -> tuple[str, ...]:
        """In the order they were met."""
        return tuple(self._dropped)

    def extras(self, onto: Json, extra: Json | None) -> Json:
        """`onto` with what the caller's dialect had beside it, or with those names reported."""
        if not extra:
            return onto
        if self.own:
            return merged(onto, extra)
        self.drop(*extra)
        return onto

    def shared(self, onto: Json, extra: Json | None) -> Json | None:
        """Puts into `onto` what OpenAI's two dialects have alike; gives the rest of `extra`."""
        if not extra or self.of != "openai_responses" or extra.keys().isdisjoint(_SHARED):
            return extra
        onto.update({name: extra[name] for name in _SHARED if name in extra})
        return {name: value for name, value in extra.items() if name not in _SHARED}


def merged(base: Json, more: Json) -> Json:
    """`base` with `more`, object by object; `more` wins where both say something."""
    result = dict(base)
    for name, value in more.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result
