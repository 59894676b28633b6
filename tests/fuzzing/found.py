# ruff: noqa: E501 - bytes as they were found
"""Inputs that once broke something, found by `make fuzz`: what a decoder was fed, and what it did then."""

from typing import Final

FOUND: Final[tuple[tuple[str, bytes], ...]] = (
)
