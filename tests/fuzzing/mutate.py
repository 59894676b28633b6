"""Changes of JSON that keep it JSON, wherever it stands: a body, or a line of an event stream.

Bytes changed at random seldom get past the first brace. These get to the fields behind it.
"""

import json
import random
import re
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, -(2**63), 2**64, 10**30, 0.5, -1e-300, 1e308, "", " ", "0",
    "-1", "1e9", "null", "\0", "\ud800", "é", "𝕏", "\r\n", "data: x\n\n", '"', "\\", "{", "[]", "{}",
    '{"a":1}', "A" * 300, "stop", "text", "m", [], {}, [None], [[]], [{}], {"": None}, {"type": None},
    {"type": "text"}, ["a", 1],
)  # fmt: skip
_PAYLOAD = re.compile(rb"^(data: ?)(.+?)(\r?)$", re.MULTILINE)
WORDS: list[str] = []
"""Names and small values met in seeds: `learn` fills it."""
GRAFTS: list[Any] = []
"""Pieces of seeds."""


def learn(data: bytes) -> None:
    """Remember what stands in a seed, to put it elsewhere."""
    known: set[str] = set()
    for payload in [data, *[m[2] for m in _PAYLOAD.finditer(data)]]:
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError):
            continue
        for _, _, node in _nodes(value):
            if isinstance(node, dict):
                known.update(node)
            if isinstance(node, str) and len(node) < 40:
                known.add(node)
            if isinstance(node, dict | list) and len(json.dumps(node)) < 600 and len(GRAFTS) < 4000:
                GRAFTS.append(node)
    WORDS.extend(sorted(known.difference(WORDS)))


def mutate(data: bytes, seed: int) -> bytes | None:
    """`data` with one of its JSON values changed; None when there is none."""
    dice = random.Random(seed)
    lines = [m for m in _PAYLOAD.finditer(data) if m[2][:1] in b"{["]
    if lines and dice.random() < 0.3:
        return _shuffled(data, dice)
    line = dice.choice(lines) if lines else None
    payload = line[2] if line else data
    try:
        value = [json.loads(payload)]
    except (ValueError, RecursionError):
        return None
    try:
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            _change(value, dice)
        said = json.dumps(
            value[0] if value else None, ensure_ascii=dice.random() < 0.5, separators=(",", ":")
        )
    except (ValueError, RecursionError):  # too deep, or a value put into itself
        return None
    changed = said.encode("utf-8", "surrogatepass")
    if line is None:
        return changed
    return data[: line.start(2)] + changed + data[line.end(2) :]


def _shuffled(data: bytes, dice: random.Random) -> bytes:
    """Events dropped, doubled or moved."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    blocks = data.split(end)
    at = dice.randrange(len(blocks))
    match dice.randrange(3):
        case 0:
            del blocks[at]
        case 1:
            blocks.insert(dice.randrange(len(blocks) + 1), blocks[at])
        case _:
            blocks.insert(dice.randrange(len(blocks)), blocks.pop(at))
    return end.join(blocks)


def _nodes(root: Any) -> list[tuple[Any, Any, Any]]:
    """Every value with what holds it and under which name, level by level."""
    found: list[tuple[Any, Any, Any]] = []
    level = [root] if isinstance(root, dict | list) else []
    while level and len(found) < 5000:
        below = []
        for holder in level:
            for name, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
                found.append((holder, name, value))
                if isinstance(value, dict | list):
                    below.append(value)
        level = below
    return found


def _change(root: list[Any], dice: random.Random) -> None:
    nodes = _nodes(root)
    if not nodes:
        return
    holder, name, value = dice.choice(nodes)
    match dice.randrange(10):
        case 0 | 1 | 2:
            holder[name] = dice.choice(ODD)
        case 3 if holder is not root:
            del holder[name]
        case 4 if WORDS:
            holder[name] = dice.choice(WORDS)
        case 5 if isinstance(holder, dict) and WORDS:
            holder[dice.choice(WORDS)] = holder.pop(name)
        case 6 if isinstance(value, dict) and WORDS:
            value[dice.choice(WORDS)] = dice.choice(ODD) if dice.random() < 0.5 else dice.choice(nodes)[2]
        case 7 if GRAFTS:
            holder[name] = json.loads(json.dumps(dice.choice(GRAFTS)))
        case 8 if isinstance(holder, list):
            holder.insert(name, json.loads(json.dumps(value)) if len(nodes) < 300 else None)
        case _:
            wrapped: Any = value
            for _ in range(dice.choice((1, 2, 3, 40, 300))):
                wrapped = [wrapped] if dice.random() < 0.5 else {"a": wrapped}
            holder[name] = wrapped
