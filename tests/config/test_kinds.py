"""What `passerelle check` says of entries for Azure and Vertex AI: the field, and the next step."""

import json
from pathlib import Path
from typing import Any

import pytest

from passerelle.catalog import load_catalog
from passerelle.catalog.load import check
from passerelle.config import Finding, load_settings
from passerelle.config.secret import SecretError, SecretRef

AZURE = '[providers.azure]\nbase_url = "https://r.openai.azure.com"\n'
VERTEX = "[providers.vertex]\n"
ENV = {"HOME": "/home/u", "KEY": "key-0123456789"}


def findings(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return check(path, ENV)


def wrong(tmp_path: Path, text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    for f in findings(tmp_path, text):
        said[f.field] = f"{said.get(f.field, '')} {f.message} → {f.next_step}"
    return said


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ('[providers.azure]\ncredential = "env:KEY"', "providers.azure", "Add the endpoint of your resource"),
        (AZURE, "providers.azure", "Add `credential`"),
        (AZURE + 'credential = "env:GONE"', "providers.azure.credential", "`GONE` is not set"),
        (AZURE + 'credential = "env:KEY"', "providers.azure", "Name them: `models`"),
        (AZURE + 'credential = "env:KEY"\nmodels = ["gpt-99"]', "providers.azure.models[0]", "fits no model"),
        (AZURE + 'credential = "env:KEY"\napi_version = "2024"', "providers.azure.api_version", ""),
        (
            AZURE + 'credential = "env:KEY"\nproject = "p"',
            "providers.azure.project",
            "set `kind` to `vertex`",
        ),
        (
            AZURE + 'credential = "env:KEY"\ntoken_url = "http://x.example/t"',
            "providers.azure.token_url",
            "Use `https://`",
        ),
        (AZURE + '[providers.azure.entra]\ntenant_id = "t"', "providers.azure.entra", "Add `client_secret`"),
        (
            AZURE
            + '[providers.azure.entra]\ntenant_id = "t/../u"\nclient_id = "c"\nclient_secret = "env:KEY"',
            "providers.azure.entra.tenant_id",
            "",
        ),
        (
            AZURE + '[providers.azure.entra]\ntenant_id = "t"\nclient_id = "c"\nclient_secret = "env:GONE"',
            "providers.azure.entra.client_secret",
            "`GONE` is not set",
        ),
        (
            AZURE
            + 'credential = "env:KEY"\n[providers.azure.entra]\n'
            + 'tenant_id = "t"\nclient_id = "c"\nclient_secret = "env:KEY"',
            "providers.azure.credential",
            "only one can be shown",
        ),
        (VERTEX, "providers.vertex", "Name a service account's JSON file"),
        (VERTEX + 'credential = "env:KEY"\nregion = "Europe 4"', "providers.vertex.region", "`europe-west4`"),
        (VERTEX + 'credential = "env:KEY"\nproject = "a/b"', "providers.vertex.project", ""),
        (VERTEX + 'credential = "env:KEY"\napi_version = "v1"', "providers.vertex.api_version", "`azure`"),
        (
            VERTEX + 'credential = "env:KEY"\ndialect = "openai_responses"',
            "providers.vertex.dialect",
            "does not speak",
        ),
        ('[providers.openai]\ncredential = "env:KEY"\nproject = "p"', "providers.openai.project", "`vertex`"),
    ],
)
def test_a_wrong_entry_is_said_at_its_field_with_what_to_do(
    tmp_path: Path, text: str, field: str, words: str
) -> None:
    said = wrong(tmp_path, text)
    assert field in said, said
    assert words in said[field]


@pytest.mark.parametrize(
    "text",
    [
        AZURE + 'credential = "env:KEY"\nmodels = ["gpt-6.1-sol"]',
        AZURE + 'credential = "env:KEY"\napi_version = "2024-10-21"\nmodels = ["gpt-6.1-sol"]',
        AZURE
        + 'models = ["claude-*"]\n[providers.azure.entra]\n'
        + 'tenant_id = "t"\nclient_id = "c"\nclient_secret = "env:KEY"',
        VERTEX + 'credential = "env:KEY"',
        VERTEX + 'credential = "env:KEY"\nregion = "Europe-West4"\nproject = "p-1"',
        '[providers.eu]\nkind = "vertex"\ncredential = "env:KEY"\nregion = "eu"',
    ],
)
def test_a_good_entry_is_not_remarked_on(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, text) == []


def test_an_entras_secret_is_one_of_the_variables_the_file_refers_to(tmp_path: Path) -> None:
    text = (
        AZURE + 'models = ["gpt-5"]\n[providers.azure.entra]\n'
        'tenant_id = "t"\nclient_id = "c"\nclient_secret = "env:PASSERELLE_ENTRA"'
    )
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    assert check(path, {**ENV, "PASSERELLE_ENTRA": "s-0123456789"}) == []


def test_a_credential_file_may_have_lines_and_a_key_may_not(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"type": "service_account", "private_key": "a\nb"}, indent=2))
    secret = SecretRef.parse(f"file:{file}").resolve({}).reveal()
    assert json.loads(secret) == {"type": "service_account", "private_key": "a\nb"}
    file.write_text("one\ntwo")
    with pytest.raises(SecretError, match="line breaks"):
        SecretRef.parse(f"file:{file}").resolve({})
    file.write_text("{one\ntwo")
    with pytest.raises(SecretError, match="line breaks"):
        SecretRef.parse(f"file:{file}").resolve({})


