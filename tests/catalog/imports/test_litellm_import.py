"""A LiteLLM configuration becomes one of ours, and nothing is lost without a word."""

import tomllib
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.catalog import Catalog, check, load_catalog
from passerelle.catalog.imports import ImportResult, import_litellm
from passerelle.config import load_settings
from passerelle.config.findings import errors_in

ON = date(2026, 11, 22)


def imported(text: str) -> ImportResult:
    return import_litellm(dedent(text), on=ON)


def loaded(result: ImportResult, tmp_path: Path) -> Catalog:
    """The catalog of an imported configuration, its variables set; fails on any mistake in it."""
    path = tmp_path / "passerelle.toml"
    path.write_text(result.toml)
    variables = [line.removeprefix("#   ") for line in result.toml.splitlines() if line.startswith("#   ")]
    env = {"HOME": "/home/u", **dict.fromkeys(variables, "set")}
    assert errors_in(check(path, env)) == ()
    return load_catalog(load_settings(path, env), on=ON)


def outcomes(result: ImportResult, field: str) -> list[str]:
    return [f.code for f in result.findings if f.field == field]


def test_a_model_keeps_its_public_name_and_its_true_identity(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - model_name: chat
          litellm_params:
            model: openai/gpt-4o
            api_key: os.environ/MY_KEY
        """)
    catalog = loaded(result, tmp_path)
    (deployment,) = catalog.resolve("chat")
    assert (deployment.model.id, deployment.id) == ("gpt-4o", "openai/gpt-4o")
    assert deployment.effective_price is not None
    assert tomllib.loads(result.toml)["providers"]["openai"]["credential"] == "env:MY_KEY"
    assert outcomes(result, "model_list[0]") == ["mapped"]


def test_only_what_was_listed_is_served(tmp_path: Path) -> None:
    result = imported("model_list: [{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}]")
    catalog = loaded(result, tmp_path)
    assert [d.id for d in catalog.deployments] == ["openai/gpt-4o"]
    assert "aliases" not in tomllib.loads(result.toml)


def test_entries_of_one_name_become_one_model_with_weighted_deployments(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - model_name: fast
          litellm_params: {model: azure/east, api_base: https://east.openai.azure.com, rpm: 60}
          model_info: {base_model: azure/gpt-4o-mini}
        - model_name: fast
          litellm_params: {model: openai/gpt-4o-mini, rpm: 40}
        """)
    catalog = loaded(result, tmp_path)
    east, openai = catalog.resolve("fast")
    assert east.model is openai.model
    assert east.model.id == "gpt-4o-mini"
    assert (east.weight, openai.weight) == (60.0, 40.0)
    assert (east.limits.requests_per_minute, openai.limits.requests_per_minute) == (60, 40)
    provider = load_settings(tmp_path / "passerelle.toml", {"OPENAI_API_KEY": "k", "AZURE_API_KEY": "k"})
    assert provider.providers[east.provider].base_url == "https://east.openai.azure.com/openai/v1"


def test_a_pool_of_different_models_can_do_only_what_all_can_and_keeps_their_prices(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - {model_name: mixed, litellm_params: {model: openai/gpt-4o}}
        - {model_name: mixed, litellm_params: {model: anthropic/claude-haiku-4-5}}
        """)
    catalog = loaded(result, tmp_path)
    first, second = catalog.resolve("mixed")
    assert first.model.id == second.model.id == "mixed"
    assert "reasoning" not in first.model.capabilities
    assert "tools" in first.model.capabilities
    assert first.model.context_tokens == 128_000
    assert first.price is not None
    assert second.price is not None
    assert (first.price.input, second.price.input) == (2_500_000_000, 1_000_000_000)


def test_mutual_fallbacks_become_aliases_tried_in_order_without_a_loop(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - {model_name: fast, litellm_params: {model: openai/gpt-4o-mini}}
        - {model_name: fast, litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/SECOND}}
        - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}
        router_settings:
          fallbacks:
          - fast: [gpt-4o]
          - gpt-4o: [fast]
        """)
    catalog = loaded(result, tmp_path)
    fast = [[d.id for d in tier] for tier in catalog.tiers("fast")]
    assert fast == [["openai/gpt-4o-mini", "openai-2/gpt-4o-mini"], ["openai/gpt-4o"]]
    assert [[d.id for d in tier] for tier in catalog.tiers("gpt-4o")] == [fast[1], fast[0]]
    assert outcomes(result, "router_settings.fallbacks[0].fast") == ["approximate"]


