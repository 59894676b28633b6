"""The models a key may know of, for the listing routes of every dialect."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec

from passerelle.core.model import Model
from passerelle.core.principal import Principal
from passerelle.gateway.admit import visible_models
from passerelle.gateway.generation import Generations
from passerelle.gateway.smart import SMART, aliases_of, meant

_LONG_AGO = "2023-01-01"
"""Said where the catalog knows no release date, because SDKs want one."""


class Listing(msgspec.Struct, frozen=True):
    """One line of a model list."""

    id: str
    maker: str
    name: str
    created_s: int
    """Unix seconds of its release."""
    context_tokens: int | None
    max_output_tokens: int | None
    embeds: bool


class ModelList:
    """Reads the current generation."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def visible(self, principal: Principal) -> list[Listing]:
        """Every model with a deployment this key may use, by id; `smart` and the
        aliases for it first when there is a choice."""
        generation = self._generations.current
        models = {d.model.id: d.model for d in visible_models(generation, principal)}
        listings = [_listing(models[name]) for name in sorted(models)]
        if any(not listing.embeds for listing in listings):
            smart = Listing(
                SMART, "passerelle", "Chosen per request", _released(_LONG_AGO), None, None, False
            )
            aliases = aliases_of(generation.router, principal)
            listings[:0] = [smart, *(msgspec.structs.replace(smart, id=name) for name in aliases)]
        return listings

    def find(self, principal: Principal, name: str) -> Listing | None:
        """The model that `name` (an id, alias or cloud id) means, if this key may know of it."""
        generation = self._generations.current
        if meant(generation.router, principal, name) is not None:
            asked = name if name == SMART else name.casefold()
            return next((m for m in self.visible(principal) if m.id == asked), None)
        visible = {d.id for d in visible_models(generation, principal)}
        for deployment in generation.catalog.resolve(name):
            if deployment.id in visible:
                return _listing(deployment.model)
        return None


def _listing(model: Model) -> Listing:
    return Listing(
        id=model.id,
        maker=model.maker,
        name=model.name,
        created_s=_released(model.released or _LONG_AGO),
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        embeds="embedding" in model.output_modalities,
    )


def _released(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())


def anthropic_model(listing: Listing) -> dict[str, object]:
    """Anthropic's shape of one model."""
    created = datetime.fromtimestamp(listing.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": listing.id,
        "display_name": listing.name or listing.id,
        "created_at": created,
    }


def anthropic_list(listings: list[Listing], query_string: bytes) -> bytes:
    """Anthropic's paged list: `limit`, `after_id` and `before_id` as its API has them."""
    query = parse_qs(query_string.decode("latin-1"))
    raw_limit = query.get("limit", ["20"])[0]
    limit = min(int(raw_limit), 1000) if raw_limit.isdigit() and int(raw_limit) else 20
    ids = [listing.id for listing in listings]
    page, more = listings, False
    after, before = query.get("after_id", [""])[0], query.get("before_id", [""])[0]
    if after in ids:
        page = listings[ids.index(after) + 1 :]
    elif before in ids:
        start = max(0, ids.index(before) - limit)
        more, page = start > 0, listings[start : ids.index(before)]
    more = more or len(page) > limit
    page = page[:limit]
    return msgspec.json.encode(
        {
            "data": [anthropic_model(listing) for listing in page],
            "has_more": more,
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
    )


def gemini_model(listing: Listing) -> dict[str, object]:
    """Gemini's shape of one model."""
    shown: dict[str, object] = {
        "name": f"models/{listing.id}",
        "baseModelId": listing.id,
        "version": datetime.fromtimestamp(listing.created_s, UTC).date().isoformat(),
        "displayName": listing.name or listing.id,
        "supportedGenerationMethods": (
            ["embedContent", "batchEmbedContents"]
            if listing.embeds
            else ["generateContent", "streamGenerateContent", "countTokens"]
        ),
    }
    if listing.context_tokens is not None:
        shown["inputTokenLimit"] = listing.context_tokens
    if listing.max_output_tokens is not None:
        shown["outputTokenLimit"] = listing.max_output_tokens
    return shown


def gemini_list(listings: list[Listing]) -> bytes:
    """Gemini's list, all of it on one page: `nextPageToken` is left out after the last."""
    return msgspec.json.encode({"models": [gemini_model(listing) for listing in listings]})
