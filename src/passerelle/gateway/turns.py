"""What a turn of a conversation costs at a price, by how much of its prompt is in the cache there."""

from passerelle.core.model import Price
from passerelle.core.usage import Usage
from passerelle.ledger.price import cost


def cached_of(price: Price, tokens: int, share: float) -> int:
    """How many of a prompt's tokens are read from the cache, where so large a share of them is in it. A price
    that has no figure for a cache has none.
    """
    return int(tokens * share) if share and price.cache_read is not None else 0


def turn_nanos(price: Price, tokens: int, answer: int, *, cached: int, write_share: float) -> int:
    """A turn of `tokens`, of which `cached` are read from the cache and a share of the rest is written to it,
    and of an answer of so many.
    """
    written = 0
    if write_share and price.cache_write_5m is not None:
        written = int((tokens - cached) * write_share)
    usage = Usage(
        input_tokens=tokens - cached - written,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=answer,
    )
    return cost(usage, price)
