"""What clients ask of an address before they use it: is anything there? An empty yes, and nothing more.

Claude Code asks `HEAD` of its base URL, and others `HEAD /api/hello` (seen 2026-11-22, version 2.1.197).
"""

from passerelle.server.route import PUBLIC, Arrival, Route

_HEAD = frozenset({"HEAD"})


def routes() -> tuple[Route, ...]:
    """The base URL, and Anthropic's own greeting."""
    return (Route("/", _HEAD, PUBLIC, _hello), Route("/api/hello", _HEAD, PUBLIC, _hello))


async def _hello(arrival: Arrival) -> None:
    """No version, no generation, no name: anybody may ask."""
    arrival.answered = True
    headers = [(b"content-length", b"0"), (b"x-request-id", arrival.request_id.encode())]
    await arrival.send({"type": "http.response.start", "status": 200, "headers": headers})
    await arrival.send({"type": "http.response.body", "body": b""})
