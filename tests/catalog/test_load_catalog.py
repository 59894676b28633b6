"""Settings into a catalog: offers, overrides, mistakes."""

from datetime import date
from pathlib import Path

import pytest

from passerelle.catalog import Catalog, build, check, describe, load_catalog
from passerelle.config import ConfigError, Finding, load_settings

ON = date(2026, 11, 22)
ENV = {"HOME": "/home/u"} | dict.fromkeys(
    ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "META_API_KEY", "GROQ_API_KEY", "GEMINI_API_KEY", "K"), "k"
)


def catalog(tmp_path: Path, text: str, on: date = ON) -> Catalog:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return load_catalog(load_settings(path, ENV), on=on)


def findings(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return check(path, ENV)


def test_without_a_file_the_environment_alone_gives_a_catalog() -> None:
    found = load_catalog(load_settings(None, {"HOME": "/x", "ANTHROPIC_API_KEY": "k"}), on=ON)
    (opus,) = found.resolve("claude-opus-5-5")
    assert (opus.id, opus.dialect) == ("anthropic/claude-opus-5-5", "anthropic")
    assert opus.effective_price is not None
    assert opus.effective_price.input == 4 * 10**9
    assert found.resolve("gpt-6-sol") == ()
    assert "[providers.openai]" in found.why_unknown("gpt-6-sol")


def test_openais_chat_models_answer_responses_too_and_its_pro_models_only_those(
    tmp_path: Path,
) -> None:
    found = catalog(tmp_path, "[providers.openai]")
    assert found.by_id["openai/gpt-6.1-sol"].dialect == "openai_chat"
    assert found.by_id["openai/gpt-6.1-sol"].also == {"openai_responses"}
    assert found.by_id["openai/gpt-5.5-pro"].dialect == "openai_responses"
    assert found.by_id["openai/text-embedding-3-small"].also == frozenset()


def test_what_no_operation_serves_has_no_deployment(tmp_path: Path) -> None:
    text = '[providers.openai]\n[[models]]\nid = "gpt-image-2"\noutput_modalities = ["video"]'
    found = catalog(tmp_path, text)
    assert "gpt-image-2" in found.models
    assert found.resolve("gpt-image-2") == ()
    assert catalog(tmp_path, "[providers.openai]").resolve("gpt-image-2")


def test_a_model_leaves_the_rotation_on_the_day_its_maker_ends_it(tmp_path: Path) -> None:
    text = "[providers.anthropic]"
    days = (date(2026, 11, 29), date(2026, 11, 30))
    found = [catalog(tmp_path, text, day).resolve("claude-sonnet-4-5") for day in days]
    assert [[place.retired for place in places] for places in found] == [[False], [True]]


def test_prices_take_effect_on_their_day(tmp_path: Path) -> None:
    text = "[providers.gemini]"
    before = catalog(tmp_path, text, date(2026, 11, 30)).by_id["gemini/gemini-4-argon"].effective_price
    after = catalog(tmp_path, text, date(2026, 12, 1)).by_id["gemini/gemini-4-argon"].effective_price
    assert before is not None
    assert after is not None
    assert (before.input, after.input) == (2 * 10**9, 4 * 10**9)


def test_a_host_that_is_not_the_maker_has_its_own_price_and_name(tmp_path: Path) -> None:
    (groq,) = catalog(tmp_path, "[providers.groq]").resolve("gpt-oss-120b")
    assert (groq.id, groq.upstream_model) == ("groq/openai/gpt-oss-120b", "openai/gpt-oss-120b")
    assert groq.price is not None
    assert groq.price.input == 150_000_000


def test_models_that_may_train_on_requests_say_so(tmp_path: Path) -> None:
    found = catalog(tmp_path, "[providers.meta]")
    assert found.by_id["meta/muse-spark-1.3"].attributes.training_use == "no"
    assert found.by_id["meta/muse-spark-1.3-contributor"].attributes.training_use == "yes"


def test_an_entry_may_narrow_what_it_serves(tmp_path: Path) -> None:
    found = catalog(tmp_path, '[providers.openai]\nmodels = ["gpt-6*"]')
    assert found.deployments
    assert all(d.model.id.startswith("gpt-6") for d in found.deployments)
    assert catalog(tmp_path, "[providers.openai]\nmodels = []").deployments == ()


def test_an_operators_model_corrects_a_built_in_one_field_by_field(tmp_path: Path) -> None:
    text = """
    [providers.openai]
    [[models]]
    id = "gpt-6-sol"
    quality = 0.5
    aliases = ["sol"]
    price = { input = 1 }
    """
    found = catalog(tmp_path, text)
    model = found.models["gpt-6-sol"]
    assert (model.quality, model.maker, model.context_tokens) == (0.5, "openai", 1_050_000)
    assert found.resolve("sol") == found.resolve("gpt-6-sol-2026-09-22") == found.resolve("gpt-6-sol")
    price = found.by_id["openai/gpt-6-sol"].effective_price
    assert price is not None
    assert (price.input, price.output) == (10**9, 0)


def test_an_operators_deployment_corrects_an_implied_one_field_by_field(tmp_path: Path) -> None:
    text = """
    [providers.openai]
    weight = 2.0
    [[deployments]]
    provider = "openai"
    model = "gpt-6-sol"
    attributes = { max_data_class = "internal" }
    limits = { concurrency = 3 }
    """
    found = catalog(tmp_path, text)
    (sol,) = found.resolve("gpt-6-sol")
    assert (sol.weight, sol.limits.concurrency, sol.also) == (2.0, 3, {"openai_responses"})
    assert (sol.attributes.max_data_class, sol.attributes.retention_days) == ("internal", 30)


def test_one_model_at_two_weights_of_an_own_server(tmp_path: Path) -> None:
    text = """
    [providers.vllm]
    kind = "openai_like"
    base_url = "http://vllm:8000/v1"
    allow_private_network = true
    region = "eu-west-3"
    quirks = ["reasoning_content_field"]
    [[models]]
    id = "house"
    capabilities = ["tools"]
    price = { input = 0, output = 0 }
    [[deployments]]
    provider = "vllm"
    model = "house"
    upstream_model = "house-int8"
    weight = 3.0
    [[deployments]]
    id = "small"
    provider = "vllm"
    model = "house"
    upstream_model = "house-int4"
    quirks = []
    """
    found = catalog(tmp_path, text)
    assert [d.id for d in found.resolve("house")] == ["vllm/house-int8", "small"]
    eight, four = found.resolve("house")
    assert (eight.weight, four.weight, eight.quirks, four.quirks) == (
        3.0,
        1.0,
        {"reasoning_content_field"},
        set(),
    )
    assert eight.attributes.regions == ("eu-west-3",)
    assert (eight.model.maker, eight.demo) == ("operator", False)


def test_the_local_model_is_a_demo_and_an_own_one_is_not(tmp_path: Path) -> None:
    (demo,) = catalog(tmp_path, "[local]\nenabled = true").deployments
    assert (demo.id, demo.demo, demo.limits.context_tokens) == ("local/smollm2-135m-instruct", True, 4096)
    assert demo.effective_price is not None
    assert demo.effective_price.input == 0
    (own,) = catalog(tmp_path, '[local]\nenabled = true\nweights = "/w/My-Model.Q8.gguf"').deployments
    assert (own.model.id, own.demo, own.attributes.regions) == ("my-model.q8", False, ("local",))


MISTAKES = [
    ('[providers.openai]\nquirks = ["no_metdata"]', 2, "providers.openai.quirks[0]", "`no_metadata`"),
    ('[providers.openai]\nmodels = ["gpt-6-slo"]', 2, "providers.openai.models[0]", "`gpt-6-sol`"),
    ('[providers.anthropic]\ndialect = "gemini"', 2, "providers.anthropic.dialect", "`anthropic`"),
    ('[providers.anthropic]\nalso = ["openai_chat"]', 2, "providers.anthropic.also", "`anthropic`"),
    ('[providers.openai]\n[[deployments]]\nprovider = "openai"\nmodel = "gpt-6-slo"', 4,
     "deployments[0].model", "`gpt-6-sol`"),
    ('[providers.openai]\n[[deployments]]\nprovider = "openai"\nmodel = "mine"', 4,
     "deployments[0].model", "[[models]]"),
    ('[providers.openai]\n[aliases]\nfast = ["o3", "gpt-6-lunna"]', 3, "aliases.fast[1]", "`gpt-6-luna`"),
    ('[providers.openai]\n[aliases]\nfast = "openai/gpt-9"', 3, "aliases.fast[0]", "passerelle models"),
    ('[providers.openai]\n[[commitments]]\nprovider = "opnai"\namount = 5', 3, "commitments[0].provider",
     "configured provider"),
    ('[providers.openai]\n[[commitments]]\nprovider = "openai"\namount = 5\ndeployment = "openai/no"', 5,
     "commitments[0].deployment", "deployments"),
    ('[aliases]\nfast = "gpt-6-sol"\n[router.aliases.Fast]\nmode = "fast"', 3, "router.aliases.Fast",
     "Remove one"),
    ('[router.aliases."smart/x"]\nmode = "fast"', 1, 'router.aliases."smart/x"', "another name"),
    ('[router.organisations.acme.aliases.smart]\nmode = "fast"', 1,
     "router.organisations.acme.aliases.smart", "another name"),
    ('[[models]]\nid = "x"\naliases = ["gpt-6-sol"]', 3, "models[0].aliases", "another name"),
    ('[[models]]\nid = "x"\noutput_modalities = ["text", "embedding"]', 3, "models[0].output_modalities",
     "two"),
    ('[[models]]\nid = "x"\ncontext_tokens = 10\nmax_output_tokens = 11', 4, "models[0].max_output_tokens",
     "longest"),
    ('[[models]]\nid = "x"\nprice = { long_context_above = 10 }', 3, "models[0].price", "both"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "next_step"), MISTAKES)
def test_a_mistake_about_models_is_named_at_its_line(
    tmp_path: Path, text: str, line: int, field: str, next_step: str
) -> None:
    found = [f for f in findings(tmp_path, text) if f.field == field]
    assert found, [str(f) for f in findings(tmp_path, text)]
    assert (found[0].line, found[0].severity) == (line, "error")
    assert next_step in found[0].next_step


def test_a_mistake_about_models_is_found_beside_any_other(tmp_path: Path) -> None:
    text = '[server]\nprt = 1\n[providers.openai]\n[aliases]\nfast = "gpt-6-lunna"'
    assert {f.field for f in findings(tmp_path, text)} == {"server.prt", "aliases.fast[0]"}


def test_load_catalog_refuses_what_check_calls_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        catalog(tmp_path, '[providers.openai]\nquirks = ["nope"]\n[aliases]\na = "nope"')
    assert len(raised.value.findings) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            '[providers.x]\nkind = "openai_like"\nbase_url = "https://x.example/v1"\ncredential = "env:K"',
            "nothing_served",
        ),
        (
            '[providers.x]\nkind = "anthropic"\nbase_url = "http://10.0.0.1"\nallow_private_network = true',
            "",
        ),
        ('[aliases]\na = "gpt-6-sol"', "nothing_served"),
        ('[router.names.nobody]\non_refusal = "next"', "unknown_name"),
        ('[router.names."smart/mistral"]\non_refusal = "next"', ""),
        ('[router.names.pick]\non_refusal = "next"\n[router.aliases.pick]\nmode = "cost"', ""),
        ('[router]\ndefault_model = "gpt-99"', "nothing_served"),
        ('[router.aliases.pick]\nmodels = ["gpt-99*"]', "nothing_served"),
        ('[router.organisations.acme]\ndefault_model = "gpt-99"', "nothing_served"),
        (
            '[providers.openai]\n[[models]]\nid = "m"\n[[deployments]]\nprovider = "openai"\nmodel = "m"',
            "no_price",
        ),
    ],
)
def test_what_is_odd_but_works_is_a_warning(tmp_path: Path, text: str, code: str) -> None:
    assert [(f.code, f.severity) for f in findings(tmp_path, text)] == ([(code, "warning")] if code else [])


