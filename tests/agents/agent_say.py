"""What the replayed model says, as each dialect's stream: some calls after a thought, or words.

Ids carry the number of the step, as real ones never repeat within a conversation.
"""

import json
from typing import Any

from tests.agents.agent_task import THOUGHT, Body, Call
from tests.upstream_answers import MODELS, PROOF, data_frame, event_frame

USED = {"in": 1200, "cached": 1000, "out": 40, "thought": 12}


def say(dialect: str, step: list[Call] | str, number: int, *, proof: bool) -> list[str]:
    """The frames of an answer. `proof`: it thinks aloud, and wants the proof of it back."""
    write = {
        "openai_chat": _chat,
        "openai_responses": _responses,
        "anthropic": _anthropic,
        "gemini": _gemini,
    }[dialect]
    return write(step, number, proof)


def whole(dialect: str, step: list[Call] | str) -> Body:
    """Words that are not streamed: what side requests ask for."""
    words = step if isinstance(step, str) else ""
    if dialect == "gemini":
        return _generation([{"text": words}], "STOP", 0)
    if dialect == "anthropic":
        return _message([{"type": "text", "text": words}], "end_turn", 0)
    if dialect == "openai_chat":
        choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        return {**_completion("chat.completion", 0), "choices": [choice], "usage": _CHAT_USAGE}
    return _response([_message_item(words, 0)], 0)


# --- Chat Completions

_CHAT_USAGE = {
    "prompt_tokens": USED["in"],
    "prompt_tokens_details": {"cached_tokens": USED["cached"]},
    "completion_tokens": USED["out"],
    "total_tokens": USED["in"] + USED["out"],
}


def _completion(kind: str, number: int) -> Body:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1767225600, "model": MODELS["openai_chat"]}


def _chat(step: list[Call] | str, number: int, proof: bool) -> list[str]:
    deltas: list[Body] = [{"role": "assistant", "content": None}]
    if proof:
        deltas.append({"reasoning_content": THOUGHT})
    if isinstance(step, str):
        deltas += [{"content": piece} for piece in _pieces(step)]
    else:
        for n, call in enumerate(step):
            free = isinstance(call.arguments, str)
            kind, field = ("custom", "input") if free else ("function", "arguments")
            named = {"name": call.tool.name, field: ""}
            opening = {"index": n, "id": f"call_{number}_{n}", "type": kind, kind: named}
            deltas.append({"tool_calls": [opening]})
            deltas += [{"tool_calls": [{"index": n, kind: {field: p}}]} for p in _spelt(call)]
    base = _completion("chat.completion.chunk", number)
    choices: list[Body] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop" if _words(step) else "tool_calls"})
    frames = [data_frame({**base, "choices": [choice], "usage": None}) for choice in choices]
    return [*frames, data_frame({**base, "choices": [], "usage": _CHAT_USAGE}), "data: [DONE]\n\n"]


# --- Responses

_RESPONSES_USAGE = {
    "input_tokens": USED["in"],
    "input_tokens_details": {"cached_tokens": USED["cached"]},
    "output_tokens": USED["out"],
    "output_tokens_details": {"reasoning_tokens": USED["thought"]},
    "total_tokens": USED["in"] + USED["out"],
}


def _response(output: list[Body], number: int, status: str = "completed") -> Body:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1767225600,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": MODELS["openai_responses"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _RESPONSES_USAGE if status == "completed" else None,
    }


def _message_item(text: str, number: int) -> Body:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def _call_item(call: Call, number: int, n: int) -> Body:
    place = {"namespace": call.tool.namespace} if call.tool.namespace else {}
    named = {"call_id": f"call_{number}_{n}", "name": call.tool.name, "status": "completed", **place}
    if isinstance(call.arguments, str):
        return {"type": "custom_tool_call", "id": f"ctc_{number}_{n}", **named, "input": call.arguments}
    said = json.dumps(call.arguments)
    return {"type": "function_call", "id": f"fc_{number}_{n}", **named, "arguments": said}


