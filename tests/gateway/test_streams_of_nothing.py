"""A provider that keeps talking and says nothing is not waited for, by time or by bytes."""

import asyncio

import pytest

from passerelle.gateway.patience import MOST_BYTES, Patience
from passerelle.providers.base import SendError


async def test_what_comes_in_time_is_let_through() -> None:
    patience = Patience(60.0)
    patience.spend(MOST_BYTES)


async def test_more_bytes_than_any_event_without_content_are_a_fault() -> None:
    patience = Patience(60.0)
    patience.spend(MOST_BYTES)
    with pytest.raises(SendError) as caught:
        patience.spend(1)
    assert caught.value.failure == "protocol"


async def test_content_renews_the_bytes_and_the_time() -> None:
    patience = Patience(0.0)
    until = asyncio.get_running_loop().time() + 60.0
    assert patience.renew(until) == patience.until == until
    patience.spend(MOST_BYTES)
    patience.renew(until)
    patience.spend(MOST_BYTES)


async def test_a_deadline_passes_although_bytes_keep_coming() -> None:
    patience = Patience(-1.0)
    with pytest.raises(SendError) as caught:
        patience.spend(1)
    assert caught.value.failure == "timeout"
