"""Programs with the official Mistral SDK."""

import asyncio
import json
from typing import Any

from host import Answer, Bridge, Job
from mistralai.client import Mistral

PACKAGES = ("mistralai",)


class Chat:
    """`client.chat`. Its own names: `max_tokens`, `random_seed`, `tool_choice: any`, `prefix`."""

    def __init__(self, job: Job) -> None:
        self.client = Mistral(
            api_key=job.token, server_url=job.url, timeout_ms=int(job.timeout_s * 1000), retry_config=None
        )

    def start(self, job: Job) -> list[Any]:
        return [{"role": "system", "content": job.system}] if job.system else []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: Any = words
        if job.image:
            url = f"data:image/png;base64,{job.image}"
            content = [{"type": "text", "text": words}, {"type": "image_url", "image_url": url}]
        if job.document:
            url = f"data:application/pdf;base64,{job.document}"
            content = [{"type": "text", "text": words}, {"type": "document_url", "document_url": url}]
        history.append({"role": "user", "content": content})

    def asked(self, history: list[Any], job: Job) -> dict[str, Any]:
        """The arguments of the call."""
        asked: dict[str, Any] = {"model": job.model, "messages": history, "max_tokens": job.max_tokens}
        if job.tools:
            asked["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": t["name"],
                        "description": t["description"],
                        "parameters": t["schema"],
                    },
                }
                for t in job.tools
            ]
        if job.choice:
            named = {"type": "function", "function": {"name": job.choice}}
            asked["tool_choice"] = {"required": "any", "none": "none"}.get(job.choice, named)
        if job.stop:
            asked["stop"] = list(job.stop)
        if job.temperature is not None:
            asked["temperature"] = job.temperature
        return asked

    def ask(self, history: list[Any], job: Job) -> Answer:
        asked = self.asked(history, job)
        parsed = None
        if job.stream:
            message, finish, usage, model = self._stream(asked, job)
        else:
            if job.structured:
                final: Any = self.client.chat.parse(Bridge, **asked)
                parsed = final.choices[0].message.parsed.model_dump()
            else:
                final = self.client.chat.complete(**asked)
            (choice,) = final.choices
            message = choice.message.model_dump(exclude_none=True, exclude_unset=True)
            message.pop("parsed", None)
            finish, usage, model = choice.finish_reason, final.usage, final.model
            job.hear(message.get("content") or "")
        history.append({**message, "role": "assistant"})
        calls = message.get("tool_calls") or []
        return Answer(
            text=message.get("content") or "",
            finish=finish,
            usage={"input": usage.prompt_tokens, "output": usage.completion_tokens},
            model=model,
            calls=[(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls],
            parsed=parsed,
            whole=calls,
        )

    def _stream(self, asked: dict[str, Any], job: Job) -> Any:
        """Gathered as its documentation does: by the index of a call."""
        words, finish, usage, model = [], "", None, ""
        calls: dict[int, dict[str, Any]] = {}
        stream = (
            self.client.chat.parse_stream(Bridge, **asked)
            if job.structured
            else self.client.chat.stream(**asked)
        )
        for event in stream:
            chunk = event.data
            model, usage = chunk.model, chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                if isinstance(choice.delta.content, str) and choice.delta.content:
                    words.append(choice.delta.content)
                    job.hear(choice.delta.content)
                for call in choice.delta.tool_calls or ():
                    into = calls.setdefault(call.index or 0, {"id": "", "name": "", "arguments": ""})
                    into["id"] = call.id if call.id and call.id != "null" else into["id"]
                    into["name"] += call.function.name
                    into["arguments"] += str(call.function.arguments)
        made = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in calls.values()
        ]
        message: dict[str, Any] = {"content": "".join(words)}
        return ({**message, "tool_calls": made} if made else message), finish, usage, model

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        for call, (name, arguments) in zip(answer.whole, answer.calls, strict=True):
            content = job.found(arguments)
            history.append({"role": "tool", "name": name, "tool_call_id": call["id"], "content": content})

    def models(self, job: Job) -> dict[str, Any]:
        """What there is, and one of it."""
        listed: Any = self.client.models.list().data
        found: Any = self.client.models.retrieve(model_id=job.model)
        return {"listed": [m.id for m in listed], "found": found.id}

    def embed(self, job: Job) -> dict[str, Any]:
        """Vectors."""
        found = self.client.embeddings.create(model=job.model, inputs=list(job.texts))
        return {"vectors": [item.embedding for item in found.data], "input": found.usage.prompt_tokens}

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""

        async def one() -> str:
            history: list[Any] = []
            self.user(history, job.turns[0], job)
            words = []
            async for event in await self.client.chat.stream_async(**self.asked(history, job)):
                words += [str(c.delta.content or "") for c in event.data.choices]
            return "".join(words)

        return await asyncio.gather(*[one() for _ in range(job.at_once)])


PROGRAMS = {"mistral chat": Chat}
