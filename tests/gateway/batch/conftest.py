"""Clients are closed with the test that made them: their sockets are not left to the collector. A gateway
takes a second to start, so tests share one wherever they do not end it."""

from collections.abc import Iterator

import pytest
from tests.gateway.batch.native_world import config
from tests.gateway.batch.office import MADE
from tests.gateway.house import House, running
from tests.gateway.stage import ENV
from tests.upstream_batches_more import MoreBatches


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()


@pytest.fixture(scope="session")
def services() -> Iterator[MoreBatches]:
    """A provider with a batch service of every kind."""
    with MoreBatches() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def native_house(services: MoreBatches, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway in front of them."""
    with running(tmp_path_factory.mktemp("native"), config(services.url), **ENV) as house:
        yield house


@pytest.fixture
def upstream(services: MoreBatches) -> MoreBatches:
    """The provider as if it had just begun."""
    services.ends, services.answers, services.refuses = True, None, ""
    for kept in (services.requests, services.asked, services.deleted, services.fail):
        kept.clear()
    for known in (services.batches, services.files, services.looked):
        known.clear()
    return services
