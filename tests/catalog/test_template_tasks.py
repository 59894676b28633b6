"""What templates say that providers do beside chat: reachable from here, and said of every built-in model."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from passerelle.catalog.builtin import builtin
from passerelle.config import templates
from passerelle.core.model import OPERATION_GIVES, Deployment, Modality
from passerelle.core.request import TASKS, Operation
from passerelle.providers.build import build_provider
from passerelle.providers.entry import ProviderEntry

BESIDE = {name: template for name, template in templates().items() if template.tasks}
ONLY_SOME: frozenset[Operation] = frozenset({"edit_image", "translate"})
"""Tasks that not every model with the fitting answers does, at some providers none."""


def entry(name: str) -> ProviderEntry:
    """One that could work, made of its template."""
    said = templates()[name].entry
    address = said.get("base_url") or ("https://x.services.ai.azure.com" if name == "azure" else None)
    region = "us-west-2" if name == "bedrock" else None
    return ProviderEntry(name, said["kind"], address, credential=lambda: "key-0123456789", region=region)


@pytest.mark.parametrize("name", sorted(BESIDE))
async def test_what_a_template_claims_has_a_path_at_its_provider(name: str) -> None:
    template = BESIDE[name]
    made = build_provider(entry(name))
    model = next(iter(builtin().models.values()))
    dialect = template.entry.get("dialect", "openai_chat")
    deployment = Deployment(f"{name}/m", model, name, "m", dialect)
    beside = replace(deployment, dialect="openai_chat") if dialect == "openai_responses" else deployment
    assert template.tasks.keys() <= TASKS
    assert all(template.tasks.values())
    try:
        assert [task for task in template.tasks if not made.supports(task, beside)] == []
    finally:
        await made.aclose()


def offered() -> Iterator[tuple[str, Modality]]:
    """What built-in models give, by the template that offers them."""
    for name, offers in builtin().offers.items():
        for offer in offers:
            for given in builtin().models[offer.model].output_modalities:
                yield name, given


def test_every_built_in_model_beside_chat_is_of_a_task_its_template_claims() -> None:
    tasks = {given: task for task, given in OPERATION_GIVES.items() if task in TASKS - ONLY_SOME}
    found = {(name, tasks[given]) for name, given in offered() if given in tasks}
    claimed = {(name, task) for name, template in BESIDE.items() for task in template.tasks}
    assert found - claimed == set()
