"""Providers' own words: read from whatever shape the error body has, and made safe to repeat.

No provider documents all its shapes and proxies add their own, so the reader takes what it finds and
never raises. Shapes known (sources in `tables`):

    {"error": {"message", "type", "code", "param"}}             OpenAI, Azure, Groq, vLLM, llama.cpp, DeepSeek
    {"type": "error", "error": {"type", "message", "details"}}  Anthropic
    {"error": {"code": 400, "message", "status", "details"}}    Gemini; also inside a one-element array
    {"error": {"message", "code": 429, "metadata": {"raw"}}}    OpenRouter; `raw` is the true provider's body
    {"code": "words", "error": "words"}                         xAI; Ollama without the code
    {"object": "error", "message", "type", "param", "code"}     Mistral, older vLLM
    {"message"} · {"statusCode", "message"}                     Mistral's and Azure's front doors
    {"message"} · {"Message"} · {"__type"}                      AWS; the type stands in a header (`classify`)
    {"detail": "words" | [{"loc", "msg"}]}                      FastAPI validation (Mistral, vLLM)
    event: error / data: {…}                                    an error body sent as a stream
    <html>…                                                     a proxy, a firewall, a login page
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from passerelle.codecs.base import ProviderError
from passerelle.codecs.fields import BAD_JSON

MAX_READ_BYTES = 256 << 10
"""An error body longer than this is read as text, and only its beginning."""

MAX_WORDS = 600
"""Longest quotation of a provider, in characters."""

HTML = "html"
"""The `type` given to a body that is a web page."""

_SHORTEST_HIDDEN = 6
_URL_SAFE = str.maketrans("+/", "-_")

_decoder = msgspec.json.Decoder()

_SECRETS = re.compile(
    r"""
      \b(?:sk|psk)[-_][\w\-*.…]{3,}
    | \b(?:gsk|xai|hf|r8|nvapi|pplx|csk|tgp|github_pat|gh[pousr])[-_][\w\-*…]{8,}
    | \b(?:pk|rk|key|api|fw)[-_][A-Za-z0-9]{16,}
    | \bAIza[\w\-*]{4,}
    | \bya29\.[\w\-.]+
    | \b(?:AKIA|ASIA)[0-9A-Z]{8,}
    | \bABSK[\w+/=]{8,}
    | \beyJ[\w\-]{8,}(?:\.[\w\-]*){0,2}
    | \bBearer\s+[^\s"',;)]+
    | (?<=[?&])(?:key|api_key|api-key|access_token|token)=[^\s&"']+
    | \b(?:x-api-key|x-goog-api-key|api[-_ ]?key|authorization)\b["']?\s*[:=]\s*["']?[^\s"',;)]{4,}
    | (?<=api\ key\ provided:\ )[^\s,;]+
    | \b[\w]{2,}\*{3,}[\w]*
    | \b(?:org|proj|team|acct|wrkspc|ak)[-_][A-Za-z0-9]{8,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Keys and account names in the forms providers use. OpenAI and xAI echo a refused key half masked."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_SPACES = re.compile(r"\s{2,}")
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def hiding(credentials: Iterable[str]) -> re.Pattern[str] | None:
    """What finds these credentials in a provider's words: as they are, URL-encoded, in hex, and in base64
    wherever they stand in what was encoded. None when there is nothing to find. Short ones are words that
    servers without keys want (`EMPTY`): they hide nothing.
    """
    forms: set[str] = set()
    for credential in credentials:
        if len(credential) < _SHORTEST_HIDDEN:
            continue
        raw = credential.encode()
        forms |= {credential, quote(credential, safe=""), raw.hex()}
        for before in range(3):
            # The characters that depend on nothing but the credential, whatever stands on either side.
            text = b64encode(bytes(before) + raw).decode().rstrip("=")
            whole = text[(0, 2, 3)[before] : len(text) - bool((before + len(raw)) % 3)]
            forms |= {whole, whole.translate(_URL_SAFE)}
    if not forms:
        return None
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), re.IGNORECASE)


