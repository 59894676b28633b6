"""Programs with the official Anthropic SDK."""

import asyncio
from typing import Any

import anthropic
from host import Answer, Bridge, Job

PACKAGES = ("anthropic",)


class Messages:
    """`client.messages`."""

    def __init__(self, job: Job) -> None:
        self.options: dict[str, Any] = {
            "base_url": job.url,
            "api_key": job.token,
            "max_retries": job.retries,
            "timeout": job.timeout_s,
        }
        self.client = anthropic.Anthropic(**self.options)

    def start(self, _: Job) -> list[Any]:
        return []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: Any = words
        if job.image or job.document:
            content = [{"type": "text", "text": words}]
        if job.image:
            source = {"type": "base64", "media_type": "image/png", "data": job.image}
            content.insert(0, {"type": "image", "source": source})
        if job.document:
            source = {"type": "base64", "media_type": "application/pdf", "data": job.document}
            content.insert(0, {"type": "document", "source": source, "title": "bridge.pdf"})
        history.append({"role": "user", "content": content})

    def asked(self, history: list[Any], job: Job) -> dict[str, Any]:
        """The arguments of the call."""
        asked: dict[str, Any] = {"model": job.model, "messages": history, "max_tokens": job.max_tokens}
        if job.malformed:
            asked["extra_body"] = {"max_tokens": "many"}
        if job.system:
            asked["system"] = job.system
        if job.tools:
            asked["tools"] = [
                {"name": t["name"], "description": t["description"], "input_schema": t["schema"]}
                for t in job.tools
            ]
        if job.choice:
            asked["tool_choice"] = {"required": {"type": "any"}, "none": {"type": "none"}}.get(
                job.choice, {"type": "tool", "name": job.choice}
            )
        if job.stop:
            asked["stop_sequences"] = list(job.stop)
        if job.temperature is not None:
            asked["extra_body"] = {"temperature": job.temperature}
        if job.think:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
            asked["max_tokens"] = 2048
        return asked

    def ask(self, history: list[Any], job: Job) -> Answer:
        asked = self.asked(history, job)
        if job.structured:
            asked["output_format"] = Bridge
        if job.stream:
            with self.client.messages.stream(**asked) as events:
                for words in events.text_stream:
                    job.hear(words)
                final: Any = events.get_final_message()
        else:
            final = (self.client.messages.parse if job.structured else self.client.messages.create)(**asked)
            job.hear("".join([b.text for b in final.content if b.type == "text"]))
        history.append({"role": "assistant", "content": final.content})
        usage = final.usage
        return Answer(
            text="".join([b.text for b in final.content if b.type == "text"]),
            finish=final.stop_reason,
            usage={
                "input": usage.input_tokens,
                "cached": usage.cache_read_input_tokens,
                "output": usage.output_tokens,
                "reasoning": getattr(usage.output_tokens_details, "thinking_tokens", None),
            },
            model=final.model,
            thought="".join([b.thinking for b in final.content if b.type == "thinking"]),
            calls=[(b.name, b.input) for b in final.content if b.type == "tool_use"],
            parsed=final.parsed_output.model_dump() if job.structured and final.parsed_output else None,
            whole=[b for b in final.content if b.type == "tool_use"],
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        results = []
        for call in answer.whole:
            content: Any = job.found(call.input)
            if job.image_result:
                source = {"type": "base64", "media_type": "image/png", "data": job.image_result}
                content = [{"type": "text", "text": content}, {"type": "image", "source": source}]
            result = {"type": "tool_result", "tool_use_id": call.id, "content": content}
            results.append({**result, "is_error": True} if job.failing else result)
        history.append({"role": "user", "content": results})

    def models(self, job: Job) -> dict[str, Any]:
        """What there is, and one of it."""
        return {
            "listed": [m.id for m in self.client.models.list(limit=1000)],
            "found": self.client.models.retrieve(job.model).id,
        }

    def count(self, job: Job) -> int:
        """The size of a prompt."""
        messages: Any = [{"role": "user", "content": job.texts[0]}]
        return self.client.messages.count_tokens(model=job.model, messages=messages).input_tokens

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""
        async with anthropic.AsyncAnthropic(**self.options) as client:

            async def one() -> str:
                history: list[Any] = []
                self.user(history, job.turns[0], job)
                async with client.messages.stream(**self.asked(history, job)) as stream:
                    return await stream.get_final_text()

            return await asyncio.gather(*[one() for _ in range(job.at_once)])


PROGRAMS = {"anthropic messages": Messages}
