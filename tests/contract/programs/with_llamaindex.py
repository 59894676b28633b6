"""Programs with LlamaIndex's LLM classes for OpenAI (both dialects) and Anthropic.

The classes look their model's abilities up by its name and refuse names they do not know, so one they know is
given to them, and the gateway's own beside it.
"""

import asyncio
import base64
from typing import Any

from host import Answer, Bridge, Job, kept
from llama_index.core.base.llms.types import DocumentBlock, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI, OpenAIResponses
from pydantic import Field, create_model

PACKAGES = ("llama-index-llms-openai", "llama-index-llms-anthropic", "llama-index-core")
_KNOWN, _KNOWN_CLAUDE = "gpt-4o", "claude-sonnet-4-5"


def _tool(tool: dict[str, Any]) -> FunctionTool:
    fields: dict[str, Any] = {
        name: (str, Field(description=about.get("description")))
        for name, about in tool["schema"]["properties"].items()
    }
    metadata = ToolMetadata(
        name=tool["name"], description=tool["description"], fn_schema=create_model(tool["name"], **fields)
    )
    return FunctionTool(fn=lambda **_: "", metadata=metadata)


class _Common:
    def __init__(self, _: Job) -> None:
        self._made: dict[Any, Any] = {}

    def llm(self, job: Job) -> Any:
        """The LLM object."""
        raise NotImplementedError

    def start(self, job: Job) -> list[Any]:
        return [ChatMessage(role="system", content=job.system)] if job.system else []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        blocks: list[Any] = [TextBlock(text=words)]
        if job.image:
            blocks.append(ImageBlock(image=base64.b64decode(job.image), image_mimetype="image/png"))
        if job.document:
            pdf = base64.b64decode(job.document)
            blocks.append(DocumentBlock(data=pdf, title="bridge.pdf", document_mimetype="application/pdf"))
        history.append(ChatMessage(role="user", blocks=blocks))

    def ask(self, history: list[Any], job: Job) -> Answer:
        llm = kept(self._made, job, self.llm)
        if job.structured:
            found = llm.as_structured_llm(Bridge).chat(history)
            return Answer(text=found.message.content, parsed=found.raw.model_dump())
        more: dict[str, Any] = {}
        if job.choice:
            more["tool_choice"] = job.choice if job.choice != "required" else None
            more["tool_required"] = job.choice == "required"
        chat, stream_chat = llm.chat, llm.stream_chat
        if job.tools:
            more["tools"] = [_tool(tool) for tool in job.tools]
            more["allow_parallel_tool_calls"] = True
            chat, stream_chat = llm.chat_with_tools, llm.stream_chat_with_tools
            more = {"chat_history": history, **more}
        else:
            more = {"messages": history}
        if job.stream:
            whole: Any = None
            for whole in stream_chat(**more):
                job.hear(whole.delta or "")
        else:
            whole = chat(**more)
            job.hear(whole.message.content or "")
        history.append(whole.message)
        calls = llm.get_tool_calls_from_response(whole, error_on_no_tool_call=False) if job.tools else []
        thoughts = [b.content or "" for b in whole.message.blocks if isinstance(b, ThinkingBlock)]
        return Answer(
            text=whole.message.content or "",
            thought="".join(thoughts),
            calls=[(call.tool_name, call.tool_kwargs) for call in calls],
            whole=calls,
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        for call in answer.whole:
            # Chat's and Anthropic's classes read one name, the Responses class the other.
            known = {"tool_call_id": call.tool_id, "call_id": call.tool_id}
            found = job.found(call.tool_kwargs)
            history.append(ChatMessage(role="tool", content=found, additional_kwargs=known))

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""
        llm = self.llm(job)

        async def one() -> str:
            history: list[Any] = []
            self.user(history, job.turns[0], job)
            return "".join([chunk.delta or "" async for chunk in await llm.astream_chat(history)])

        return await asyncio.gather(*[one() for _ in range(job.at_once)])


class Chat(_Common):
    """`OpenAI`."""

    def llm(self, job: Job) -> Any:
        more: dict[str, Any] = {"model": job.model}
        if job.malformed:
            more["extra_body"] = {"max_tokens": "many"}
        if job.stop:
            more["stop"] = list(job.stop)
        return OpenAI(
            model=_KNOWN,
            api_base=f"{job.url}/v1",
            api_key=job.token,
            max_retries=job.retries,
            timeout=job.timeout_s,
            max_tokens=job.max_tokens,
            temperature=0.1 if job.temperature is None else job.temperature,
            additional_kwargs=more,
        )


class Responses(_Common):
    """`OpenAIResponses`."""

    def llm(self, job: Job) -> Any:
        more: dict[str, Any] = {"model": job.model}
        if job.malformed:
            more["extra_body"] = {"max_output_tokens": "many"}
        return OpenAIResponses(
            model=_KNOWN,
            api_base=f"{job.url}/v1",
            api_key=job.token,
            max_retries=job.retries,
            timeout=job.timeout_s,
            max_output_tokens=job.max_tokens,
            temperature=0.1 if job.temperature is None else job.temperature,
            additional_kwargs=more,
        )


class Claude(_Common):
    """`Anthropic`."""

    def llm(self, job: Job) -> Any:
        more: dict[str, Any] = {"model": job.model}
        if job.malformed:
            more["extra_body"] = {"max_tokens": "many"}
        if job.stop:
            more["stop_sequences"] = list(job.stop)
        thinking: dict[str, Any] = {}
        if job.temperature is not None:
            thinking = {"temperature": job.temperature}
        if job.think:
            thinking = {"thinking_dict": {"type": "enabled", "budget_tokens": 1024}, "temperature": 1.0}
        return Anthropic(
            model=_KNOWN_CLAUDE,
            base_url=job.url,
            api_key=job.token,
            max_retries=job.retries,
            timeout=job.timeout_s,
            max_tokens=2048 if job.think else job.max_tokens,
            additional_kwargs=more,
            **thinking,
        )


PROGRAMS = {
    "llamaindex openai": Chat,
    "llamaindex openai responses": Responses,
    "llamaindex anthropic": Claude,
}
