"""What the replayed provider says as Amazon Bedrock, and how strictly it takes what it is sent.

Requests are held against botocore's own model of the service: every field known, of its type, none missing.
What that model does not say is checked by hand, in the words of the real service (see
`codecs/bedrock/write_turns`).
"""

import base64
import json
import re
from functools import cache
from typing import Any, cast
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from tests import upstream_answers as answers
from tests.upstream_answers import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, PROOF, REASONING_TOKENS, Body
from tests.upstream_troubles import AMAZON, STATUSES, messages_of

from passerelle.codecs.eventstream import event_headers, exception_headers, write_frame

ACCESS_KEY_ID, SECRET, SESSION_TOKEN = (
    "AKIAREPLAYREPLAY0000",
    "replayed/secret+key",
    "replayed-session-token==",
)
REGION = "eu-central-1"
VERSION = "bedrock-2023-05-31"

_PATH = re.compile(r"/model/([^/]+)/([a-z-]+)\Z")
_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}\Z")
_USAGE = {
    "inputTokens": INPUT_TOKENS,
    "outputTokens": OUTPUT_TOKENS + REASONING_TOKENS,
    "totalTokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS + REASONING_TOKENS,
    "cacheReadInputTokens": CACHED_TOKENS,
    "cacheWriteInputTokens": 0,
}


def asked(path: str) -> tuple[str, str] | None:
    """The model's id and the operation of a path of Bedrock's; None for others'."""
    found = _PATH.search(path.partition("?")[0])
    if found is None or found[2] not in _OPERATIONS:
        return None
    return unquote(found[1]), found[2]


@cache
def service() -> ServiceModel:
    """Botocore's model of the service."""
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


# --- what it takes


def objection(path: str, headers: dict[str, str], body: Any, raw: bytes, *, host: str = "") -> str | None:
    """What is wrong with a request, or None."""
    said = asked(path)
    assert said is not None
    model, verb = said
    if headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
        wrong = signature_objection("POST", path, headers, raw)
        if wrong is not None:
            return wrong
    if verb.startswith("invoke"):
        return _claude_objection(body) if "anthropic" in model else None
    shape = service().operation_model(_OPERATIONS[verb]).input_shape
    report = ParamValidator().validate({"modelId": model, **body}, shape)
    if report.has_errors():
        return str(report.generate_report())
    if verb == "count-tokens":
        inner = body["input"]
        if "converse" in inner:
            return _conversation_objection(inner["converse"])
        return _claude_objection(json.loads(base64.b64decode(inner["invokeModel"]["body"], validate=True)))
    return _conversation_objection(body)


def signature_objection(method: str, path: str, headers: dict[str, str], raw: bytes) -> str | None:
    """Whether the request is signed with the secret, by botocore's reckoning."""
    proof = headers["authorization"]
    fields = dict(part.strip().split("=", 1) for part in proof.partition(" ")[2].split(","))
    names = fields["SignedHeaders"].split(";")
    request = AWSRequest(method, f"https://{headers['host']}{path}", data=raw)
    for name in names:
        if name != "host":
            request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET), "bedrock", REGION)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    if fields["Signature"] != signature or not {"host", "x-amz-date"} <= set(names):
        return "The request signature we calculated does not match the signature you provided."
    return None


def _claude_objection(body: Any) -> str | None:
    if not isinstance(body, dict):
        return "the body is no object"
    if body.get("anthropic_version") != VERSION:
        return "anthropic_version: Field required"
    for name in ("model", "stream", "service_tier", "speed"):
        if name in body:
            return f"Malformed input request: #: extraneous key [{name}] is not permitted"
    if "max_tokens" not in body:
        return "max_tokens: Field required"
    return None


def _conversation_objection(body: dict[str, Any]) -> str | None:
    turns = body["messages"]
    if not turns or turns[0]["role"] != "user":
        return "A conversation must start with a user message. Try again with one that does."
    names: list[str] = []
    open_calls: set[str] = set()
    tools_used = False
    for at, turn in enumerate(turns):
        where = f"messages.{at}"
        if at and turns[at - 1]["role"] == turn["role"]:
            return f"{where}: roles must take turns"
        if not turn["content"]:
            return f"{where}: The content field in the Message object is empty."
        results = {b["toolResult"]["toolUseId"] for b in turn["content"] if "toolResult" in b}
        if results != open_calls:
            return f"Expected toolResult blocks at {where}.content for the Ids: {open_calls or results}"
        open_calls = set()
        for block in turn["content"]:
            if "text" in block and not block["text"].strip():
                return f"The text field in the ContentBlock object at {where}.content is blank."
            if "document" in block:
                names.append(block["document"]["name"])
                if not any("text" in other for other in turn["content"]):
                    return f"{where}: a document needs a text block beside it"
            call = block.get("toolUse")
            if call is not None:
                tools_used = True
                if not _NAME.match(call["name"]) or not _ID.match(call["toolUseId"]):
                    return f"{where}: a tool's name or id does not satisfy its pattern"
                if call["toolUseId"] in open_calls:
                    return f"{where}: toolUse ids must be unique"
                open_calls.add(call["toolUseId"])
            tools_used = tools_used or "toolResult" in block
    if open_calls:
        return f"Expected toolResult blocks for the following Ids: {open_calls}"
    if len(set(names)) != len(names) or any(re.search(r"[^A-Za-z0-9\-()\[\] ]|  ", name) for name in names):
        return "messages contain document names that repeat or hold other signs than allowed"
    if tools_used and not body.get("toolConfig"):
        return "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    for tool in body.get("toolConfig", {}).get("tools", []):
        spec = tool.get("toolSpec")
        if spec is not None and (
            not _NAME.match(spec["name"]) or spec["inputSchema"]["json"].get("type") != "object"
        ):
            return "The value at toolConfig.tools.0.toolSpec is invalid."
    return None


