"""`check` names every mistake, where it is, and the next step."""

from pathlib import Path

import pytest

from passerelle.config import ConfigError, check, load_settings
from passerelle.config.findings import Finding

ENV = {"HOME": "/home/u", "KEY": "value", "OPENAI_API_KEY": "k"}


def findings(tmp_path: Path, text: str, env: dict[str, str] = ENV) -> list[Finding]:
    path = tmp_path / "passerelle.toml"
    path.write_text(text)
    return check(path, env)


AWS = "{{ access_key_id = 'env:KEY', secret_access_key = 'env:{}' }}"
MISTAKES = [
    # text, line, field, a word of the message, a word of the next step
    ("[server]\nprt = 1", 2, "server.prt", "no such setting", "`port`"),
    ("sever = 1", 1, "sever", "no such setting", "`server`"),
    ("[server]\n\nport = '1'", 3, "server.port", "text", "whole number"),
    ("[server]\nport = 70000", 2, "server.port", "out of bounds", "65535"),
    ("[server]\nport = 1.5", 2, "server.port", "", "whole number"),
    ("[server]\nworkers = true", 2, "server.workers", "boolean", "whole number"),
    ("server = 3", 1, "server", "number", "table"),
    ("[server]\nhost = '0.0.0.0'", 2, "server.host", "other machines", "allow_public_bind"),
    ("[server]\nhost = '::'", 2, "server.host", "other machines", "allow_public_bind"),
    ("[server]\ntls_cert = '/nope.pem'", 2, "server.tls_cert", "without `tls_key`", "neither"),
    ("[telemetry]\nlog_level = 'inf'", 2, "telemetry.log_level", "`inf`", "`info`"),
    ("[server]\nallowed_hosts = ['http://a/']", 2, "server.allowed_hosts[0]", "refuse them all", "Write `a`"),
    ("[server]\nallowed_hosts = ['ok.example', 'a.example:443']", 2, "server.allowed_hosts[1]",
     "`a.example:443`", "Write `a.example`"),
    ("[server]\nallowed_hosts = ['::1']", 2, "server.allowed_hosts[0]", "", "brackets"),
    ("[server]\nallowed_hosts = ['*.a.example']", 2, "server.allowed_hosts[0]", "", "pattern"),
    ("[server]\nallowed_hosts = ['[bad']", 2, "server.allowed_hosts[0]", "", "the name alone"),
    ("[server]\nallowed_hosts = ['https://x@b.example:1/a//c']", 2, "server.allowed_hosts[0]", "",
     "Write `b.example`"),
    ("[server]\nallowed_hosts = ['a b']", 2, "server.allowed_hosts[0]", "", "the name alone"),
    ("[telemetry]\notlp_endpoint = 'collector:4318'", 2, "telemetry.otlp_endpoint", "no address",
     "http://host:4318"),
    ("[telemetry]\notlp_endpoint = 'ftp://x'", 2, "telemetry.otlp_endpoint", "no address", "http"),
    ("[telemetry]\notlp_endpoint = 'http://x:port'", 2, "telemetry.otlp_endpoint", "no address", "http"),
    ("[telemetry]\notlp_endpoint = 'http://x/?a=b'", 2, "telemetry.otlp_endpoint", "no address", "http"),
    ("[telemetry]\nlog_format = 'xml'", 2, "telemetry.log_format", "`xml`", "`json`"),
    ("[router.aliases.a]\ncascade = 'scheme'", 2, "router.aliases.a.cascade", "`schema`, `agreement`", ""),
    ("[router.aliases.a]\ncascade = 'tests:bil'\n[router.tests.bill]\nis_json = true", 2,
     "router.aliases.a.cascade", "no tests of the name `bil`", "`bill`"),
    ("[router.organisations.o]\ncascade = 'tests:x'", 2, "router.organisations.o.cascade",
     "no tests of the name `x`", "[router.tests.x]"),
    ("[router.organisations.o.tests.own]\nmin_chars = 1\n[router.aliases.a]\ncascade = 'tests:own'", 4,
     "router.aliases.a.cascade", "no tests of the name", ""),
    ("[router.tests.t]", 1, "router.tests.t", "check nothing", "is_json"),
    ("[router.tests.t]\npattern = '(?=a)b'", 2, "router.tests.t.pattern", "look-around", ""),
    ("[router]\ncascade_samples = 9", 2, "router.cascade_samples", "out of bounds", "at most 3"),
    ("[deadlines]\ntotal_s = 0", 2, "deadlines.total_s", "out of bounds", "more than"),
    ("[store]\nurl = 'mysql://x/y'", 2, "store.url", "not the address", "postgresql://"),
    ("[store]\nurl = 'env:NOPE'", 2, "store.url", "`NOPE` is not set", "Set `NOPE`"),
    ("[policy]\ndefault_data_class = 'secrt'", 2, "policy.default_data_class", "`secrt`", "`secret`"),
    ("[policy.classes.persnal]\nregions = []", 1, "policy.classes.persnal", "`persnal`", "`personal`"),
    ("[policy.classes.personal]\nregion = ['eu']", 2, "policy.classes.personal.region",
     "no such", "`regions`"),
    ("[policy.classes.personal]\nallow_unknown = true", 2, "policy.classes.personal.allow_unknown",
     "no such", ""),
    ("[providers.opena]", 1, "providers.opena", "not a well-known provider", "`openai`"),
    ("[providers.x]\ntemplate = 'opena'\nkind = 'anthropic'\nbase_url='https://x.com'", 2,
     "providers.x.template",
     "no such template", "`openai`"),
    ("[providers.x]\nkind = 'openai_like'", 1, "providers.x", "`base_url` is missing", "address"),
    ("[providers.bedrock]\ncredential = 'env:KEY'", 1, "providers.bedrock", "`region` is missing",
     "AWS_REGION"),
    ("[providers.bedrock]\ncredential = 'env:KEY'\nregion = 'paris'", 3, "providers.bedrock.region",
     "no region of AWS", "`eu-central-1`"),
    (f"[providers.bedrock]\nregion = 'eu-west-3'\ncredential = 'env:KEY'\naws = {AWS.format('KEY')}", 3,
     "providers.bedrock.credential", "only one", "Remove `credential`"),
    (f"[providers.bedrock]\nregion = 'eu-west-3'\naws = {AWS.format('NOPE')}", 3,
     "providers.bedrock.aws.secret_access_key", "`NOPE`", "Set `NOPE`"),
    (f"[providers.openai]\naws = {AWS.format('KEY')}", 2,
     "providers.openai.aws", "has no `aws`", "`bedrock`"),
    ("[providers.x]\nkind = 'opnai_like'", 2, "providers.x.kind", "`opnai_like`", "`openai_like`"),
    ("[providers.'a/b']\nkind = 'simulated'", 1, 'providers."a/b"', "may not hold `/`", "`-`"),
    ("[providers.openai]\nbase_url = 'http://api.example.com'", 2, "providers.openai.base_url",
     "in clear", "https"),
    ("[providers.openai]\nbase_url = 'http://10.0.0.1/v1'", 2, "providers.openai.base_url", "private network",
     "allow_private_network"),
    ("[providers.openai]\nallow_private_network = true\nbase_url = 'http://169.254.169.254/'", 3,
     "providers.openai.base_url", "metadata", "host"),
    ("[providers.openai]\ncredential = 'abc'", 2, "providers.openai.credential", "reference", "env:NAME"),
    ("[providers.openai]\ncredential = 'env:NOPE'", 2, "providers.openai.credential",
     "not set", "Set `NOPE`"),
    ("[providers.openai]\ncredential = 'file:/nope'", 2, "providers.openai.credential",
     "cannot be read", "Create"),
    ("[providers.groq]", 1, "providers.groq.credential", "`GROQ_API_KEY` is not set", "Set"),
    ("[providers.simulated]\nbase_url = 'https://x.com'", 2, "providers.simulated.base_url",
     "no meaning", "Remove"),
    ("[providers.openai.script]\nfail_first = 1", 1, "providers.openai.script", "only simulated", "Remove"),
    ("[providers.simulated.script]\nfail_frist = 1", 2, "providers.simulated.script.fail_frist", "no such",
     "`fail_first`"),
    ("[[models]]\nid = 'a'\n[[models]]\nid = 'a'", 4, "models[1].id", "`models[0]` already", "Join"),
    ("[[models]]\nid = 'a b'", 2, "models[0].id", "characters", "no spaces"),
    ("[[models]]\nname = 'x'", 1, "models[0]", "`id` is missing", "Add `id`"),
    ("[[models]]\nid = 'a'\nprice = { input = -1 }", 3, "models[0].price.input", "between 0", ""),
    ("[[models]]\nid = 'a'\nprice = { input = 'cheap' }", 3, "models[0].price.input",
     "a price is a number", ""),
    ("[[models]]\nid = 'a'\nquality = 2", 3, "models[0].quality", "out of bounds", "at most 1"),
    ("[[models]]\nid = 'a'\ncapabilities = ['tool']", 3, "models[0].capabilities[0]", "`tool`", "`tools`"),
    ("[[models]]\nid = 'a'\nreleased = 'May'", 3, "models[0].released", "form", "YYYY-MM-DD"),
    ("[[models]]\nid = 'smart'", 2, "models[0].id", "router's own", "another name"),
    ("[[deployments]]\nprovider = 'opnai'\nmodel = 'm'", 2, "deployments[0].provider", "no provider `opnai`",
     "[providers.opnai]"),
    ("[[deployments]]\nprovider = 'groq'\nmodel = 'm'", 2, "deployments[0].provider",
     "no provider", "[providers.groq]"),
    ("[[deployments]]\nprovider = 'p'\nmodel = 'm'\nweight = -1", 4, "deployments[0].weight",
     "`-1`", "at least"),
    ("[[deployments]]\nprovider = 'p'\nmodel = 'm'\n[[deployments]]\nprovider = 'p'\nmodel = 'm'", 4,
     "deployments[1]", "already has the id `p/m`", "another `id`"),
    ("[aliases]\na = 'b'\nb = ['a']", 2, "aliases.a", "leads back", "model"),
    ("[aliases]\nsmart = 'x'", 2, "aliases.smart", "router's own", "another name"),
    ("[aliases]\n'smart/fast' = 'x'", 2, 'aliases."smart/fast"', "router's own", ""),
    ("[aliases]\na = []", 2, "aliases.a", "empty", ""),
    ("data_dir = 3", 1, "data_dir", "number", "path"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "message", "next_step"), MISTAKES)
