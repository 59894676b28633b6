"""Changing a few top-level fields of a JSON object without touching the rest.

Providers cache prompts by prefix, so a relayed body keeps every untouched value byte for byte and in
its order. Cost: 0.5 µs for 1.2 KB, 47 µs for 1.1 MB.
"""

import msgspec

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def split(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level fields of `body`, each as its own bytes.

    `body` must be a JSON object (the envelope has checked it). Raises `msgspec.DecodeError` otherwise.
    """
    try:
        return _decoder.decode(body)
    except UnicodeDecodeError:  # in a name; msgspec has an error of its own for everything else
        raise msgspec.DecodeError("a name is not UTF-8") from None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None


def join(fields: dict[str, msgspec.Raw]) -> bytes:
    """The inverse of `split`."""
    return _encoder.encode(fields)


def splice(body: bytes, changes: dict[str, bytes | None]) -> bytes:
    """`body` with each named field set to raw JSON, or removed when None; new fields go last.

    Raises as `split`.
    """
    fields = split(body)
    for name, value in changes.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = msgspec.Raw(value)
    return _encoder.encode(fields)


def quoted(text: str) -> bytes:
    """`text` as a JSON string."""
    return _encoder.encode(text)
