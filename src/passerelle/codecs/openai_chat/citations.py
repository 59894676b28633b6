"""Citations as chat's `annotations`: `url_citation` with its place in the words."""

from typing import Any

Json = dict[str, Any]


def encode_citation(citation: Json, start: int, end: int) -> Json | None:
    """An annotation of the words from `start` to `end`; None when it cites no address.

    Citations stand in core as their provider wrote them: OpenAI's own form goes back as it came, any
    other is read for the address and title that all web citations have.
    """
    if "url_citation" in citation:
        return citation
    web = citation.get("web")
    source = web if isinstance(web, dict) else citation
    url = source.get("url") or source.get("uri")
    if not isinstance(url, str):
        return None
    title = source.get("title")
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": start,
            "end_index": end,
            "title": title if isinstance(title, str) else url,
            "url": url,
        },
    }
