"""Passerelle: one governed address for every model an organisation uses.

What may be imported by others is listed here, sorted; everything else may move.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
