"""A core request, of any origin, as a Converse request, with the names of what was lost.

The model and the wish to stream go into the path (`providers/bedrock`). What a caller wrote in this dialect
is kept as he wrote it; what came from another is given the shape Converse demands (`write_turns`).
"""

from typing import Final

import msgspec

from passerelle.codecs.base import NOTHING_RENAMED, Encoded, Target
from passerelle.codecs.bedrock import write_settings
from passerelle.codecs.bedrock.models import ModelRules, rules_for
from passerelle.codecs.bedrock.stops import STOPPED_BY
from passerelle.codecs.bedrock.write_blocks import Block, BlockWriter
from passerelle.codecs.bedrock.write_turns import Turns, check_pairs
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.losses import Losses
from passerelle.codecs.names import fit_names
from passerelle.codecs.places import EmptyConversationError
from passerelle.core.message import Message, ToolCallPart
from passerelle.core.request import Request, Tool

_encode = msgspec.json.Encoder().encode
_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""What CountTokens takes of a Converse request (`ConverseTokensRequest`, botocore 1.44.5)."""


def write_request(request: Request, target: Target) -> Encoded:
    """The request in this dialect. Raises `ProblemError` when no conversation can be made of it."""
    writer = _Writer(request, target)
    body = writer.write()
    if target.operation == "count_tokens":
        body = {"input": {"converse": {name: body[name] for name in _COUNTED if name in body}}}
    renamed = NOTHING_RENAMED
    if not writer.native:
        renamed = fit_names(tool.name for tool in request.tools)
    return Encoded(_encode(body), writer.lose.names(), renamed)


class _Writer:
    def __init__(self, request: Request, target: Target) -> None:
        self.request = request
        self.target = target
        self.native = request.dialect == "bedrock"
        self.rules: ModelRules = rules_for(target.model)
        self.lose = Losses(request.dropped)
        self.ids = CallIds()
        self.blocks = BlockWriter(native=self.native, rules=self.rules, lose=self.lose, ids=self.ids)

    def write(self) -> Block:
        body: Block = {}
        system, turns = self._conversation()
        body["messages"] = turns
        if system:
            body["system"] = system
        self._tools(body)
        write_settings.settle(self.request, self.target, self.rules, self.lose, body, native=self.native)
        self._extra(body)
        if not self.native and self.rules.maker == "anthropic" and self.request.sampling.stop:
            body["additionalModelResponseFieldPaths"] = [STOPPED_BY]
        return body

    # ── the conversation ──

    def _conversation(self) -> tuple[list[Block], list[Block]]:
        messages = self.request.messages
        leading = 0
        while leading < len(messages) and messages[leading].role in ("system", "developer"):
            leading += 1
        system: list[Block] = []
        for message in messages[:leading]:
            self._about(message)
            system += self._instructions(self.blocks.blocks(message.parts))
        turns = Turns(native=self.native)
        for message in messages[leading:]:
            self._turn(turns, message)
        if not turns.turns and system:
            # A prompt that is all system: Converse wants a turn to answer.
            last = max((at for at, block in enumerate(system) if "text" in block), default=None)
            if last is not None:
                turns.add("user", system[last:], None)
                del system[last:]
        if not turns.turns:
            raise EmptyConversationError
        written = turns.finish()
        if not self.native:
            check_pairs(written, self.ids)
        return system, written

    def _instructions(self, blocks: list[Block]) -> list[Block]:
        """Of a system prompt's blocks those that Converse takes there."""
        if self.native:
            return blocks
        kept = []
        for block in blocks:
            if "text" in block or "cachePoint" in block:
                kept.append(block)
            else:
                self.lose(f"system.{next(iter(block))}")
        return kept

    def _turn(self, turns: Turns, message: Message) -> None:
        self._about(message)
        extra = message.extra if self.native else None
        blocks = self.blocks.blocks(message.parts)
        if message.role in ("system", "developer"):
            if self.native:
                if blocks:
                    turns.add("system", blocks, extra)
                return
            for block in blocks:
                if "text" in block:
                    block["text"] = f"<system-reminder>\n{block['text']}\n</system-reminder>"
        role = "assistant" if message.role == "assistant" else "user"
        if blocks:
            turns.add(role, blocks, extra)

    def _about(self, message: Message) -> None:
        """What a message says beside its parts."""
        if message.name is not None:
            self.lose("name")
        if message.extra and not self.native:
            for name in message.extra:
                self.lose(name)

    # ── tools ──

    def _tools(self, body: Block) -> None:
        choice = self.request.tool_choice
        narrowed = choice.allowed if choice is not None else None
        allowed = frozenset(narrowed) if narrowed is not None else None
        called = self._called()
        tools: list[Block] = []
        if choice is None or choice.mode != "none":
            for tool in self.request.tools:
                if allowed is None or tool.name in allowed:
                    self._tool(tools, tool)
        elif called:
            # Converse has no way to forbid calls while a history with calls wants its tools defined.
            self.lose("tool_choice")
            for tool in self.request.tools:
                self._tool(tools, tool)
        if not tools and called and not self.native:
            # "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            tools = [
                {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called
            ]
        if tools:
            body["toolConfig"] = {"tools": tools}
            self._choice(body["toolConfig"], tools)
        elif choice is not None and choice.mode in ("required", "tool"):
            self.lose("tool_choice")
        if self.request.parallel_tool_calls is False and tools:
            self.lose("parallel_tool_calls")

    def _called(self) -> list[str]:
        """The names of the tools that the history calls, each once."""
        names = [
            self.blocks.name(part.name)
            for message in self.request.messages
            for part in message.parts
            if isinstance(part, ToolCallPart)
        ]
        return list(dict.fromkeys(names))

    def _tool(self, tools: list[Block], tool: Tool) -> None:
        if tool.kind == "builtin":
            if tool.origin == "bedrock":
                tools.append(dict(tool.extra or {}))
            else:
                self.lose(f"tools.{tool.name}")
            return
        spec: Block = {"name": self.blocks.name(tool.name)}
        if tool.description:
            spec["description"] = tool.description
        if tool.kind == "custom":
            spec["inputSchema"] = {"json": _text_schema(tool.grammar)}
            if tool.grammar is not None:
                self.lose("tools.format")
        else:
            schema = tool.parameters or {}
            spec["inputSchema"] = {"json": schema if "type" in schema else {"type": "object", **schema}}
            if tool.strict is not None:
                if self.native or (tool.strict and write_settings.binds_schemas(self.target, known=True)):
                    spec["strict"] = tool.strict
                elif tool.strict:
                    self.lose("strict")
        for name, value in (tool.extra or {}).items():
            if self.native:
                spec[name] = value
            else:
                self.lose(name)
        tools.append({"toolSpec": spec})
        if tool.cache is not None:
            point = self.blocks.cache_point(tool.cache, tools=True)
            if point is not None:
                tools.append(point)

    def _choice(self, config: Block, tools: list[Block]) -> None:
        choice = self.request.tool_choice
        if choice is None or choice.mode == "none":
            return
        if choice.mode == "auto":
            if self.native:
                config["toolChoice"] = {"auto": {}}
            return
        name = self.blocks.name(choice.name or "")
        there = choice.mode == "required" or any(t.get("toolSpec", {}).get("name") == name for t in tools)
        if not self.native and not (self.rules.forced_tools and there):
            self.lose("tool_choice")
        elif choice.mode == "required":
            config["toolChoice"] = {"any": {}}
        else:
            config["toolChoice"] = {"tool": {"name": name}}

    # ── the rest ──

    def _extra(self, body: Block) -> None:
        for name, value in (self.request.extra or {}).items():
            if not self.native:
                self.lose(name)
                continue
            head, dot, field = name.partition(".")
            if not dot:
                body[name] = value
            elif head != "toolConfig" or head in body:
                body.setdefault(head, {})[field] = value
        if self.native:
            body.update(self.request.memo or {})


def _text_schema(grammar: dict[str, str] | None) -> Block:
    """How a tool that takes free text (OpenAI `custom`) is offered where every input is an object: its
    text under `input`. A grammar cannot bind the text here, so it is told."""
    words = "The tool's whole input, as plain text."
    if grammar is not None:
        words += f" It follows this {grammar.get('syntax', '')} grammar:\n{grammar.get('definition', '')}"
    return {
        "type": "object",
        "properties": {"input": {"type": "string", "description": words}},
        "required": ["input"],
    }
