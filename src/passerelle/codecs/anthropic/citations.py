"""Where words come from: Anthropic's citations, and other providers' told in their form.

Every kind of Anthropic's is called `…_location` (SDK 2.12). A web source of another provider becomes a
`web_search_result_location`, whose `encrypted_index` only its maker can write: ours holds a seal, so that the
citation is known for what it is when it comes back, and is never sent to Anthropic.
"""

from typing import Any

from passerelle.codecs.citations import web_source
from passerelle.codecs.sealed import Sealed, seal, unseal

Json = dict[str, Any]

_FOREIGN = seal(Sealed("citation"))


def is_own(citation: Json) -> bool:
    """It has Anthropic's shape, and is Anthropic's."""
    return str(citation.get("type", "")).endswith("_location") and not _is_sealed(citation)


def write_citation(citation: Json, words: str = "") -> Json | None:
    """A citation for a caller of this dialect; None when it names no address. `words`: those it stands at."""
    if is_own(citation):
        return citation
    source = web_source(citation)
    if source is None:
        return None
    cited = "" if source.start is None or source.end is None else words[source.start : source.end]
    return {
        "type": "web_search_result_location",
        "url": source.url,
        "title": source.title,
        "cited_text": cited,
        "encrypted_index": _FOREIGN,
    }


def read_citation(citation: Json) -> Json:
    """A caller's citation: what `write_citation` made of another's is its address and title again."""
    if not _is_sealed(citation):
        return citation
    return {name: citation[name] for name in ("url", "title") if citation.get(name) is not None}


def _is_sealed(citation: Json) -> bool:
    index = citation.get("encrypted_index")
    return isinstance(index, str) and unseal(index) is not None
