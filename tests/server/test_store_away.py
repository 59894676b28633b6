"""A store that cannot say who asks: 503 in the dialect, never 401 and never 500."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from passerelle.core.request import Dialect
from passerelle.gateway.generation import Generations
from passerelle.server.app import Entrance
from passerelle.server.route import Arrival, Route
from passerelle.store import Store, StoreUnavailable
from passerelle.telemetry.metrics import Metrics


class _Nobody:
    """What knows no key yet."""

    def authenticate(self, token: str) -> None:
        raise StoreUnavailable("no key is known because the database was never read; see `/readyz`")


@pytest.fixture
def entrance() -> Entrance:
    async def never(_: Arrival) -> None:
        raise AssertionError("nobody was recognised")

    def route(path: str, dialect: Dialect) -> Route:
        return Route(path, frozenset({"POST"}), "model:call", never, dialect)

    return Entrance(
        (route("/v1/chat/completions", "openai_chat"), route("/v1/messages", "anthropic")),
        cast("Any", None),
        cast("Store", SimpleNamespace(identity=_Nobody())),
        Metrics(),
        cast("Generations", SimpleNamespace(current=SimpleNamespace(label_bytes=b"1-00000000"))),
        frozenset(),
    )


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/chat/completions", "server_error"), ("/v1/messages", "overloaded_error")]
)
def test_a_store_that_knows_no_key_is_told_as_503_without_a_trace(
    entrance: Entrance, caplog: pytest.LogCaptureFixture, path: str, kind: str
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer psk_live_a_b"), (b"content-length", b"2")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    with caplog.at_level(logging.WARNING):
        asyncio.run(entrance(scope, cast("Any", None), send))

    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"retry-after"] == b"5"
    body = json.loads(b"".join(message.get("body", b"") for message in sent))
    assert body["error"]["type"] == kind
    assert not any(record.exc_info for record in caplog.records)
