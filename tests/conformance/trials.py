"""Ways to try a cell: what most features need is `cells.talk`; here is what the others do."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from tests.conformance.cells import (
    LIMITS,
    PASS,
    Cell,
    FailedError,
    Verdict,
    check,
    heard_well,
    left_out,
    refused_before,
    talk,
    word_of,
)
from tests.conformance.compare import differences
from tests.conformance.feature import Feature, chain
from tests.conformance.house import House
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    IllegalError,
    Refusal,
    Text,
    UnsayableError,
)
from tests.conformance.trials_troubles import broken, count, embed, error
from tests.conformance.trials_turns import back, same, switch
from tests.conformance.world import Script, World


def longest(cell: Cell) -> Verdict:
    """Ids as long as the client's own dialect takes them."""
    length = 40 if cell.client.DIALECT == "openai_chat" else 64
    return talk(cell, chain("call_#".ljust(length, "x")))


def effort(cell: Cell) -> Verdict:
    """Efforts: in their own dialect, Anthropic, Google and Bedrock take them on their newer models only."""
    ask = cell.feature.ask
    if cell.own and cell.house.dialect in ("anthropic", "gemini", "bedrock"):
        cell.feature = replace(cell.feature, role="modern")
    if cell.client.DIALECT == "openai_chat":
        ask = replace(ask, show=False)  # its callers cannot ask, and get what is shown
    return talk(cell, ask)


def tier(cell: Cell) -> Verdict:
    """Every dialect has words of its own."""
    if cell.client.DIALECT == "anthropic":
        ask = replace(cell.feature.ask, tier="standard_only")
        if cell.house.dialect != "anthropic":
            script = Script(cell.feature.answer)
            _, told = cell.send(ask, script)
            check(told.status == 200 and not script.refusals, f"{told.status}: {script.refusals}")
            ordinary = ("default", "standard", "standard_only", "on_demand")
            if script.heard[0].tier in ordinary or (cell.house.dialect == "bedrock" and not told.dropped):
                check(not told.dropped, f"said to be lost: {told.dropped}")
                return PASS
            check(told.dropped == {"service_tier"}, f"lost without a word: {told.dropped}")
            return Verdict("told", "no tiers, or tiers of other names")
        return talk(cell, ask)
    return talk(cell)


def written(cell: Cell) -> Verdict:
    """Tokens written to a cache."""
    return talk(cell)


def free(cell: Cell) -> Verdict:
    """A tool of free text: as it is where the provider has such, as a function of one text elsewhere."""

    def says(heard: Ask) -> Answer:
        custom = any(tool.free for tool in heard.tools)
        call = Call("sql", {"input": "SELECT 1"}, "$1", free="SELECT 1" if custom else None)
        return cell.answer(Answer((call,), "calls"))

    script = Script(says)
    ask, told = cell.send(cell.feature.ask, script)
    lost = heard_well(cell, ask, told, script)
    got = cell.read(ask, told)
    calls = [(part.name, part.free) for part in got.parts if isinstance(part, Call)]
    check(calls == [("sql", "SELECT 1")], f"the call became {calls}")
    return left_out(cell, cell.feature.ask, lost)


def renamed(cell: Cell) -> Verdict:
    """A name the provider would refuse gets a stand-in, and the client its own name back."""
    (tool,) = cell.feature.ask.tools
    if cell.own and cell.house.dialect == "openai_chat":
        return Verdict("none", "the client's own provider would refuse it")
    if cell.own:
        return Verdict("none", "the client's own provider would refuse it")

    def says(heard: Ask) -> Answer:
        return cell.answer(Answer((Call(heard.tools[0].name, {"city": "Arles"}, "$1"),), "calls"))

    script = Script(says)
    ask, told = cell.send(cell.feature.ask, script)
    check(
        told.status == 200 and not script.refusals, f"{told.status}: {script.refusals or told.body[:200]!r}"
    )
    check(not told.dropped, f"said to be lost: {told.dropped}")
    (call,) = [part for part in cell.read(ask, told).parts if isinstance(part, Call)]
    check(call.name == tool.name, f"the client was told of `{call.name}`")
    return PASS


def either(cell: Cell) -> Verdict:
    """Things that not every model takes together, or not so far: what gives way is told."""
    if cell.own:
        return Verdict("none", "relayed: the provider itself judges what its own dialect says")
    ask = cell.feature.ask
    cell.client.write(ask, "m")
    script = Script(cell.answer(cell.feature.answer))
    sent, told = cell.send(ask, script)
    check(not script.refusals, f"the provider refused: {script.refusals}")
    check(told.status == 200, f"{told.status}: {told.body[:300]!r}")
    found = differences(sent, script.heard[0])
    lacks = cell.house.lacks
    check(found.keys() <= {*cell.feature.more["either"], *lacks}, f"{found}")
    for key in found:
        check(word_of(cell, key) in told.dropped, f"{found[key]} without a word, said {told.dropped}")
    more = told.dropped - {word_of(cell, key) for key in found}
    check(not more, f"said to be lost, and is not: {sorted(more)}")
    cell.read(sent, told)
    return PASS


