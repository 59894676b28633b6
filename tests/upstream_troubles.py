"""How the replayed provider fails: the last word of the model's name it is asked for says in which way.

The words of `STATUSES` answer a status and an error body. `…-cut` breaks the connection in the middle of the
content, and `…-sick` says an error there. `…-hiccup` is busy once, and then for good if asked again too soon.
`…-slow` takes its time.
"""

import json
from typing import Any

RETRY_AFTER_S = 17
STATUSES = {
    "busy": 429,
    "hiccup": 429,
    "down": 500,
    "refuses": 400,
    "locked": 401,
    "forbids": 403,
    "gone": 404,
    "large": 413,
    "unprocessable": 422,
    "unavailable": 503,
    "overloaded": 529,
    "long": 400,
}
HICCUP_S = 1
"""How long one must wait after the first answer of `-hiccup`."""
WAITS_S = {
    "busy": RETRY_AFTER_S,
    "unavailable": RETRY_AFTER_S,
    "overloaded": RETRY_AFTER_S,
    "hiccup": HICCUP_S,
}
"""Those who say how long to wait."""
SLOW_S = 1.5
"""How long `-slow` takes to answer."""
REFUSAL = "`temperature` is not for this model"
"""What the provider says of a request it finds malformed: the caller's own fault, so passed on."""
UNPROCESSABLE = "the name of a tool is used twice"
TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum context length"
SECRET_WORDS = "shard 7 of eu-west-9 ran out of disk"
"""What a failing provider says of itself: for the operator, not for the caller."""
_MESSAGES = {
    "busy": "You are sending requests too quickly",
    "hiccup": "You are sending requests too quickly",
    "down": SECRET_WORDS,
    "refuses": REFUSAL,
    "locked": "Incorrect API key provided",
    "forbids": "This key may not use that model",
    "gone": "The model does not exist",
    "large": "The request is larger than 32 MB",
    "unprocessable": UNPROCESSABLE,
    "unavailable": SECRET_WORDS,
    "overloaded": "Overloaded",
    "long": TOO_LONG,
    "sick": SECRET_WORDS,
}
_OPENAI = {
    "busy": ("rate_limit_error", "rate_limit_exceeded"),
    "hiccup": ("rate_limit_error", "rate_limit_exceeded"),
    "down": ("server_error", None),
    "refuses": ("invalid_request_error", "unsupported_value"),
    "locked": ("invalid_request_error", "invalid_api_key"),
    "forbids": ("invalid_request_error", "permission_denied"),
    "gone": ("invalid_request_error", "model_not_found"),
    "large": ("invalid_request_error", "request_too_large"),
    "unprocessable": ("invalid_request_error", "unprocessable_entity"),
    "unavailable": ("server_error", "service_unavailable"),
    "overloaded": ("server_error", "overloaded"),
    "long": ("invalid_request_error", "context_length_exceeded"),
    "sick": ("server_error", "server_error"),
}
_ANTHROPIC = {
    "busy": "rate_limit_error",
    "hiccup": "rate_limit_error",
    "down": "api_error",
    "refuses": "invalid_request_error",
    "locked": "authentication_error",
    "forbids": "permission_error",
    "gone": "not_found_error",
    "large": "request_too_large",
    "unprocessable": "invalid_request_error",
    "unavailable": "api_error",
    "overloaded": "overloaded_error",
    "long": "invalid_request_error",
    "sick": "overloaded_error",
}
AMAZON = {
    "busy": "ThrottlingException",
    "hiccup": "ThrottlingException",
    "down": "InternalServerException",
    "refuses": "ValidationException",
    "locked": "UnrecognizedClientException",
    "forbids": "AccessDeniedException",
    "gone": "ResourceNotFoundException",
    "large": "RequestEntityTooLargeException",
    "unprocessable": "ValidationException",
    "unavailable": "ServiceUnavailableException",
    "overloaded": "ServiceUnavailableException",
    "long": "ValidationException",
    "sick": "ServiceUnavailableException",
}
_GEMINI = {
    "busy": (429, "RESOURCE_EXHAUSTED"),
    "hiccup": (429, "RESOURCE_EXHAUSTED"),
    "down": (500, "INTERNAL"),
    "refuses": (400, "INVALID_ARGUMENT"),
    "locked": (401, "UNAUTHENTICATED"),
    "forbids": (403, "PERMISSION_DENIED"),
    "gone": (404, "NOT_FOUND"),
    "large": (413, "INVALID_ARGUMENT"),
    "unprocessable": (422, "INVALID_ARGUMENT"),
    "unavailable": (503, "UNAVAILABLE"),
    "overloaded": (529, "UNAVAILABLE"),
    "long": (400, "INVALID_ARGUMENT"),
    "sick": (503, "UNAVAILABLE"),
}


def messages_of(trouble: str) -> str:
    """The words of `trouble`."""
    return _MESSAGES[trouble]


def trouble_of(model: str) -> str | None:
    """The trouble a model's name asks for, if any."""
    last = model.rpartition("-")[2]
    return last if last in STATUSES or last in ("cut", "sick", "slow") else None


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
