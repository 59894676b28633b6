"""Layers of a configuration: defaults, templates, file, environment, command line."""

from pathlib import Path

import pytest

from passerelle.config import ConfigError, find_config, load_settings
from passerelle.config.load import inspect

HOME = {"HOME": "/home/u"}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return path


def test_without_file_or_environment_the_defaults_hold() -> None:
    settings = load_settings(None, HOME)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.data_dir == Path("/home/u/.local/share/passerelle")
    assert settings.database_url is None
    assert dict(settings.providers) == {}


def test_without_a_file_providers_come_from_the_environment() -> None:
    env = {**HOME, "OPENAI_API_KEY": "k1", "GOOGLE_API_KEY": "k2", "MODEL_API_KEY": "anybody's"}
    settings = load_settings(None, env)
    assert list(settings.providers) == ["openai", "gemini"]
    openai = settings.providers["openai"]
    assert (openai.kind, openai.base_url) == ("openai_like", "https://api.openai.com/v1")
    assert settings.resolve(openai.credential).reveal() == "k1"  # type: ignore[arg-type]
    assert str(settings.providers["gemini"].credential) == "env:GOOGLE_API_KEY"


def test_bedrock_comes_from_the_environment_by_its_own_key_and_a_region_alone() -> None:
    """AWS's access keys are there for many other things, and a key without a region leads nowhere."""
    key = {"AWS_BEARER_TOKEN_BEDROCK": "k"}
    access = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-3"}
    assert "bedrock" not in load_settings(None, key).providers
    assert "bedrock" not in load_settings(None, access).providers
    found = load_settings(None, {**key, "AWS_DEFAULT_REGION": "eu-west-3"}).providers["bedrock"]
    assert (found.region, str(found.credential)) == ("eu-west-3", "env:AWS_BEARER_TOKEN_BEDROCK")


def test_a_file_says_everything_unless_it_lets_the_environment_add(tmp_path: Path) -> None:
    env = {**HOME, "OPENAI_API_KEY": "k"}
    assert list(load_settings(written(tmp_path, ""), env).providers) == []
    opened = written(tmp_path, "providers_from_environment = true")
    assert list(load_settings(opened, env).providers) == ["openai"]


def test_a_well_known_provider_needs_only_its_name(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[providers.mistral]"), {**HOME, "MISTRAL_API_KEY": "k"})
    mistral = settings.providers["mistral"]
    assert mistral.base_url == "https://api.mistral.ai/v1"
    assert str(mistral.credential) == "env:MISTRAL_API_KEY"
    assert "no_stream_options" in mistral.quirks


def test_a_template_can_be_used_under_another_name(tmp_path: Path) -> None:
    text = '[providers.second]\ntemplate = "anthropic"\ncredential = "env:OTHER"'
    entry = load_settings(written(tmp_path, text), {**HOME, "OTHER": "k"}).providers["second"]
    assert (entry.kind, entry.dialect, str(entry.credential)) == ("anthropic", "anthropic", "env:OTHER")


def test_what_is_said_of_an_address_is_not_believed_of_another(tmp_path: Path) -> None:
    env = {**HOME, "OPENAI_API_KEY": "k"}
    at_home = load_settings(written(tmp_path, "[providers.openai]"), env).providers["openai"]
    assert at_home.attributes.retention_days == 30
    moved = written(tmp_path, '[providers.openai]\nbase_url = "https://eu.api.openai.com/v1"')
    assert load_settings(moved, env).providers["openai"].attributes.retention_days is None


def test_own_attributes_lie_over_the_templates_with_the_evidence_of_both(tmp_path: Path) -> None:
    text = """
    [providers.openai.attributes]
    retention_days = 0
    evidence = [{ url = "https://contract.example", verified_on = "2026-11-02" }]
    """
    entry = load_settings(written(tmp_path, text), {**HOME, "OPENAI_API_KEY": "k"}).providers["openai"]
    assert (entry.attributes.retention_days, entry.attributes.training_use) == (0, "no")
    assert len(entry.attributes.evidence) == 2


def test_environment_lies_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 1\nworkers = 2\n[telemetry]\nlog_level = 'debug'")
    env = {**HOME, "PASSERELLE_PORT": "2", "PASSERELLE_LOG_LEVEL": "error", "PASSERELLE_WORKERS": ""}
    settings = load_settings(path, env, {"server.port": 3})
    assert (settings.server.port, settings.server.workers, settings.telemetry.log_level) == (3, 2, "error")


def test_environment_values_take_the_kind_of_their_setting() -> None:
    env = {
        **HOME,
        "PASSERELLE_ALLOW_PUBLIC_BIND": "yes",
        "PASSERELLE_HOST": "0.0.0.0",
        "PASSERELLE_ALLOWED_HOSTS": "a.example, b.example",
        "PASSERELLE_DRAIN_S": "1.5",
        "PASSERELLE_DATA_DIR": "~/data",
        "PASSERELLE_TELEMETRY_METRICS": "off",
    }
    settings = load_settings(None, env)
    assert settings.server.allow_public_bind is True
    assert settings.server.allowed_hosts == ("a.example", "b.example")
    assert settings.server.drain_s == 1.5
    assert settings.data_dir == Path("/home/u/data")
    assert settings.telemetry.metrics is False


def test_a_bad_environment_value_is_said_of_its_variable() -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(None, {**HOME, "PASSERELLE_PORT": "http"})
    (finding,) = raised.value.findings
    assert (finding.file, finding.field) == ("environment variable PASSERELLE_PORT", "server.port")


def test_an_unknown_variable_of_ours_is_a_warning_with_a_suggestion() -> None:
    inspection = inspect(None, {**HOME, "PASSERELLE_WORKER": "3", "PASSERELLE_CONFIG": "x"})
    (finding,) = inspection.findings
    assert (finding.severity, finding.field) == ("warning", "PASSERELLE_WORKER")
    assert "PASSERELLE_WORKERS" in finding.next_step
    assert inspection.settings is not None


def test_relative_paths_start_at_the_files_own_folder(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'data_dir = "data"'), HOME)
    assert settings.data_dir == tmp_path / "data"


