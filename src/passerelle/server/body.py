"""Reading a request's body: bounded in size and time."""

import asyncio

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.server.route import Arrival

BODY_DEADLINE_S = 60.0


class CallerGone(Exception):
    """The caller closed the connection before its request was whole: nobody is left to tell."""


async def read_body(arrival: Arrival, max_bytes: int) -> bytes:
    """The whole body. Raises `ProblemError` (`too_large`, `invalid_request`) or `CallerGone`."""
    encoding = arrival.headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise invalid(
            "`content-encoding` is not accepted; send the body uncompressed.", param="content-encoding"
        )
    declared = arrival.headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    message = await arrival.receive()
    if message["type"] == "http.disconnect":
        raise CallerGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    pieces = [body]
    size = len(body)
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while message.get("more_body", False):
                message = await arrival.receive()
                if message["type"] == "http.disconnect":
                    raise CallerGone
                piece: bytes = message.get("body", b"")
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                pieces.append(piece)
    except TimeoutError:
        raise ProblemError(
            Problem(
                "invalid_request", "The body did not arrive within 60 seconds; send it again.", status=408
            )
        ) from None
    return b"".join(pieces)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(
        Problem(
            "too_large",
            f"The body is larger than {max_bytes} bytes; send less, or have `server.max_body_bytes` raised.",
        )
    )
