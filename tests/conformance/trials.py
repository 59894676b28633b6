"""Ways to try a cell: what most features need is `cells.talk`; here is what the others do."""

import json
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
    marked,
    refused_before,
    talk,
    told_model,
    word_of,
)
from tests.conformance.compare import atoms, differences, told_differently
from tests.conformance.features import ONE, Feature, chain
from tests.conformance.house import House
from tests.conformance.houses import HOUSES
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    IllegalError,
    Refusal,
    Result,
    Text,
    Thought,
    Turn,
    UnsayableError,
)
from tests.conformance.world import MAKERS, RETRY_AFTER_S, Script, Told, World


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
    if cell.house.dialect == "openai_chat" and cell.house.chat.thoughts != "needed":
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
    if cell.own:
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
    if not cell.own:
        check((item["name"], item.get("namespace")) == (tool.name, "mcp__geo"), f"called {item}")
    return PASS


def count(cell: Cell) -> Verdict:
    """How large a prompt is."""
    script = Script()
    ask = marked(cell.feature.ask, cell.world.script(script))
    path, body = cell.client.count(ask, cell.model())
    told = cell.world.ask(cell.client.DIALECT, path, body)
    check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
    tokens = cell.client.read_count(told.json())
    check(tokens == 40 if cell.own else tokens > 0, f"{tokens} tokens")
    return PASS


_EMBEDDERS = {
    "openai": "text-embedding-3-small",
    "gemini": "gemini-embedding-001",
    "mistral": "mistral-embed",
    "cohere": "embed-v4.0",
}


def embed(cell: Cell) -> Verdict:
    """Vectors of two texts."""
    name = _EMBEDDERS.get(cell.house.name)
    if name is None:
        return Verdict("none", f"{cell.house.label}: no embeddings, or none in the catalog")
    asked = f"{cell.house.name}/{name}"
    if cell.client.DIALECT == "gemini":
        texts = [{"model": f"models/{asked}", "content": {"parts": [{"text": t}]}} for t in ("one", "two")]
        told = cell.world.ask("gemini", f"/v1beta/models/{asked}:batchEmbedContents", {"requests": texts})
        check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
        vectors = [e["values"] for e in told.json()["embeddings"]]
    else:
        told = cell.world.ask("openai_chat", "/v1/embeddings", {"model": asked, "input": ["one", "two"]})
        check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
        vectors = [e["embedding"] for e in told.json()["data"]]
        check(told.json()["usage"]["prompt_tokens"] > 0, "no usage")
    check(vectors == [[0.5, -0.25]] * 2, f"vectors {vectors}")
    return PASS


TOLD_STATUS = {400: 400, 401: 502, 403: 502, 404: 404, 413: 413, 429: 429, 500: 502, 503: 503, 529: 503}
"""The provider's status → the client's. Our refused credential is not the caller's fault."""
ERROR_KINDS: dict[str, dict[int, tuple[str, ...]]] = {
    "openai_chat": {
        400: ("invalid_request_error",), 404: ("invalid_request_error",), 413: ("invalid_request_error",),
        429: ("rate_limit_error",), 502: ("server_error", "api_error"),
        503: ("server_error", "api_error", "overloaded_error"),
    },
    "anthropic": {
        400: ("invalid_request_error",), 404: ("not_found_error",), 413: ("request_too_large",),
        429: ("rate_limit_error",), 502: ("api_error",), 503: ("overloaded_error", "api_error"),
        529: ("overloaded_error",),
    },
    "gemini": {
        400: ("INVALID_ARGUMENT",), 404: ("NOT_FOUND",), 413: ("INVALID_ARGUMENT",),
        429: ("RESOURCE_EXHAUSTED",), 502: ("UNAVAILABLE", "INTERNAL"), 503: ("UNAVAILABLE",),
    },
    "bedrock": {
        400: ("ValidationException",), 404: ("ResourceNotFoundException",), 413: ("ValidationException",),
        429: ("ThrottlingException",), 424: ("ModelErrorException",), 503: ("ServiceUnavailableException",),
    },
}  # fmt: skip


def error(cell: Cell) -> Verdict:
    """A provider's error reaches the client in its own dialect: the status its SDK acts on, and the wait."""
    status = cell.feature.more["status"]
    for stream in (False, True):
        script = Script(status=status)
        _, told = cell.send(replace(cell.feature.ask, stream=stream), script)
        check(len(script.heard) == 1, f"asked {len(script.heard)} times, refused {script.refusals}")
        expected = TOLD_STATUS[status]
        if cell.client.DIALECT == "bedrock" and expected == 502:
            expected = 424  # boto3 knows it as `ModelErrorException`
        if cell.client.DIALECT == "anthropic" and status == 529:
            expected = 529  # a status of its own there
        check(told.status == expected, f"told {told.status}: {told.body[:200]!r}")
        kind = cell.client.error(told.status, told.json())
        kind = told.headers.get("x-amzn-errortype", kind).partition(":")[0]
        kinds = ERROR_KINDS.get(cell.client.DIALECT) or ERROR_KINDS["openai_chat"]
        check(kind in kinds[told.status], f"an error of kind `{kind}`")
        if status in (429, 503, 529):
            wait = told.headers.get("retry-after")
            check(wait == str(RETRY_AFTER_S), f"`retry-after` is {wait}")
        if told.status >= 500:
            check(b"trouble" not in told.body, "the provider's own words about itself are told")
    return PASS


def broken(cell: Cell) -> Verdict:
    """An error after content ends the stream as an error, never as an answer."""
    script = Script(cell.feature.answer, broken=cell.feature.more.get("how", "error"))
    ask, told = cell.send(cell.feature.ask, script)
    check(told.status == 200, f"{told.status}")
    check(cell.client.stream_error(told.body), "the client would not notice")
    try:
        cell.read(ask, told)
    except (IllegalError, KeyError, TypeError):
        return PASS
    raise FailedError("it reads like a whole answer")


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