def several(cell: Cell) -> Verdict:
    """`n`: relayed as it is; elsewhere left out and told, or refused before any call."""
    script = Script(cell.feature.answer)
    ask, told = cell.send(cell.feature.ask, script)
    if told.status == 400 and not script.bodies:
        cell.client.error(400, told.json())
        return Verdict("told" if "n" in cell.house.lacks else "limit", cell.house.lacks.get("n", LIMITS["n"]))
    return left_out(cell, cell.feature.ask, heard_well(cell, ask, told, script))


def refusal(cell: Cell) -> Verdict:
    """A refusal's words reach the client, as a refusal where its dialect has such."""
    script = Script(cell.feature.answer)
    ask, told = cell.send(cell.feature.ask, script)
    check(not heard_well(cell, ask, told, script), "something was lost")
    got = cell.read(ask, told)
    said = "".join([part.text for part in got.parts if isinstance(part, Text | Refusal)])
    check(said == "I cannot help with that.", f"the refusal became {said!r}")
    return PASS


def cited(cell: Cell) -> Verdict:
    """Sources named."""
    if cell.house.dialect == "openai_chat" and cell.house.chat.counts != "openai":
        return Verdict("none", f"{cell.house.label}: names no sources")
    return talk(cell)


def unknown(cell: Cell) -> Verdict:
    """A field nobody knows: carried to its own dialect, told elsewhere."""
    dialect = cell.client.DIALECT
    ask = replace(cell.feature.ask, raw={dialect: {"x_unknown": 1}})
    script = Script(cell.feature.answer)
    _, told = cell.send(ask, script)
    if cell.own and not cell.house.agent:
        check(script.bodies and script.bodies[0].get("x_unknown") == 1, "it did not arrive")
        check(told.status == (400 if script.refusals else 200), f"{told.status}")
        return PASS
    check(not script.refusals and told.status == 200, f"{script.refusals or told.body[:200]!r}")
    check(told.dropped == {"x_unknown"}, f"said {sorted(told.dropped)}")
    refused_before(cell, ask, strict=True)
    return PASS


def raw(cell: Cell) -> Verdict:
    """Fields of one dialect only."""
    dialect = cell.client.DIALECT
    ask = replace(cell.feature.ask, raw={dialect: cell.feature.more[dialect]})
    script = Script(cell.feature.answer)
    _, told = cell.send(ask, script)
    check(not script.refusals and told.status == 200, f"{script.refusals or told.body[:200]!r}")
    name = cell.feature.more.get("lost")
    if name is None:
        check(not told.dropped, f"said to be lost: {told.dropped}")
        return PASS
    if cell.own:
        check(name in script.bodies[0], "it did not arrive")
        return PASS
    check(told.dropped == {name}, f"said {sorted(told.dropped)}")
    refused_before(cell, ask, strict=True)
    return Verdict("told", "no such thing there")


def namespace(cell: Cell) -> Verdict:
    """Tools in a namespace reach others under one flat name, and are called back by both."""
    (tool,) = cell.feature.ask.tools
    function = {"type": "function", "name": tool.name, "description": "", "parameters": tool.schema}
    space = {"type": "namespace", "name": "mcp__geo", "description": "Maps.", "tools": [function]}
    ask = replace(cell.feature.ask, tools=(), raw={"openai_responses": {"tools": [space]}})

    def says(heard: Ask) -> Answer:
        return cell.answer(Answer((Call(heard.tools[0].name, {"city": "Arles"}, "$1"),), "calls"))

    script = Script(says)
    _, told = cell.send(ask, script)
    check(not script.refusals and told.status == 200, f"{script.refusals or told.body[:200]!r}")
    check(not told.dropped, f"said to be lost: {told.dropped}")
    (item,) = [item for item in told.json()["output"] if item["type"] == "function_call"]
    if not cell.own or cell.house.agent:
        check((item["name"], item.get("namespace")) == (tool.name, "mcp__geo"), f"called {item}")
    return PASS


KINDS: dict[str, Callable[[Cell], Verdict]] = {
    "talk": talk, "effort": effort, "tier": tier, "written": written, "free": free, "renamed": renamed,
    "return": back, "same": same, "switch": switch, "several": several, "either": either, "longest": longest,
    "refusal": refusal, "cited": cited,
    "unknown": unknown, "raw": raw, "namespace": namespace, "count": count, "embed": embed, "error": error,
    "broken": broken,
}  # fmt: skip


def run(world: World, client: ModuleType, house: House, feature: Feature) -> Verdict:
    """Try it. Never raises for what either end finds wrong."""
    if feature.clients is not None and client.DIALECT not in feature.clients:
        return Verdict("none", feature.why)
    if client.DIALECT in feature.illegal:
        return Verdict("none", "not allowed in this dialect itself")
    for key in feature.needs:
        if key in house.unlike:
            return Verdict("none", f"{house.label}: {house.unlike[key]}")
        if key == "stop_told" and (house.dialect, client.DIALECT) != ("anthropic", "anthropic"):
            return Verdict("none", "only Messages tells which one it was")
    try:
        return KINDS[feature.kind](Cell(world, client, house, feature))
    except UnsayableError as error:
        return Verdict("none", str(error))
    except (FailedError, IllegalError) as error:
        return Verdict("fail", str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Verdict("fail", f"unreadable: {error!r}")
