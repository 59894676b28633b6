"""Paths that are not in the table, made straight: what clients write whose base URL has more than we need.

    //v1/…                                        a base URL that ends in a slash
    /t/TAG,…/…                                    a tag, from clients that cannot send headers
    /anthropic/…  /gemini/…  /openai/…            the base URL of a gateway that keeps dialects apart
    /openai/deployments/MODEL/…  /openai/…        Azure's SDKs; `model` is in the body too
    /v1/v1/…  /v1/v1beta/…  /v1beta/v1beta/…      a base URL with a version, in an SDK that adds its own
    …/                                            a slash at the end

Only asked about a path that no route has, so the others cost nothing. The straight path is looked up like any
other: its route has the permission. Never `/api`.

Azure's paths: openai-python 3.54 `lib/azure.py` (read 2026-11-22), which keeps `model` in the body.
"""

from typing import Final, NamedTuple

_BASES: Final = ("/anthropic", "/gemini", "/openai")
_VERSIONS: Final = ("/v1beta", "/v1")


class Straight(NamedTuple):
    """Where a path leads."""

    path: str
    tags: str
    """What stood in `/t/…/`, separated by commas; empty when nothing did."""


def straight(path: str) -> Straight:
    """The path a client meant."""
    path, tags = "/" + path.lstrip("/"), ""
    if path.startswith("/t/"):
        tags, _, rest = path[3:].partition("/")
        path = "/" + rest.lstrip("/")
    for base in _BASES:
        if path == base or path.startswith(f"{base}/"):
            path = path[len(base) :] or "/"
            if base == "/openai":
                path = _azure(path)
            break
    path = _once(path)
    return Straight(path.rstrip("/") or "/", tags)


def _azure(path: str) -> str:
    """`/deployments/MODEL/chat/completions` and `/responses` are ours below `/v1`."""
    if path.startswith("/deployments/"):
        path = "/" + path[len("/deployments/") :].partition("/")[2]
    return path if path == "/" or path.startswith(("/v1/", "/v1beta/")) else f"/v1{path}"


def _once(path: str) -> str:
    """With one version at the start: the last one said, because the SDK added that."""
    for first in _VERSIONS:
        for second in _VERSIONS:
            if path.startswith(f"{first}{second}/"):
                return path[len(first) :]
    return path
