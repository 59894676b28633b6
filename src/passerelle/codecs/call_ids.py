"""Tool call ids that Anthropic and Bedrock take, the same on every turn of a conversation.

Anthropic wants `^[a-zA-Z0-9_-]+$`, unique within a request, and we keep them to 64 characters; Bedrock's
Converse takes a few signs more and the same length (`ToolUseId` in botocore 1.44's service model). Other
providers' ids are longer, hold other signs, or repeat from turn to turn. An id that fits and is new
stays as it is; any other becomes a hash of itself and of how often it came before. History only grows
at its end, so a call keeps its id, and the prompt cache its prefix.
"""

import re
from collections import deque

from passerelle.codecs.names import digest

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


class CallIds:
    """The ids of one request's calls, taken in the order of the conversation."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._open: dict[str, deque[str]] = {}
        self._last: dict[str, str] = {}
        self._raw: dict[str, str] = {}

    def call(self, raw: str) -> str:
        """The id for a call the caller names `raw`."""
        count = self._seen.get(raw, 0) + 1
        self._seen[raw] = count
        fitted = raw if count == 1 and _FITS.match(raw) else _hashed(raw, count)
        self._open.setdefault(raw, deque()).append(fitted)
        self._last[raw] = self._remembered(fitted, raw)
        return fitted

    def result(self, raw: str) -> str:
        """The id of the call that a result named `raw` answers: the oldest still open."""
        waiting = self._open.get(raw)
        if waiting:
            return waiting.popleft()
        return self._last.get(raw) or self._remembered(raw if _FITS.match(raw) else _hashed(raw, 1), raw)

    def raw(self, fitted: str) -> str:
        """The caller's own name for the call sent as `fitted`."""
        return self._raw.get(fitted, fitted)

    def _remembered(self, fitted: str, raw: str) -> str:
        if fitted != raw:
            self._raw[fitted] = raw
        return fitted


def _hashed(raw: str, count: int) -> str:
    return "toolu_" + digest(f"{count}\x1f{raw}", 24)
