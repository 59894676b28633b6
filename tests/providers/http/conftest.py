"""The client's tests run on both event loops; none leaves a socket behind (warnings are errors)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import uvloop
from tests.faultd import Upstream
from tests.providers.http.asking import MakeClient

from passerelle.providers.egress import EgressRules
from passerelle.providers.http import HttpClient, parse_origin


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """pytest-asyncio ≥ 1.4 asks here for the loops to run each test on."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[MakeClient]:
    """A maker of clients for an upstream or a URL, all closed at the end."""
    clients: list[HttpClient] = []

    def make(target: Upstream | str, **options: Any) -> HttpClient:
        url = target if isinstance(target, str) else target.url
        options.setdefault("egress", EgressRules(allow_private=True))
        client = HttpClient(parse_origin(url)[0], **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
