"""Amazon's event streams, for both ends: frames of headers and a payload, each with two checksums.

docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html and smithy.io "Event stream encoding"
(read 2026-11-22). Written apart from the gateway's own.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.conformance.talk import legal

Json = dict[str, Any]


def frame(kind: str, name: str, payload: Json) -> bytes:
    """A frame; `kind` is `event` or `exception`."""
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    told = b"".join([_header(key, value) for key, value in headers.items()])
    data = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(told) + len(data), len(told))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + told + data
    return whole + struct.pack("!I", zlib.crc32(whole))


def _header(name: str, value: str) -> bytes:
    word = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(word)) + word


def frames(raw: bytes) -> Iterator[tuple[str, str, Json]]:
    """Kind, name and payload of each frame. Raises `IllegalError` for a torn or false one."""
    while raw:
        legal(len(raw) >= 16, "the stream ends inside a frame")
        total, size, check = struct.unpack("!III", raw[:12])
        legal(check == zlib.crc32(raw[:8]), "a false checksum of a prelude")
        legal(len(raw) >= total, "the stream ends inside a frame")
        body, raw = raw[:total], raw[total:]
        legal(struct.unpack("!I", body[-4:])[0] == zlib.crc32(body[:-4]), "a false checksum of a frame")
        headers = dict(_headers(body[12 : 12 + size]))
        kind = headers[":message-type"]
        yield kind, headers[f":{kind}-type"], json.loads(body[12 + size : -4])


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        end = 1 + data[0]
        legal(data[end] == 7, "a header that is no string")
        (size,) = struct.unpack("!H", data[end + 1 : end + 3])
        yield data[1:end].decode(), data[end + 3 : end + 3 + size].decode()
        data = data[end + 3 + size :]
