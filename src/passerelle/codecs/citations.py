"""The web page in a citation, whichever provider made it.

Core keeps citations as their provider wrote them; each dialect tells its callers those of others in its own
form. These are the shapes a page comes in (SDKs and service models named in each codec, read 2026-11-22):

    Chat Completions  {"type": "url_citation", "url_citation": {"url", "title", "start_index", "end_index"}}
    Responses         {"type": "url_citation", "url", "title", "start_index", "end_index"}
    Messages          {"type": "web_search_result_location", "url", "title", "cited_text", …}
    Gemini            {"uri", "title", "startIndex", "endIndex"}, or a ground's {"web": {"uri", "title"}}
    Converse          {"title", "location": {"web": {"url", "domain"}}, …}
"""

from typing import Any

import msgspec

Json = dict[str, Any]


class WebSource(msgspec.Struct, frozen=True, gc=False):
    """A page, and which of the words rest on it."""

    url: str
    title: str | None = None
    start: int | None = None
    """Where those words begin and end, in characters, where it is said."""
    end: int | None = None


def web_source(citation: Json) -> WebSource | None:
    """The page; None for a citation of something else, such as a document."""
    location = citation.get("location")
    for inner in (citation.get("url_citation"), citation.get("web"), _web(location), citation):
        if not isinstance(inner, dict):
            continue
        url = inner.get("url") or inner.get("uri") or _address(inner.get("source"))
        if isinstance(url, str):
            title = inner.get("title") or citation.get("title")
            return WebSource(
                url,
                title if isinstance(title, str) else None,
                _place(inner, "start_index", "startIndex"),
                _place(inner, "end_index", "endIndex"),
            )
    return None


def _address(source: Any) -> str | None:
    """A search result of the caller's own names its page so (Messages, Converse)."""
    return source if isinstance(source, str) and source.startswith(("http://", "https://")) else None


def _web(location: Any) -> Any:
    return location.get("web") if isinstance(location, dict) else None


def _place(inner: Json, *names: str) -> int | None:
    for name in names:
        value = inner.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