def _responses(step: list[Call] | str, number: int, proof: bool) -> list[str]:
    frames: list[str] = []
    output: list[Body] = []

    def tell(kind: str, **fields: Any) -> None:
        frames.append(event_frame({"type": kind, "sequence_number": len(frames), **fields}))

    def place() -> Body:
        return {"item_id": output[-1]["id"], "output_index": len(output) - 1}

    def opened(item: Body, **early: Any) -> None:
        output.append(item)
        started = {**item, **early}
        tell("response.output_item.added", output_index=len(output) - 1, item=started)

    def closed() -> None:
        tell("response.output_item.done", output_index=len(output) - 1, item=output[-1])

    early = _response([], number, "in_progress")
    tell("response.created", response=early)
    tell("response.in_progress", response=early)
    if proof:
        summary = {"type": "summary_text", "text": THOUGHT}
        thought = {"type": "reasoning", "id": f"rs_{number}", "summary": [summary]}
        opened({**thought, "encrypted_content": PROOF}, summary=[], encrypted_content=None)
        tell(
            "response.reasoning_summary_part.added", **place(), summary_index=0, part={**summary, "text": ""}
        )
        tell("response.reasoning_summary_text.delta", **place(), summary_index=0, delta=THOUGHT)
        tell("response.reasoning_summary_text.done", **place(), summary_index=0, text=THOUGHT)
        tell("response.reasoning_summary_part.done", **place(), summary_index=0, part=summary)
        closed()
    for n, call in enumerate([] if isinstance(step, str) else step):
        item = _call_item(call, number, n)
        field = "input" if isinstance(call.arguments, str) else "arguments"
        kind = "custom_tool_call_input" if field == "input" else "function_call_arguments"
        opened(item, **{field: "", "status": "in_progress"})
        for piece in _pieces(item[field]):
            tell(f"response.{kind}.delta", **place(), delta=piece)
        named = {} if field == "input" else {"name": item["name"]}
        tell(f"response.{kind}.done", **place(), **named, **{field: item[field]})
        closed()
    if isinstance(step, str):
        item = _message_item(step, number)
        part = item["content"][0]
        opened(item, content=[], status="in_progress")
        tell("response.content_part.added", **place(), content_index=0, part={**part, "text": ""})
        for piece in _pieces(step):
            tell("response.output_text.delta", **place(), content_index=0, delta=piece, logprobs=[])
        tell("response.output_text.done", **place(), content_index=0, text=step, logprobs=[])
        tell("response.content_part.done", **place(), content_index=0, part=part)
        closed()
    tell("response.completed", response=_response(output, number))
    return frames


# --- Messages

_ANTHROPIC_USAGE = {
    "input_tokens": USED["in"] - USED["cached"],
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": USED["cached"],
    "output_tokens": USED["out"],
}


def _message(content: list[Body], stop: str | None, number: int) -> Body:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": MODELS["anthropic"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": _ANTHROPIC_USAGE,
    }


def _anthropic(step: list[Call] | str, number: int, proof: bool) -> list[str]:
    blocks: list[tuple[Body, list[Body]]] = []
    if proof:
        deltas = [
            {"type": "thinking_delta", "thinking": THOUGHT},
            {"type": "signature_delta", "signature": PROOF},
        ]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if isinstance(step, str):
        said: list[Body] = [{"type": "text_delta", "text": piece} for piece in _pieces(step)]
        blocks.append(({"type": "text", "text": ""}, said))
    for n, call in enumerate([] if isinstance(step, str) else step):
        opening = {"type": "tool_use", "id": f"toolu_{number}_{n}", "name": call.tool.name, "input": {}}
        blocks.append((opening, [{"type": "input_json_delta", "partial_json": p} for p in _spelt(call)]))
    frames = [event_frame({"type": "message_start", "message": _message([], None, number)})]
    for n, (opening, deltas) in enumerate(blocks):
        frames.append(event_frame({"type": "content_block_start", "index": n, "content_block": opening}))
        frames += [event_frame({"type": "content_block_delta", "index": n, "delta": d}) for d in deltas]
        frames.append(event_frame({"type": "content_block_stop", "index": n}))
    stop = {"stop_reason": "end_turn" if _words(step) else "tool_use", "stop_sequence": None}
    usage = {"output_tokens": USED["out"]}
    frames.append(event_frame({"type": "message_delta", "delta": stop, "usage": usage}))
    return [*frames, event_frame({"type": "message_stop"})]


# --- Gemini


def _generation(parts: list[Body], finish: str | None, number: int) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {
        "promptTokenCount": USED["in"],
        "cachedContentTokenCount": USED["cached"],
        "candidatesTokenCount": USED["out"],
        "totalTokenCount": USED["in"] + USED["out"],
    }
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": MODELS["gemini"],
        "responseId": f"gemini_{number}",
    }


def _gemini(step: list[Call] | str, number: int, proof: bool) -> list[str]:
    parts: list[Body] = [{"text": THOUGHT, "thought": True}] if proof else []
    if isinstance(step, str):
        parts += [{"text": piece} for piece in _pieces(step)]
    else:
        calls: list[Body] = [{"functionCall": {"name": c.tool.name, "args": c.arguments}} for c in step]
        calls[0]["thoughtSignature"] = PROOF
        parts += calls
    last = len(parts) - 1
    return [data_frame(_generation([p], "STOP" if n == last else None, number)) for n, p in enumerate(parts)]


def _words(step: list[Call] | str) -> bool:
    return isinstance(step, str)


def _spelt(call: Call) -> list[str]:
    return _pieces(call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments))


def _pieces(text: str) -> list[str]:
    """A text in three parts, cut wherever it falls."""
    third = max(1, len(text) // 3)
    return [piece for piece in (text[:third], text[third : 2 * third], text[2 * third :]) if piece]
