"""The official Anthropic SDK, unmodified."""

from collections.abc import Mapping
from typing import Any

import anthropic
from tests.contract.contract_said import (
    MAX_TOKENS,
    QUESTION,
    SYSTEM,
    TOOL,
    TOOL_DESCRIPTION,
    TOOL_SCHEMA,
    WEATHER,
    Said,
)

ANTHROPIC_TOOL: Any = {"name": TOOL, "description": TOOL_DESCRIPTION, "input_schema": TOOL_SCHEMA}


def anthropic_client(url: str, token: str, **more: Any) -> anthropic.Anthropic:
    """The client as its documentation makes it, pointed at the gateway."""
    return anthropic.Anthropic(base_url=url, api_key=token, max_retries=0, **more)


class AnthropicSpeaker:
    """`client.messages`."""

    dialect = "anthropic"

    def __init__(self, client: anthropic.Anthropic) -> None:
        self._client = client

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`."""
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        said, message = self._ask(model, messages, stream, tools)
        if not tools:
            return [said]
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": WEATHER[block.input["city"]]}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
        return [said, self._ask(model, messages, stream, tools)[0]]

    def _ask(self, model: str, messages: list[Any], stream: bool, tools: bool) -> tuple[Said, Any]:
        asked: dict[str, Any] = {
            "model": model,
            "system": SYSTEM,
            "messages": messages,
            "max_tokens": MAX_TOKENS,
        }
        if tools:
            asked["tools"] = [ANTHROPIC_TOOL]
        if not stream:
            raw = self._client.messages.with_raw_response.create(**asked)
            whole = raw.parse()
            return anthropic_said(whole, {whole.model}, raw.headers), whole
        models, kinds = set(), []
        with self._client.messages.stream(**asked) as events:
            for event in events:
                kinds.append(event.type)
                if event.type == "message_start":
                    models.add(event.message.model)
            final = events.get_final_message()
            headers = events.response.headers
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
        return anthropic_said(final, models | {final.model}, headers), final


def anthropic_said(whole: Any, models: set[str], headers: Mapping[str, str]) -> Said:
    """What a message says."""
    usage = whole.usage
    return Said(
        text="".join([block.text for block in whole.content if block.type == "text"]),
        finish=whole.stop_reason,
        usage={
            "input_tokens": usage.input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens or 0,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens or 0,
            "output_tokens": usage.output_tokens,
            "thinking_tokens": getattr(usage.output_tokens_details, "thinking_tokens", 0),
        },
        models=models,
        headers=dict(headers),
        thought="".join([block.thinking for block in whole.content if block.type == "thinking"]),
        calls=[(b.name, b.input) for b in whole.content if b.type == "tool_use"],
        raw=f"{dict(headers)}{whole.to_json(warnings=False)}",
    )
