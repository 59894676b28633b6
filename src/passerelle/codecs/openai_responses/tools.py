"""Tools and the choice among them, both ways.

function     a JSON schema. An absent `strict` means "strict if the schema allows" here and "not strict"
             in Chat Completions (OpenAI, "Function calling" guide, section on strict mode, read
             2026-11-22), so a tool of another dialect says `false` in so many words
custom       free text, perhaps of a grammar
namespace    a named group of function and custom tools; a call says `name` and `namespace` apart.
             Other dialects see one flat name, `namespace__name`, and the namespace stays in `memo`
the others   run at the provider: `builtin`, whole in `extra`

They stand in `tools`, and in `additional_tools` items of `input` (SDK 3.54 `AdditionalTools`): Codex CLI
0.169 puts all of its tools there for models it knows. Other dialects have one list: both are in it.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from msgspec.structs import replace

from passerelle.codecs.names import digest, fit_name
from passerelle.codecs.openai_reading import (
    Json,
    a_list,
    an_object,
    left,
    need_text,
    take_bool,
    take_list,
    take_object,
    take_text,
)
from passerelle.core.errors import invalid
from passerelle.core.request import Tool, ToolChoice

DIALECT: Final = "openai_responses"
ADDITIONAL: Final = "additional_tools"
"""The item's type, and what the `memo` of its tools says: to this dialect the item goes back whole."""
Pair = tuple[str | None, str]
"""A tool's namespace, if any, and its name in it."""


def flat_name(namespace: str | None, name: str) -> str:
    """The one name by which other dialects know a tool of `namespace`."""
    if not namespace:
        return name
    glue = "" if namespace.endswith("__") else "__"
    return fit_name(f"{namespace}{glue}{name}")


class Names:
    """The flat names of one request's tools, and the way back."""

    __slots__ = ("_flat", "_taken")

    def __init__(self) -> None:
        self._flat: dict[Pair, str] = {}
        self._taken: set[str] = set()

    def learn(self, namespace: str | None, name: str) -> str:
        """The flat name of a declared tool, different from those of all tools declared before."""
        flat = flat_name(namespace, name)
        if flat in self._taken and (namespace, name) not in self._flat:
            flat = fit_name(f"{flat[:53]}_{digest(f'{namespace}/{name}')}")
        self._taken.add(flat)
        self._flat[(namespace, name)] = flat
        return flat

    def put(self, namespace: str | None, name: str, flat: str) -> None:
        """What `learn` gave, remembered in a decoded tool."""
        self._flat[(namespace, name)] = flat

    def find(self, namespace: str | None, name: str) -> str:
        """The flat name of a tool that was called, declared or not."""
        return self._flat.get((namespace, name)) or flat_name(namespace, name)


def tools_in(items: list[Any], names: Names, said: Any = None) -> tuple[Tool, ...]:
    """`tools` of a request, and those its input `said`; `names` learns their flat names. Raises
    `ProblemError`.
    """
    found = _listed(items, "tools", names)
    known = {tool.name for tool in found}
    for i, item in enumerate(said if isinstance(said, list) else ()):
        if not isinstance(item, dict) or item.get("type") != ADDITIONAL:
            continue
        at = f"input[{i}].tools"
        for tool in _listed(deepcopy(a_list(item.get("tools"), at)), at, names):
            if tool.kind == "builtin" or tool.name not in known:
                known.add(tool.name)
                found.append(replace(tool, memo={**(tool.memo or {}), ADDITIONAL: True}))
    return tuple(found)


def _listed(items: list[Any], where: str, names: Names) -> list[Tool]:
    entries = [an_object(item, f"{where}[{i}]") for i, item in enumerate(items)]
    for entry in entries:  # plain names first: they may not change
        if entry.get("type") in ("function", "custom") and isinstance(entry.get("name"), str):
            names.learn(None, entry["name"])
    found: list[Tool] = []
    for i, entry in enumerate(entries):
        at = f"{where}[{i}]"
        if entry.get("type") == "namespace":
            found.extend(_namespace(entry, at, names))
        else:
            found.append(_tool(entry, at, names, None))
    return found


def _namespace(entry: Json, at: str, names: Names) -> list[Tool]:
    whole = dict(entry)
    nested = a_list(entry.pop("tools", []), f"{at}.tools")
    need_text(entry, "name", at)
    if not nested:
        return [Tool(name="namespace", kind="builtin", origin=DIALECT, extra=whole)]
    group = {key: value for key, value in whole.items() if key != "tools"}
    return [
        _tool(an_object(tool, f"{at}.tools[{j}]"), f"{at}.tools[{j}]", names, group)
        for j, tool in enumerate(nested)
    ]


def _inside(group: Json | None) -> Json | None:
    return {"namespace": group} if group else None


def _tool(entry: Json, at: str, names: Names, group: Json | None) -> Tool:
    kind = entry.get("type")
    if not isinstance(kind, str):
        need_text(entry, "type", at)
    if kind not in ("function", "custom"):
        return Tool(name=str(kind), kind="builtin", origin=DIALECT, extra=entry, memo=_inside(group))
    del entry["type"]
    name = need_text(entry, "name", at)
    if not name:
        raise invalid(f"`{at}.name` is empty; name the tool.", f"{at}.name")
    namespace = group["name"] if group else None
    flat = names.learn(namespace, name)
    memo: Json | None = {"namespace": group, "name": name} if group else None
    description = take_text(entry, "description", at)
    if kind == "function":
        bare = "parameters" in entry and entry["parameters"] is None
        parameters = take_object(entry, "parameters", at)
        strict = take_bool(entry, "strict", at)
        if bare:
            memo = {**(memo or {}), "parameters": None}
        return Tool(
            name=flat,
            description=description,
            parameters=parameters,
            strict=strict,
            extra=left(entry),
            memo=memo,
        )
    form = entry.get("format")
    grammar: dict[str, str] | None = None
    if isinstance(form, dict):
        said = {key: form.get(key) for key in ("syntax", "definition")}
        if (
            form.get("type") == "grammar"
            and len(form) == 3
            and all(isinstance(v, str) for v in said.values())
        ):
            grammar = {key: str(value) for key, value in said.items()}
            del entry["format"]
        elif form == {"type": "text"}:
            del entry["format"]
            memo = {**(memo or {}), "format": form}
    elif form is not None:
        an_object(form, f"{at}.format")
    return Tool(
        name=flat, description=description, kind="custom", grammar=grammar, extra=left(entry), memo=memo
    )


