"""Write the tables of docs/dialects.md: what each dialect's requests carry to each other dialect.

Each feature below is asked of the real codecs, so the tables say what they do, not what they should. What is
neither found in what is sent nor named as a loss ends the script. Run by `make docs`.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml

from passerelle.codecs import registry
from passerelle.codecs.base import Encoded, PathTarget, ReplyContext, Target
from passerelle.codecs.callers import in_callers_words
from passerelle.codecs.fitting import fit_request
from passerelle.core.errors import ProblemError
from passerelle.core.message import TextPart, ToolCallPart
from passerelle.core.model import Capability
from passerelle.core.request import Dialect
from passerelle.core.response import FinishReason, Response

PAGE = Path(__file__).resolve().parent.parent / "docs" / "dialects.md"
CODECS = PAGE.parent.parent / "src" / "passerelle" / "codecs"
FEATURES_FILE = Path(__file__).with_name("dialect_features.yaml")
NAMES: dict[Dialect, str] = {
    "openai_chat": "Chat Completions",
    "openai_responses": "Responses",
    "anthropic": "Messages",
    "gemini": "Gemini",
    "bedrock": "Converse",
}
MODELS: dict[Dialect, str] = {"bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}
"""The model asked for, where what a dialect carries depends on it."""


@dataclass(frozen=True)
class Feature:
    """Something a caller may ask for."""

    name: str
    """As the caller writes it."""
    fields: dict[str, Any]
    """Laid over a minimal request."""
    mark: str = ""
    """Found in what is sent, when it is carried. Without one, what is sent must differ from what is sent
    without the feature."""
    beside: dict[str, Any] = field(default_factory=dict)
    """Fields it needs, with or without it."""
    idle: str = ""
    """What to say where nothing of it need be sent."""


FEATURES: dict[Dialect, list[Feature]] = {
    dialect: [Feature(**entry) for entry in entries]
    for dialect, entries in yaml.safe_load(FEATURES_FILE.read_text("utf-8")).items()
}
BASE: dict[Dialect, dict[str, Any]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hello."}]},
    "openai_responses": {"model": "m", "input": "Hello."},
    "anthropic": {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "Hello."}]}]},
}


def _encoded(ours: Dialect, fields: dict[str, Any], theirs: Dialect) -> Encoded:
    body = json.dumps({**BASE[ours], **fields}).encode()
    named = ours in ("gemini", "bedrock")
    path = PathTarget("chat", model="m", stream=False) if named else PathTarget("chat")
    model = MODELS.get(theirs, "m")
    target = Target(model, "p", capabilities=frozenset(get_args(Capability)), max_output_tokens=64_000)
    request = fit_request(registry.client(ours).decode_request(body, path), None, theirs)
    return registry.provider(theirs).encode_request(request, target)


def verdict(ours: Dialect, feature: Feature, theirs: Dialect) -> str:
    """The cell: `carried`, or under which names its loss is said, or that it is refused."""
    try:
        encoded = _encoded(ours, {**feature.beside, **feature.fields}, theirs)
    except ProblemError as error:
        return f"refused ({error.problem.http_status})"
    if encoded.dropped:
        kept = feature.mark and feature.mark in encoded.body.decode()
        names = ", ".join(f"`{name}`" for name in in_callers_words(encoded.dropped, ours))
        return f"in part: {names}" if kept else names
    without = b"" if feature.mark else _encoded(ours, feature.beside, theirs).body
    if feature.mark in encoded.body.decode() and encoded.body != without:
        return "carried"
    if not feature.idle:
        raise SystemExit(f"{ours} to {theirs}: {feature.name} is lost without a word: {encoded.body!r}")
    return feature.idle


def table(ours: Dialect) -> str:
    """What a request of one dialect carries to the others."""
    others = [dialect for dialect in NAMES if dialect != ours]
    lines = [
        f"| in a {NAMES[ours]} request | " + " | ".join(f"to {NAMES[d]}" for d in others) + " |",
        "|---" * (len(others) + 1) + "|",
    ]
    for feature in FEATURES[ours]:
        cells = [verdict(ours, feature, theirs) for theirs in others]
        lines.append(f"| {feature.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ending(dialect: Dialect, finish: FinishReason) -> str:
    called = (ToolCallPart(id="c", name="f", arguments="{}"),) if finish == "tool_calls" else ()
    response = Response(id="r", model="m", parts=(TextPart("Hello."), *called), finish=finish)
    context = ReplyContext(id="r", model="m", created_s=1)
    said = json.loads(registry.client(dialect).encode_response(response, context))
    match dialect:
        case "openai_chat":
            return f"`{said['choices'][0]['finish_reason']}`"
        case "openai_responses":
            why = (said.get("incomplete_details") or {}).get("reason")
            return f"`{said['status']}`" + (f" (`{why}`)" if why else "")
        case "anthropic":
            return f"`{said['stop_reason']}`"
        case "gemini":
            return f"`{said['candidates'][0]['finishReason']}`"
        case "bedrock":
            return f"`{said['stopReason']}`"


def endings() -> str:
    """How each dialect is told why an answer ended."""
    rows = [[f"`{finish}`", *(_ending(d, finish) for d in NAMES)] for finish in get_args(FinishReason)]
    table = [["why", *NAMES.values()], ["---"] * (len(NAMES) + 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def folders() -> str:
    """How large each dialect's folder is, the smallest first: what a new one costs."""
    found = []
    for dialect, name in NAMES.items():
        files = sorted((CODECS / dialect).rglob("*.py"))
        chat = [file for file in files if "tasks" not in file.parts]
        lines = [sum(len(f.read_text("utf-8").splitlines()) for f in some) for some in (chat, files)]
        found.append((lines[1], name, dialect, len(files), lines[0]))
    rows = [
        [name, f"`codecs/{dialect}/`", str(files), f"{chat:,}", f"{whole:,}"]
        for whole, name, dialect, files, chat in sorted(found)
    ]
    head = ["dialect", "folder", "files", "lines of chat", "of all"]
    return "\n".join(
        f"| {' | '.join(row)} |" for row in [head, ["---", "---", "---:", "---:", "---:"], *rows]
    )


def written(text: str) -> str:
    """The page with its tables anew."""
    tables: dict[str, str] = {dialect: table(dialect) for dialect in NAMES}
    tables["endings"] = endings()
    tables["folders"] = folders()
    for name, made in tables.items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        places = mark.findall(text)
        if len(places) != 1:
            raise SystemExit(f"docs/dialects.md needs one place for the table `{name}`")
        begin, end = places[0]
        text = mark.sub(f"{begin}\n{made}\n\n{end}".replace("\\", r"\\"), text)
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
