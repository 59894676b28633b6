"""The shapes of output items, and how what core says takes on each.

Source: openai-python 3.54, `types/responses/response_output_item.py` and its kin, read 2026-11-22.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.citations import web_source
from passerelle.codecs.custom import unwrapped
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.tools import DIALECT
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.message import RefusalPart, TextPart

MALFORMED: Final[Json] = {
    "code": "server_error",
    "message": "The model tried to call a tool and got the call wrong; ask again.",
}
"""`error` of an answer whose finish is `malformed_tool_call`."""

_ANNOTATIONS: Final = frozenset({"file_citation", "url_citation", "container_file_citation", "file_path"})


UNKNOWN: Final = "unknown"
"""The origin of thoughts whose provider did not say its dialect: good nowhere."""


class CallForm(msgspec.Struct, frozen=True):
    """How a call is said to the caller who declared the tool."""

    type: str
    fields: Json
    """`name`, and `namespace` where the caller put the tool in one."""
    unwrap: bool = False
    """The provider knows only functions: the free text stands in a JSON argument."""

    @property
    def prefix(self) -> str:
        """What the ids of such items begin with."""
        return "ctc" if self.type == "custom_tool_call" else "fc"

    @property
    def body(self) -> str:
        """The field that holds what is passed to the tool."""
        return "input" if self.type == "custom_tool_call" else "arguments"


def message(identifier: str, content: list[Json], *, status: str = "completed", phase: Any = None) -> Json:
    """An item of words."""
    item: Json = {
        "id": identifier,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }
    if phase is not None:
        item["phase"] = phase
    return item


def spoken(part: TextPart | RefusalPart) -> Json:
    """A content part of a message."""
    if isinstance(part, RefusalPart):
        return {"type": "refusal", "refusal": part.text}
    found = [annotation_out(entry, part.text) for entry in part.citations]
    return output_text(part.text, [entry for entry in found if entry is not None])


def output_text(text: str, annotations: list[Json], logprobs: list[Any] | None = None) -> Json:
    """Words, and where they come from."""
    return {"type": "output_text", "annotations": annotations, "logprobs": logprobs or [], "text": text}


def reasoning(
    identifier: str,
    *,
    text: str,
    summary: tuple[str, ...] = (),
    content: list[str] | None = None,
    encrypted: str | None = None,
) -> Json:
    """An item of thoughts: raw where the provider gave them as `content`, as a summary otherwise."""
    if not summary and content is None and text:
        summary = (text,)
    item: Json = {
        "id": identifier,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": words} for words in summary],
    }
    if content is not None:
        item["content"] = [{"type": "reasoning_text", "text": words} for words in content]
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def opaque(
    origin: str | None, signature: str | None, encrypted: str | None, identifier: str | None
) -> str | None:
    """`encrypted_content`: this dialect's own, or another's block, sealed with where it belongs.

    Thoughts without a block are sealed as well: the API refuses a reasoning item it did not make, and
    by the seal we know it when it comes back.
    """
    if origin == DIALECT:
        return encrypted
    return seal(Sealed(origin or UNKNOWN, signature, encrypted, identifier))


def carrier(identifier: str, origin: str, signature: str, call_id: str) -> Json:
    """An item that brings a call's thought signature back with the next request."""
    return reasoning(identifier, text="", encrypted=seal(Sealed(origin, signature, call_id=call_id)))


def call(identifier: str, form: CallForm, call_id: str, passed: str, status: str = "completed") -> Json:
    """A call of a tool of the caller's."""
    item: Json = {"id": identifier, "type": form.type}
    if form.type == "function_call":
        item["status"] = status
    return {**item, "call_id": call_id, **form.fields, form.body: passed}


def free_text(arguments: str, form: CallForm) -> str:
    """What is passed to the tool: JSON for a function, bare words for a custom tool."""
    if form.type == "function_call":
        return arguments or "{}"
    return unwrapped(arguments) if form.unwrap else arguments


def image(identifier: str, data: str | None, media_type: str | None, item: Json | None = None) -> Json:
    """A picture the model made."""
    if item is not None:
        return {**item, "result": data}
    form = (media_type or "image/png").rpartition("/")[2]
    return {
        "id": identifier,
        "type": "image_generation_call",
        "status": "completed",
        "output_format": form,
        "result": data,
    }


def annotation_out(citation: Json, text: str) -> Json | None:
    """A citation of any provider as an annotation of this dialect, where it has the form: links do."""
    kind = citation.get("type")
    if isinstance(kind, str) and kind in _ANNOTATIONS:
        nested = citation.get("url_citation")  # Chat Completions nests it
        return {"type": "url_citation", **nested} if isinstance(nested, dict) else citation
    source = web_source(citation)
    if source is None:
        return None
    return {
        "type": "url_citation",
        "url": source.url,
        "title": source.title or "",
        "start_index": source.start or 0,
        "end_index": len(text) if source.end is None else source.end,
    }


def logprobs_out(logprobs: Any) -> list[Any]:
    """The entries of OpenAI's logprobs, in either of its dialects' forms."""
    if isinstance(logprobs, dict):
        logprobs = logprobs.get("content")
    return logprobs if isinstance(logprobs, list) else []