def test_one_model_under_two_names_stays_two_names(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - {model_name: team-a, litellm_params: {model: openai/gpt-4o, api_key: os.environ/KEY_A}}
        - {model_name: team-b, litellm_params: {model: openai/gpt-4o, api_key: os.environ/KEY_B}}
        """)
    catalog = loaded(result, tmp_path)
    assert [d.provider for d in catalog.resolve("team-a")] == ["openai"]
    assert [d.provider for d in catalog.resolve("team-b")] == ["openai-2"]


CANARY = "sk-CANARYabcdefghijklmnop"


@pytest.mark.parametrize(
    "text",
    [
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/gpt-4o, api_key: {CANARY}}}}}]",
        f"model_list: [{{model_name: a, litellm_params: {{model: azure/x, api_key: {CANARY}}}}}]",
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/m, api_base: 'https://u:{CANARY}@x.com/v1'}}}}]",
        f"model_list: [{{model_name: {CANARY}, litellm_params: {{model: openai/gpt-4o}}}}]",
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/{CANARY}}}}}]",
        f"general_settings: {{master_key: {CANARY}, database_url: 'postgresql://u:{CANARY}@h/d'}}",
        f"environment_variables: {{OPENAI_API_KEY: {CANARY}}}",
        f"{{credential_list: [{{credential_name: c, credential_values: {{api_key: {CANARY}}}}}]}}",
        f"router_settings: {{redis_password: {CANARY}}}",
        f"custom: {{key: {CANARY}}}",
    ],
)  # fmt: skip
def test_a_key_in_clear_is_never_copied_nor_repeated(text: str) -> None:
    result = imported(text)
    assert "CANARY" not in result.toml
    assert all("CANARY" not in str(finding) for finding in result.findings)


def test_a_literal_key_leaves_a_reference_and_a_finding(tmp_path: Path) -> None:
    result = imported(f"""
        model_list:
        - model_name: a
          litellm_params:
            model: hosted_vllm/m
            api_base: https://gpu.example/v1
            api_key: {CANARY}
        """)
    (finding,) = result.with_outcome("literal_secret")
    assert finding.line == 7
    assert "HOSTED_VLLM_API_KEY" in finding.next_step
    assert (
        tomllib.loads(result.toml)["providers"]["hosted_vllm-gpu"]["credential"] == "env:HOSTED_VLLM_API_KEY"
    )
    loaded(result, tmp_path)


def test_a_private_server_without_a_key_stays_without_one(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - model_name: local-llama
          litellm_params: {model: ollama/llama3.1, api_base: "http://localhost:11434"}
        - model_name: house
          litellm_params: {model: openai/house, api_base: "http://10.0.0.5:8000/v1", api_key: none}
        """)
    catalog = loaded(result, tmp_path)
    (llama,) = catalog.resolve("local-llama")
    (house,) = catalog.resolve("house")
    assert (llama.upstream_model, house.upstream_model) == ("llama3.1", "house")
    entries = tomllib.loads(result.toml)["providers"]
    assert all(entry["allow_private_network"] is True for entry in entries.values())
    assert not any("credential" in entry for entry in entries.values())


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/v1",
        "ftp://x.com",
        "http://api.example.com/v1",
        "file:///etc/passwd",
        "nonsense",
    ],
)
def test_an_unsafe_address_is_not_carried_over(address: str) -> None:
    result = imported(
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/m, api_base: '{address}'}}}}]"
    )
    assert address not in result.toml
    assert result.with_outcome("needs_attention")