def test_a_mistake_is_named_at_its_line_with_the_next_step(
    tmp_path: Path, text: str, line: int, field: str, message: str, next_step: str
) -> None:
    found = findings(tmp_path, text)
    matching = [f for f in found if f.field == field and message in f.message and next_step in f.next_step]
    assert matching, [str(f) for f in found]
    assert matching[0].line == line
    assert matching[0].severity == "error"
    assert matching[0].file.endswith("passerelle.toml")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = """\
sever = 1
[server]
prt = 2
host = "0.0.0.0"
[providers.openai]
credential = "env:NOPE"
bse_url = "x"
[[deployments]]
provider = "nobody"
model = "m"
weight = -1
[aliases]
a = "a2"
a2 = "a"
"""
    fields = {f.field for f in findings(tmp_path, text) if f.severity == "error"}
    assert fields >= {
        "sever", "server.prt", "server.host", "providers.openai.credential", "providers.openai.bse_url",
        "deployments[0].provider", "deployments[0].weight", "aliases.a",
    }  # fmt: skip


def test_load_settings_raises_with_every_finding(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text("[server]\nprt = 1\nhots = 2\n")
    with pytest.raises(ConfigError) as raised:
        load_settings(path, ENV)
    assert [f.line for f in raised.value.findings] == [2, 3]
    assert str(raised.value).count("no such setting") == 2


SYNTAX = [
    ("a = 1\nb = \n", 2),
    ("a = 1\na = 2\n", 2),
    ("[t]\n[t]\n", 2),
    ("x = 'unclosed\n", 1),
    ("a = 1\n[t\n", 2),
    ("a = [1,\n2\n", 3),
]


@pytest.mark.parametrize(("text", "line"), SYNTAX)
def test_a_syntax_mistake_has_its_line_and_a_next_step(tmp_path: Path, text: str, line: int) -> None:
    (finding,) = findings(tmp_path, text)
    assert (finding.line, finding.code, finding.severity) == (line, "syntax", "error")
    assert finding.next_step


def test_files_that_cannot_be_read_are_findings_not_errors(tmp_path: Path) -> None:
    assert check(tmp_path / "none.toml", ENV)[0].code == "unreadable"
    assert check(tmp_path, ENV)[0].code == "unreadable"
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'a = "x"\nb = "\xe9"\n')
    assert (check(latin, ENV)[0].line, check(latin, ENV)[0].code) == (2, "syntax")
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 5000 + "]" * 5000)
    assert check(deep, ENV)[0].code == "syntax"


