"""The task every agent is given, and what the replayed model does about it with the tools it is offered.

1. `notes.txt` is written. 2. It is read again, and `secret.txt` with it, in one turn: two calls at once.
3. The words of `notes.txt` are counted into `count.txt` by a command. 4. An answer in words, which repeats
the secret: only who was given the tool's true result can know it.

A step is chosen by how many calls were answered so far, so the model holds no state.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]

MARK = "errand 4711"
PROMPT = (
    f"This is {MARK}. Write notes.txt with three words, read it back together with secret.txt, "
    "count its words into count.txt, then tell me the secret."
)
NOTES = "alpha beta gamma\n"
COMMAND = "wc -w < notes.txt > count.txt && echo counted"
THOUGHT = "First the file, then the rest."
SECRET = re.compile(r"secret-[0-9a-f]{12}")

_WRITE = ("write", "writefile")
_READ = ("read", "readfile")
_SHELL = ("bash", "runshellcommand", "execcommand", "shell", "shellcommand")
_CODE = ("exec", "functionsexec")
"""Codex's "code mode": one tool that takes JavaScript, in which the others are functions."""
_PATHS = ("file_path", "filePath", "absolute_path", "path")


@dataclass(frozen=True)
class Tool:
    """A tool as it was offered."""

    name: str
    schema: Body = field(default_factory=dict)
    custom: bool = False
    """It takes free text instead of an object."""
    namespace: str | None = None


@dataclass(frozen=True)
class Seen:
    """What the model makes of a request, whatever its dialect."""

    tools: tuple[Tool, ...]
    said: str
    """Everything the user said."""
    results: tuple[str, ...]
    """What each answered call gave, in order."""
    schema: Body | None = None
    """What a structured answer must look like."""
    proofs: int = 0
    """How many turns of thought came back with the proof they were given."""


@dataclass(frozen=True)
class Call:
    """A call the model makes."""

    tool: Tool
    arguments: Body | str


class CannotHelpError(AssertionError):
    """The tools on offer do not fit the task: the test is out of date, or the gateway spoilt them."""


def next_step(seen: Seen, folder: str) -> list[Call] | str:
    """The calls to make now, or what to say. `folder` is where the agent works."""
    if MARK not in seen.said or not seen.tools:
        return "A small errand"
    done = len(seen.results)
    if done == 0:
        return [_write(seen.tools, folder)]
    if done == 1:
        return [_read(seen.tools, folder, "notes.txt"), _read(seen.tools, folder, "secret.txt")]
    if done == 3:
        return [_run(seen.tools, COMMAND, folder)]
    found = SECRET.search("\n".join(seen.results))
    return f"Errand done, the secret is {found.group() if found else 'unknown to me'}."


def _write(tools: tuple[Tool, ...], folder: str) -> Call:
    tool = _find(tools, _WRITE)
    if tool is not None:
        return _call(tool, {"path": f"{folder}/notes.txt", "content": NOTES})
    patch = _find(tools, ("applypatch",))
    if patch is not None and patch.custom:
        text = f"*** Begin Patch\n*** Add File: notes.txt\n+{NOTES}*** End Patch\n"
        return Call(patch, text)
    return _run(tools, f"printf '{NOTES.strip()}\\n' > notes.txt", folder)


def _read(tools: tuple[Tool, ...], folder: str, name: str) -> Call:
    tool = _find(tools, _READ)
    if tool is not None:
        return _call(tool, {"path": f"{folder}/{name}"})
    return _run(tools, f"cat {name}", folder)


def _run(tools: tuple[Tool, ...], command: str, folder: str) -> Call:
    tool = _find(tools, _SHELL)
    if tool is None and (code := _find(tools, _CODE)) is not None:
        script = f"const ran = await tools.exec_command({json.dumps({'cmd': command})});\ntext(ran.output);\n"
        return Call(code, script if code.custom else {"input": script})
    if tool is None:
        raise CannotHelpError(f"no tool runs a command: {[tool.name for tool in tools]}")
    return _call(tool, {"command": command, "folder": folder})


def _find(tools: tuple[Tool, ...], names: tuple[str, ...]) -> Tool | None:
    for tool in tools:
        if re.sub(r"[^a-z]", "", tool.name.lower()) in names:
            return tool
    return None


def _call(tool: Tool, wish: dict[str, str]) -> Call:
    """Fill the properties the schema names, and refuse one that is demanded and unknown."""
    properties = tool.schema["properties"]
    made: Body = {}
    for name in properties:
        if name in _PATHS and "path" in wish:
            made[name] = wish["path"]
        elif name == "content" and "content" in wish:
            made[name] = wish["content"]
        elif name in ("command", "cmd") and "command" in wish:
            listed = properties[name].get("type") == "array"
            made[name] = ["bash", "-lc", wish["command"]] if listed else wish["command"]
        elif name == "description":
            made[name] = "a step of the errand"
    lacking = set(tool.schema.get("required", ())) - made.keys()
    if lacking:
        raise CannotHelpError(f"`{tool.name}` also demands {sorted(lacking)}")
    return Call(tool, made)


def fitting(schema: Body) -> Any:
    """The smallest value of a JSON schema, for side requests with a structured answer."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: fitting(inner) for name, inner in schema.get("properties", {}).items()}
    simple = {"array": [], "boolean": False, "integer": 1, "number": 1, "null": None}
    return simple.get(kind, "A small errand")
