"""One gateway in front of every batch service there is: what tests of batches handed over share."""

from typing import Any

from tests.gateway.house import House
from tests.gateway.stage import Catalogue
from tests.upstream_batches_more import AZURE_BATCH_MODEL

SERVICE = 'batches = { dialect = "openai", percent = 50 }'
KEEPS = "attributes = { retention_days = 30, keeps = { batch = 30 } }"


def service(dialect: str) -> str:
    """The line that gives a provider a batch service."""
    return SERVICE.replace("openai", dialect)


def config(url: str, *more: str) -> str:
    """Providers with batch services of every kind, and one without."""
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", url, 'also = ["openai_responses"]', SERVICE, KEEPS)
    catalogue.provider("plain", "openai_chat", url)
    catalogue.provider("claude", "anthropic", url, service("anthropic"), KEEPS)
    catalogue.provider("groq", "openai_chat", f"{url}/groq", service("groq"), KEEPS)
    catalogue.provider("mistral", "openai_chat", f"{url}/mistral", service("mistral"), KEEPS)
    catalogue.provider("gem", "gemini", url, service("gemini"), KEEPS)
    catalogue.lines += [
        "[providers.azure]", 'kind = "azure"', 'dialect = "openai_chat"', f'base_url = "{url}"',
        'credential = "env:STAGE_CREDENTIAL"', "allow_private_network = true", "models = []",
        service("azure"), KEEPS,
    ]  # fmt: skip
    catalogue.model("m-chat", "chat")
    catalogue.model("m-other", "chat")
    catalogue.model("m-plain", "plain")
    catalogue.model("m-draw", "chat", more=['output_modalities = ["image"]'])
    catalogue.model("m-embed", "chat", more=['output_modalities = ["embedding"]'])
    catalogue.model("m-free", "chat", price=None)
    catalogue.model("m-claude", "claude")
    catalogue.model("m-groq", "groq")
    catalogue.model("m-mistral", "mistral")
    catalogue.model("m-gem", "gem")
    catalogue.model("m-azure")
    catalogue.deployment("azure", "m-azure", f'batch_model = "{AZURE_BATCH_MODEL}"')
    catalogue.model("m-single", "azure")
    return "\n".join([catalogue.text, "[batches]", *more])


def native(house: House, batch: Any) -> str:
    """Where a batch is with its provider."""
    name = getattr(batch, "id", batch)
    return str(house.rows("select native from batch where batch_id = ?", name)[0][0])
