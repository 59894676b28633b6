"""Files named by their id in a request: put into it, so that any provider in any dialect can read them.

The three places where a dialect names a file (OpenAI Chat's `file.file_id`, Responses' `input_file` and
`input_image`, Anthropic's `source: {type: file}`) become the same part with the bytes inside, as that dialect
writes them (`types/chat/chat_completion_content_part_param.py` and
`types/responses/response_input_file_param.py` of OpenAI's SDK 3.54, `types/base64_pdf_source_param.py` of
Anthropic's 2.12, read 2026-11-22). Only ids of ours are looked for: a provider's own go to it as they are.
"""

import asyncio
import base64
import mimetypes
import re
from typing import Any

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import SHOWN_PURPOSES, KeptFile
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.trip import Ask
from passerelle.store import Store
from passerelle.store.vault import ContentGone

MARK = b'"file-0'
"""How every id of ours begins in JSON, for some millennia."""
FEATURES = frozenset({"files", "images"})
"""What a request that names a file asks for."""
_ID = re.compile(r"file-[0-9A-HJKMNP-TV-Z]{26}")
_DEEPEST = 32
_NO_TYPE = ("", "application/octet-stream")


class Attacher:
    """Puts the files of the caller's project into its requests."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def attach(self, ask: Ask, *, most_bytes: int) -> Ask:
        """The request with every file of ours in it; at most `most_bytes` of them together.

        Raises `ProblemError` (`invalid_request` for a file that is not the project's, `too_large`).
        """
        try:
            body = msgspec.json.decode(ask.body)
        except BAD_JSON:
            return ask  # its codec says what is wrong with it
        places = list(_places(body, ""))
        if not places:
            return ask
        caller, left, read = ask.principal, most_bytes, {}
        for name in sorted({file_id for file_id, _, _ in places}):
            where = next(path for file_id, _, path in places if file_id == name)
            file = await asyncio.to_thread(self._store.files.get, caller.org_id, caller.project_id, name)
            if file is None or file.purpose not in SHOWN_PURPOSES:
                raise _absent(name, where)
            left -= file.size_bytes
            if left < 0:
                raise ProblemError(
                    Problem(
                        "too_large", f"A request may hold files of {most_bytes} bytes; name fewer.", where
                    )
                )
            read[name] = file, await asyncio.to_thread(self._content, file, where)
        for name, part, _ in places:
            _fill(part, *read[name])
        return msgspec.structs.replace(ask, body=msgspec.json.encode(body), original=ask.original or ask.body)

    def _content(self, file: KeptFile, where: str) -> bytes:
        try:
            return b"".join(self._store.files.content(file.org_id, file.id))
        except ContentGone as error:
            raise _absent(file.id, where) from error


def _places(value: Any, path: str, depth: int = 0) -> Any:
    """(id, the object that names it, its path) of every file of ours."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _places(inner, f"{path}.{at}" if path else str(at), depth + 1)
    elif isinstance(value, dict):
        name = value.get("file_id")
        if isinstance(name, str) and _ID.fullmatch(name):
            yield name, value, f"{path}.file_id" if path else "file_id"
            return
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                yield from _places(inner, f"{path}.{key}" if path else key, depth + 1)


def _fill(part: dict[str, Any], file: KeptFile, content: bytes) -> None:
    """Make the object that named the file hold it, in its own dialect."""
    del part["file_id"]
    media_type = _media_type(file)
    kind = part.get("type")
    if kind == "file":  # Anthropic's source
        if media_type.startswith("text/"):
            part |= {"type": "text", "media_type": "text/plain", "data": content.decode("utf-8", "replace")}
        else:
            part |= {"type": "base64", "media_type": media_type, "data": base64.b64encode(content).decode()}
        return
    url = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    if kind == "input_image":
        part["image_url"] = url
    else:  # Responses' `input_file`, and what stands in `file` of a chat message
        part.setdefault("filename", file.name)
        part["file_data"] = url


def _media_type(file: KeptFile) -> str:
    """What its uploader said it is, else what its name says."""
    said = file.media_type.partition(";")[0].strip().lower()
    if said not in _NO_TYPE:
        return said
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def _absent(name: str, where: str) -> ProblemError:
    return invalid(f"There is no file `{name}` in this key's project; upload it first.", where)