def deployments(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return {d.id: d for d in load_catalog(load_settings(path, ENV)).deployments}


def test_at_azure_only_what_is_named_is_served(tmp_path: Path) -> None:
    entry = AZURE + 'credential = "env:KEY"\n'
    assert deployments(tmp_path, entry) == {}
    named = deployments(tmp_path, entry + 'models = ["gpt-6*-sol", "claude-opus-5-5"]')
    assert named.keys() == {"azure/gpt-6.1-sol", "azure/gpt-6-sol", "azure/claude-opus-5-5"}
    own = '[[deployments]]\nprovider = "azure"\nmodel = "gpt-5"\nupstream_model = "mine"\n'
    assert deployments(tmp_path, entry + own).keys() == {"azure/mine"}


def test_claude_at_foundry_has_none_of_azures_terms_but_the_operators_own(tmp_path: Path) -> None:
    entry = AZURE + 'credential = "env:KEY"\nmodels = ["gpt-5", "claude-opus-5-5"]\n'
    served = deployments(tmp_path, entry)
    assert served["azure/gpt-5"].attributes.retention_days == 30
    claude = served["azure/claude-opus-5-5"]
    assert (claude.attributes.retention_days, claude.attributes.hosting) == (None, None)
    assert claude.attributes.evidence == ()
    assert (claude.dialect, claude.quirks) == ("anthropic", {"on_foundry"})
    said = deployments(tmp_path, entry + "[providers.azure.attributes]\nretention_days = 0\n")
    assert said["azure/claude-opus-5-5"].attributes.retention_days == 0
    assert said["azure/claude-opus-5-5"].attributes.training_use is None
    assert said["azure/gpt-5"].attributes.retention_days == 0


def test_a_templates_terms_hold_at_its_own_hosts_only(tmp_path: Path) -> None:
    def terms(url: str) -> Any:
        text = f'[providers.azure]\nbase_url = "{url}"\ncredential = "env:KEY"\nmodels = ["gpt-5"]\n'
        return deployments(tmp_path, text)["azure/gpt-5"].attributes.training_use

    assert terms("https://r.openai.azure.com") == "no"
    assert terms("https://r.services.ai.azure.com/openai/v1") == "no"
    assert terms("https://apim.example/openai") is None
    assert terms("https://openai.azure.com.example") is None


def test_vertex_runs_where_its_region_says_and_anywhere_when_nothing_does(tmp_path: Path) -> None:
    entry = VERTEX + 'credential = "env:KEY"\n'
    place = "vertex/claude-opus-5-5@default"
    assert deployments(tmp_path, entry)[place].attributes.regions == ("global",)
    there = deployments(tmp_path, entry + 'region = "europe-west4"')[place]
    assert there.attributes.regions == ("europe-west4",)
    assert there.quirks == {"on_vertex"}
    assert there.without >= {"image_urls", "web_fetch"}


def test_no_setting_takes_a_clouds_quirk_away(tmp_path: Path) -> None:
    text = VERTEX + 'credential = "env:KEY"\n[[deployments]]\nprovider = "vertex"\n'
    text += 'model = "claude-opus-5-5"\nupstream_model = "claude-opus-5-5@default"\n'
    text += 'quirks = ["no_metadata"]\nwithout = []\n'
    found = deployments(tmp_path, text)["vertex/claude-opus-5-5@default"]
    assert found.quirks == {"no_metadata", "on_vertex"}
    assert found.without == frozenset()
    assert found.dialect == "anthropic"


def test_a_lack_that_is_misspelt_is_said(tmp_path: Path) -> None:
    text = (
        VERTEX + 'credential = "env:KEY"\n[[deployments]]\nprovider = "vertex"\nmodel = "claude-opus-5-5"\n'
    )
    said = wrong(tmp_path, text + 'without = ["image_url"]\n')
    assert "`image_urls`" in said["deployments[0].without[0]"]


@pytest.mark.parametrize(
    ("entry", "dialect"),
    [
        ('kind = "openai_like"\nbase_url = "https://a.example/v1"', "gemini"),
        ('kind = "anthropic"', "openai"),
        ('kind = "gemini"', "mistral"),
    ],
)
def test_a_batch_service_is_one_that_such_a_provider_has(tmp_path: Path, entry: str, dialect: str) -> None:
    text = f'[providers.p]\n{entry}\ncredential = "env:KEY"\nbatches = {{ dialect = "{dialect}" }}'
    assert f"has no batch service `{dialect}`" in wrong(tmp_path, text)["providers.p.batches.dialect"]


@pytest.mark.parametrize("url", ["ai.example.org", "https://a.example?x=1", "https://a.example#x", "ftp://a"])
def test_a_public_url_is_one_that_links_can_begin_with(tmp_path: Path, url: str) -> None:
    text = f'[server]\npublic_url = "{url}"'
    assert "no address that links can begin with" in wrong(tmp_path, text)["server.public_url"]
