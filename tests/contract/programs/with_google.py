"""Programs with the official Google GenAI SDK."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

from google import genai
from google.genai import types
from host import Answer, Bridge, Job

PACKAGES = ("google-genai",)


class Models:
    """`client.models`; results are made as the documentation does: by the function's name, without ids."""

    def __init__(self, job: Job) -> None:
        options = types.HttpOptions(base_url=job.url, timeout=int(job.timeout_s * 1000))
        if job.retries:
            options.retry_options = types.HttpRetryOptions(attempts=job.retries + 1)
        self.client = genai.Client(api_key=job.token, http_options=options)

    def start(self, _: Job) -> list[Any]:
        return []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        parts = [types.Part.from_text(text=words)]
        if job.image:
            parts.append(types.Part.from_bytes(data=base64.b64decode(job.image), mime_type="image/png"))
        if job.document:
            pdf = base64.b64decode(job.document)
            parts.append(types.Part.from_bytes(data=pdf, mime_type="application/pdf"))
        history.append(types.Content(role="user", parts=parts))

    def config(self, job: Job) -> types.GenerateContentConfig:
        """The settings of the call."""
        config = types.GenerateContentConfig(max_output_tokens=job.max_tokens)
        if job.malformed:
            wrong = {"generationConfig": {"maxOutputTokens": "many"}}
            config.http_options = types.HttpOptions(extra_body=wrong)
        if job.system:
            config.system_instruction = job.system
        if job.tools:
            declared = [
                types.FunctionDeclaration(
                    name=t["name"], description=t["description"], parameters_json_schema=t["schema"]
                )
                for t in job.tools
            ]
            config.tools = [types.Tool(function_declarations=declared)]
        if job.choice:
            mode: Any = {"required": "ANY", "none": "NONE"}.get(job.choice, "ANY")
            names = None if job.choice in ("required", "none") else [job.choice]
            config.tool_config = types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
            )
        if job.stop:
            config.stop_sequences = list(job.stop)
        if job.temperature is not None:
            config.temperature = job.temperature
        if job.structured:
            config.response_mime_type = "application/json"
            config.response_schema = Bridge
        if job.think:
            config.max_output_tokens = 2048
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        return config

    def chunks(self, history: list[Any], job: Job) -> Iterator[Any]:
        """What the model says."""
        asked: dict[str, Any] = {"model": job.model, "contents": history, "config": self.config(job)}
        if job.stream:
            yield from self.client.models.generate_content_stream(**asked)
        else:
            yield self.client.models.generate_content(**asked)

    def ask(self, history: list[Any], job: Job) -> Answer:
        chunks: list[Any] = []
        for chunk in self.chunks(history, job):
            chunks.append(chunk)
            job.hear(_words(chunk))
        parts = [p for chunk in chunks for p in _parts(chunk)]
        history.append(types.Content(role="model", parts=parts))
        usage = chunks[-1].usage_metadata
        calls = [p.function_call for p in parts if p.function_call]
        finishes = [
            c.candidates[0].finish_reason for c in chunks if c.candidates and c.candidates[0].finish_reason
        ]
        return Answer(
            text="".join([p.text for p in parts if p.text and not p.thought]),
            finish=" ".join([f.value for f in finishes]),
            usage={
                "input": usage.prompt_token_count,
                "cached": usage.cached_content_token_count,
                "output": usage.candidates_token_count,
                "reasoning": usage.thoughts_token_count,
            },
            model=" ".join({chunk.model_version for chunk in chunks}),
            thought="".join([p.text for p in parts if p.text and p.thought]),
            calls=[(c.name, c.args or {}) for c in calls],
            parsed=chunks[0].parsed.model_dump() if job.structured and not job.stream else None,
            whole=calls,
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        parts = []
        for call in answer.whole:
            key = "error" if job.failing else "result"
            response = {key: job.found(call.args)}
            media = None
            if job.image_result:
                picture = base64.b64decode(job.image_result)
                media = [types.FunctionResponsePart.from_bytes(data=picture, mime_type="image/png")]
            parts.append(types.Part.from_function_response(name=call.name, response=response, parts=media))
        history.append(types.Content(role="user", parts=parts))

    def models(self, job: Job) -> dict[str, Any]:
        """What there is, and one of it."""
        return {
            "listed": [(m.name or "").removeprefix("models/") for m in self.client.models.list()],
            "found": (self.client.models.get(model=job.model).name or "").removeprefix("models/"),
        }

    def count(self, job: Job) -> int:
        """The size of a prompt."""
        return self.client.models.count_tokens(model=job.model, contents=list(job.texts)).total_tokens or 0

    def embed(self, job: Job) -> dict[str, Any]:
        """Vectors."""
        found = self.client.models.embed_content(model=job.model, contents=list(job.texts))
        return {"vectors": [item.values for item in found.embeddings or ()]}

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""

        async def one() -> str:
            history: list[Any] = []
            self.user(history, job.turns[0], job)
            asked: dict[str, Any] = {"model": job.model, "contents": history, "config": self.config(job)}
            stream = await self.client.aio.models.generate_content_stream(**asked)
            return "".join([chunk.text or "" async for chunk in stream])

        return await asyncio.gather(*[one() for _ in range(job.at_once)])


class Chats(Models):
    """`client.chats`, which keeps the history itself."""

    def start(self, job: Job) -> list[Any]:
        return [self.client.chats.create(model=job.model, config=self.config(job))]

    def user(self, history: list[Any], words: str, job: Job) -> None:
        made: list[Any] = []
        super().user(made, words, job)
        history[1:] = [made[0].parts]

    def chunks(self, history: list[Any], job: Job) -> Iterator[Any]:
        session, message = history
        if job.stream:
            yield from session.send_message_stream(message)
        else:
            yield session.send_message(message)

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        made: list[Any] = []
        super().results(made, answer, job)
        history[1:] = [made[0].parts]


def _parts(chunk: Any) -> list[Any]:
    content = chunk.candidates[0].content if chunk.candidates else None
    return list(content.parts or ()) if content else []


def _words(chunk: Any) -> str:
    return "".join([p.text for p in _parts(chunk) if p.text and not p.thought])


PROGRAMS = {"google models": Models, "google chats": Chats}
