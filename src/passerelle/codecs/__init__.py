"""The dialects, sans-IO: bytes ⇄ core. A folder each, none knowing another. See `base`."""
