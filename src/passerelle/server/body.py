"""Reading a request's body, bounded in size; how long it may take is `protocol`'s to bound."""

from collections.abc import AsyncIterator

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.server.protocol import ARRIVED, BODY_S, LATE
from passerelle.server.route import Arrival

BODY_SETTING = "`server.max_body_bytes`"


class CallerGone(Exception):
    """The caller closed the connection before its request was whole: nobody is left to tell."""


async def read_body(arrival: Arrival, max_bytes: int) -> bytes:
    """The whole body. Raises `ProblemError` (`too_large`, `invalid_request`) or `CallerGone`."""
    _check_head(arrival, max_bytes, BODY_SETTING)
    exchange = arrival.exchange
    whole = None if exchange is None else exchange.whole_body()
    if whole is not None and LATE not in arrival.scope:
        if len(whole) > max_bytes:
            raise _too_large(max_bytes, BODY_SETTING)
        return whole
    pieces: list[bytes] = [] if whole is None else [whole]
    size = 0
    more = True
    while more:
        message = await arrival.receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes, BODY_SETTING)
        pieces.append(piece)
    _check_whole(arrival)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def pieces_of(arrival: Arrival, max_bytes: int, setting: str = BODY_SETTING) -> AsyncIterator[bytes]:
    """The body as it comes, never held whole; it may take long, as long as it keeps coming (see `protocol`).
    `setting` is what bounds it, for whoever may have it raised.

    Raises `ProblemError` (`too_large`, `invalid_request`) or `CallerGone`.
    """
    _check_head(arrival, max_bytes, setting)
    size, more = 0, True
    arrival.scope[ARRIVED] = 0
    while more:
        message = await arrival.receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes, setting)
        arrival.scope[ARRIVED] = size
        if piece:
            yield piece
    _check_whole(arrival)


def _check_head(arrival: Arrival, max_bytes: int, setting: str) -> None:
    encoding = arrival.headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise invalid(
            "`content-encoding` is not accepted; send the body uncompressed.", param="content-encoding"
        )
    declared = arrival.headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes, setting)


def _check_whole(arrival: Arrival) -> None:
    if LATE in arrival.scope:
        raise ProblemError(
            Problem(
                "invalid_request",
                f"The body did not arrive within {BODY_S:g} seconds; send it again.",
                status=408,
            )
        )


def _too_large(max_bytes: int, setting: str) -> ProblemError:
    return ProblemError(
        Problem(
            "too_large", f"The body is larger than {max_bytes} bytes; send less, or have {setting} raised."
        )
    )
