"""Trials of more than one turn: what was told goes back."""

import json
from dataclasses import replace

from tests.conformance.cells import (
    PASS,
    Cell,
    Verdict,
    check,
    heard_well,
    told_model,
    word_of,
)
from tests.conformance.compare import atoms, differences, told_differently
from tests.conformance.feature import ONE
from tests.conformance.houses import HOUSES
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Result,
    Text,
    Thought,
    Turn,
)
from tests.conformance.world import MAKERS, Script, Told


def back(cell: Cell) -> Verdict:
    """Thoughts, their proof and a call come back in the next turn, as the provider wants them."""
    answer = cell.answer(cell.feature.answer)
    script = Script(answer)
    ask, told = cell.send(cell.feature.ask, script)
    lost = heard_well(cell, ask, told, script)
    check(not lost, f"lost: {lost}")
    got = cell.read(ask, told)
    differ = told_differently(cell.expected(answer), got, told_model(cell, script), cell.house)
    check(not differ, "; ".join(differ.values()))
    again, script, told = _again(cell, got)
    check(not script.refusals and told.status == 200, f"{script.refusals or told.body[:300]!r}")
    differ = differences(again, script.heard[0])
    differ.pop("thought", None)
    check(not differ, f"the next turn: {differ}")
    heard = [atom for atom in atoms(script.heard[0].turns) if atom[0] == "thought"]
    if not any(isinstance(part, Thought) for part in answer.parts):
        check(not told.dropped, f"said to be lost: {told.dropped}")
        return PASS
    if cell.own and cell.house.dialect == "openai_chat":
        return PASS  # relayed as the client said it, and not refused
    if cell.house.dialect == "openai_chat" and cell.house.chat.thoughts not in ("needed", "taken"):
        check(not heard, f"the provider heard {heard}")
        check(told.dropped == {word_of(cell, "thought")}, f"said {told.dropped}")
        return Verdict("told", cell.house.lacks["thought"])
    kept = told.dropped - ({word_of(cell, "thought")} if cell.house.dialect == "gemini" else set())
    check(not kept, f"said to be lost: {told.dropped}")
    for part in answer.parts:
        if isinstance(part, Call) and part.proof:
            check(("thought", "", part.proof) in heard, f"the call's proof is gone: {heard}")
        elif isinstance(part, Thought) and cell.house.dialect != "gemini":
            check(("thought", part.text, part.proof) in heard, f"the thought is gone: {heard}")
    return PASS


def same(cell: Cell) -> Verdict:
    """Calls that share an id, as some servers give them, have ids of their own to the client."""
    if cell.own:
        return Verdict("none", "relayed: the provider's own words")
    if not MAKERS[cell.house.dialect].true_call_id(cell.house, 1):
        return Verdict("none", f"{cell.house.label}: gives no ids")
    return back(cell)


def _again(cell: Cell, got: Answer) -> tuple[Ask, Script, Told]:
    """The next turn: what was told goes back, with the results of its calls."""
    results = tuple(
        [
            Result(p.id, (Text(f"{at}8 degrees"),), name=p.name)
            for at, p in enumerate(got.parts)
            if isinstance(p, Call)
        ]
    )
    turns = (*cell.feature.ask.turns, Turn("assistant", got.parts), Turn("user", results))
    script = Script(Answer((Text("It is mild."),)))
    ask, told = cell.send(replace(cell.feature.ask, turns=turns, stream=False), script)
    return ask, script, told


def switch(cell: Cell) -> Verdict:
    """Thoughts of one provider are left out for another, and it is told."""
    claude = cell.house.dialect in ("anthropic", "bedrock")
    first = next(h for h in HOUSES if h.name == ("gemini" if claude else "anthropic"))
    thought = Thought("Is it windy there? Better ask.")
    before = Cell(cell.world, cell.client, first, cell.feature)
    script = Script(before.answer(Answer((thought, replace(ONE, proof="$call")), "calls")))
    ask, told = before.send(cell.feature.ask, script)
    check(told.status == 200, f"{told.status}: {told.body[:300]!r}")
    got = before.read(ask, told)
    _, script, told = _again(cell, got)
    check(not script.refusals and told.status == 200, f"{script.refusals or told.body[:300]!r}")
    sent = json.dumps(script.bodies[0])
    for proof in (MAKERS[first.dialect].PROOF, "psl1!"):
        check(proof not in sent, "another provider's proof was sent on")
    heard = [atom for atom in atoms(script.heard[0].turns) if atom[0] == "thought"]
    check(heard or word_of(cell, "thought") in told.dropped, f"lost without a word: {told.dropped}")
    return PASS
