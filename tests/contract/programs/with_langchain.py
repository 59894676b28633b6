"""Programs with LangChain's chat models for OpenAI (both dialects) and Anthropic."""

import asyncio
from typing import Any

from host import Answer, Bridge, Job, kept
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

PACKAGES = ("langchain-openai", "langchain-anthropic", "langchain-core")


class _Common:
    settings: dict[str, Any] = {}  # noqa: RUF012 - read only
    choices: dict[str, Any] = {"required": "any"}  # noqa: RUF012

    def __init__(self, job: Job) -> None:
        self._made: dict[Any, Any] = {}
        self._base = {"api_key": job.token, "max_retries": job.retries, "timeout": job.timeout_s}

    def model(self, job: Job) -> Any:
        """The chat model, before tools and schemas are bound."""
        raise NotImplementedError

    def start(self, job: Job) -> list[Any]:
        return [SystemMessage(job.system)] if job.system else []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: Any = words
        if job.image or job.document:
            content = [{"type": "text", "text": words}]
        if job.image:
            content.append({"type": "image", "base64": job.image, "mime_type": "image/png"})
        if job.document:
            pdf = {"type": "file", "base64": job.document, "mime_type": "application/pdf"}
            content.append({**pdf, "filename": "bridge.pdf"})
        history.append(HumanMessage(content))

    def bound(self, job: Job) -> Any:
        """The chat model with all the job asks for."""
        bound = kept(self._made, job, self.model)
        if job.stop:
            bound = bound.bind(stop=list(job.stop))
        if job.structured:
            return bound.with_structured_output(Bridge, method="json_schema", include_raw=True)
        if job.tools:
            tools = [
                convert_to_openai_tool({"title": t["name"], "description": t["description"], **t["schema"]})
                for t in job.tools
            ]
            choice = self.choices.get(job.choice, job.choice) or None
            bound = bound.bind_tools(tools, **({"tool_choice": choice} if choice else {}))
        return bound

    def ask(self, history: list[Any], job: Job) -> Answer:
        bound = self.bound(job)
        parsed = None
        if job.structured:
            found = bound.invoke(history)
            if found["parsing_error"]:
                raise found["parsing_error"]
            whole, parsed = found["raw"], found["parsed"].model_dump()
        elif job.stream:
            whole = None
            for chunk in bound.stream(history):
                job.hear(chunk.text)
                whole = chunk if whole is None else whole + chunk
        else:
            whole = bound.invoke(history)
            job.hear(whole.text)
        history.append(whole)
        usage = whole.usage_metadata
        said = whole.response_metadata
        details = said.get("incomplete_details") or {}
        return Answer(
            text=whole.text,
            finish=details.get("reason")
            or said.get("finish_reason")
            or said.get("stop_reason")
            or said.get("status"),
            usage={
                "input": usage["input_tokens"],
                "cached": usage.get("input_token_details", {}).get("cache_read"),
                "output": usage["output_tokens"],
                "reasoning": usage.get("output_token_details", {}).get("reasoning"),
            },
            model=said.get("model_name") or said.get("model"),
            thought="".join(
                [b.get("reasoning", "") for b in whole.content_blocks if b["type"] == "reasoning"]
            ),
            calls=[(call["name"], call["args"]) for call in whole.tool_calls],
            parsed=parsed,
            whole=whole.tool_calls,
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        for call in answer.whole:
            content: Any = job.found(call["args"])
            if job.image_result:
                picture = {"type": "image", "base64": job.image_result, "mime_type": "image/png"}
                content = [{"type": "text", "text": content}, picture]
            status = "error" if job.failing else "success"
            history.append(ToolMessage(content, tool_call_id=call["id"], status=status))

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""
        bound = self.bound(job)

        async def one() -> str:
            history: list[Any] = []
            self.user(history, job.turns[0], job)
            return "".join([chunk.text async for chunk in bound.astream(history)])

        return await asyncio.gather(*[one() for _ in range(job.at_once)])


class OpenAIChat(_Common):
    """`ChatOpenAI`, as it comes."""

    settings = {"stream_usage": True}  # noqa: RUF012

    def model(self, job: Job) -> Any:
        options: dict[str, Any] = {**self._base, **self.settings, "base_url": f"{job.url}/v1"}
        if job.think:
            options["reasoning_effort"] = "high"
        if job.malformed:
            options["extra_body"] = {"max_completion_tokens": "many", "max_output_tokens": "many"}
        if job.temperature is not None:
            options["temperature"] = job.temperature
        limit = 2048 if job.think else job.max_tokens
        return ChatOpenAI(model=job.model, max_tokens=limit, **options)

    def embed(self, job: Job) -> dict[str, Any]:
        """Vectors."""
        options: Any = {
            "base_url": f"{job.url}/v1",
            "api_key": job.token,
            "check_embedding_ctx_length": False,
        }
        return {"vectors": OpenAIEmbeddings(model=job.model, **options).embed_documents(list(job.texts))}


class OpenAIResponses(OpenAIChat):
    """`ChatOpenAI(use_responses_api=True)`."""

    settings = {"use_responses_api": True, "output_version": "responses/v1", "store": False}  # noqa: RUF012

    def model(self, job: Job) -> Any:
        made = super().model(job)
        if job.think:
            asked: dict[str, Any] = {"reasoning": {"effort": "high", "summary": "auto"}}
            return made.model_copy(
                update={**asked, "reasoning_effort": None, "include": ["reasoning.encrypted_content"]}
            )
        return made


class Anthropic(_Common):
    """`ChatAnthropic`."""

    choices = {"required": "any", "none": {"type": "none"}}  # noqa: RUF012

    def model(self, job: Job) -> Any:
        options: dict[str, Any] = {**self._base, "base_url": job.url}
        limit = job.max_tokens
        if job.think:
            options["thinking"] = {"type": "enabled", "budget_tokens": 1024}
            limit = 2048
        if job.malformed:
            options["model_kwargs"] = {"extra_body": {"max_tokens": "many"}}
        if job.temperature is not None:
            options["temperature"] = job.temperature
        return ChatAnthropic(model=job.model, max_tokens=limit, **options)


PROGRAMS = {
    "langchain openai": OpenAIChat,
    "langchain openai responses": OpenAIResponses,
    "langchain anthropic": Anthropic,
}
