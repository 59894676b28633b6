"""Programs with the official OpenAI SDK: Chat Completions and Responses."""

import asyncio
import json
from typing import Any

import openai
from host import Answer, Bridge, Job
from openai.lib.streaming.chat import ChatCompletionStreamState

PACKAGES = ("openai",)


class _Common:
    def __init__(self, job: Job) -> None:
        self.options: dict[str, Any] = {
            "base_url": f"{job.url}/v1",
            "api_key": job.token,
            "max_retries": job.retries,
            "timeout": job.timeout_s,
        }
        self.client = openai.OpenAI(**self.options)

    def models(self, job: Job) -> dict[str, Any]:
        """What there is, and one of it."""
        return {
            "listed": [m.id for m in self.client.models.list()],
            "found": self.client.models.retrieve(job.model).id,
        }

    def embed(self, job: Job) -> dict[str, Any]:
        """Vectors."""
        found = self.client.embeddings.create(model=job.model, input=list(job.texts))
        return {"vectors": [item.embedding for item in found.data], "input": found.usage.prompt_tokens}


class Chat(_Common):
    """`client.chat.completions`."""

    def start(self, job: Job) -> list[Any]:
        return [{"role": "system", "content": job.system}] if job.system else []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: Any = words
        if job.image or job.document:
            content = [{"type": "text", "text": words}]
        if job.image:
            url = f"data:image/png;base64,{job.image}"
            content.append({"type": "image_url", "image_url": {"url": url, "detail": "low"}})
        if job.document:
            data = f"data:application/pdf;base64,{job.document}"
            content.append({"type": "file", "file": {"filename": "bridge.pdf", "file_data": data}})
        history.append({"role": "user", "content": content})

    def asked(self, history: list[Any], job: Job) -> dict[str, Any]:
        """The arguments of the call."""
        asked: dict[str, Any] = {
            "model": job.model,
            "messages": history,
            "max_completion_tokens": job.max_tokens,
        }
        if job.malformed:
            asked["extra_body"] = {"max_completion_tokens": "many"}
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
            asked["tool_choice"] = job.choice if job.choice in ("required", "none") else named
        if job.stop:
            asked["stop"] = list(job.stop)
        if job.temperature is not None:
            asked["temperature"] = job.temperature
        if job.think:
            asked |= {"reasoning_effort": "high", "max_completion_tokens": 2048}
        return asked

    def ask(self, history: list[Any], job: Job) -> Answer:
        asked = self.asked(history, job)
        completions = self.client.chat.completions
        if job.stream:
            final = self._stream(asked, job)
        elif job.structured:
            final = completions.parse(**asked, response_format=Bridge)
        else:
            final = completions.create(**asked)
            job.hear(final.choices[0].message.content or "")
        (choice,) = final.choices
        history.append(choice.message)
        usage = final.usage
        calls = choice.message.tool_calls or ()
        return Answer(
            text=choice.message.content or "",
            finish=choice.finish_reason,
            usage={
                "input": usage.prompt_tokens,
                "cached": usage.prompt_tokens_details.cached_tokens,
                "output": usage.completion_tokens,
                "reasoning": usage.completion_tokens_details.reasoning_tokens,
            },
            model=final.model,
            thought=getattr(choice.message, "reasoning_content", None) or "",
            calls=[(c.function.name, json.loads(c.function.arguments)) for c in calls],
            parsed=parsed.model_dump() if (parsed := getattr(choice.message, "parsed", None)) else None,
            whole=choice.message,
        )

    def _stream(self, asked: dict[str, Any], job: Job) -> Any:
        options = {"include_usage": True}
        if job.structured:
            with self.client.chat.completions.stream(
                **asked, response_format=Bridge, stream_options=options
            ) as events:
                for event in events:
                    if event.type == "content.delta":
                        job.hear(event.delta)
                return events.get_final_completion()
        state: Any = ChatCompletionStreamState(input_tools=asked.get("tools", []))
        with self.client.chat.completions.create(**asked, stream=True, stream_options=options) as chunks:
            for chunk in chunks:
                for choice in chunk.choices:
                    if choice.delta.content:
                        job.hear(choice.delta.content)
                state.handle_chunk(chunk)
        return state.get_final_completion()

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        for call, (_, arguments) in zip(answer.whole.tool_calls, answer.calls, strict=True):
            content: Any = job.found(arguments)
            history.append({"role": "tool", "tool_call_id": call.id, "content": content})

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""
        async with openai.AsyncOpenAI(**self.options) as client:

            async def one() -> str:
                said = []
                history: list[Any] = []
                self.user(history, job.turns[0], job)
                stream = await client.chat.completions.create(**self.asked(history, job), stream=True)
                async for chunk in stream:
                    said += [choice.delta.content or "" for choice in chunk.choices]
                return "".join(said)

            return await asyncio.gather(*[one() for _ in range(job.at_once)])


