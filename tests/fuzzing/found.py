# ruff: noqa: E501 - bytes as they were found
"""Inputs that once broke something, found by `make fuzz`: what a decoder was fed, and what it did then."""

from typing import Final

FOUND: Final[tuple[tuple[str, bytes], ...]] = (
    # A stream's refusal depended on how it was cut: JSON came first, and something else after it.
    ("openai_chat/stream", b'{"error":{"message":"busy"}}\n\nt":'),
    ("openai_chat/stream", b"[-1e-300]\x89"),
    ("openai_chat/watched", b'{"messages":[],"model":"m"}\xe6\xe6'),
    # Answers that are not UTF-8 where nobody looks closely raised another error than the one that is declared.
    (
        "openai_responses/answer",
        b'{"status":"completed","output":[{"ty\xffpe":"message"}],"usage":{"output_tokens":1}}',
    ),
    (
        "openai_responses/answer",
        b'{"status":"completed","m\xefdel":"x","output":[],"usage":{"output_tokens":1}}',
    ),
    # A citation whose `type` is no string, said to a caller of Responses.
    (
        "openai_chat/answer",
        b'{"choices":[{"message":{"content":"x","annotations":[{"type":{"a":1}}]},"finish_reason":"stop"}]}',
    ),
    # A citation whose places are no numbers was told to Gemini's callers as it came.
    (
        "openai_chat/stream",
        (
            b'data: {"choices":[{"index":0,"delta":{"content":"x","annotations":[{"type":"url_citation","url_citation":'
            b'{"url":"https://example.org","start_index":"stop"}}]},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        ),
    ),
    # Usage before anything was said to start.
    (
        "openai_chat/stream",
        b'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":101}}\n\ndata: {"\n\n',
    ),
    # A thought's signature that looks like one of ours and is no ASCII.
    (
        "gemini/stream",
        b'data: {"candidates":[{"content":{"parts":[{"text":"x","thought":true,"thoughtSignature":"cHNsMSFh\xce\xbd"}]}}]}\n\n',
    ),
    # A call without arguments, in a body or an answer that needs the lenient reading, was taken for bad JSON.
    (
        "gemini/request",
        (
            b'{"contents":[[{"text":"x"}],{"role":"model","parts":[{"functionCall":{"name":"f"}}]},'
            b'{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}'
        ),
    ),
    # Converse: a block begun anew before its end, and a call of no tool.
    (
        "bedrock/events",
        (
            b'event: messageStart\ndata: {"role":"assistant"}\n\nevent: contentBlockStart\ndata: {"start":{"toolUse":'
            b'{"toolUseId":"a","name":"f"}}}\n\nevent: contentBlockStart\ndata: {"start":{"toolUse":{"toolUseId":"b",'
            b'"name":"f"}}}\n\nevent: messageStop\ndata: {"stopReason":"tool_use"}'
        ),
    ),
    (
        "bedrock/events",
        (
            b'event: messageStart\ndata: {"role":"assistant"}\n\nevent: contentBlockStart\ndata: {"start":{"toolUse":'
            b'{"toolUseId":"a"}}}\n\nevent: messageStop\ndata: {"stopReason":"tool_use"}'
        ),
    ),
    # Counts below zero, which would have been paid out.
    (
        "gemini/answer",
        (
            b'{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":'
            b'{"promptTokenCount":9,"candidatesTokenCount":-1,"thoughtsTokenCount":3,"totalTokenCount":17}}'
        ),
    ),
    ("gemini/tokens", b'{"totalTokens":-1}'),
    ("anthropic/tokens", b'{"input_tokens":-1}'),
    ("bedrock/tokens", b'{"inputTokens":-1}'),
    # A document ranked that nobody sent.
    ("openai_chat/rerank/answer", b'{"results":[{"index":2,"relevance_score":0.9}]}'),
    # Numbers beyond all floats, in what is only looked at for some models.
    ("openai_responses/request", b'{"model":"m","input":[{"role":"user","content":"x","a":2e+308}]}'),
    (
        "openai_chat/request",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{"1":2e+308}}',
    ),
    # A byte order mark was looked for anywhere in the first bytes, and the words of the refusal hung on the cuts.
    ("gemini/watched", b"\xbb\xbb\xbb\xbb<\xbb"),
    # Messages: a call of no tool.
    (
        "anthropic/stream",
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":15}}}\n\n'
            b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
            b'{"type":"tool_use","id":"t","input":{}}}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":'
            b'{"stop_reason":"tool_use"},"usage":{"output_tokens":8}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
        ),
    ),
    # Perplexity's Agent API: a relayed body was taken apart that nobody had looked through.
    ("openai_responses/request", b'{"model":"m","input":[{"role":"user","content":["x"]}]}'),
    (
        "openai_responses/request",
        b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":1}]}]}',
    ),
    ("openai_responses/request", b'{"model":"m","input":["x"],"tools":[1],"text":{"format":"x"}}'),
    # A name that is not UTF-8, in an answer that is relayed under the name the caller asked for.
    ("splice", b'{"model":"m","mes\x8c":1}'),
    # A batch's line nested without end.
    ("batch lines", b'{"custom_id":' + b"[" * 1200 + b"]" * 1200 + b"}"),
    # A result without its call could not be placed in a history whose turns are bare lists of parts.
    (
        "gemini/request",
        (
            b'{"contents":[[{"text":"x"}],{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f",'
            b'"response":{"a":1}}}]}]}'
        ),
    ),
    # JSON nested without end was another error than the declared one: what a body holds is skipped level by level.
    ("splice", b'{"model":' + b"[" * 20_000),
    ("batch/files", b'{"metadata":' + b"[" * 20_000),
    ("batch/messages", b'{"requests":[{"custom_id":"a","params":' + b"[" * 20_000),
    ("batch results/openai", b'{"custom_id":"c1","response":{"status_code":200,"body":' + b"[" * 20_000),
    (
        "batch results/anthropic",
        b'{"custom_id":"01-1","result":{"type":"succeeded","message":' + b"[" * 20_000,
    ),
    # An event whose name is not UTF-8, in a stream that is kept.
    ("conversation/stream", b'data: {"ty\xf3pe":"response.created"}\n\n'),
    ("conversation/stream", b'data: {"type":"response.created","response":{"id":"a","x":"\xff"}}\n\n'),
    # What is stored is what the watcher let pass: `output` of another event may be anything.
    (
        "conversation/stream",
        b'data: {"type":"response.created","response":{"id":"a","output":{},"x":"\\"encrypted_content\\"","encrypted_content":1}}\n\n',
    ),
    # A schema's `format` that is an object, where a schema is fitted to Anthropic's subset and to Google's.
    (
        "openai_responses/request",
        (
            b'{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"a","schema":{"type":"object",'
            b'"properties":{"a":{"type":"string","format":{}}}}}}}'
        ),
    ),
    (
        "openai_chat/request",
        (
            b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f",'
            b'"parameters":{"type":"object","properties":{"a":{"type":"string","format":{"b":1}}}}}}]}'
        ),
    ),
    # Numbers beyond all floats in a schema, and in a message's part, that a provider is not sent as they came.
    (
        "openai_chat/request",
        (
            b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema",'
            b'"json_schema":{"name":"a","schema":{"type":"object","maximum":2e+308}}}}'
        ),
    ),
    (
        "openai_chat/request",
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x","a":2e+308}]}]}',
    ),
    # Steps of log probabilities that are none, said to Gemini's callers.
    (
        "openai_responses/answer",
        (
            b'{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x","annotations":[],'
            b'"logprobs":[1.5,{"token":"x","top_logprobs":[1]}]}]}],"usage":{"input_tokens":1,"output_tokens":1}}'
        ),
    ),
    # A call whose arguments' beginning is no UTF-8 lost its name.
    (
        "anthropic/stream",
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":15}}}\n\n'
            b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
            b'{"type":"tool_use","id":"t","name":"f","input":{"a":"\xed\xa0\x80"}}}\n\nevent: message_delta\ndata: '
            b'{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":8}}\n\n'
            b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        ),
    ),
    # Vectors that would have been paid out for, and an image whose source is a number.
    ("bedrock/embed/answer", b'[{"embedding":[0.1],"inputTextTokenCount":-1}]'),
    (
        "bedrock/answer",
        (
            b'{"output":{"message":{"role":"assistant","content":[{"image":{"format":"png","source":1}}]}},'
            b'"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1}}'
        ),
    ),
)
