"""A core request, of any origin, as an Anthropic Messages request, with the names of what was lost.

What a caller wrote in this dialect is kept as he wrote it, but for what the model at hand refuses
(`models`). What came from another dialect is given the shape Anthropic demands (`write_turns`).
"""

from typing import Final

import msgspec

from passerelle.codecs.anthropic import write_settings
from passerelle.codecs.anthropic.clouds import cloud_of, lost_betas, shape
from passerelle.codecs.anthropic.schema import fit
from passerelle.codecs.anthropic.write_blocks import Block, BlockWriter, cache_control, plain
from passerelle.codecs.anthropic.write_settings import Ask
from passerelle.codecs.anthropic.write_turns import Turns, check_pairs, trim_last
from passerelle.codecs.base import NOTHING_RENAMED, Encoded, Target
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.claude import ModelRules, rules_for
from passerelle.codecs.losses import Losses
from passerelle.codecs.names import fit_names
from passerelle.codecs.places import EmptyConversationError
from passerelle.codecs.splice import join, split
from passerelle.core.message import Message
from passerelle.core.request import Request, Tool

_encode = msgspec.json.Encoder().encode
_CHOICE: Final = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
_NOT_COUNTED: Final = frozenset({"container", "inference_geo", "diagnostics", "service_tier", "metadata"})
"""Refused by `count_tokens` (SDK 2.12 `MessageCountTokensParams` has none of them)."""


def write_request(request: Request, target: Target) -> Encoded:
    """The request in this dialect. Raises `ProblemError` when no conversation can be made of it."""
    writer = _Writer(request, target)
    body = _encode(writer.write())
    cloud = cloud_of(target.quirks)
    if cloud is not None:
        fields = split(body)
        for lost in shape(fields, target, cloud):
            writer.lose(lost)
        for lost in lost_betas(cloud, target.betas):
            writer.lose(lost)
        body = join(fields)
    renamed = NOTHING_RENAMED
    if not writer.native:
        renamed = fit_names((tool.name for tool in request.tools), writer.blocks.name_limit)
    return Encoded(body, writer.lose.names(), renamed)


class _Writer:
    def __init__(self, request: Request, target: Target) -> None:
        self.request = request
        self.target = target
        self.native = request.dialect == "anthropic"
        self.counting = target.operation == "count_tokens"
        self.rules: ModelRules = rules_for(target.model)
        self.lose = Losses(request.dropped)
        self.ask = Ask(request, target, self.rules, self.lose)
        self.ids = CallIds()
        self.blocks = BlockWriter(
            native=self.native, rules=self.rules, quirks=target.quirks, lose=self.lose, ids=self.ids
        )

    def write(self) -> Block:
        body: Block = {"model": self.target.model}
        system, turns = self._conversation()
        if system:
            body["system"] = plain(system)
        body["messages"] = turns
        tools = self._tools()
        if tools:
            body["tools"] = tools
        self._choice(body, tools)
        thought = write_settings.think(self.ask, body)
        write_settings.shape(self.ask, body, thought)
        if not self.counting:
            body["max_tokens"] = thought.max_tokens
            write_settings.sample(self.ask, body, thought)
            write_settings.account(self.ask, body)
            if self.request.stream:
                body["stream"] = True
        self._extra(body)
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
            system += self.blocks.blocks(message.parts)
        turns = Turns(sort_results=not self.native)
        for message in messages[leading:]:
            self._turn(turns, message)
        if not turns.turns and system:
            # A prompt that is all system: Anthropic wants a turn to answer.
            turns.add("user", [system.pop()], None)
        if not turns.turns:
            raise EmptyConversationError
        written = turns.finish()
        if not self.native:
            check_pairs(written, self.ids)
            trim_last(written)
        return system, written

    def _turn(self, turns: Turns, message: Message) -> None:
        self._about(message)
        extra = message.extra if self.native else None
        blocks = self.blocks.blocks(message.parts)
        if message.role in ("system", "developer"):
            if self.native and self.rules.system_turns:
                if blocks:
                    turns.add("system", blocks, extra)
                return
            for block in blocks:
                if block["type"] == "text":
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

    def _tools(self) -> list[Block]:
        choice = self.request.tool_choice
        narrowed = choice.allowed if choice is not None else None
        allowed = frozenset(narrowed) if narrowed is not None else None
        written = []
        for tool in self.request.tools:
            if allowed is not None and tool.name not in allowed:
                continue  # narrowing the list is narrowing the choice
            block = self._tool(tool)
            if block is not None:
                written.append(block)
        return written

    def _tool(self, tool: Tool) -> Block | None:
        if tool.kind == "builtin":
            if tool.origin == "anthropic":
                return dict(tool.extra or {"type": tool.name})
            self.lose(f"tools.{tool.name}")
            return None
        block: Block = {"name": self.blocks.name(tool.name)}
        if tool.description:
            block["description"] = tool.description
        if tool.kind == "custom":
            block["input_schema"] = _text_schema(tool.grammar)
            if tool.grammar is not None:
                self.lose("tools.format")
        else:
            schema = tool.parameters or {}
            block["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
            if tool.strict is not None:
                self._strict(block, tool.strict)
        if tool.cache is not None:
            block["cache_control"] = cache_control(tool.cache)
        for name, value in (tool.extra or {}).items():
            if self.native:
                block[name] = value
            else:
                self.lose(name)
        return block

    def _strict(self, block: Block, strict: bool) -> None:
        if self.native:
            block["strict"] = strict
        elif strict:
            fitted, lost = fit(block["input_schema"])
            if lost or not self.ask.binds_schemas:
                self.lose("strict")
            else:
                block["input_schema"] = fitted
                block["strict"] = True

    def _choice(self, body: Block, tools: list[Block]) -> None:
        choice, parallel = self.request.tool_choice, self.request.parallel_tool_calls
        mode = choice.mode if choice is not None else "auto"
        named = self.blocks.name(choice.name or "") if choice is not None else ""
        forced = mode in ("required", "tool")
        there = bool(tools) and (mode != "tool" or self.native or any(t.get("name") == named for t in tools))
        if forced and not (there and self.rules.forced_tools):
            self.lose("tool_choice")
            mode = "auto"
        if not tools or (choice is None and parallel is not False):
            return
        written: Block = {"type": _CHOICE[mode]}
        if mode == "tool":
            written["name"] = named
        if parallel is False and mode != "none":
            written["disable_parallel_tool_use"] = True
        elif parallel and self.native and mode != "none":
            written["disable_parallel_tool_use"] = False
        body["tool_choice"] = written

    # ── the rest ──

    def _extra(self, body: Block) -> None:
        for name, value in (self.request.extra or {}).items():
            if not self.native:
                self.lose(name)
                continue
            head, dot, field = name.partition(".")
            if self.counting and head in _NOT_COUNTED:
                continue
            if not dot:
                body[name] = value
            elif head in ("thinking", "tool_choice") and head not in body:
                continue  # it qualified what is not sent
            elif name != "thinking.type" or self.rules.off == "between_tools" or not self.rules.claude:
                inner = body.setdefault(head, {})
                inner[field] = value


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
        "additionalProperties": False,
    }
