"""A core request, of any origin, as an Anthropic Messages request, with the names of what was lost.

What a caller wrote in this dialect is kept as he wrote it, but for what the model at hand refuses
(`models`). What came from another dialect is given the shape Anthropic demands (`write_turns`).
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.anthropic import thinking
from passerelle.codecs.anthropic.ids import CallIds
from passerelle.codecs.anthropic.models import ModelRules, rules_for
from passerelle.codecs.anthropic.schema import fit
from passerelle.codecs.anthropic.write_blocks import Block, BlockWriter, Losses, cache_control, plain
from passerelle.codecs.anthropic.write_turns import Turns, check_pairs, trim_last
from passerelle.codecs.base import NOTHING_RENAMED, Encoded, Target
from passerelle.codecs.names import fit_names
from passerelle.core.errors import invalid
from passerelle.core.message import Extra, Message
from passerelle.core.request import Request, Sampling, Tool

_encode = msgspec.json.Encoder().encode
_CHOICE: Final = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_NO_SAMPLING: Final = Sampling()
_NOT_COUNTED: Final = frozenset({"container", "inference_geo", "diagnostics", "service_tier", "metadata"})
"""Refused by `count_tokens` (SDK 2.12 `MessageCountTokensParams` has none of them)."""


def write_request(request: Request, target: Target) -> Encoded:
    """The request in this dialect. Raises `ProblemError` when no conversation can be made of it."""
    writer = _Writer(request, target)
    body = writer.write()
    renamed = NOTHING_RENAMED
    if not writer.native:
        renamed = fit_names((tool.name for tool in request.tools), writer.blocks.name_limit)
    return Encoded(_encode(body), writer.lose.names(), renamed)


class _Writer:
    def __init__(self, request: Request, target: Target) -> None:
        self.request = request
        self.target = target
        self.native = request.dialect == "anthropic"
        self.counting = target.operation == "count_tokens"
        self.rules: ModelRules = rules_for(target.model)
        self.lose = Losses(request.dropped)
        self.blocks = BlockWriter(
            native=self.native, rules=self.rules, quirks=target.quirks, lose=self.lose, ids=CallIds()
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
        thought = self._thought(body)
        self._choice(body, thought, bool(tools))
        self._output(body, thought.effort)
        if self.counting:
            self._extra(body)
            return body
        body["max_tokens"] = thought.max_tokens
        self._sampling(body, thought)
        self._account(body)
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
            raise invalid("`messages` holds nothing to answer; add a message with content", "messages")
        written = turns.finish()
        if not self.native:
            check_pairs(written)
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
        allowed = choice.allowed if choice is not None else None
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
            if lost or not self._schemas():
                self.lose("strict")
            else:
                block["input_schema"] = fitted
                block["strict"] = True

    def _choice(self, body: Block, thought: thinking.Thought, tools: bool) -> None:
        choice, parallel = self.request.tool_choice, self.request.parallel_tool_calls
        if not tools:
            if choice is not None and choice.mode in ("required", "tool"):
                self.lose("tool_choice")
            return
        if choice is None and parallel is not False:
            return
        mode = choice.mode if choice is not None else "auto"
        if mode in ("required", "tool") and not self.rules.forced_tools:
            self.lose("tool_choice")
            mode = "auto"
        written: Block = {"type": _CHOICE[mode]}
        if mode == "tool" and choice is not None:
            written["name"] = self.blocks.name(choice.name or "")
        if parallel is False and mode != "none":
            written["disable_parallel_tool_use"] = True
        elif parallel and self.native and mode != "none":
            written["disable_parallel_tool_use"] = False
        body["tool_choice"] = written

    # ── how to answer ──

    def _thought(self, body: Block) -> thinking.Thought:
        request = self.request
        asked = request.reasoning
        if not self.native and _forces(request) and self.rules.forced_tools and _thinks(request):
            # A forced tool skips thinking, and the two together are a 400: the call matters more.
            self.lose("reasoning")
            asked = msgspec.structs.replace(
                asked, enabled=None, effort=None, budget_tokens=None, adaptive=False
            )
        known = self.target.capabilities
        if known and "reasoning" not in known and not self.native and _thinks(request):
            self.lose("reasoning")
            asked = type(asked)()
        thought = thinking.plan(
            asked,
            self.rules,
            native=self.native,
            max_tokens=request.max_output_tokens,
            ceiling=self.target.max_output_tokens,
            lose=self.lose,
        )
        if thought.thinking is not None:
            body["thinking"] = dict(thought.thinking)
        return thought

    def _output(self, body: Block, effort: str | None) -> None:
        config: Block = {}
        if effort is not None:
            config["effort"] = effort
        output = self.request.output
        if output.kind == "json":
            self.lose("response_format")
        elif output.kind == "json_schema" and output.schema is not None:
            if self._schemas():
                config["format"] = {"type": "json_schema", "schema": self._schema(output.schema)}
            else:
                self.lose("output_config.format" if self.native else "response_format")
        elif output.kind == "json_schema":
            self.lose("response_format")
        if config:
            body["output_config"] = config

    def _schemas(self) -> bool:
        known = self.target.capabilities
        return "no_json_schema" not in self.target.quirks and (not known or "json_schema" in known)

    def _schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.native:
            return schema
        fitted, lost = fit(schema)
        if lost:
            self.lose("response_format.schema")
        description = self.request.output.description
        if description:
            fitted.setdefault("description", description)
        return fitted

    def _sampling(self, body: Block, thought: thinking.Thought) -> None:
        asked = self.request.sampling
        if asked == _NO_SAMPLING:
            return
        temperature, top_p = asked.temperature, asked.top_p
        top_k: float | None = asked.top_k
        if temperature is not None and temperature > 1:  # Anthropic's range ends at 1, OpenAI's at 2
            self.lose("temperature")
            temperature = 1.0
        if not self.rules.sampling:
            # 1 is the default, and the default is taken.
            temperature = self._none_but(temperature, temperature == 1, "temperature")
            top_p = self._none_but(top_p, top_p == 1, "top_p")
            top_k = self._none_but(top_k, False, "top_k")
        elif thought.on and self.rules.claude:
            temperature = self._none_but(temperature, temperature == 1, "temperature")
            top_p = self._none_but(top_p, top_p is not None and top_p >= 0.95, "top_p")
            top_k = self._none_but(top_k, False, "top_k")
        if self.rules.one_sampler and temperature is not None and top_p is not None:
            if top_p != 1:
                self.lose("top_p")
            top_p = None
        for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
            if value is not None:
                body[name] = value
        stops = [stop for stop in asked.stop if self.native or stop.strip()]
        if len(stops) < len(asked.stop):  # "each stop sequence must contain non-whitespace"
            self.lose("stop")
        if stops:
            body["stop_sequences"] = stops
        for name in ("seed", "logit_bias", "top_logprobs"):
            if getattr(asked, name) is not None:
                self.lose(name)
        for name in ("presence_penalty", "frequency_penalty", "logprobs"):
            if getattr(asked, name):  # 0 and false ask for nothing
                self.lose(name)
        if asked.n != 1:
            self.lose("n")

    def _none_but(self, value: float | None, keep: bool, name: str) -> float | None:
        if value is None or keep:
            return value
        self.lose(name)
        return None

    # ── who asks, and the rest ──

    def _account(self, body: Block) -> None:
        request = self.request
        metadata: Block = {}
        if request.user is not None:
            if "no_metadata" in self.target.quirks:
                self.lose("user")
            else:
                metadata["user_id"] = request.user
        if request.metadata:
            if self.native:
                metadata.update(request.metadata)
            else:
                self.lose("metadata")
        if metadata:
            body["metadata"] = metadata
        tier = request.service_tier
        if tier is not None:
            mapped = tier if self.native else _TIERS.get(tier)
            if mapped is None:
                self.lose("service_tier")
            else:
                body["service_tier"] = mapped
        if request.prompt_cache_key is not None:
            self.lose("prompt_cache_key")
        if request.verbosity is not None:
            self.lose("verbosity")

    def _extra(self, body: Block) -> None:
        for name, value in _items(self.request.extra):
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


def _items(extra: Extra) -> list[tuple[str, Any]]:
    return list((extra or {}).items())


def _forces(request: Request) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def _thinks(request: Request) -> bool:
    asked = request.reasoning
    return bool(
        asked.enabled
        or asked.adaptive
        or asked.budget_tokens
        or (asked.effort not in (None, "none") and asked.enabled is not False)
    )
