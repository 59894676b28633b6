"""What every section of settings is made of: frozen, closed to unknown names, strict about kinds."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, StringConstraints

from passerelle.config.secret import SecretRef


class Section(BaseModel):
    """A table of settings. A name it does not have is a mistake, not a comment."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )


def _reference(value: object) -> object:
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, str):
        raise ValueError("a reference to a secret is text")
    return SecretRef.parse(value)


Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Text = Annotated[str, Strict(), StringConstraints(min_length=1)]
Region = Annotated[str, Strict(), StringConstraints(min_length=1, to_lower=True)]
"""Compared in lower case, however it is written."""
Law = Annotated[str, Strict(), StringConstraints(min_length=1, to_upper=True)]
"""A jurisdiction, in upper case likewise."""
Name = Annotated[
    str, Strict(), StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9@][^\s`\"'\\]*$")
]
"""An id: no white space, quotes or backslashes, so that it can stand in headers, logs and messages."""
Count = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(ge=1)]
Seconds = Annotated[float, Strict(), Field(gt=0, le=86_400)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Weight = Annotated[float, Strict(), Field(ge=0, le=1_000_000)]
Credential = Annotated[SecretRef, BeforeValidator(_reference), PlainSerializer(str)]
"""`env:NAME` or `file:/path`; a literal secret is refused."""
SORTED = PlainSerializer(sorted, return_type=list, when_used="json")
"""For sets: written out in one order, so that equal settings have equal text."""
IsoDate = Annotated[str, Strict(), StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
