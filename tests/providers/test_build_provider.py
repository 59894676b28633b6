"""From an entry to a provider that opens nothing until it is used."""

from pathlib import Path

import pytest

from passerelle.providers.build import build_provider
from passerelle.providers.entry import ProviderEntry, ProviderKind
from passerelle.providers.http import TlsSettings
from passerelle.providers.local.options import LocalOptions


@pytest.mark.parametrize("kind", ["openai_like", "anthropic", "gemini", "simulated", "local"])
async def test_every_kind_is_built_and_closed_without_touching_the_world(kind: ProviderKind) -> None:
    entry = ProviderEntry("p", kind, local=LocalOptions(Path("/nowhere")))
    provider = build_provider(entry)
    assert provider.name == "p"
    await provider.aclose()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ProviderEntry("p", "local"), "`local`"),
        (ProviderEntry("p", "openai_like", "ftp://x"), "https"),
        (ProviderEntry("p", "anthropic", "https://u:p@x.example"), "user name or password"),
        (ProviderEntry("p", "gemini", tls=TlsSettings(ca_file="/nowhere.pem")), "ca_file"),
        (ProviderEntry("p", "simulated", script={"answer_length": 3}), "answer_length"),
        (ProviderEntry("p", "simulated", script={"fail_status": 200}), "fail_status"),
        (ProviderEntry("p", "simulated", script={"first_content_s": -1}), "first_content_s"),
    ],
)
def test_an_entry_that_cannot_work_is_refused_in_words(entry: ProviderEntry, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_provider(entry)
