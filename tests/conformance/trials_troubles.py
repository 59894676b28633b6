"""Trials of what goes wrong: a provider's errors, and streams that break; and of its side questions."""

from dataclasses import replace

from tests.conformance.cells import (
    PASS,
    Cell,
    FailedError,
    Verdict,
    check,
    marked,
)
from tests.conformance.talk import (
    IllegalError,
)
from tests.conformance.world import RETRY_AFTER_S, Script


def count(cell: Cell) -> Verdict:
    """How large a prompt is."""
    script = Script()
    ask = marked(cell.feature.ask, cell.world.script(script))
    path, body = cell.client.count(ask, cell.model())
    told = cell.world.ask(cell.client.DIALECT, path, body)
    check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
    tokens = cell.client.read_count(told.json())
    check(tokens == 40 if cell.own else tokens > 0, f"{tokens} tokens")
    return PASS


_EMBEDDERS = {
    "openai": "text-embedding-3-small",
    "gemini": "gemini-embedding-001",
    "mistral": "mistral-embed",
    "cohere": "embed-v4.0",
}


def embed(cell: Cell) -> Verdict:
    """Vectors of two texts."""
    name = _EMBEDDERS.get(cell.house.name)
    if name is None:
        return Verdict("none", f"{cell.house.label}: no embeddings, or none in the catalog")
    asked = f"{cell.house.name}/{name}"
    if cell.client.DIALECT == "gemini":
        texts = [{"model": f"models/{asked}", "content": {"parts": [{"text": t}]}} for t in ("one", "two")]
        told = cell.world.ask("gemini", f"/v1beta/models/{asked}:batchEmbedContents", {"requests": texts})
        check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
        vectors = [e["values"] for e in told.json()["embeddings"]]
    else:
        told = cell.world.ask("openai_chat", "/v1/embeddings", {"model": asked, "input": ["one", "two"]})
        check(told.status == 200, f"{told.status}: {told.body[:200]!r}")
        vectors = [e["embedding"] for e in told.json()["data"]]
        check(told.json()["usage"]["prompt_tokens"] > 0, "no usage")
    check(vectors == [[0.5, -0.25]] * 2, f"vectors {vectors}")
    return PASS


TOLD_STATUS = {400: 400, 401: 502, 403: 502, 404: 404, 413: 413, 429: 429, 500: 502, 503: 503, 529: 503}
"""The provider's status → the client's. Our refused credential is not the caller's fault."""
ERROR_KINDS: dict[str, dict[int, tuple[str, ...]]] = {
    "openai_chat": {
        400: ("invalid_request_error",), 404: ("invalid_request_error",), 413: ("invalid_request_error",),
        429: ("rate_limit_error",), 502: ("server_error", "api_error"),
        503: ("server_error", "api_error", "overloaded_error"),
    },
    "anthropic": {
        400: ("invalid_request_error",), 404: ("not_found_error",), 413: ("request_too_large",),
        429: ("rate_limit_error",), 502: ("api_error",), 503: ("overloaded_error", "api_error"),
        529: ("overloaded_error",),
    },
    "gemini": {
        400: ("INVALID_ARGUMENT",), 404: ("NOT_FOUND",), 413: ("INVALID_ARGUMENT",),
        429: ("RESOURCE_EXHAUSTED",), 502: ("UNAVAILABLE", "INTERNAL"), 503: ("UNAVAILABLE",),
    },
    "bedrock": {
        400: ("ValidationException",), 404: ("ResourceNotFoundException",), 413: ("ValidationException",),
        429: ("ThrottlingException",), 424: ("ModelErrorException",), 503: ("ServiceUnavailableException",),
    },
}  # fmt: skip


_STREAMED = (400, 429, 500)
"""Statuses of which a stream is told too, one of each kind: a caller's fault, a limit, a provider's fault."""


def error(cell: Cell) -> Verdict:
    """A provider's error reaches the client in its own dialect: the status its SDK acts on, and the wait."""
    status = cell.feature.more["status"]
    for stream in (False, True) if status in _STREAMED else (False,):
        script = Script(status=status)
        _, told = cell.send(replace(cell.feature.ask, stream=stream), script)
        check(len(script.heard) == 1, f"asked {len(script.heard)} times, refused {script.refusals}")
        expected = TOLD_STATUS[status]
        if cell.client.DIALECT == "bedrock" and expected == 502:
            expected = 424  # boto3 knows it as `ModelErrorException`
        if cell.client.DIALECT == "anthropic" and status == 529:
            expected = 529  # a status of its own there
        check(told.status == expected, f"told {told.status}: {told.body[:200]!r}")
        kind = cell.client.error(told.status, told.json())
        kind = told.headers.get("x-amzn-errortype", kind).partition(":")[0]
        kinds = ERROR_KINDS.get(cell.client.DIALECT) or ERROR_KINDS["openai_chat"]
        check(kind in kinds[told.status], f"an error of kind `{kind}`")
        if status in (429, 503, 529):
            wait = told.headers.get("retry-after")
            check(wait == str(RETRY_AFTER_S), f"`retry-after` is {wait}")
        if told.status >= 500:
            check(b"trouble" not in told.body, "the provider's own words about itself are told")
    return PASS


def broken(cell: Cell) -> Verdict:
    """An error after content ends the stream as an error, never as an answer."""
    script = Script(cell.feature.answer, broken=cell.feature.more.get("how", "error"))
    ask, told = cell.send(cell.feature.ask, script)
    check(told.status == 200, f"{told.status}")
    check(cell.client.stream_error(told.body), "the client would not notice")
    try:
        cell.read(ask, told)
    except (IllegalError, KeyError, TypeError):
        return PASS
    raise FailedError("it reads like a whole answer")
