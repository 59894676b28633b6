"""Verifier `schema`: the answer has the form that its own request asks for.

Calls are held against the tools that the request declares; where none is called, the text against the schema
of the answer, if the request has one. A refusal is an answer and stays one; so is plain text where tools are
offered and no schema is asked for: whether a tool should have been called is not for a schema to say.

It is form alone: an answer that has it may say anything, and one that has not is of no use to who asked.
"""

from passerelle.core.request import Request
from passerelle.router.verifier.base import Call, Said, UndecidedError, Verdict, read_json
from passerelle.router.verifier.json_schema import Fault, fault


def applies(features: frozenset[str]) -> bool:
    """Whether a request has a form to be held against. `features`: see `codecs.base.Envelope`."""
    return not features.isdisjoint({"json", "json_schema", "tools"})


def verdict(request: Request, said: Said) -> Verdict:
    """Whether the answer to `request` holds."""
    if said.declined:
        return Verdict(True, "the model declined, which is an answer", tells=False)
    if said.finish == "malformed_tool_call":
        return Verdict(False, "the model tried to call a tool and failed")
    if not said.whole:
        return Verdict(False, f"the answer is cut: `{said.finish}`", tells=False)
    try:
        if said.calls:
            return _calls(request, said.calls)
        return _text(request, said)
    except UndecidedError as error:
        return Verdict(False, str(error), tells=False)


def _calls(request: Request, calls: tuple[Call, ...]) -> Verdict:
    """All of them: one that cannot be told matters only where the others are as declared."""
    tools = {tool.name: tool for tool in request.tools}
    # What runs at the provider may be called by names of its own.
    closed = all(tool.kind != "builtin" for tool in request.tools)
    tells, unsure = False, None
    for call in calls:
        tool = tools.get(call.name)
        if tool is None and closed:
            return Verdict(False, "it calls a tool that the request does not declare")
        if tool is None or call.custom or tool.kind != "function":
            continue
        known, value = read_json(call.arguments)
        if not known or not isinstance(value, dict):
            return Verdict(False, "the arguments of a call are no JSON object")
        tells = True
        try:
            found = None if tool.parameters is None else fault(tool.parameters, value)
        except UndecidedError as error:
            unsure = str(error)
            continue
        if found is not None:
            return Verdict(False, f"the arguments of a call do not meet the tool's schema: {_told(found)}")
    if unsure is not None:
        raise UndecidedError(unsure)
    one_or_more = "one tool is called" if len(calls) == 1 else f"{len(calls)} tools are called"
    return Verdict(True, f"{one_or_more} as declared", tells=tells)


def _text(request: Request, said: Said) -> Verdict:
    output = request.output
    if output.kind == "text":
        return Verdict(True, "it calls no tool, and no schema is asked for", tells=False)
    known, value = read_json(said.text)
    if not known:
        return Verdict(False, "the answer is no JSON")
    if output.schema is not None:
        found = fault(output.schema, value)
        if found is None:
            return Verdict(True, "the answer meets the request's schema")
        return Verdict(False, f"the answer does not meet the request's schema: {_told(found)}")
    # OpenAI's `json_object` is an object by its name. Google's `application/json` is any JSON: its first
    # example asks for a list (google-gemini/cookbook, quickstarts/JSON_mode.ipynb, read 2026-11-22).
    if request.dialect != "gemini" and not isinstance(value, dict):
        return Verdict(False, "the answer is no JSON object")
    return Verdict(True, "the answer is JSON")


def _told(found: Fault) -> str:
    return f"`{found.keyword}`, {'at the top' if found.level == 0 else f'{found.level} deep'}"