def sanitise(words: str, limit: int = MAX_WORDS, hidden: re.Pattern[str] | None = None) -> str:
    """`words` on one line, at most `limit` characters, with nothing in it that looks like a secret, and
    nothing that `hidden` finds.
    """
    if hidden is not None:
        words = hidden.sub("[removed]", words)
    # The cut comes first so that the patterns never run over a megabyte, with room for what they remove.
    text = _CONTROL.sub(" ", words[: limit * 4])
    text = _SPACES.sub(" ", _SECRETS.sub("[removed]", text)).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def read_error(body: bytes) -> ProviderError:
    """What `body` says went wrong. Never raises; an empty body gives an empty `ProviderError`.

    `message` is as the provider wrote it: pass it through `sanitise` before anyone sees it. Gemini's
    `status` is put in `type`, and the most precise machine-readable word found in `code`.
    """
    text = body[:MAX_READ_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return ProviderError()
    if text[:1] == b"<":
        title = _TITLE.search(text)
        return ProviderError(message=_text(title.group(1).strip()) if title else "", type=HTML)
    if text[:1] not in b"{[":
        for line in text.splitlines():
            if line.startswith(b"data:") and line[5:].lstrip()[:1] == b"{":
                return read_error(line[5:])
    try:
        return _from(_decoder.decode(text))
    except BAD_JSON:
        return ProviderError(message=_text(text[: MAX_WORDS * 4]))


def _from(value: Any) -> ProviderError:
    if isinstance(value, list):
        return _from(value[0]) if value else ProviderError()
    if isinstance(value, str):
        return ProviderError(message=value)
    if not isinstance(value, dict):
        return ProviderError()
    error = value.get("error")
    if isinstance(error, dict):
        return _object(error)
    if isinstance(error, str):
        return ProviderError(message=error, code=_name(value.get("code")), type=_name(value.get("type")))
    if "detail" in value and "message" not in value:
        return _detail(value["detail"])
    errors = value.get("errors")
    if isinstance(errors, list) and errors and "message" not in value:
        return _from(errors[0])
    return _object(value)


def _object(error: dict[str, Any]) -> ProviderError:
    message = error.get("message", error.get("Message"))
    if not isinstance(message, str):
        message = "" if message is None else str(message)
    code, kind = _name(error.get("code")), _name(error.get("type"))
    if not kind:
        kind = _name(error.get("status")) or _name(error.get("__type"))
    metadata = error.get("metadata")
    if isinstance(metadata, dict):  # OpenRouter: its own words are only "Provider returned error"
        raw = metadata.get("raw")
        inner = read_error(raw.encode()) if isinstance(raw, str) else _from(raw)
        if inner.message:
            message = inner.message
            kind = kind or inner.type
            code = inner.code if inner.code and not inner.code.isdigit() else code
    details = error.get("details")
    if isinstance(details, list):  # Gemini: google.rpc.ErrorInfo has the reason
        for entry in details:
            if isinstance(entry, dict) and isinstance(entry.get("reason"), str):
                code = entry["reason"]
                break
    elif isinstance(details, dict) and isinstance(details.get("error_code"), str):  # Anthropic
        code = details["error_code"]
    param = error.get("param")
    rest = {k: v for k, v in error.items() if k not in ("message", "type", "code", "param") and v is not None}
    return ProviderError(
        message=message,
        type=kind,
        code=code,
        param=param if isinstance(param, str) and param else None,
        details=rest or None,
    )


def _detail(detail: Any) -> ProviderError:
    """FastAPI's body: words, or one entry per field that failed validation."""
    if isinstance(detail, list):
        found = [entry for entry in detail if isinstance(entry, dict)]
        words = [f"{_path(e.get('loc'))}: {e.get('msg', '')}".lstrip(": ") for e in found[:5]]
        param = _path(found[0].get("loc")) if found else None
        return ProviderError("; ".join(words), type="invalid_request_error", param=param or None)
    return _from(detail)


def _path(location: Any) -> str:
    if not isinstance(location, list):
        return ""
    return ".".join(str(step) for step in location if step != "body")


def _name(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def quota_names(details: Mapping[str, object] | None) -> tuple[str, ...]:
    """Pseudo-names for the Gemini quotas a `QuotaFailure` (or `ErrorInfo`) says were exceeded.

    `perday` when one of them is counted by the day (`GenerateRequestsPerDayPerProjectPerModel-FreeTier`,
    `Gemini25ProRequestsPerDay`), else nothing.
    """
    entries = (details or {}).get("details")
    if not isinstance(entries, list):
        return ()
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        ids: list[object] = []
        violations = entry.get("violations")
        if isinstance(violations, list):
            ids += [v.get("quotaId") for v in violations if isinstance(v, dict)]
        metadata = entry.get("metadata")
        if isinstance(metadata, dict):
            ids.append(metadata.get("quota_limit"))
        if any(isinstance(i, str) and "perday" in i.lower() for i in ids):
            return ("perday",)
    return ()
