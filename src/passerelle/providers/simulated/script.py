"""What a simulated provider is told to do: the `script` of its entry."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
ErrorStatus = Annotated[int, msgspec.Meta(ge=400, le=599)]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it behaves. Everything is deterministic: the same request gives the same answer, and requests
    are counted from 1 for each provider entry and process.
    """

    first_content_s: Seconds = 0.05
    """From the request to the first content."""
    tokens_per_s: Annotated[float, msgspec.Meta(ge=0)] = 100.0
    """Speed after the first content; 0 means at once."""
    answer_tokens: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 40
    """Length of an answer, unless the caller's limit is lower."""
    answers: tuple[str, ...] = ()
    """Texts to choose from by the request's hash, instead of the built-in one. The notice that the answer
    is simulated still stands before them."""
    call_tools: bool = True
    """Calls the first (or the forced) tool when tools are offered and no result of one came last."""
    fail_status: ErrorStatus = 503
    """The status of scripted failures."""
    fail_first: Count = 0
    """The first so many requests fail."""
    fail_every: Count = 0
    """Every so-manyth request fails; 0 for none."""
    fail_retry_after_s: Seconds | None = None
    """Said in `retry-after` of scripted failures."""
    refuse_every: Count = 0
    """Every so-manyth request is refused by the model; 1 refuses all."""
    cut_after_events: Count | None = None
    """The connection breaks after so many pieces of a stream (a whole answer breaks in its middle)."""
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=8192)] = 256
    """Length of vectors when the caller does not say."""


def read_script(values: Mapping[str, Any]) -> Script:
    """The script in `values`. Raises `ValueError` that names the setting at fault."""
    try:
        return msgspec.convert(dict(values), Script, str_keys=True)
    except msgspec.ValidationError as error:
        known = ", ".join(f"`{name}`" for name in Script.__struct_fields__)
        raise ValueError(
            f"the `script` of a simulated provider is wrong: {error}; it may hold {known}"
        ) from None
