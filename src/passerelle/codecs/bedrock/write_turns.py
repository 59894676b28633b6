"""Turns as Converse demands them.

The rules (docs.aws.amazon.com/bedrock "Using the Converse API" and "Call a tool with the Converse API", and
the service's own words, seen in aws-samples and langchain-aws issues; read 2026-11-22): roles take turns,
beginning with the user's; a turn that follows tool calls holds their results, all of them and no others
("Expected toolResult blocks at messages.2.content"); a turn with a document has words as well.
"""

from typing import Final

from passerelle.codecs.bedrock.write_blocks import Block
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.places import UnpairedError
from passerelle.core.message import Extra

_SILENCE: Final = "…"
_NO_RESULT: Final = "has no result right after it; send the result of every tool call"
_NO_CALL: Final = "answers no tool call of the turn before; send the call as well"


class Turns:
    """Turns as they gather: the same role twice is one turn."""

    def __init__(self, *, native: bool) -> None:
        self.turns: list[tuple[str, list[Block], Extra]] = []
        self._native = native

    def add(self, role: str, blocks: list[Block], extra: Extra) -> None:
        """Add `blocks` to the last turn when it is the same role's and nothing sets them apart."""
        if self.turns and self.turns[-1][0] == role and not extra:
            self.turns[-1][1].extend(blocks)
        else:
            self.turns.append((role, blocks, extra))

    def finish(self) -> list[Block]:
        """The turns as messages. Before an assistant that begins the conversation, or whose question could
        not be carried, stands a user turn that says nothing."""
        written: list[Block] = []
        if not self._native and self.turns and self.turns[0][0] != "user":
            written.append({"role": "user", "content": [{"text": _SILENCE}]})
        for role, blocks, extra in self.turns:
            if not self._native and role == "user":
                blocks = _results_first(blocks)
                _worded(blocks)
            written.append({"role": role, "content": blocks, **(extra or {})})
        return written


def _results_first(blocks: list[Block]) -> list[Block]:
    """Results before the words around them, each with the cache point behind it."""
    runs: list[list[Block]] = []
    for block in blocks:
        if "cachePoint" in block and runs:
            runs[-1].append(block)
        else:
            runs.append([block])
    runs.sort(key=lambda run: "toolResult" not in run[0])
    return [block for run in runs for block in run]


def _worded(blocks: list[Block]) -> None:
    """A document alone is refused; its name is a word that says nothing new."""
    if any("text" in block for block in blocks):
        return
    for block in blocks:
        if "document" in block:
            blocks.append({"text": block["document"]["name"]})
            return


def check_pairs(turns: list[Block], ids: CallIds) -> None:
    """Every call is answered in the next turn, and every answer has its call in the turn before.

    Raises `UnpairedError` naming the caller's id.
    """
    before: set[str] = set()
    for turn in turns:
        results = {b["toolResult"]["toolUseId"] for b in turn["content"] if "toolResult" in b}
        _refuse(before - results, ids, _NO_RESULT, result=False)
        _refuse(results - before, ids, _NO_CALL, result=True)
        before = {b["toolUse"]["toolUseId"] for b in turn["content"] if "toolUse" in b}
    _refuse(before, ids, _NO_RESULT, result=False)


def _refuse(alone: set[str], ids: CallIds, why: str, *, result: bool) -> None:
    if alone:
        raise UnpairedError(ids.raw(min(alone)), why, result=result)