@pytest.mark.parametrize(
    "text",
    [
        '[providers.openai]\ncredential = "sk-proj-CANARYabcdefghijkl"',
        '[providers.openai]\nbase_url = "https://user:CANARYabcdefgh@x.com/v1"',
        '[store]\nurl = "postgresql://u:CANARYabc@h/d"',
        '[[models]]\nid = "a"\nname = "sk-proj-CANARYabcdefghijkl"',
        '[telemetry]\nlog_level = "sk-proj-CANARYabcdefghijkl"',
        '[providers.openai]\nkye = "sk-proj-CANARYabcdefghijkl"',
        '[aliases]\nx = ["sk-proj-CANARYabcdefghijkl"]',
    ],
)
def test_a_secret_in_the_file_is_a_mistake_and_is_not_repeated(tmp_path: Path, text: str) -> None:
    found = findings(tmp_path, text)
    assert any(f.code == "literal_secret" for f in found)
    assert all("CANARY" not in str(f) for f in found)


def test_a_good_file_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, '[providers.openai]\n[aliases]\nquick = "gpt-6-luna"\n') == []


def test_an_alias_may_extend_the_model_it_is_named_like(tmp_path: Path) -> None:
    assert (
        findings(tmp_path, '[providers.openai]\n[aliases]\n"gpt-6-sol" = ["gpt-6-sol", "gpt-6-luna"]') == []
    )


def test_hosts_and_addresses_that_can_be_are_content(tmp_path: Path) -> None:
    text = "[server]\nallowed_hosts = ['AI.example.com', 'localhost', '127.0.0.1', '[::1]']\n"
    assert findings(tmp_path, text + "[telemetry]\notlp_endpoint = 'http://collector.internal:4318'") == []


def test_regions_are_compared_in_one_case_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text(
        "[policy.classes.personal]\nregions = ['EU']\nstorage_regions = ['Eu']\njurisdictions = ['eu']\n"
        "[providers.openai]\nregion = 'EU-West-3'\n"
        "attributes = { regions = ['EU'], jurisdictions = ['fr'] }\n"
    )
    settings = load_settings(path, ENV)
    rules, provider = settings.policy.classes["personal"], settings.providers["openai"]

    assert (rules.regions, rules.storage_regions, rules.jurisdictions) == (("eu",), ("eu",), ("EU",))
    assert (provider.region, provider.attributes.regions) == ("eu-west-3", ("eu",))
    assert provider.attributes.jurisdictions == ("FR",)