def tools_out(tools: Iterable[Tool], *, ours: bool) -> tuple[list[Json], list[str]]:
    """`tools` in this dialect, and the names of what it cannot carry.

    `ours`: the request came in this dialect, so extras and memos are its own.
    """
    found: list[Json] = []
    dropped: list[str] = []
    group: Json | None = None
    for tool in tools:
        if ours and tool.memo and ADDITIONAL in tool.memo:
            continue
        entry = _tool_out(tool, ours, dropped)
        if entry is None:
            continue
        namespace = tool.memo.get("namespace") if ours and tool.memo else None
        if namespace is None:
            group = None
            found.append(entry)
        elif group is not None and {k: v for k, v in group.items() if k != "tools"} == namespace:
            group["tools"].append(entry)
        else:
            group = {**namespace, "tools": [entry]}
            found.append(group)
    return found, dropped


def _tool_out(tool: Tool, ours: bool, dropped: list[str]) -> Json | None:
    if tool.kind == "builtin":
        if tool.origin != DIALECT:
            dropped.append(f"tools.{tool.name}")
            return None
        return dict(tool.extra or {})
    memo = (tool.memo or {}) if ours else {}
    name = memo["name"] if "namespace" in memo else tool.name if ours else fit_name(tool.name)
    entry: Json = {"type": tool.kind, "name": name}
    if tool.description is not None:
        entry["description"] = tool.description
    if tool.kind == "function":
        if tool.parameters is not None or not ours:
            entry["parameters"] = tool.parameters if ours else object_schema(tool.parameters)
        elif "parameters" in memo:
            entry["parameters"] = None
        if tool.strict is not None or not ours:
            entry["strict"] = bool(tool.strict)
    elif tool.grammar is not None:
        entry["format"] = {"type": "grammar", **tool.grammar}
    elif "format" in memo:
        entry["format"] = memo["format"]
    if tool.extra:
        if ours:
            entry.update(tool.extra)
        else:
            dropped.extend(f"tools.{key}" for key in tool.extra)
    return entry


def object_schema(schema: Json | None) -> Json:
    """`schema` as OpenAI wants a function's parameters: an object schema that names its properties."""
    whole = dict(schema or {})
    whole.setdefault("type", "object")
    if whole["type"] == "object":
        whole.setdefault("properties", {})
    return whole


def choice_in(value: Any, names: Names) -> tuple[ToolChoice | None, Json | None]:
    """`tool_choice`, and the raw field when core cannot say all of it. Raises `ProblemError`."""
    if value is None:
        return None, None
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise invalid(
                f"`tool_choice` is `{value}`; use `auto`, `none`, `required`, or an object naming a tool.",
                "tool_choice",
            )
        return ToolChoice(value), None  # type: ignore[arg-type]  # one of the three, just checked
    choice = an_object(value, "tool_choice")
    kind = choice.get("type")
    if kind in ("function", "custom"):
        fields = dict(choice)
        name = need_text(fields, "name", "tool_choice")
        namespace = take_text(fields, "namespace", "tool_choice")
        return ToolChoice("tool", name=names.find(namespace, name)), None
    if kind == "allowed_tools":
        mode = choice.get("mode", "auto")
        if mode not in ("auto", "required"):
            raise invalid("`tool_choice.mode` must be `auto` or `required`; correct it.", "tool_choice.mode")
        entries = take_list(dict(choice), "tools", "tool_choice") or []
        allowed: list[str] = []
        whole = True
        for i, item in enumerate(entries):
            entry = an_object(item, f"tool_choice.tools[{i}]")
            if entry.get("type") in ("function", "custom") and isinstance(entry.get("name"), str):
                namespace = entry.get("namespace")
                allowed.append(names.find(namespace if isinstance(namespace, str) else None, entry["name"]))
            else:
                whole = False
        return ToolChoice(mode, allowed=tuple(allowed)), None if whole else choice
    if not isinstance(kind, str):
        need_text(dict(choice), "type", "tool_choice")
    return None, choice


def choice_out(choice: ToolChoice | None, tools: Iterable[Tool], *, ours: bool) -> Any:
    """`tool_choice` in this dialect, or None to leave it out."""
    if choice is None:
        return None
    if choice.mode == "tool":
        return _named(choice.name or "", {tool.name: tool for tool in tools}, ours)
    if choice.allowed is not None and choice.mode != "none":
        known = {tool.name: tool for tool in tools}
        return {
            "type": "allowed_tools",
            "mode": choice.mode,
            "tools": [_named(name, known, ours) for name in choice.allowed],
        }
    return choice.mode


def _named(name: str, known: dict[str, Tool], ours: bool) -> Json:
    tool = known.get(name)
    if tool is not None and tool.kind == "builtin":
        return {"type": tool.name}
    entry = {"type": tool.kind if tool is not None else "function", "name": name if ours else fit_name(name)}
    memo = tool.memo if ours and tool is not None else None
    if memo and "namespace" in memo:
        entry |= {"name": memo["name"], "namespace": memo["namespace"]["name"]}
    return entry