def test_a_public_address_without_a_key_is_a_warning(tmp_path: Path) -> None:
    text = '[providers.x]\nkind = "openai_like"\nbase_url = "https://x.example/v1"'
    assert {f.code for f in findings(tmp_path, text)} == {"nothing_served", "no_credential"}


def test_the_version_does_not_depend_on_where_the_file_lies(tmp_path: Path) -> None:
    text = '[[models]]\nid = "m"\nprice = { input = 1 }'
    versions = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        versions.add(catalog(folder, text).version)
    assert len(versions) == 1


def test_rows_for_a_person_say_what_is_served_and_what_could_be(tmp_path: Path) -> None:
    found = catalog(tmp_path, "[providers.groq]\n[providers.simulated]")
    served = describe(found)
    assert [(r.id, r.status) for r in served] == [
        ("gpt-oss-120b", "served"), ("gpt-oss-20b", "served"), ("orpheus-v1-english", "served"),
        ("whisper-large-v3", "served"), ("whisper-large-v3-turbo", "served"), ("simulated", "demo"),
    ]  # fmt: skip
    assert (served[0].input_price, served[0].output_price) == ("0.15 USD", "0.6 USD")
    assert (served[0].unit_prices, served[2].unit_prices) == ("", "22 USD a million characters")
    everything = {r.id: r for r in describe(found, everything=True)}
    assert everything["gpt-6-sol"].status == "not configured"
    assert everything["gpt-6-sol"].providers == ("openai", "azure", "openrouter")
    assert everything["mai-image-2.6"].status == "known only"
    assert everything["mai-image-2.6"].input_price == "?"


