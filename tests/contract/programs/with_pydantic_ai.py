"""Programs with Pydantic AI's agents on its models for OpenAI (both dialects), Anthropic and Google."""

import asyncio
import base64
from collections.abc import AsyncIterable
from typing import Any

from anthropic import AsyncAnthropic
from google import genai
from google.genai.types import HttpOptions
from host import RUNNER, Answer, Bridge, Job
from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, ModelRetry, NativeOutput, Tool
from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolReturn,
)
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

PACKAGES = ("pydantic-ai-slim",)


class _Common:
    def __init__(self, job: Job) -> None:
        self._options: dict[str, Any] = {
            "api_key": job.token,
            "max_retries": job.retries,
            "timeout": job.timeout_s,
        }
        self.made = self.provider(job)

    def provider(self, job: Job) -> Any:
        """What reaches the gateway."""
        raise NotImplementedError

    def model(self, job: Job) -> Any:
        """The model."""
        raise NotImplementedError

    def thinking(self) -> dict[str, Any]:
        """The settings that ask for thinking."""
        raise NotImplementedError

    def converse(self, job: Job) -> list[Answer]:
        """An agent's runs, one for each turn."""
        return RUNNER.run(self._converse(job))

    def at_once(self, job: Job) -> list[str]:
        """Many at once."""

        async def all_of_them() -> list[list[Answer]]:
            return await asyncio.gather(*[self._converse(job) for _ in range(job.at_once)])

        return [answers[0].text for answers in RUNNER.run(all_of_them())]

    async def _converse(self, job: Job) -> list[Answer]:
        settings: dict[str, Any] = {"max_tokens": job.max_tokens}
        if job.malformed:
            wrong = {"max_completion_tokens": "many", "max_output_tokens": "many", "max_tokens": "many"}
            settings["extra_body"] = wrong
        if job.stop:
            settings["stop_sequences"] = list(job.stop)
        if job.temperature is not None:
            settings["temperature"] = job.temperature
        if job.choice:
            settings["tool_choice"] = job.choice if job.choice in ("required", "none") else [job.choice]
        if job.think:
            settings |= {"max_tokens": 2048, **self.thinking()}
        output: Any = NativeOutput(Bridge) if job.structured else str
        agent: Agent[None, Any] = Agent(
            self.model(job),
            system_prompt=job.system or (),
            tools=[_tool(tool, job) for tool in job.tools],
            model_settings=settings,  # type: ignore[arg-type]
            output_type=output,
            retries=3,
        )

        async def handle(_: Any, events: AsyncIterable[Any]) -> None:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    job.hear(event.part.content)
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    job.hear(event.delta.content_delta)

        history: list[Any] = []
        answers = []
        for number, words in enumerate(job.turns):
            asked: list[Any] = [words]
            if job.image and not number:
                asked.append(BinaryContent(base64.b64decode(job.image), media_type="image/png"))
            if job.document and not number:
                asked.append(BinaryContent(base64.b64decode(job.document), media_type="application/pdf"))
            result = await agent.run(
                asked if len(asked) > 1 else words,
                message_history=history,
                event_stream_handler=handle if job.stream else None,
            )
            history = result.all_messages()
            said = [m for m in result.new_messages() if isinstance(m, ModelResponse)]
            answers += [_answer(message) for message in said]
            if job.structured:
                answers[-1].parsed = result.output.model_dump()
            if not job.stream:
                job.hear(answers[-1].text)
        return answers


def _tool(tool: dict[str, Any], job: Job) -> Tool[None]:
    def found(**arguments: Any) -> Any:
        if job.failing:
            raise ModelRetry(job.found(arguments))
        if job.image_result:
            picture = BinaryContent(base64.b64decode(job.image_result), media_type="image/png")
            return ToolReturn(return_value=job.found(arguments), content=[picture])
        return job.found(arguments)

    return Tool.from_schema(found, tool["name"], tool["description"], tool["schema"])


def _answer(message: ModelResponse) -> Answer:
    usage = message.usage
    parts = message.parts
    return Answer(
        text="".join([p.content for p in parts if isinstance(p, TextPart)]),
        finish=str(message.finish_reason),
        usage={
            "input": usage.input_tokens,
            "cached": usage.cache_read_tokens,
            "output": usage.output_tokens,
        },
        model=message.model_name or "",
        thought="".join([p.content for p in parts if isinstance(p, ThinkingPart)]),
        calls=[(p.tool_name, p.args_as_dict()) for p in parts if isinstance(p, ToolCallPart)],
    )


class Chat(_Common):
    """`OpenAIChatModel`."""

    def provider(self, job: Job) -> Any:
        return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{job.url}/v1", **self._options))

    def model(self, job: Job) -> Any:
        return OpenAIChatModel(job.model, provider=self.made)

    def thinking(self) -> dict[str, Any]:
        return {"openai_reasoning_effort": "high"}


class Responses(Chat):
    """`OpenAIResponsesModel`."""

    def model(self, job: Job) -> Any:
        return OpenAIResponsesModel(job.model, provider=self.made)

    def thinking(self) -> dict[str, Any]:
        return {"openai_reasoning_effort": "high", "openai_reasoning_summary": "auto"}


class Claude(_Common):
    """`AnthropicModel`."""

    def provider(self, job: Job) -> Any:
        return AnthropicProvider(anthropic_client=AsyncAnthropic(base_url=job.url, **self._options))

    def model(self, job: Job) -> Any:
        return AnthropicModel(job.model, provider=self.made)

    def thinking(self) -> dict[str, Any]:
        return {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}


class Google(_Common):
    """`GoogleModel`."""

    def provider(self, job: Job) -> Any:
        options = HttpOptions(base_url=job.url, timeout=int(job.timeout_s * 1000))
        return GoogleProvider(client=genai.Client(api_key=job.token, http_options=options))

    def model(self, job: Job) -> Any:
        return GoogleModel(job.model, provider=self.made)

    def thinking(self) -> dict[str, Any]:
        return {"google_thinking_config": {"include_thoughts": True, "thinking_budget": 1024}}


PROGRAMS = {
    "pydantic-ai openai chat": Chat,
    "pydantic-ai openai responses": Responses,
    "pydantic-ai anthropic": Claude,
    "pydantic-ai google": Google,
}