def test_the_database_address_may_be_a_reference(tmp_path: Path) -> None:
    path = written(tmp_path, '[store]\nurl = "env:DB"')
    settings = load_settings(path, {**HOME, "DB": "postgresql://u:secret@h/d"})
    assert settings.database_url == "postgresql://u:secret@h/d"
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()


def test_nothing_shows_a_secret_that_settings_lead_to() -> None:
    env = {**HOME, "OPENAI_API_KEY": "canary-1234"}
    settings = load_settings(None, env)
    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(settings.origin),
        settings.digest,
    ]
    assert not any("canary" in text for text in shown)


def test_the_local_model_is_served_once_its_weights_are_there(tmp_path: Path) -> None:
    env = {**HOME, "PASSERELLE_DATA_DIR": str(tmp_path)}
    assert "local" not in load_settings(None, env).providers
    weights = load_settings(None, env).local_weights
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"GGUF")
    assert load_settings(None, env).providers["local"].kind == "local"
    assert "local" not in load_settings(None, {**env, "PASSERELLE_LOCAL_ENABLED": "false"}).providers


def test_the_digest_is_of_what_decides_not_of_the_machine(tmp_path: Path) -> None:
    text = (
        '[providers.x]\nkind = "openai_like"\nbase_url = "https://x.example/v1"\nquirks = ["a", "b", "c"]\n'
    )
    one = load_settings(written(tmp_path, text), {**HOME, "PASSERELLE_PORT": "1"})
    other = load_settings(written(tmp_path, text), {"HOME": "/elsewhere"})
    changed = load_settings(written(tmp_path, text + "weight = 2.0"), HOME)
    assert one.digest == other.digest != changed.digest


def test_a_providers_deadlines_lie_over_the_general_ones(tmp_path: Path) -> None:
    text = "[deadlines]\ntotal_s = 300.0\n[providers.groq.deadlines]\nfirst_content_s = 5"
    settings = load_settings(written(tmp_path, text), {**HOME, "GROQ_API_KEY": "k"})
    deadlines = settings.deadlines_for("groq")
    assert (deadlines.total_s, deadlines.first_content_s, deadlines.connect_s) == (300.0, 5.0, 5.0)


def test_the_file_is_found_in_the_documented_places(tmp_path: Path) -> None:
    assert find_config({"PASSERELLE_CONFIG": "/not/there.toml"}, tmp_path) == Path("/not/there.toml")
    assert find_config({}, tmp_path) is None
    home = tmp_path / "xdg" / "passerelle"
    home.mkdir(parents=True)
    (home / "passerelle.toml").touch()
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert find_config(env, tmp_path) == home / "passerelle.toml"
    (tmp_path / "passerelle.toml").touch()
    assert find_config(env, tmp_path) == tmp_path / "passerelle.toml"


def test_settings_do_not_change() -> None:
    settings = load_settings(None, HOME)
    with pytest.raises(Exception, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]
