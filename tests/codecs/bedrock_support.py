"""Short ways to speak Converse in tests."""

import json
from typing import Any

from tests.upstream_bedrock import service

from passerelle.codecs import registry
from passerelle.codecs.base import Encoded, PathTarget, ReplyContext, Target
from passerelle.codecs.eventstream import event_headers, write_frame
from passerelle.core.event import Event
from passerelle.core.request import Dialect, Request

CLIENT, PROVIDER = registry.client("bedrock"), registry.provider("bedrock")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONTEXT = ReplyContext(id="rcp_1", model="m", created_s=1)
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": b} if isinstance(b, str) else b for b in blocks]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {**user(*blocks), "role": "assistant"}


def path(*, stream: bool = False, operation: Any = "chat") -> PathTarget:
    return PathTarget(operation, model="m", stream=stream)


def read(*messages: Any, **fields: Any) -> Request:
    body = {"messages": list(messages) or [user("Hi.")], **fields}
    return CLIENT.decode_request(json.dumps(body).encode(), path())


def target(model: str = CLAUDE, **more: Any) -> Target:
    return Target(model, **more)


def sent(encoded: Encoded) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encoded.body)
    return body


def from_dialect(dialect: Dialect, body: dict[str, Any], to: Target | None = None) -> Encoded:
    request = registry.client(dialect).decode_request(json.dumps(body).encode(), path())
    return PROVIDER.encode_request(request, to or target())


def chat(*messages: Any, to: Target | None = None, **fields: Any) -> Encoded:
    return from_dialect("openai_chat", {"model": "m", "messages": list(messages), **fields}, to)


def answer(*blocks: Any, stop: str = "end_turn", **fields: Any) -> bytes:
    message = {"role": "assistant", "content": list(blocks)}
    said = {"output": {"message": message}, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 1}}
    return json.dumps({**said, **fields}).encode()


def frame(event: str, payload: Any) -> bytes:
    return write_frame(event_headers(event), json.dumps(payload).encode())


def stream(*deltas: Any, stop: str = "end_turn", metadata: Any = None) -> list[bytes]:
    """A stream of one block."""
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": d}) for d in deltas]
    if deltas:
        frames.append(frame("contentBlockStop", {"contentBlockIndex": 0}))
    frames.append(frame("messageStop", {"stopReason": stop}))
    return [*frames, frame("metadata", metadata or {"usage": USAGE, "metrics": {"latencyMs": 1}})]


def events(*pieces: bytes) -> list[Event]:
    decoder = PROVIDER.stream_decoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return found + decoder.close()


def parsed_by_boto(body: bytes) -> Any:
    """A whole answer as boto3 shows it."""
    from botocore.parsers import create_parser

    shape = service().operation_model("Converse").output_shape
    response = {"body": body, "headers": {}, "status_code": 200}
    found = create_parser("rest-json").parse(response, shape)
    found.pop("ResponseMetadata")
    return found
