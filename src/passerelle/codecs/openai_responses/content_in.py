"""Content parts → parts: the words, pictures, documents and sound of a message or a tool's output."""

from typing import Any

from passerelle.codecs.media import audio_type, parse_data_url
from passerelle.codecs.openai_reading import (
    Json,
    an_object,
    left,
    missing,
    need_text,
    take_list,
    take_object,
    take_text,
    wrong,
)
from passerelle.core.message import (
    AudioPart,
    CacheTtl,
    FilePart,
    ImagePart,
    Part,
    RefusalPart,
    TextPart,
)


def raw_part(kind: str, whole: Json, level: str) -> TextPart:
    """A thing core has no part for, carried as it is. `level`: `item` or `content`."""
    return TextPart("", extra={kind: whole}, memo={"raw": level})


def content_in(content: Any, at: str) -> list[Part]:
    """A message's `content`, or a tool's output: words, or a list of content parts."""
    if isinstance(content, str):
        return [TextPart(content)]
    if not isinstance(content, list):
        raise wrong(at, "a string or a list of content parts", content)
    return [_content(an_object(part, f"{at}[{i}]"), f"{at}[{i}]") for i, part in enumerate(content)]


def _content(fields: Json, at: str) -> Part:
    kind = fields.get("type")
    if kind == "input_text":
        del fields["type"]
        cache, memo = _breakpoint(fields, at)
        words = need_text(fields, "text", at)
        return TextPart(words, cache=cache, extra=left(fields), memo=memo)
    if kind == "output_text":
        return output_text_in(fields, at)
    if kind == "refusal":
        return RefusalPart(need_text(fields, "refusal", at))
    if kind == "input_image":
        return _image(fields, at)
    if kind == "input_file":
        return _file(fields, at)
    if kind == "input_audio":
        sound = take_object(fields, "input_audio", at)
        if sound is None:
            raise missing(f"{at}.input_audio", "it with `data` and `format`")
        data = need_text(sound, "data", f"{at}.input_audio")
        return AudioPart(audio_type(need_text(sound, "format", f"{at}.input_audio")), data=data)
    if not isinstance(kind, str):
        need_text(dict(fields), "type", at)
    return raw_part(str(kind), fields, "content")


def output_text_in(fields: Json, at: str) -> TextPart:
    """Words of the model, with where they come from."""
    words = need_text(fields, "text", at)
    citations = take_list(fields, "annotations", at) or []
    logprobs = fields.pop("logprobs", None)
    fields.pop("type", None)
    return TextPart(
        words,
        citations=tuple(an_object(entry, f"{at}.annotations[{i}]") for i, entry in enumerate(citations)),
        extra=left(fields),
        memo={"logprobs": logprobs} if logprobs else None,
    )


def _breakpoint(fields: Json, at: str) -> tuple[CacheTtl | None, Json | None]:
    """An explicit end of a cached prefix: short-lived unless it says twelve hours."""
    mark = take_object(fields, "prompt_cache_breakpoint", at)
    if mark is None:
        return None, None
    return "1h" if mark.get("ttl") == "12h" else "5m", {"breakpoint": mark}


def _image(fields: Json, at: str) -> ImagePart:
    del fields["type"]
    url = take_text(fields, "image_url", at)
    file_id = take_text(fields, "file_id", at)
    detail = take_text(fields, "detail", at)
    if url is None and file_id is None:
        raise missing(f"{at}.image_url", "it, or `file_id`")
    cache, memo = _breakpoint(fields, at)
    media_type = data = None
    inline = parse_data_url(url) if url else None
    if inline is not None:
        media_type, data = inline
        url = None
    return ImagePart(
        media_type=media_type,
        data=data,
        url=url,
        file_id=file_id,
        detail=detail,
        cache=cache,
        extra=left(fields),
        memo=memo,
    )


def _file(fields: Json, at: str) -> FilePart:
    del fields["type"]
    data = take_text(fields, "file_data", at)
    url = take_text(fields, "file_url", at)
    file_id = take_text(fields, "file_id", at)
    name = take_text(fields, "filename", at)
    if data is None and url is None and file_id is None:
        raise missing(f"{at}.file_data", "it, or `file_url`, or `file_id`")
    cache, memo = _breakpoint(fields, at)
    media_type: str | None = None
    inline = parse_data_url(data or url or "")
    if inline is not None:
        if data is None:
            url = None
        media_type, data = inline
    return FilePart(
        media_type=media_type,
        data=data,
        url=url,
        file_id=file_id,
        name=name,
        cache=cache,
        extra=left(fields),
        memo=memo,
    )


def image_in(fields: Json) -> ImagePart:
    """A picture the model made; the rest of its item is kept beside it."""
    form = fields.get("output_format")
    rest = {key: value for key, value in fields.items() if key != "result"}
    return ImagePart(
        media_type=f"image/{form if isinstance(form, str) and form else 'png'}",
        data=fields["result"],
        memo={"item": rest},
    )
