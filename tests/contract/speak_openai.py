"""The official OpenAI SDK, unmodified: Chat Completions and Responses."""

import json
from collections.abc import Mapping
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
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

CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": TOOL, "description": TOOL_DESCRIPTION, "parameters": TOOL_SCHEMA},
}
RESPONSES_TOOL: Any = {
    "type": "function",
    "name": TOOL,
    "description": TOOL_DESCRIPTION,
    "parameters": TOOL_SCHEMA,
    "strict": False,
}


def openai_client(url: str, token: str, **more: Any) -> openai.OpenAI:
    """The client as its documentation makes it, pointed at the gateway."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0, **more)


class ChatSpeaker:
    """`client.chat.completions`."""

    dialect = "openai_chat"

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`."""
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": QUESTION},
        ]
        said, message = self._ask(model, messages, stream, tools)
        if not tools:
            return [said]
        messages.append(message)
        messages += [
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": WEATHER[json.loads(call.function.arguments)["city"]],
            }
            for call in message.tool_calls
        ]
        return [said, self._ask(model, messages, stream, tools)[0]]

    def _ask(self, model: str, messages: list[Any], stream: bool, tools: bool) -> tuple[Said, Any]:
        asked: dict[str, Any] = {"model": model, "messages": messages, "max_completion_tokens": MAX_TOKENS}
        if tools:
            asked["tools"] = [CHAT_TOOL]
        create = self._client.chat.completions.with_raw_response.create
        if not stream:
            raw = create(**asked)
            whole = raw.parse()
            return chat_said(whole, {whole.model}, raw.headers), whole.choices[0].message
        raw = create(**asked, stream=True, stream_options={"include_usage": True})
        state: Any = ChatCompletionStreamState(input_tools=asked.get("tools", []))
        models = set()
        with raw.parse() as chunks:
            for chunk in chunks:
                models.add(chunk.model)
                state.handle_chunk(chunk)
        final = state.get_final_completion()
        return chat_said(final, models, raw.headers), final.choices[0].message


def chat_said(whole: Any, models: set[str], headers: Mapping[str, str]) -> Said:
    """What a (gathered) chat completion says."""
    (choice,) = whole.choices
    usage = whole.usage
    return Said(
        text=choice.message.content or "",
        finish=choice.finish_reason,
        usage={
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "cached_tokens": usage.prompt_tokens_details.cached_tokens or 0,
            "reasoning_tokens": _reasoning(usage.completion_tokens_details),
        },
        models=models,
        headers=dict(headers),
        thought=getattr(choice.message, "reasoning_content", ""),
        calls=[
            (call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
        ],
        raw=f"{dict(headers)}{whole.to_json(warnings=False)}",
    )


def _reasoning(details: Any) -> int:
    return 0 if details is None else details.reasoning_tokens or 0


class ResponsesSpeaker:
    """`client.responses`, the conversation sent whole each time."""

    dialect = "openai_responses"

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`."""
        items: list[Any] = [{"role": "user", "content": QUESTION}]
        said, response = self._ask(model, items, stream, tools)
        if not tools:
            return [said]
        items += response.output
        items += [
            {
                "type": "function_call_output",
                "call_id": item.call_id,
                "output": WEATHER[json.loads(item.arguments)["city"]],
            }
            for item in response.output
            if item.type == "function_call"
        ]
        return [said, self._ask(model, items, stream, tools)[0]]

    def _ask(self, model: str, items: list[Any], stream: bool, tools: bool) -> tuple[Said, Any]:
        asked: dict[str, Any] = {
            "model": model,
            "instructions": SYSTEM,
            "input": items,
            "max_output_tokens": MAX_TOKENS,
            "include": ["reasoning.encrypted_content"],
        }
        if tools:
            asked["tools"] = [RESPONSES_TOOL]
        if not stream:
            raw = self._client.responses.with_raw_response.create(**asked)
            whole = raw.parse()
            return responses_said(whole, {whole.model}, raw.headers), whole
        models, numbers = set(), []
        with self._client.responses.stream(**asked) as events:
            for event in events:
                numbers.append(event.sequence_number)
                response = getattr(event, "response", None)
                if response is not None:
                    models.add(response.model)
            final = events.get_final_response()
            headers = events._response.headers
        assert numbers == sorted(set(numbers)), "sequence numbers rise"
        return responses_said(final, models, headers), final


def responses_said(whole: Any, models: set[str], headers: Mapping[str, str]) -> Said:
    """What a response says."""
    usage = whole.usage
    return Said(
        text=whole.output_text,
        finish=whole.status,
        usage={
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cached_tokens": usage.input_tokens_details.cached_tokens,
            "reasoning_tokens": usage.output_tokens_details.reasoning_tokens,
        },
        models=models,
        headers=dict(headers),
        thought="".join([s.text for i in whole.output if i.type == "reasoning" for s in i.summary]),
        calls=[(i.name, json.loads(i.arguments)) for i in whole.output if i.type == "function_call"],
        raw=f"{dict(headers)}{whole.to_json(warnings=False)}",
    )
