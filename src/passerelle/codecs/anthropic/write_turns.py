"""Turns as Anthropic demands them.

The rules (platform.claude.com/docs, "Working with messages" and "Handle tool calls"; errors quoted in
anthropics/claude-code#8210 and tghamm/Anthropic.SDK#184; read 2026-11-22): the same role twice is one
turn; a turn that follows tool calls begins with their results, all of them and no others; the last
assistant turn does not end in white space.
"""

from typing import Final

from passerelle.codecs.anthropic.write_blocks import Block, plain
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.places import UnpairedError
from passerelle.core.message import Extra

_NO_RESULT: Final = "has no result right after it; send the result of every tool call"
_NO_CALL: Final = "answers no tool call of the turn before; send the call as well"


class Turns:
    """Turns as they gather: the same role twice is one turn."""

    def __init__(self, *, sort_results: bool) -> None:
        self.turns: list[tuple[str, list[Block], Extra]] = []
        self._sort = sort_results

    def add(self, role: str, blocks: list[Block], extra: Extra) -> None:
        """Add `blocks` to the last turn when it is the same role's and nothing sets them apart."""
        if self.turns and self.turns[-1][0] == role and not extra:
            self.turns[-1][1].extend(blocks)
        else:
            self.turns.append((role, blocks, extra))

    def finish(self) -> list[Block]:
        """The turns as messages."""
        written = []
        for role, blocks, extra in self.turns:
            if self._sort and role == "user":
                blocks.sort(key=_not_a_result)  # stable: results first, the rest in its order
            written.append({"role": role, "content": plain(blocks), **(extra or {})})
        return written


def _not_a_result(block: Block) -> bool:
    return bool(block["type"] != "tool_result")


def check_pairs(turns: list[Block], ids: CallIds) -> None:
    """Every call is answered in the next turn, and every answer has its call in the turn before.

    Raises `UnpairedError` naming the caller's id.
    """
    before: set[str] = set()
    for turn in turns:
        blocks = turn["content"] if isinstance(turn["content"], list) else []
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        _refuse(before - results, ids, _NO_RESULT, result=False)
        _refuse(results - before, ids, _NO_CALL, result=True)
        before = {block["id"] for block in blocks if block["type"] == "tool_use"}
    _refuse(before, ids, _NO_RESULT, result=False)


def _refuse(alone: set[str], ids: CallIds, why: str, *, result: bool) -> None:
    if alone:
        raise UnpairedError(ids.raw(min(alone)), why, result=result)


def trim_last(turns: list[Block]) -> None:
    """The API refuses a last assistant turn that ends in white space (a prefill)."""
    last = turns[-1]
    if last["role"] != "assistant":
        return
    content = last["content"]
    if isinstance(content, str):
        last["content"] = content.rstrip()
    elif content[-1]["type"] == "text":
        content[-1]["text"] = content[-1]["text"].rstrip()
