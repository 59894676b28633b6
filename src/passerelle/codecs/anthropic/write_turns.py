"""Turns as Anthropic demands them.

The rules (platform.claude.com/docs, "Working with messages" and "Handle tool calls"; errors quoted in
anthropics/claude-code#8210 and tghamm/Anthropic.SDK#184; read 2026-11-22): the same role twice is one
turn; a turn that follows tool calls begins with their results, all of them and no others; the last
assistant turn does not end in white space.
"""

from passerelle.codecs.anthropic.write_blocks import Block, plain
from passerelle.core.errors import invalid
from passerelle.core.message import Extra


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


def check_pairs(turns: list[Block]) -> None:
    """Every call is answered in the next turn, and every answer has its call in the turn before."""
    before: set[str] = set()
    for index, turn in enumerate(turns):
        blocks = turn["content"] if isinstance(turn["content"], list) else []
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        _refuse(before - results, index, "has no result right after it; send the result of every tool call")
        _refuse(results - before, index, "answers no tool call of the turn before; send the call as well")
        before = {block["id"] for block in blocks if block["type"] == "tool_use"}
    _refuse(before, len(turns), "has no result after it; send the result of every tool call")


def _refuse(ids: set[str], index: int, why: str) -> None:
    if ids:
        raise invalid(f"tool call `{min(ids)}` {why}", f"messages.{index}")


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
