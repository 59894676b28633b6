"""Messages and their parts: what a conversation is made of, in no dialect.

A message has a role and parts. What a dialect carries and we do not name travels in a part's or
message's `extra` under the dialect's own field names, and goes back unchanged to that dialect only.
`ReasoningPart` is bound to the provider that made it (`origin`): codecs send it back to the same
dialect and report it as dropped to any other.

`memo` is what a dialect must remember to say the same thing again, and means nothing anywhere else:
item ids, statuses, a namespace. It goes back to the same dialect; elsewhere it is ignored and its
absence is no loss, so it is never reported as dropped.
"""

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
CacheTtl = Literal["5m", "1h"]
Extra = dict[str, Any] | None


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="part"):
    """What every part has."""


class TextPart(_Part, frozen=True, tag="text"):
    """Words."""

    text: str
    cache: CacheTtl | None = None
    """The prompt is to be cached up to and including this part."""
    citations: tuple[dict[str, Any], ...] = ()
    """Where the words come from, as the provider said it."""
    extra: Extra = None
    memo: Extra = None


class ImagePart(_Part, frozen=True, tag="image"):
    """A picture, either inline (`data`, base64) or by `url`; exactly one is set unless `file_id` is."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: CacheTtl | None = None
    extra: Extra = None
    memo: Extra = None


class AudioPart(_Part, frozen=True, tag="audio"):
    """Sound, inline base64 in `data`; `media_type` such as `audio/wav`."""

    media_type: str
    data: str | None = None
    url: str | None = None
    transcript: str | None = None
    id: str | None = None
    extra: Extra = None
    memo: Extra = None


class FilePart(_Part, frozen=True, tag="file"):
    """A document (PDF, text…): inline base64 `data`, `url`, or a provider's `file_id`."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    cache: CacheTtl | None = None
    extra: Extra = None
    memo: Extra = None


class ReasoningPart(_Part, frozen=True, tag="reasoning"):
    """What the model thought. Opaque fields are only good at the place they came from."""

    text: str = ""
    signature: str | None = None
    """The provider's proof of `text` (Anthropic `signature`, Gemini `thoughtSignature`)."""
    encrypted: str | None = None
    """Reasoning the provider keeps to itself (Anthropic `redacted_thinking`, OpenAI `encrypted_content`)."""
    summary: tuple[str, ...] = ()
    """A summary the provider made (OpenAI Responses)."""
    id: str | None = None
    origin: str | None = None
    """The dialect that made it: `anthropic`, `gemini`, `openai_responses`…"""
    extra: Extra = None
    memo: Extra = None


class RefusalPart(_Part, frozen=True, tag="refusal"):
    """The model declined, in its own words."""

    text: str
    memo: Extra = None


class ToolCallPart(_Part, frozen=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is JSON text (`{}` when empty, never `""`)."""

    id: str
    name: str
    arguments: str = "{}"
    kind: Literal["function", "custom"] = "function"
    """`custom` tools take free text in `arguments` instead of JSON (OpenAI)."""
    signature: str | None = None
    """Gemini's thought signature on a call, sent back with it."""
    cache: CacheTtl | None = None
    extra: Extra = None
    memo: Extra = None


class ToolResultPart(_Part, frozen=True, tag="tool_result"):
    """What a tool answered to the call `call_id`."""

    call_id: str
    content: tuple["TextPart | ImagePart | FilePart", ...] = ()
    is_error: bool = False
    name: str | None = None
    """The tool's name, where the dialect says it (Gemini) or a codec looked it up from the call."""
    cache: CacheTtl | None = None
    extra: Extra = None
    memo: Extra = None


Part = (
    TextPart | ImagePart | AudioPart | FilePart | ReasoningPart | RefusalPart | ToolCallPart | ToolResultPart
)


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. Tool results stand in a message of role `tool`, whatever the dialect puts them in."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    id: str | None = None
    extra: Extra = None
    memo: Extra = None

    @property
    def text(self) -> str:
        """All its words, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))