@pytest.mark.parametrize(
    ("entry", "there", "elsewhere"),
    [
        ('[providers.bedrock]\nregion = "us-west-2"', "amazon-rerank-v1 sd3-5-large titan-embed-text-v2", ""),
        ('[providers.bedrock]\nregion = "eu-central-1"', "amazon-rerank-v1 rerank-v3.5", "sd3-5-large"),
        ('[providers.bedrock]\nregion = "us-east-1"', "rerank-v3.5", "amazon-rerank-v1 stable-image-inpaint"),
        ('[providers.bedrock]\nregion = "eu-west-3"', "titan-embed-text-v2", "rerank-v3.5"),
        ("[providers.vertex]", "semantic-ranker-fast-004 gemini-3.8-flash-tts", ""),
        ('[providers.vertex]\nregion = "eu"', "semantic-ranker-fast-004", ""),
        ('[providers.vertex]\nregion = "europe-west4"', "gemini-3-pro-image", "semantic-ranker-fast-004"),
    ],
)
def test_what_only_some_regions_have_is_offered_in_these(
    tmp_path: Path, entry: str, there: str, elsewhere: str
) -> None:
    found = catalog(tmp_path, f'{entry}\ncredential = "env:OPENAI_API_KEY"')
    offered = {d.model.id for d in found.deployments}
    assert offered >= set(there.split())
    assert offered.isdisjoint(elsewhere.split())


def test_building_tells_when_prices_change_next(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text("")
    assert build(load_settings(path, ENV), on=ON).book.next_change == date(2026, 12, 1)