class Responses(_Common):
    """`client.responses`, the conversation sent whole each time."""

    def start(self, _: Job) -> list[Any]:
        return []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: Any = words
        if job.image or job.document:
            content = [{"type": "input_text", "text": words}]
        if job.image:
            url = f"data:image/png;base64,{job.image}"
            content.append({"type": "input_image", "image_url": url, "detail": "low"})
        if job.document:
            data = f"data:application/pdf;base64,{job.document}"
            content.append({"type": "input_file", "filename": "bridge.pdf", "file_data": data})
        history.append({"role": "user", "content": content})

    def asked(self, history: list[Any], job: Job) -> dict[str, Any]:
        """The arguments of the call."""
        asked: dict[str, Any] = {
            "model": job.model,
            "input": history,
            "max_output_tokens": job.max_tokens,
            "store": False,
        }
        if job.malformed:
            asked["extra_body"] = {"max_output_tokens": "many"}
        if job.system:
            asked["instructions"] = job.system
        if job.tools:
            asked["tools"] = [
                {
                    "type": "function",
                    "name": t["name"],
                    "description": t["description"],
                    "parameters": t["schema"],
                    "strict": False,
                }
                for t in job.tools
            ]
        if job.choice:
            named = {"type": "function", "name": job.choice}
            asked["tool_choice"] = job.choice if job.choice in ("required", "none") else named
        if job.temperature is not None:
            asked["temperature"] = job.temperature
        if job.think:
            asked |= {"reasoning": {"effort": "high", "summary": "auto"}, "max_output_tokens": 2048}
            asked["include"] = ["reasoning.encrypted_content"]
        return asked

    def ask(self, history: list[Any], job: Job) -> Answer:
        asked = self.asked(history, job)
        if job.stream:
            if job.structured:
                asked["text_format"] = Bridge
            with self.client.responses.stream(**asked) as events:
                for event in events:
                    if event.type == "response.output_text.delta":
                        job.hear(event.delta)
                    elif event.type == "response.incomplete":  # which the helper does not take for an end
                        break
                final: Any = event.response if event.type == "response.incomplete" else None
                final = final or events.get_final_response()
        elif job.structured:
            final = self.client.responses.parse(**asked, text_format=Bridge)
        else:
            final = self.client.responses.create(**asked)
            job.hear(final.output_text)
        history += final.output
        usage = final.usage
        refused = [
            p.refusal for i in final.output if i.type == "message" for p in i.content if p.type == "refusal"
        ]
        return Answer(
            text=final.output_text or "".join(refused),
            finish=(final.incomplete_details and final.incomplete_details.reason) or final.status,
            usage={
                "input": usage.input_tokens,
                "cached": usage.input_tokens_details.cached_tokens,
                "output": usage.output_tokens,
                "reasoning": usage.output_tokens_details.reasoning_tokens,
            },
            model=final.model,
            thought="".join([s.text for i in final.output if i.type == "reasoning" for s in i.summary]),
            calls=[(i.name, json.loads(i.arguments)) for i in final.output if i.type == "function_call"],
            parsed=final.output_parsed.model_dump() if job.structured and final.output_parsed else None,
            whole=[i for i in final.output if i.type == "function_call"],
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        for call, (_, arguments) in zip(answer.whole, answer.calls, strict=True):
            output: Any = job.found(arguments)
            if job.image_result:
                picture = f"data:image/png;base64,{job.image_result}"
                output = [
                    {"type": "input_text", "text": output},
                    {"type": "input_image", "image_url": picture, "detail": "auto"},
                ]
            history.append({"type": "function_call_output", "call_id": call.call_id, "output": output})

    async def at_once(self, job: Job) -> list[str]:
        """Many at once."""
        async with openai.AsyncOpenAI(**self.options) as client:

            async def one() -> str:
                history: list[Any] = []
                self.user(history, job.turns[0], job)
                async with client.responses.stream(**self.asked(history, job)) as stream:
                    return (await stream.get_final_response()).output_text

            return await asyncio.gather(*[one() for _ in range(job.at_once)])


PROGRAMS = {"openai chat": Chat, "openai responses": Responses}
