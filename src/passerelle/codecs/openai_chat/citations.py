"""Citations as chat's `annotations`: `url_citation` with its place in the words."""

from typing import Any

from passerelle.codecs.citations import web_source

Json = dict[str, Any]


def encode_citation(citation: Json, start: int, end: int) -> Json | None:
    """An annotation of the words from `start` to `end`; None when it cites no address.

    Citations stand in core as their provider wrote them: OpenAI's own form goes back as it came, any
    other is read for the address and title that all web citations have.
    """
    if "url_citation" in citation:
        return citation
    source = web_source(citation)
    if source is None:
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": start,
            "end_index": end,
            "title": source.title or source.url,
            "url": source.url,
        },
    }


def read_sources(citations: Any, results: Any) -> list[Json]:
    """What an answer was searched from, where a server says it beside the words and not in them.

    Perplexity: `search_results` of title and address, and `citations`, the bare addresses
    (docs.perplexity.ai, "Chat completions"); xAI: `citations` (docs.x.ai, "Live search"; read 2026-11-22).
    """
    given = results if isinstance(results, list) and results else citations
    sources: list[Json] = []
    for result in given if isinstance(given, list) else ():
        url = result.get("url") if isinstance(result, dict) else result
        if not isinstance(url, str):
            continue
        title = result.get("title") if isinstance(result, dict) else None
        place = {
            "start_index": 0,
            "end_index": 0,
            "title": title if isinstance(title, str) else url,
            "url": url,
        }
        sources.append({"type": "url_citation", "url_citation": place})
    return sources
