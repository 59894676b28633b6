"""Short ways to make a client ask."""

from collections.abc import Callable

from passerelle.providers.base import Deadlines
from passerelle.providers.http import HttpClient, HttpReply

MakeClient = Callable[..., HttpClient]
"""The `connect` fixture: a client for an upstream (or a URL), closed when the test ends."""

PATIENT = Deadlines(connect_s=5, headers_s=5)


async def ask(
    client: HttpClient,
    body: bytes = b"{}",
    *,
    path: str = "/v1/x",
    method: str = "POST",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    deadlines: Deadlines = PATIENT,
    remaining_s: float = 10.0,
) -> HttpReply:
    """Send and give the reply."""
    return await client.request(
        method, path, list(headers), body, deadlines=deadlines, remaining_s=remaining_s
    )


async def fetch(client: HttpClient, body: bytes = b"{}", **options: object) -> bytes:
    """Send, read the whole answer, close."""
    reply = await ask(client, body, **options)  # type: ignore[arg-type]
    try:
        return await reply.read()
    finally:
        await reply.aclose()
