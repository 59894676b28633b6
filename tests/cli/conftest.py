"""One gateway on simulated providers for all tests of commands that talk to one."""

from collections.abc import Iterator

import pytest
from tests.serving import Gateway

CONFIG = """\
providers_from_environment = false

[providers.near]
kind = "simulated"
region = "eu"
models = []
script = { first_content_s = 0.0, tokens_per_s = 0.0, answers = ["A footbridge is a small bridge."] }

[providers.near.attributes]
regions = ["eu"]

[providers.far]
kind = "simulated"
models = []
script = { first_content_s = 0.0, tokens_per_s = 0.0 }

[providers.far.attributes]
regions = ["us"]

[[models]]
id = "plain-1"
maker = "example"
context_tokens = 128000
quality = 0.5
price = { input = "1", output = "4" }

[[models]]
id = "distant-1"
maker = "example"
price = { input = "2", output = "8" }

[[deployments]]
id = "near/plain-1"
provider = "near"
model = "plain-1"

[[deployments]]
id = "far/distant-1"
provider = "far"
model = "distant-1"

[policy.classes.personal]
regions = ["eu"]
"""


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`passerelle serve`, with two models: one in the EU, one in the US."""
    with Gateway(tmp_path_factory.mktemp("cli"), CONFIG) as running:
        yield running


@pytest.fixture(scope="session")
def token(gateway: Gateway) -> str:
    """A member's key."""
    made: str = gateway.key("--name", "cli")["token"]
    return made


@pytest.fixture(scope="session")
def asking(gateway: Gateway, token: str) -> dict[str, str]:
    """The environment of a command that asks the gateway."""
    return {"PASSERELLE_BASE_URL": gateway.base_url, "PASSERELLE_API_KEY": token}
