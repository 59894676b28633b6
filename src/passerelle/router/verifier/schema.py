"""Verifier `schema`: the answer meets the schemas of its own request.

Calls are held against the tools that the request declares; where none is called, the text against the schema
of the answer, if the request has one. A refusal is an answer and stays one; so is plain text where tools are
offered and no schema is asked for: whether a tool should have been called is not for a schema to say.
"""

from passerelle.core.request import Request
from passerelle.router.verifier.base import Call, Said, TooMuchError, Verdict, read_json
from passerelle.router.verifier.json_schema import fault


def applies(features: frozenset[str]) -> bool:
    """Whether a request has a schema to be held against. `features`: see `codecs.base.Envelope`."""
    return not features.isdisjoint({"json", "json_schema", "tools"})


def verdict(request: Request, said: Said) -> Verdict:
    """Whether the answer to `request` holds."""
    if said.declined:
        return Verdict(True, "the model declined, which is an answer", tells=False)
    if not said.whole:
        return Verdict(False, f"the answer is cut: `{said.finish}`")
    try:
        if said.calls:
            return _calls(request, said.calls)
        return _text(request, said)
    except TooMuchError as error:
        return Verdict(False, str(error), tells=False)


def _calls(request: Request, calls: tuple[Call, ...]) -> Verdict:
    tools = {tool.name: tool for tool in request.tools}
    for call in calls:
        tool = tools.get(call.name)
        if tool is None:
            return Verdict(False, "it calls a tool that the request does not declare")
        if call.custom or tool.kind != "function":
            continue
        known, value = read_json(call.arguments)
        if not known or not isinstance(value, dict):
            return Verdict(False, "the arguments of a call are no JSON object")
        found = fault(tool.parameters or {}, value)
        if found is not None:
            return Verdict(
                False,
                f"the arguments of a call do not meet the tool's schema: {_told(found.keyword, found.level)}",
            )
    return Verdict(True, f"{_calls_told(len(calls))} as declared")


def _calls_told(count: int) -> str:
    return "one tool is called" if count == 1 else f"{count} tools are called"


def _text(request: Request, said: Said) -> Verdict:
    output = request.output
    if output.kind == "text":
        return Verdict(True, "it calls no tool, and no schema is asked for", tells=False)
    known, value = read_json(said.text)
    if not known:
        return Verdict(False, "the answer is no JSON")
    if output.kind == "json" or output.schema is None:
        return Verdict(True, "the answer is JSON")
    found = fault(output.schema, value)
    if found is None:
        return Verdict(True, "the answer meets the request's schema")
    return Verdict(
        False, f"the answer does not meet the request's schema: {_told(found.keyword, found.level)}"
    )


def _told(keyword: str, level: int) -> str:
    return f"`{keyword}`, {'at the top' if level == 0 else f'{level} deep'}"