def test_prices_and_abilities_of_unknown_models_come_along(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - model_name: house
          litellm_params:
            model: hosted_vllm/house-13b
            api_base: https://gpu.example/v1
            input_cost_per_token: 0.0000015
            output_cost_per_token: 6e-06
          model_info:
            max_input_tokens: 32768
            max_output_tokens: 4096
            supports_vision: true
            supports_function_calling: true
        - model_name: vectors
          litellm_params: {model: hosted_vllm/bge, api_base: https://gpu.example/v1}
          model_info: {mode: embedding}
        """)
    catalog = loaded(result, tmp_path)
    (house,) = catalog.resolve("house")
    assert house.effective_price is not None
    assert (house.effective_price.input, house.effective_price.output) == (1_500_000_000, 6_000_000_000)
    assert house.model.input_modalities == {"text", "image"}
    assert (house.model.context_tokens, "tools" in house.model.capabilities) == (32768, True)
    (vectors,) = catalog.resolve("vectors")
    assert vectors.model.output_modalities == {"embedding"}


def test_wildcards_serve_what_the_catalog_knows(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - {model_name: "anthropic/*", litellm_params: {model: "anthropic/*"}}
        - {model_name: "gpt-5*", litellm_params: {model: "openai/gpt-5*"}}
        - {model_name: "my-*", litellm_params: {model: "openai/gpt-*"}}
        - {model_name: "*-preview", litellm_params: {model: "openai/*-preview"}}
        """)
    catalog = loaded(result, tmp_path)
    assert catalog.resolve("claude-opus-5-5")
    assert catalog.resolve("gpt-5.5")
    assert not catalog.resolve("gpt-4o")
    assert [outcomes(result, f"model_list[{i}]") for i in range(4)] == [
        ["approximate"], ["approximate"], ["unmapped_field"], ["needs_attention"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "model",
    [
        "bedrock/anthropic.claude-opus-5-5",
        "vertex_ai/gemini-2.5-pro",
        "meta_llama/Llama-3.3",
        "unknown/model",
        "my-model",
        "hosted_vllm/m",
    ],
)
def test_a_provider_without_counterpart_is_said_with_the_next_step(model: str) -> None:
    result = imported(f"model_list: [{{model_name: a, litellm_params: {{model: {model}}}}}]")
    (finding,) = result.with_outcome("unsupported_provider")
    assert finding.field == "model_list[0].litellm_params.model"
    assert finding.next_step
    assert "[[deployments]]" not in result.toml


def test_every_line_that_does_not_come_along_is_named() -> None:
    result = imported("""
        model_list:
        - model_name: a
          surprise: 1
          litellm_params: {model: openai/gpt-4o, temperature: 0.1, tpm: 5, aws_region_name: x, odd: 1}
          model_info: {id: d1, odd: 2}
        router_settings: {routing_strategy: least-busy, num_retries: 3, odd: 1}
        litellm_settings: {callbacks: [x], request_timeout: 120}
        general_settings: {master_key: os.environ/M, odd: 1}
        environment_variables: {LOG: info}
        odd: 1
        """)
    named = {finding.field for finding in result.findings if finding.code != "mapped"}
    of_the_model = ("surprise", "litellm_params.temperature", "litellm_params.tpm", "model_info.id",
                    "litellm_params.aws_region_name", "litellm_params.odd", "model_info.odd")  # fmt: skip
    assert named == {f"model_list[0].{field}" for field in of_the_model} | {
        "router_settings.routing_strategy", "router_settings.num_retries", "router_settings.odd",
        "litellm_settings.callbacks", "litellm_settings.request_timeout", "general_settings.master_key",
        "general_settings.odd", "environment_variables.LOG", "odd",
    }  # fmt: skip
    assert tomllib.loads(result.toml)["deadlines"] == {"total_s": 120.0}
    assert all(finding.line for finding in result.findings)


def test_names_we_do_not_take_are_changed_and_said(tmp_path: Path) -> None:
    result = imported("""
        model_list:
        - {model_name: my chat, litellm_params: {model: openai/gpt-4o}}
        - {model_name: smart, litellm_params: {model: openai/gpt-4o-mini}}
        """)
    catalog = loaded(result, tmp_path)
    assert catalog.resolve("my-chat")
    assert catalog.resolve("imported-smart")
    assert outcomes(result, "model_list[0].model_name") == ["approximate"]


def test_a_file_that_cannot_be_read_is_one_finding(tmp_path: Path) -> None:
    for source in (tmp_path / "none.yaml", "a: [", "- 1", ""):
        result = import_litellm(source)
        assert result.toml == ""
        assert [f.severity for f in result.findings] == ["error"]


WORDS = st.sampled_from(
    [
        "openai/gpt-4o", "gpt-4o", "azure/x", "ollama/y", "openai/*", "*", "a", "os.environ/X",
        "https://x.openai.azure.com", "http://10.0.0.1", 'q"\n\\', "é", "smart", "simple-shuffle", "", "..",
    ]
)  # fmt: skip
FIELDS = st.sampled_from(
    [
        "model", "model_name", "litellm_params", "model_info", "api_key", "api_base", "rpm", "weight",
        "fallbacks", "a", "base_model", "credential_name", "credential_values", "litellm_credential_name",
        "input_cost_per_token", "max_input_tokens", "model_group_alias", "request_timeout", "odd",
    ]
)  # fmt: skip
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=12,
)
MODELS = st.sampled_from(["openai/gpt-4o", "gpt-4o", "azure/x", "ollama/y", "openai/*", "claude-opus-5-5"])
ENTRY = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["a", "b", "gpt-4o", 'x "y"', "smart", "*", "a*"]),
        "litellm_params": st.builds(
            lambda junk, model: {**junk, "model": model}, st.dictionaries(FIELDS, JUNK, max_size=3), MODELS
        ),
    },
    optional={"model_info": JUNK},
)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {"model_list": st.lists(ENTRY, max_size=4) | JUNK},
        optional={"router_settings": JUNK, "litellm_settings": JUNK, "credential_list": JUNK, "odd": JUNK},
    )
)
def test_whatever_comes_in_what_goes_out_passes_our_own_check(data: dict[str, Any]) -> None:
    result = import_litellm(yaml.safe_dump(data, allow_unicode=True), on=ON)
    assert tomllib.loads(result.toml) is not None
    assert not [f for f in result.findings if "in the written file" in f.message], result.toml
