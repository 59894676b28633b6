"""Function responses: a JSON object in Google's dialect, words in ours.

Google wants an object and reads `output` (or the whole) as the result and `error` as the failure
(`google-genai` 3.4.0, `types.FunctionResponse`, read 2026-11-22). Words that are a JSON object go as that
object; other words as `{"result": words}`; failures as `{"error": …}`. Reading undoes exactly that, so a
result goes back as it came.
"""

from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def write_response(text: str, *, is_error: bool) -> dict[str, Any]:
    """The object that says `text`."""
    value = _json_object(text)
    if is_error:
        return {"error": text if value is None else value}
    if value is not None and not _wrapped(value):
        return value
    return {"result": text}


def read_response(response: dict[str, Any] | None) -> tuple[str, bool]:
    """The words of the object, and whether they tell of a failure."""
    if not response:
        return ("", False) if response is None else ("{}", False)
    if response.keys() == {"error"}:
        error = response["error"]
        return (error if isinstance(error, str) else _encode(error).decode()), True
    if _wrapped(response):
        return response["result"], False
    return _encode(response).decode(), False


def _wrapped(value: dict[str, Any]) -> bool:
    """`value` is one that `write_response` would make of words, so it cannot stand for itself."""
    if value.keys() == {"error"}:
        return True
    if value.keys() != {"result"} or not isinstance(value["result"], str):
        return False
    inner = _json_object(value["result"])
    return inner is None or _wrapped(inner)


def _json_object(text: str) -> dict[str, Any] | None:
    if text.lstrip()[:1] != "{":
        return None
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
