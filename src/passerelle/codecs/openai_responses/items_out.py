"""Messages → `input`.

Items of this dialect go back as they came, out of their `memo`. Everything else is said in the plainest
form the API takes: easy messages for words alone, `output_text` in the model's own turns (it refuses
`input_text` there), images and files as data URLs.

Rules of the API kept here (OpenAI error reports, read 2026-11-22): every call needs an output ("No tool
output found for function call"), call ids are unique and at most 64 characters, a reasoning block is only
good at the place that made it ("The encrypted content … could not be verified"), and only before what it
led to ("… of type 'reasoning' was provided without its required following item").
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any, assert_never

from passerelle.codecs.names import digest, fit_id, fit_name
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.content_out import Pieces
from passerelle.codecs.openai_responses.tools import ADDITIONAL, DIALECT
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Request, Tool

NO_RESULT = "No result was given for this call."
"""Said for a call whose result the caller left out: the API refuses a call without one."""

_ANNOTATIONS = frozenset({"file_citation", "url_citation", "container_file_citation", "file_path"})


class ItemsOut:
    """One request's messages becoming items; `dropped` names what could not be carried."""

    def __init__(self, request: Request, quirks: frozenset[str]) -> None:
        self._ours = request.dialect == DIALECT
        self._quirks = quirks
        self._tools: dict[str, Tool] = {tool.name: tool for tool in request.tools}
        self.items: list[Json] = []
        self.dropped: list[str] = []
        self._pieces = Pieces(request.dialect, quirks, self.dropped)
        self.reasoned = False
        """A reasoning block of this dialect goes along."""
        self._used: set[str] = set()
        self._times: dict[str, int] = {}
        """How often an id was tried: the next suffix, so that one used for ever is not counted up anew."""
        self._waiting: dict[str, deque[tuple[str, bool]]] = defaultdict(deque)
        self._results = Counter(
            part.call_id
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolResultPart)
        )

    def add(self, message: Message) -> None:
        """The items of one message."""
        if self._ours and message.memo and ADDITIONAL in message.memo:
            self.items.append(message.memo[ADDITIONAL])
            return
        if message.name is not None:
            self.dropped.append("name")
        if message.extra and not self._ours:
            self.dropped.extend(message.extra)
        if message.role == "assistant":
            self._assistant(message)
            return
        plain: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                self._said(message, plain)
                plain = []
                self._result(part)
            else:
                plain.append(part)
        self._said(message, plain)

    # -- what callers say ---------------------------------------------------------------------------

    def _said(self, message: Message, parts: Sequence[Part]) -> None:
        role = "user" if message.role == "tool" else message.role
        if role == "developer" and "no_developer_role" in self._quirks:
            role = "system"
        content = self._pieces.all(parts)
        if not content:
            return
        item: Json = {"type": "message", "role": role}
        if self._ours:
            if message.id is not None:
                item["id"] = message.id
            item.update(message.extra or {})
            item.update(message.memo or {})
        only = content[0] if len(content) == 1 else None
        if only is not None and only.keys() == {"type", "text"}:
            item["content"] = only["text"]
        else:
            item["content"] = content
        self.items.append(item)

    # -- what the model said ------------------------------------------------------------------------

    def _assistant(self, message: Message) -> None:
        words: list[TextPart | RefusalPart] = []
        unanswered: list[tuple[str, bool]] = []
        for part in message.parts:
            if isinstance(part, TextPart | RefusalPart):
                item = self._whole_item(part)
                if item is not None:
                    words = self._spoken(words)
                    self.items.append(item)
                    continue
                if words and _place(words[0], self._ours) != _place(part, self._ours):
                    words = self._spoken(words)
                words.append(part)
                continue
            words = self._spoken(words)
            if isinstance(part, ReasoningPart):
                self._reasoning(part)
            elif isinstance(part, ToolCallPart):
                self._call(part, unanswered)
            elif isinstance(part, ImagePart) and self._ours and part.memo and "item" in part.memo:
                self.items.append({**part.memo["item"], "result": part.data})
            elif isinstance(part, AudioPart) and part.transcript:
                self._spoken([TextPart(part.transcript)])
                self.dropped.append("audio")
            elif isinstance(part, ImagePart):
                self._shown(part)
            elif isinstance(part, FilePart | AudioPart):
                self.dropped.append("file" if isinstance(part, FilePart) else "audio")
            elif isinstance(part, ToolResultPart):
                self._result(part)
            else:
                assert_never(part)
        self._spoken(words)
        self._drop_dangling()
        for wire, custom in unanswered:
            self.items.append(_output(wire, NO_RESULT, custom))

    def _whole_item(self, part: TextPart | RefusalPart) -> Json | None:
        """The item that an empty part carries whole, if it does."""
        if not self._ours or not isinstance(part, TextPart) or not part.extra:
            return None
        raw = (part.memo or {}).get("raw")
        return dict(next(iter(part.extra.values()))) if raw == "item" else None

    def _spoken(self, parts: list[TextPart | RefusalPart]) -> list[TextPart | RefusalPart]:
        """One assistant message of `parts`; gives the empty list to begin the next with."""
        content = [piece for part in parts if (piece := self._utterance(part)) is not None]
        if not content:
            return []
        memo = (parts[0].memo or {}) if self._ours else {}
        item: Json = {"type": "message", "role": "assistant"}
        item.update({key: memo[key] for key in ("id", "status", "phase") if key in memo})
        first = parts[0]
        if self._ours and isinstance(first, TextPart) and first.extra:
            item.update({k[8:]: v for k, v in first.extra.items() if k.startswith("message.")})
        easy = "id" not in memo and (not self._ours or "easy" in memo)
        only = content[0] if easy and len(content) == 1 else None
        item["content"] = (
            only["text"] if only is not None and only.keys() == {"type", "text", "annotations"} else content
        )
        self.items.append(item)
        return []

    def _utterance(self, part: TextPart | RefusalPart) -> Json | None:
        if isinstance(part, RefusalPart):
            return {"type": "refusal", "refusal": part.text} if part.text else None
        memo = (part.memo or {}) if self._ours else {}
        extra = part.extra or {}
        if memo.get("raw") == "content" and extra:
            return dict(next(iter(extra.values())))
        if not self._ours:
            self.dropped.extend(extra)
        if not part.text and not ("id" in memo or (self._ours and extra)):
            return None
        annotations = [entry for entry in part.citations if entry.get("type") in _ANNOTATIONS and self._ours]
        if len(annotations) < len(part.citations):
            self.dropped.append("citations")
        entry: Json = {"type": "output_text", "text": part.text, "annotations": annotations}
        if memo.get("logprobs"):
            entry["logprobs"] = memo["logprobs"]
        if self._ours:
            entry.update({key: value for key, value in extra.items() if not key.startswith("message.")})
        return entry

    def _drop_dangling(self) -> None:
        """Thoughts that lead to nothing, because what they led to could not go: refused by the API."""
        while not self._ours and self.items and self.items[-1]["type"] == "reasoning":
            self.items.pop()
            self.dropped.append("reasoning")

    def _shown(self, part: ImagePart) -> None:
        """A picture the model made, shown back to it: its own turns can hold words only."""
        picture = self._pieces.all([part])
        if picture:
            words = {"type": "input_text", "text": "The picture of the assistant's last answer:"}
            self.items.append({"type": "message", "role": "user", "content": [words, *picture]})

    def _reasoning(self, part: ReasoningPart) -> None:
        if part.origin != DIALECT:
            if part.text or part.signature or part.encrypted or part.summary:
                self.dropped.append("reasoning")
            return
        self.reasoned = True
        memo = part.memo or {}
        summary = part.summary or ((part.text,) if part.text and "content" not in memo else ())
        item: Json = {
            "type": "reasoning",
            "id": part.id or "rs_" + digest(f"{part.text}{part.encrypted}", 32),
            "summary": [{"type": "summary_text", "text": text} for text in summary],
        }
        if "content" in memo:
            item["content"] = [{"type": "reasoning_text", "text": text} for text in memo["content"]]
        if part.encrypted is not None:
            item["encrypted_content"] = part.encrypted
        if "status" in memo:
            item["status"] = memo["status"]
        if self._ours:
            item.update(part.extra or {})
        self.items.append(item)

    def _call(self, part: ToolCallPart, unanswered: list[tuple[str, bool]]) -> None:
        custom = part.kind == "custom"
        memo = (part.memo or {}) if self._ours else {}
        if "item" in memo:
            self.items.append(memo["item"])
            return
        wire = self._wire_id(part.id)
        name = self._name(part, memo)
        item: Json = {"type": "custom_tool_call" if custom else "function_call", **name, "call_id": wire}
        item["input" if custom else "arguments"] = part.arguments if custom else part.arguments or "{}"
        item.update({key: memo[key] for key in ("id", "status", "caller") if key in memo})
        if part.extra:
            if self._ours:
                item.update(part.extra)
            else:
                self.dropped.extend(part.extra)
        if part.signature is not None:
            self.dropped.append("reasoning")
        self.items.append(item)
        if self._results[part.id] > 0:
            self._results[part.id] -= 1
            self._waiting[part.id].append((wire, custom))
        else:
            unanswered.append((wire, custom))

    def _name(self, part: ToolCallPart, memo: Json) -> Json:
        if not self._ours:
            return {"name": fit_name(part.name)}
        if "namespace" in memo:
            return {"name": memo["name"], "namespace": memo["namespace"]}
        tool = self._tools.get(part.name)
        if tool is not None and tool.memo and "namespace" in tool.memo:
            return {"name": tool.memo["name"], "namespace": tool.memo["namespace"]["name"]}
        return {"name": part.name}

    def _wire_id(self, identifier: str) -> str:
        """The id the API sees: the caller's own, unless it is too long, empty, or used before."""
        wire = fit_id(identifier, "call_")
        again = self._times.get(identifier, 1)
        while wire in self._used:
            again += 1
            wire = "call_" + digest(f"{identifier}#{again}", 32)
        self._times[identifier] = again
        self._used.add(wire)
        return wire

    def _result(self, part: ToolResultPart) -> None:
        memo = (part.memo or {}) if self._ours else {}
        if "item" in memo:
            self.items.append(memo["item"])
            return
        waiting = self._waiting.get(part.call_id)
        if waiting:
            wire, custom = waiting.popleft()
        else:
            wire, custom = fit_id(part.call_id, "call_"), bool(memo.get("custom"))
        content = self._pieces.all(_marked(part))
        only = content[0] if len(content) == 1 else None
        output: Any = content
        if not content:
            output = [] if memo.get("list") else ""
        elif only is not None and only.keys() == {"type", "text"} and not memo.get("list"):
            output = only["text"]
        item = _output(wire, output, custom)
        item.update({k: memo[k] for k in ("id", "status", "caller", "name", "namespace") if k in memo})
        if part.extra:
            if self._ours:
                item.update(part.extra)
            else:
                self.dropped.extend(part.extra)
        self.items.append(item)


def _output(wire: str, output: Any, custom: bool) -> Json:
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": wire, "output": output}


def _marked(part: ToolResultPart) -> Sequence[Part]:
    """The content, with the error said first: the API has no field for it."""
    if not part.is_error:
        return part.content
    if part.content and isinstance(part.content[0], TextPart):
        first = part.content[0]
        return [TextPart(_error_words(first.text), extra=first.extra), *part.content[1:]]
    return [TextPart("Error"), *part.content]


def _error_words(words: str) -> str:
    """`words`, said to be an error unless they say so themselves."""
    return words if "error" in words[:200].lower() else f"Error: {words}"


def _place(part: TextPart | RefusalPart, ours: bool) -> Any:
    """What tells the message items of one turn apart."""
    memo = part.memo if ours else None
    return (memo.get("at"), memo.get("id")) if memo else None
