"""Programs with boto3: Bedrock's Converse and ConverseStream.

Over plain http boto3 shows no Bearer token, so the key of the gateway comes as the id of an access key.
"""

import base64
import concurrent.futures
import json
from typing import Any

import boto3
from botocore.config import Config
from host import Answer, Bridge, Job

PACKAGES = ("boto3", "botocore")


class Converse:
    """`client.converse` and `client.converse_stream`."""

    def __init__(self, job: Job) -> None:
        self.client = boto3.client(
            "bedrock-runtime",
            endpoint_url=job.url,
            region_name="us-east-1",
            aws_access_key_id=job.token,
            aws_secret_access_key="the gateway looks at the id alone",
            config=Config(
                retries={"total_max_attempts": job.retries + 1, "mode": "standard"},
                read_timeout=job.timeout_s,
            ),
        )

    def start(self, _: Job) -> list[Any]:
        return []

    def user(self, history: list[Any], words: str, job: Job) -> None:
        content: list[Any] = [{"text": words}]
        if job.image:
            content.append({"image": {"format": "png", "source": {"bytes": base64.b64decode(job.image)}}})
        if job.document:
            source = {"bytes": base64.b64decode(job.document)}
            content.append({"document": {"format": "pdf", "name": "bridge", "source": source}})
        history.append({"role": "user", "content": content})

    def ask(self, history: list[Any], job: Job) -> Answer:
        asked: dict[str, Any] = {"modelId": job.model, "messages": history}
        limits: dict[str, Any] = {"maxTokens": job.max_tokens}
        if job.stop:
            limits["stopSequences"] = list(job.stop)
        if job.temperature is not None:
            limits["temperature"] = job.temperature
        asked["inferenceConfig"] = limits
        if job.system:
            asked["system"] = [{"text": job.system}]
        if job.tools:
            tools = [
                {
                    "toolSpec": {
                        "name": t["name"],
                        "description": t["description"],
                        "inputSchema": {"json": t["schema"]},
                    }
                }
                for t in job.tools
            ]
            asked["toolConfig"] = {"tools": tools}
            if job.choice:
                named = {"tool": {"name": job.choice}}
                asked["toolConfig"]["toolChoice"] = {"any": {}} if job.choice == "required" else named
        if job.structured:
            schema = json.dumps(Bridge.model_json_schema())
            form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "bridge"}}}
            asked["outputConfig"] = {"textFormat": form}
        if job.think:
            asked["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
            limits["maxTokens"] = 2048
        if job.stream:
            message, finish, usage = _gathered(self.client.converse_stream(**asked)["stream"], job)
        else:
            whole = self.client.converse(**asked)
            message, finish, usage = whole["output"]["message"], whole["stopReason"], whole["usage"]
            job.hear("".join([b["text"] for b in message["content"] if "text" in b]))
        history.append(message)
        text = "".join([b["text"] for b in message["content"] if "text" in b])
        thoughts = [b["reasoningContent"] for b in message["content"] if "reasoningContent" in b]
        calls = [b["toolUse"] for b in message["content"] if "toolUse" in b]
        return Answer(
            text=text,
            finish=finish,
            usage={
                "input": usage["inputTokens"],
                "cached": usage.get("cacheReadInputTokens"),
                "output": usage["outputTokens"],
            },
            thought="".join([t["reasoningText"]["text"] for t in thoughts if "reasoningText" in t]),
            calls=[(call["name"], call["input"]) for call in calls],
            parsed=json.loads(text) if job.structured else None,
            whole=calls,
        )

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        blocks = []
        for call in answer.whole:
            content: list[Any] = [{"text": job.found(call["input"])}]
            if job.image_result:
                picture = base64.b64decode(job.image_result)
                content.append({"image": {"format": "png", "source": {"bytes": picture}}})
            status = "error" if job.failing else "success"
            result = {"toolUseId": call["toolUseId"], "content": content, "status": status}
            blocks.append({"toolResult": result})
        history.append({"role": "user", "content": blocks})

    def at_once(self, job: Job) -> list[str]:
        """Many at once, in threads: it has no asynchronous client."""

        def one(_: int) -> str:
            history: list[Any] = []
            self.user(history, job.turns[0], job)
            return self.ask(history, job).text

        with concurrent.futures.ThreadPoolExecutor(job.at_once) as pool:
            return list(pool.map(one, range(job.at_once)))


def _gathered(stream: Any, job: Job) -> tuple[dict[str, Any], str, dict[str, Any]]:
    blocks: dict[int, dict[str, Any]] = {}
    finish, usage = "", {}
    for event in stream:
        if "contentBlockStart" in event:
            began = event["contentBlockStart"]
            blocks[began["contentBlockIndex"]] = {"toolUse": {**began["start"]["toolUse"], "input": ""}}
        elif "contentBlockDelta" in event:
            index, delta = (
                event["contentBlockDelta"]["contentBlockIndex"],
                event["contentBlockDelta"]["delta"],
            )
            if "text" in delta:
                job.hear(delta["text"])
                block = blocks.setdefault(index, {"text": ""})
                block["text"] += delta["text"]
            elif "toolUse" in delta:
                blocks[index]["toolUse"]["input"] += delta["toolUse"]["input"]
            elif "reasoningContent" in delta:
                if "redactedContent" in delta["reasoningContent"]:
                    blocks[index] = {"reasoningContent": dict(delta["reasoningContent"])}
                    continue
                block = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
                thought = block["reasoningContent"]["reasoningText"]
                thought["text"] += delta["reasoningContent"].get("text", "")
                if "signature" in delta["reasoningContent"]:
                    thought["signature"] = delta["reasoningContent"]["signature"]
        elif "messageStop" in event:
            finish = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            usage = event["metadata"]["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    content = [blocks[index] for index in sorted(blocks)]
    return {"role": "assistant", "content": content}, finish, usage


PROGRAMS = {"boto3 converse": Converse}
