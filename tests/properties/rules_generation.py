"""The generation that a world made from a number decides by, as a gateway would have read it."""

import msgspec
from tests.properties.rules_worlds import World, demands_of, deployments_of, models_of, rules_of

from passerelle.catalog import Catalog
from passerelle.gateway.generation import Generation
from passerelle.policy.rules import compile_policy


class There:
    """A provider that is there, and is asked nothing."""

    def supports(self, operation: str, _: object) -> bool:
        """Chat and embeddings."""
        return operation in ("chat", "embed")

    async def aclose(self) -> None:
        """Nothing is open."""


def generation_of(world: World, second_points: float | None = None) -> Generation:
    """All that one world decides by. `second_points` replaces its own price of a second, in points."""
    models = models_of(world)
    rules = rules_of(world)
    if second_points is not None:
        rules = msgspec.structs.replace(rules, second_points=second_points)
    return Generation(
        number=1,
        digest="0" * 8,
        catalog=Catalog.of(models.values(), deployments_of(world, models), world.aliases),
        policy=compile_policy(
            {name: demands_of(asked) for name, asked in world.classes.items()},
            default=world.default_class,  # type: ignore[arg-type]
            version="1",
        ),
        providers={place.provider: There() for place in world.places if place.configured},  # type: ignore[misc]
        deadlines={},
        onward=world.onward,
        router=rules
        if second_points is None
        else msgspec.structs.replace(rules, second_points=second_points),
    )
