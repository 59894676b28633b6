"""What the fuzzers start from: conversations in core, said in every dialect."""

from functools import cache
from itertools import chain
from typing import Any, Final

from tests.fuzzing.dialogue import BARE, HELLO, context

from passerelle.codecs import registry
from passerelle.codecs.eventstream import EventStreamParser
from passerelle.core import event as ev
from passerelle.core import message as ms
from passerelle.core import request as rq
from passerelle.core.request import Dialect
from passerelle.core.response import Response
from passerelle.core.usage import Usage

_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Paris", "Rome"], "description": "where"},
        "days": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        "tree": {"$ref": "#/$defs/node"},
    },
    "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/leaf"}}, "leaf": {"const": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUg=="
_USAGE: Final = Usage(input_tokens=7, cache_read_tokens=2, output_tokens=5, reasoning_tokens=3)


def _request(dialect: Dialect) -> rq.Request:
    user = ms.Message(
        "user",
        (
            ms.TextPart("Look at this — ναί", cache="5m"),
            ms.ImagePart("image/png", data=_PIXEL),
            ms.ImagePart(url="https://example.org/cat.png", detail="low"),
            ms.AudioPart("audio/wav", data="UklGRg=="),
            ms.FilePart("application/pdf", data="JVBERi0=", name="a.pdf"),
        ),
    )
    call = ms.ToolCallPart("call_1", "weather", '{"city":"Paris","days":2}')
    custom = ms.ToolCallPart("call_2", "shell", "ls -l", kind="custom")
    thought = ms.ReasoningPart("Hm.", signature="c2ln", summary=("Hm.",), id="rs_1", origin=dialect)
    return rq.Request(
        "m",
        (
            ms.Message("system", (ms.TextPart("Be brief."),)),
            user,
            ms.Message("assistant", (thought, ms.TextPart("Let me see."), call, custom)),
            ms.Message("tool", (ms.ToolResultPart("call_1", (ms.TextPart("sun"),)),)),
            ms.Message("tool", (ms.ToolResultPart("call_2", (ms.TextPart("no such file"),), is_error=True),)),
            ms.Message("assistant", (ms.RefusalPart("No."),)),
            ms.Message("user", (ms.TextPart("Why?"),)),
        ),
        dialect,
        max_output_tokens=4000,
        tools=(
            rq.Tool("weather", "Tells it", _SCHEMA, strict=True, cache="1h"),
            rq.Tool("shell", kind="custom", grammar={"syntax": "regex", "definition": ".*"}),
        ),
        tool_choice=rq.ToolChoice("tool", "weather"),
        parallel_tool_calls=False,
        output=rq.OutputFormat("json_schema", "answer", _SCHEMA, strict=True),
        reasoning=rq.Reasoning(enabled=True, effort="low", budget_tokens=2000, show=True, summary="auto"),
        sampling=rq.Sampling(1.0, 0.9, 40, 7, ("END",), 0.1, 0.2, logprobs=True, top_logprobs=2, n=2),
        user="u",
        metadata={"a": "b"},
        service_tier="auto",
        prompt_cache_key="k",
        verbosity="low",
    )


@cache
def requests(dialect: Dialect) -> tuple[bytes, ...]:
    """Requests for an answer."""
    whole = [
        registry.provider(dialect).encode_request(_request(origin), BARE).body
        for origin in ("openai_chat", "openai_responses", "anthropic", "gemini")
    ]
    return tuple(dict.fromkeys([HELLO[dialect], *whole, *_EXTRA_REQUESTS.get(dialect, ())]))


_EXTRA_REQUESTS: Final[dict[str, tuple[bytes, ...]]] = {
    "openai_chat": (
        (
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"functions":[{"name":"f"}],'
            b'"function_call":"auto","messages":[{"role":"developer","content":"x"},{"role":"user","content":"y"},'
            b'{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},'
            b'{"role":"function","name":"f","content":"1"}],"response_format":{"type":"json_object"},"stop":["a"],'
            b'"logit_bias":{"1":2},"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},'
            b'"prediction":{"type":"content","content":"x"},"web_search_options":{},"store":true}'
        ),
    ),
    "openai_responses": (
        (
            b'{"model":"m","stream":true,"instructions":"x","input":[{"role":"user","content":[{"type":"input_text",'
            b'"text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},{"type":"reasoning","id":'
            b'"rs_1","summary":[{"type":"summary_text","text":"h"}],"encrypted_content":"xx"},{"type":"function_call",'
            b'"call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"},'
            b'{"type":"custom_tool_call","call_id":"d","name":"g","input":"t"},{"type":"custom_tool_call_output",'
            b'"call_id":"d","output":"2"},{"type":"local_shell_call","id":"l","call_id":"e","status":"completed",'
            b'"action":{"type":"exec","command":["ls"],"env":{}}},{"type":"item_reference","id":"msg_1"}],"tools":'
            b'[{"type":"function","name":"f","parameters":{}},{"type":"custom","name":"g"},{"type":"web_search"},'
            b'{"type":"namespace","name":"n","tools":[{"type":"function","name":"h","parameters":{}}]}],"store":false,'
            b'"include":["reasoning.encrypted_content"],"text":{"format":{"type":"text"},"verbosity":"low"},'
            b'"reasoning":{"effort":"high","summary":"auto"},"previous_response_id":"resp_1","truncation":"auto"}'
        ),
    ),
    "anthropic": (
        (
            b'{"model":"m","max_tokens":9000,"stream":true,"system":[{"type":"text","text":"s","cache_control":'
            b'{"type":"ephemeral","ttl":"1h"}}],"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":'
            b'"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":'
            b'"image/png","data":"AA=="}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":'
            b'"x"},"citations":{"enabled":true}},{"type":"search_result","source":"s","title":"t","content":[{"type":'
            b'"text","text":"r"}]}]},{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"s"},'
            b'{"type":"redacted_thinking","data":"d"},{"type":"tool_use","id":"t1","name":"f","input":{"a":1}},{"type":'
            b'"server_tool_use","id":"s1","name":"web_search","input":{}},{"type":"web_search_tool_result",'
            b'"tool_use_id":"s1","content":[]}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1",'
            b'"content":[{"type":"text","text":"1"}],"is_error":true}]}],"tools":[{"name":"f","input_schema":{"type":'
            b'"object"}},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"any",'
            b'"disable_parallel_tool_use":true},"metadata":{"user_id":"u"},"stop_sequences":["x"],"top_k":4}'
        ),
    ),
    "gemini": (
        (
            b'{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"a"},'
            b'{"inlineData":{"mimeType":"image/png","data":"AA=="}},{"fileData":{"fileUri":"gs://a/b","mimeType":'
            b'"video/mp4"},"videoMetadata":{"startOffset":"1s"}}]},{"role":"model","parts":[{"thought":true,"text":"h",'
            b'"thoughtSignature":"cw=="},{"functionCall":{"id":"1","name":"f","args":{"a":1}},"thoughtSignature":"cw=="},'
            b'{"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK"}}]},'
            b'{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"result":1}}}]}],'
            b'"generationConfig":{"maxOutputTokens":9,"responseMimeType":"application/json","responseSchema":{"type":'
            b'"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}},"thinkingConfig":{"thinkingBudget":-1,'
            b'"includeThoughts":true},"candidateCount":2,"stopSequences":["x"],"topK":3.0},"tools":[{"googleSearch":{}},'
            b'{"function_declarations":[{"name":"f","parameters_json_schema":{"type":"object"}}]}],"toolConfig":'
            b'{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"safetySettings":[{"category":"c",'
            b'"threshold":"t"}],"cachedContent":"cachedContents/1"}'
        ),
    ),
}


@cache
def answers(dialect: Dialect) -> tuple[bytes, ...]:
    """Whole answers."""
    thought = ms.ReasoningPart(
        "Hm.", signature="c2ln", encrypted="eA==", summary=("Hm.",), id="rs_1", origin=dialect
    )
    text = ms.TextPart("Sun — ναί", citations=({"type": "url_citation", "url": "https://example.org"},))
    call = ms.ToolCallPart("call_1", "weather", '{"city":"Paris"}')
    picture = ms.ImagePart("image/png", data=_PIXEL)
    sound = ms.AudioPart("audio/wav", data="UklGRg==", transcript="hi", id="a")
    whole = (
        Response((thought, text, call), "tool_calls", "there", "id1", _USAGE, service_tier="default"),
        Response((text, picture, sound), "length", "there", "id2", _USAGE),
        Response((ms.RefusalPart("No."),), "refusal", "there", "id3", _USAGE),
        Response((text,), "stop", usage=_USAGE, stop_sequence="END"),
    )
    client = registry.client(dialect)
    said = [client.encode_response(one, context(dialect)) for one in whole]
    return (*said, b'{"error":{"message":"busy","type":"overloaded_error","code":429}}', b"<html>no</html>")


@cache
def unframed() -> tuple[bytes, ...]:
    """Bedrock's streams as text: see `dialogue.framed`."""
    told = []
    for stream in streams("bedrock"):
        frames = EventStreamParser().feed(stream)
        names = [("!" if one.kind.message == "exception" else "") + one.kind.name for one in frames]
        lines = [b"event: %b\ndata: %b" % (n.encode(), f.payload) for n, f in zip(names, frames, strict=True)]
        told.append(b"\n\n".join(lines))
    return tuple(told)


@cache
def streams(dialect: Dialect) -> tuple[bytes, ...]:
    """Streams of events, whole and broken."""
    ends: tuple[tuple[ev.Event, ...], ...] = (
        (ev.UsageReported(_USAGE), ev.Finished("tool_calls")),
        (ev.UsageReported(_USAGE), ev.Finished("stop", stop_sequence="END")),
        (ev.Failed("overloaded", "busy", 529, "overloaded_error"),),
    )
    said = []
    for end in ends:
        for json_array in (False, True) if dialect == "gemini" else (False,):
            encoder = registry.client(dialect).stream_encoder(context(dialect, json_array=json_array))
            said.append(b"".join([encoder.encode(one) for one in chain(_EVENTS, end)]))
            if dialect != "bedrock":
                said.append(said[-1].replace(b"\n", b"\r\n"))
    return tuple(said)


_EVENTS: Final[tuple[ev.Event, ...]] = (
    ev.Started("there", "id1", Usage(input_tokens=7)),
    ev.PartStarted(0, "reasoning", "rs_1", origin="anthropic"),
    ev.PartDelta(0, "Hm."),
    ev.PartDelta(0, signature="c2ln"),
    ev.PartEnded(0),
    ev.PartStarted(1, "text"),
    ev.PartDelta(1, "Sun — "),
    ev.PartDelta(1, "ναί", citation={"type": "url_citation", "url": "https://example.org"}),
    ev.PartEnded(1),
    ev.PartStarted(2, "tool_call", "call_1", "weather"),
    ev.PartStarted(3, "tool_call", "call_2", "weather"),
    ev.PartDelta(2, '{"city":'),
    ev.PartDelta(3, "{}"),
    ev.PartDelta(2, '"Paris"}'),
    ev.PartEnded(2),
    ev.PartEnded(3),
    ev.PartStarted(4, "refusal"),
    ev.PartDelta(4, "No."),
    ev.PartEnded(4),
)

COUNTS: Final = (b'{"input_tokens":12}', b'{"totalTokens":12,"cachedContentTokenCount":3}', b'{"error":{}}')