# --- what it says

_ENDINGS = {"short": "max_tokens", "halts": "stop_sequence", "filtered": "content_filtered"}
"""As `answers.ENDINGS`."""
_STATUSES = {"locked": 403, "overloaded": 503}
"""Where Amazon has another status than the others."""


def _content(path: str, body: Body) -> list[Body]:
    made = answers.calls(path, body)
    content: list[Body] = []
    if answers.thinks(path, body):
        thought = {"text": answers.THOUGHT, "signature": PROOF}
        content.append({"reasoningContent": {"reasoningText": thought}})
    text = answers.words(path, body)[0]
    if text:
        content.append({"text": text})
    content += [
        {"toolUse": {"toolUseId": f"tooluse_{n}", "name": name, "input": json.loads(arguments)}}
        for n, (name, arguments) in enumerate(answers.named(path, body, made), 1)
    ]
    return content


def converse(path: str, body: Body) -> Body:
    """A whole answer."""
    content = _content(path, body)
    called = any("toolUse" in block for block in content)
    way = answers.asked_model(path, body).rpartition("-")[2]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if called else _ENDINGS.get(way, "end_turn"),
        "usage": _USAGE,
        "metrics": {"latencyMs": 241},
    }


def frame(event: str, payload: Body) -> bytes:
    """An event; real ones are padded in `p`."""
    return write_frame(event_headers(event), json.dumps({**payload, "p": "abcdefgh"}).encode())


def converse_stream(path: str, body: Body) -> list[bytes]:
    """The same as events."""
    whole = converse(path, body)
    frames = [frame("messageStart", {"role": "assistant"})]
    pieces = [pieces for _, pieces in answers.calls(path, body)]
    for n, block in enumerate(whole["output"]["message"]["content"]):
        deltas: list[Body]
        if "toolUse" in block:
            call = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
            frames.append(frame("contentBlockStart", {"contentBlockIndex": n, "start": {"toolUse": call}}))
            deltas = [{"toolUse": {"input": piece}} for piece in pieces.pop(0)]
        elif "reasoningContent" in block:
            deltas = [{"reasoningContent": {"text": piece}} for piece in answers.THOUGHT_PIECES]
            deltas.append({"reasoningContent": {"signature": PROOF}})
        else:
            deltas = [{"text": piece} for piece in answers.words(path, body)[1]]
        frames += [frame("contentBlockDelta", {"contentBlockIndex": n, "delta": d}) for d in deltas]
        frames.append(frame("contentBlockStop", {"contentBlockIndex": n}))
    frames.append(frame("messageStop", {"stopReason": whole["stopReason"]}))
    return [*frames, frame("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 241}})]


def count(_: str, __: Body) -> Body:
    """The size of a prompt."""
    return {"inputTokens": INPUT_TOKENS}


def invoke(path: str, body: Body) -> Body:
    """Claude's message, or a vector."""
    if "messages" in body:
        return answers.anthropic(path, body)
    if "texts" in body:
        return {
            "embeddings": [list(answers.VECTOR) for _ in body["texts"]],
            "response_type": "embeddings_floats",
        }
    return {"embedding": list(answers.VECTOR), "inputTextTokenCount": answers.EMBEDDING_TOKENS}


def invoke_stream(path: str, body: Body) -> list[bytes]:
    """Claude's events, each in a chunk."""
    events = [
        line[6:]
        for f in answers.anthropic_stream(path, body)
        for line in f.split("\n")
        if line[:6] == "data: "
    ]
    chunks = [
        {"bytes": base64.b64encode(event.encode()).decode()} for event in events if '"ping"' not in event
    ]
    return [frame("chunk", chunk) for chunk in chunks]


WHOLE = {"converse": converse, "count-tokens": count, "invoke": invoke}
STREAMS = {"converse-stream": converse_stream, "invoke-with-response-stream": invoke_stream}


def status_of(trouble: str) -> int:
    """The status of an error."""
    return _STATUSES.get(trouble, STATUSES[trouble])


def problem(trouble: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an error."""
    kind = AMAZON[trouble]
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return json.dumps({"message": messages_of(trouble)}).encode(), headers


def in_stream() -> bytes:
    """The frame with which a stream says `sick` after content."""
    payload = json.dumps({"message": messages_of("sick")}).encode()
    return write_frame(exception_headers("serviceUnavailableException"), payload)


def read_frames(data: bytes) -> list[tuple[dict[str, str], Body]]:
    """Every frame of a stream, by botocore's reading: headers and payload."""
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(cast("dict[str, str]", m.headers), json.loads(m.payload)) for m in buffer]
