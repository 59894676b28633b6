"""What is sent and answered: the same bytes for every gateway under test."""

import json

MODEL = "gpt-bench"
ANSWER_TEXT = "A footbridge carries people on foot over a river, a road or a railway. " * 6


def request_body(size: int, *, stream: bool = False) -> bytes:
    """A chat request of about `size` bytes."""
    words = ("The quick brown fox crosses the footbridge and looks back at the river. " * (size // 70 + 1))[
        : max(1, size - 170)
    ]
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a careful assistant."},
            {"role": "user", "content": words},
        ],
        "max_tokens": 256,
    }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


def openai_answer() -> bytes:
    """A whole OpenAI chat completion."""
    return json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1767225600,
            "model": "gpt-bench-2026-01-01",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER_TEXT, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 250, "completion_tokens": 90, "total_tokens": 340},
        }
    ).encode()


def anthropic_answer() -> bytes:
    """A whole Anthropic message."""
    return json.dumps(
        {
            "id": "msg_bench",
            "type": "message",
            "role": "assistant",
            "model": "claude-bench-20260101",
            "content": [{"type": "text", "text": ANSWER_TEXT}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 250, "output_tokens": 90},
        }
    ).encode()


def openai_chunk(stamp: str) -> bytes:
    """One streamed piece whose words carry `stamp`."""
    return (
        b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,'
        b'"model":"gpt-bench-2026-01-01","choices":[{"index":0,"delta":{"content":"'
        + stamp.encode()
        + b' "},'
        b'"logprobs":null,"finish_reason":null}]}\n\n'
    )


OPENAI_END = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,'
    b'"model":"gpt-bench-2026-01-01","choices":[{"index":0,"delta":{},"logprobs":null,'
    b'"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,'
    b'"model":"gpt-bench-2026-01-01","choices":[],"usage":{"prompt_tokens":250,"completion_tokens":90,'
    b'"total_tokens":340}}\n\ndata: [DONE]\n\n'
)
ANTHROPIC_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_bench","type":"message",'
    b'"role":"assistant","model":"claude-bench-20260101","content":[],"stop_reason":null,'
    b'"stop_sequence":null,'
    b'"usage":{"input_tokens":250,"output_tokens":1}}}\n\nevent: content_block_start\ndata: '
    b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
ANTHROPIC_END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
    b'"stop_sequence":null},'
    b'"usage":{"output_tokens":90}}'
    b'\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def anthropic_chunk(stamp: str) -> bytes:
    """One streamed piece of Anthropic's."""
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":"' + stamp.encode() + b' "}}\n\n'
    )
