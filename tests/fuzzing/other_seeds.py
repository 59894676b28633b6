# ruff: noqa: E501 - bytes as they are on the wire
"""What the fuzzers start from beside conversations: tasks, frames, forms, HTTP, errors, headers, settings."""

import json
from base64 import b64encode
from functools import cache
from typing import Any, Final

from tests.fuzzing.seeds import answers

from passerelle.codecs import multipart, registry
from passerelle.codecs.base import PathTarget
from passerelle.core.errors import ProblemError
from passerelle.core.request import Dialect, Operation


def _said(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_MEDIA: Final = multipart.Upload(multipart.PartHead("file", "a.wav", "audio/wav"), b"RIFF....WAVEfmt ")
_IMAGE: Final = multipart.Upload(multipart.PartHead("image", "a.png", "image/png"), b"\x89PNG\r\n\x1a\n")
_TASKS: Final[dict[str, tuple[bytes, ...]]] = {
    "embed": (
        b'{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64","user":"u"}',
        b'{"model":"m","input":[[1,2],[3]]}',
        b'{"model":"m","input":"a"}',
    ),
    "rerank": (
        b'{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}',
        b'{"model":"m","query":"q","documents":["a"],"top_k":1}',
    ),
    "moderate": (
        b'{"model":"m","input":["a","b"]}',
        b'{"model":"m","input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:,a"}}]}',
    ),
    "generate_image": (
        (
            b'{"model":"m","prompt":"cat","n":1,"size":"1024x1024","quality":"low","background":"transparent",'
            b'"output_format":"png","output_compression":5,"response_format":"b64_json","user":"u"}'
        ),
        b'{"model":"m","prompt":"cat","stream":true,"partial_images":2}',
    ),
    "edit_image": (
        (
            b'{"model":"m","prompt":"cat","images":[{"image_url":"data:image/png;base64,AA=="}],'
            b'"mask":{"image_url":"data:image/png;base64,AA=="}}'
        ),
    ),
    "speak": (
        b'{"model":"m","input":"hi","voice":"alloy","response_format":"mp3","speed":1.5,"instructions":"x"}',
        b'{"model":"m","input":"hi","voice":{"id":"v"},"stream_format":"sse"}',
    ),
    "transcribe": (),
    "translate": (),
}
_GEMINI_TASKS: Final[dict[str, tuple[bytes, ...]]] = {
    "embed": (
        (
            b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY",'
            b'"title":"t","outputDimensionality":2}]}'
        ),
        b'{"content":{"parts":[{"text":"a"},{"text":"b"}]},"outputDimensionality":2}',
    ),
}


def task_requests(operation: Operation, dialect: Dialect) -> tuple[bytes, ...]:
    """JSON bodies."""
    return _TASKS[operation] if dialect == "openai_chat" else _GEMINI_TASKS.get(operation, ())


@cache
def task_forms(operation: Operation) -> tuple[bytes, ...]:
    """Forms, with the boundary the table names."""
    fields: tuple[tuple[str, str], ...]
    if operation in ("transcribe", "translate"):
        fields = (
            ("model", "m"),
            ("response_format", "verbose_json"),
            ("temperature", "0.5"),
            ("language", "en"),
        )
        more = (
            ("timestamp_granularities[]", "word"),
            ("prompt", "x"),
            ("stream", "true"),
            ("include[]", "logprobs"),
        )
        return (_form(fields, _MEDIA), _form((("model", "m"),), _MEDIA), _form((*fields, *more), _MEDIA))
    if operation == "edit_image":
        fields = (("model", "m"), ("prompt", "cat"), ("n", "1"), ("size", "1024x1024"))
        return (_form(fields, _IMAGE), _form((*fields, ("stream", "true")), _IMAGE, _IMAGE))
    return ()


def _form(fields: tuple[tuple[str, str], ...], *uploads: multipart.Upload) -> bytes:
    body, content_type = multipart.write_form(fields, uploads)
    return body.replace(multipart.boundary_in(content_type), b"cut")


def is_good(operation: Operation, body: bytes) -> bool:
    """Whether the task takes it."""
    client = registry.task_client(operation, "openai_chat")
    form = "multipart/form-data; boundary=cut" if body.startswith(b"--") else "application/json"
    try:
        assert client is not None
        client.decode_request(body, PathTarget(operation, content_type=form))
    except ProblemError:
        return False
    return True


_TASK_ANSWERS: Final[dict[str, tuple[bytes, ...]]] = {
    "embed": (
        (
            b'{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-5]},{"index":1,'
            b'"embedding":"AACAPwAAAEA="}],"usage":{"prompt_tokens":2,"total_tokens":2}}'
        ),
        b'{"embeddings":[{"values":[0.1,2]}],"usageMetadata":{"promptTokenCount":2}}',
        b'{"embedding":{"values":[1]}}',
        b'{"embedding":[0.1,2],"inputTextTokenCount":3}',
        b'{"embeddings":[[0.1,2]],"id":"i","response_type":"embeddings_floats"}',
        b'{"embeddings":{"float":[[0.1,2]]},"texts":["a"]}',
        b'{"predictions":[{"embeddings":{"values":[1.0],"statistics":{"token_count":4}}}]}',
    ),
    "rerank": (
        (
            b'{"id":"i","results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}],"meta":'
            b'{"billed_units":{"search_units":1}}}'
        ),
        b'{"data":[{"index":0,"relevance_score":1}],"usage":{"total_tokens":5},"model":"m"}',
    ),
    "moderate": (
        (
            b'{"id":"i","model":"m","results":[{"flagged":true,"categories":{"hate":true},"category_scores":'
            b'{"hate":0.5},"category_applied_input_types":{"hate":["text"]}}]}'
        ),
    ),
    "generate_image": (
        (
            b'{"created":1,"data":[{"b64_json":"iVBORw0KGgo=","revised_prompt":"c"},{"url":"https://example.org/a"}],'
            b'"usage":{"input_tokens":2,"output_tokens":3,"total_tokens":5,"input_tokens_details":{"text_tokens":1,'
            b'"image_tokens":1}},"size":"1024x1024","quality":"low","background":"opaque","output_format":"png"}'
        ),
    ),
    "speak": (b"ID3sound", b'{"error":{"message":"x"}}'),
    "transcribe": (
        (
            b'{"text":"hi","language":"en","duration":1.5,"segments":[{"id":0,"start":0.0,"end":1.5,"text":"hi"}],'
            b'"words":[{"word":"hi","start":0,"end":1}],"usage":{"type":"tokens","input_tokens":2,"output_tokens":1,'
            b'"input_token_details":{"audio_tokens":2}}}'
        ),
        b'{"text":"hi","usage":{"type":"duration","seconds":2}}',
        b"1\n00:00:00,000 --> 00:00:01,000\nhi\n",
    ),
}
_TASK_ANSWERS["edit_image"] = _TASK_ANSWERS["generate_image"]
_TASK_ANSWERS["translate"] = _TASK_ANSWERS["transcribe"]


def task_answers(operation: Operation, dialect: Dialect) -> tuple[bytes, ...]:
    """Answers to tasks; those of Gemini that draw and speak are answers of its chat."""
    if dialect == "gemini" and operation != "embed":
        return (*answers("gemini"), *_TASK_ANSWERS[operation])
    return _TASK_ANSWERS[operation]


def task_streams(operation: Operation) -> tuple[bytes, ...]:
    """Streams of tasks."""
    kinds = {
        "speak": ({"type": "speech.audio.delta", "audio": "AA=="}, {"type": "speech.audio.done"}),
        "transcribe": (
            {"type": "transcript.text.delta", "delta": "h"},
            {"type": "transcript.text.done", "text": "h"},
        ),
        "generate_image": (
            {"type": "image_generation.partial_image", "b64_json": "AA==", "partial_image_index": 0},
            {"type": "image_generation.completed", "b64_json": "AA=="},
        ),
        "edit_image": (
            {"type": "image_edit.partial_image", "b64_json": "AA==", "partial_image_index": 0},
            {"type": "image_edit.completed", "b64_json": "AA=="},
        ),
    }
    kinds["translate"] = kinds["transcribe"]
    usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    first, last = kinds[operation]
    return (
        b"data: %b\n\ndata: %b\n\n" % (_said(first), _said({**last, "usage": usage})),
        b'event: error\ndata: {"type":"error","error":{"message":"busy"}}\n\n',
    )


def _chunk(event: Any) -> bytes:
    return b"event: chunk\ndata: " + _said({"bytes": b64encode(_said(event)).decode(), "p": "abc"})


INVOKED: Final = (
    b"\n\n".join(
        [
            _chunk({"type": "message_start", "message": {"id": "i", "usage": {"input_tokens": 1}}}),
            _chunk(
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
            ),
            _chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
            _chunk({"type": "message_stop"}),
        ]
    ),
    b'event: !throttlingException\ndata: {"message":"busy"}',
)
FRAMES: Final = (
    b"\xef\xbb\xbf: hi\r\nevent: a\r\ndata: 1\r\ndata: 2\r\n\r\ndata:3\n\nid: 4\ndata\n\nretry: 5\n\n",
    b"data: {}\n\ndata: [DONE]\n\n",
    b"event: x\rdata: y\r\rdata: z\n\n\n\n",
)
FORMS: Final = (
    (
        b'--cut\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--cut\r\nContent-Disposition: form-data; '
        b'name="f"; filename="b%22.txt"; filename*=UTF-8\'\'%e2%82%ac\r\nContent-Type: text/plain\r\n\r\nx\r\n--cu\r\n'
        b"--cut--\r\n"
    ),
)
CONTENT_TYPES: Final = (
    b'multipart/form-data; charset=x; boundary="a b"',
    b"multipart/form-data;boundary=abc; x=y",
)
HTTP: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\n\r\nhi",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.0 500 No\r\nContent-Type: text/html\r\n\r\n<html>",
)
FAILURES: Final = (
    (
        b'429\nretry-after: 5\nx-ratelimit-reset-tokens: 6m0s\n\n{"error":{"message":"Rate limit, try again in 1.5s",'
        b'"type":"tokens","code":"rate_limit_exceeded"}}'
    ),
    b'529\nretry-after-ms: 1500\n\n{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    (
        b'429\n\n[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q","details":[{"@type":'
        b'"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"},{"@type":"x/google.rpc.QuotaFailure",'
        b'"violations":[{"quotaId":"PerDay"}]}]}}]'
    ),
    b'422\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\n\n{"detail":[{"loc":["body","model"],"msg":"field required"}]}',
    b"502\n\n<html><title>Bad gateway</title></html>",
    b'400\n\n{"message":"This model\'s maximum context length is 8192 tokens","__type":"ValidationException"}',
)
LINES: Final = (
    (
        b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","usage":{"input_tokens":2}}}\n\n'
        b'{"custom_id":"a","method":"GET","url":"/v1/chat","body":{"model":"m","stream":true}}\r\n{"custom_id":1}\nno'
    ),
)
RESULTS: Final = (
    (
        b'{"id":"b","custom_id":"c1","response":{"status_code":200,"request_id":"r","body":{"id":"x","usage":{}}},"error":null}\n'
        b'{"custom_id":"c2","response":null,"error":{"code":"batch_expired"}}\n'
    ),
    (
        b'{"custom_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV-1","result":{"type":"succeeded","message":{"id":"m","content":[]}}}\n'
        b'{"custom_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV-2","result":{"type":"errored","error":{"type":"error","error":'
        b'{"type":"overloaded_error","message":"x"},"request_id":"r"}}}\n'
        b'{"custom_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV-3","result":{"type":"expired"}}'
    ),
)
MAKES: Final = (
    (
        b'{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"a":"b"},'
        b'"output_expires_after":{"anchor":"created_at","seconds":3600}}'
    ),
)
MAKES_MESSAGES: Final = (
    (
        b'{"requests":[{"custom_id":"a","params":{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}},'
        b'{"custom_id":"b","params":{"model":"m","stream":false}}]}'
    ),
)
CONVERSATIONS: Final = (
    (
        b'{"model":"m","store":true,"previous_response_id":"resp_1","input":[{"role":"user","content":"hi"},'
        b'{"type":"item_reference","id":"msg_1"},{"id":"rs_1"}]}'
    ),
    b'{"model":"m","conversation":{"id":"conv_1"},"input":"hi","store":false}',
)
ITEMS: Final = (
    (
        b'{"items":[{"type":"message","role":"user","content":"hi"},{"type":"function_call","call_id":"c","name":"f",'
        b'"arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"},{"type":"reasoning","id":"rs_1",'
        b'"summary":[],"encrypted_content":"e"},{"role":"assistant","content":"yes"}]}'
    ),
)
HEADS: Final = (
    (
        b"/t/a,b/openai/v1/chat/completions\nauthorization: Bearer psk_live_abc\nx-passerelle-mode: cheapest\n"
        b"x-passerelle-tags: c,d\nx-passerelle-strict: 1\nanthropic-beta: x"
    ),
    b"//v1/v1/models?key=psk_live_x%20y\nx-api-key: k\nx-passerelle-data-class: public\nx-passerelle-models: a,b",
    (
        b"/v1/x\nauthorization: AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/bedrock/aws4_request, "
        b"SignedHeaders=host;x-amz-date, Signature=abc\nx-goog-api-key: k"
    ),
)
WORDS: Final = (
    b"passerelle!anthropic!id!call!sig!enc",
    b"data:image/png;charset=x;base64,AAAA",
    b"data:,a%20b",
    b"psk_live_0123456789",
    b"https://api.example.org:8443/v1",
    b"UklGRg==",
    b'{"a":1}',
)
TOML: Final = (
    (
        b'[server]\nport = 8080\n\n[providers.a]\ntemplate = "openai"\napi_key = "env:KEY"\nmodels = ["x"]\n\n'
        b'[[deployments]]\nmodel = "m"\nprovider = "a"\n'
    ),
)
