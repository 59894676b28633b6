"""What Vertex AI wants otherwise than the Gemini API, though both speak Google's dialect (quirk `on_vertex`).

    countTokens    the fields of the request at the top, not inside `generateContentRequest`, and fewer
    contents       a role on each ("Please use a valid role: user, model")
    store          unknown there
    embeddings     by `predict` (`instances`, `parameters`), or with the settings in `embedContentConfig`

Sources, read 2026-11-22: google-genai 3.4.0, `models.py` (the `_to_vertex` converters beside the `_to_mldev`
ones, and which models embed how); docs.cloud.google.com, "Text embeddings API"; for the role,
googleapis/python-genai issues and langchain-ai/langchain-google issue #217.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.splice import join, split

Json = dict[str, Any]
Fields = dict[str, msgspec.Raw]

QUIRK: Final = "on_vertex"

_COUNTED: Final[tuple[str, ...]] = (
    "contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config",
)  # fmt: skip
_contents: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_encode: Final = msgspec.json.Encoder().encode
_REFUSED: Final = ("store",)
_MODEL: Final = "model"


def counted(body: Json) -> Json:
    """A request as its `countTokens` takes it."""
    return {name: body[name] for name in _COUNTED if name in body}


def relay_count(body: bytes) -> bytes:
    """A caller's `countTokens`, likewise."""
    fields = split(body)
    for name in ("generateContentRequest", "generate_content_request"):
        if name in fields:
            fields = split(bytes(fields[name]))
    kept = {name: fields[name] for name in _COUNTED if name in fields}
    _with_roles(kept)
    return join(kept)


def relay_chat(body: bytes) -> bytes:
    """A caller's request: its own bytes where nothing must change."""
    fields = split(body)
    changed = _with_roles(fields)
    for name in (*_REFUSED, _MODEL):
        changed |= fields.pop(name, None) is not None
    return join(fields) if changed else body


def losses(body: bytes) -> tuple[str, ...]:
    """What `relay_chat` leaves out of it that asked for something."""
    return tuple(name for name in split(body) if name in _REFUSED)


def _with_roles(fields: Fields) -> bool:
    raw = fields.get("contents")
    if raw is None:
        return False
    try:
        contents = _contents.decode(raw)
    except msgspec.ValidationError:  # one object where a list is wanted, which Google reads as well
        try:
            contents = [msgspec.json.decode(raw, type=dict[str, msgspec.Raw])]
        except msgspec.ValidationError:
            return False
    missing = [content for content in contents if "role" not in content]
    for content in missing:
        content["role"] = msgspec.Raw(b'"user"')
    if missing:
        fields["contents"] = msgspec.Raw(_encode(contents))
    return bool(missing)


def embeds_content(model: str) -> bool:
    """Whether a model embeds by `embedContent` and `batchEmbedContents`; the others by `predict`."""
    return "gemini" in model or "maas" in model


def embedding(model: str, texts: list[str], settings: Json, *, single: bool) -> tuple[Json, tuple[str, ...]]:
    """The body of an embedding request with Google's own settings, and which of them it cannot hold."""
    if embeds_content(model):
        ones: list[Json] = [{"content": {"role": "user", "parts": [{"text": text}]}} for text in texts]
        for one in ones if settings else ():
            one["embedContentConfig"] = settings
        return (ones[0] if single and len(ones) == 1 else {"requests": ones}), ()
    shared = {name: settings[key] for key, name in _INSTANCE.items() if key in settings}
    body: Json = {"instances": [{"content": text, **shared} for text in texts]}
    parameters = {name: settings[name] for name in _PARAMETERS if name in settings}
    if parameters:
        body["parameters"] = parameters
    return body, tuple(name for name in settings if name not in _INSTANCE and name not in _PARAMETERS)


_INSTANCE: Final = {"taskType": "task_type", "title": "title"}
_PARAMETERS: Final = ("outputDimensionality", "autoTruncate")
