"""How the replayed provider fails: the last word of the model's name it is asked for says in which way.

`…-busy`, `…-down`, `…-refuses` and `…-locked` answer a status and an error body. `…-cut` breaks
the connection in the middle of the content, and `…-sick` says an error there.
"""

import json
from typing import Any

RETRY_AFTER_S = 17
STATUSES = {"busy": 429, "down": 500, "refuses": 400, "locked": 401}
REFUSAL = "`temperature` is not for this model"
"""What the provider says of a request it finds malformed: the caller's own fault, so passed on."""
SECRET_WORDS = "shard 7 of eu-west-9 ran out of disk"
"""What a failing provider says of itself: for the operator, not for the caller."""
_MESSAGES = {
    "busy": "You are sending requests too quickly",
    "down": SECRET_WORDS,
    "refuses": REFUSAL,
    "locked": "Incorrect API key provided",
    "sick": SECRET_WORDS,
}
_OPENAI = {
    "busy": ("rate_limit_error", "rate_limit_exceeded"),
    "down": ("server_error", None),
    "refuses": ("invalid_request_error", "unsupported_value"),
    "locked": ("invalid_request_error", "invalid_api_key"),
    "sick": ("server_error", "server_error"),
}
_ANTHROPIC = {
    "busy": "rate_limit_error",
    "down": "api_error",
    "refuses": "invalid_request_error",
    "locked": "authentication_error",
    "sick": "overloaded_error",
}
AMAZON = {
    "busy": "ThrottlingException",
    "down": "InternalServerException",
    "refuses": "ValidationException",
    "locked": "UnrecognizedClientException",
    "sick": "ServiceUnavailableException",
}
_GEMINI = {
    "busy": (429, "RESOURCE_EXHAUSTED"),
    "down": (500, "INTERNAL"),
    "refuses": (400, "INVALID_ARGUMENT"),
    "locked": (401, "UNAUTHENTICATED"),
    "sick": (503, "UNAVAILABLE"),
}


def messages_of(trouble: str) -> str:
    """The words of `trouble`."""
    return _MESSAGES[trouble]


def trouble_of(model: str) -> str | None:
    """The trouble a model's name asks for, if any."""
    last = model.rpartition("-")[2]
    return last if last in STATUSES or last in ("cut", "sick") else None


def problem(trouble: str, path: str) -> dict[str, Any]:
    """The error body of `trouble` in the dialect that `path` belongs to."""
    message = _MESSAGES[trouble]
    if path.endswith("/messages"):
        error = {"type": _ANTHROPIC[trouble], "message": message}
        return {"type": "error", "error": error, "request_id": "req_up"}
    if "enerateContent" in path:
        code, status = _GEMINI[trouble]
        return {"error": {"code": code, "message": message, "status": status}}
    kind, code_word = _OPENAI[trouble]
    param = "temperature" if trouble == "refuses" else None
    return {"error": {"message": message, "type": kind, "param": param, "code": code_word}}


def in_stream(path: str) -> str:
    """The frame with which a stream of that dialect says `sick` after content."""
    body = problem("sick", path)
    if path.endswith("/messages"):
        return f"event: error\ndata: {json.dumps(body)}\n\n"
    if path.endswith("/responses"):
        event = {"sequence_number": 7, **body["error"], "type": "error"}
        return f"event: error\ndata: {json.dumps(event)}\n\n"
    return f"data: {json.dumps(body)}\n\n"
