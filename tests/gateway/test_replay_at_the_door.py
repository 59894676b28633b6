"""`passerelle replay` on what a real gateway recorded: decisions reproduced, and other rules tried out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.calling import Said
from tests.gateway.door import asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.cli.main import passerelle
from passerelle.core.request import Dialect

MODELS = {
    # quality, price in and out per million tokens
    "grand": (0.90, 15, 75),
    "good": (0.89, 3, 15),
    "fair": (0.86, 1, 4),
    "plain": (0.60, 0.1, 0.4),
}
FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
EU = 'attributes = { regions = ["eu"], jurisdictions = ["EU"] }'
US = 'attributes = { regions = ["us"], jurisdictions = ["US"] }'
NAMED = len(FOUR) * 6 + 2
"""Requests for a named model, and with `SMART` all that are recorded."""
SMART = len(FOUR) * 4 + 3 + 2


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue(
        [
            *Catalogue().lines,
            "[router.organisations.acme]",
            'default_model = "good"',
            "[policy.classes.secret]",
            'hosting = ["self"]',
            "[health]",
            "open_after = 2",
        ]
    )
    catalogue.provider("north", "openai_chat", stage.url, EU)
    catalogue.provider("south", "anthropic", stage.url, US)
    for name, (quality, price_in, price_out) in MODELS.items():
        price = f"{{ input = {price_in}, output = {price_out}, cache_read = {price_in / 10} }}"
        catalogue.model(name, "north", price=price, more=(f"quality = {quality}",))
    catalogue.deployment("south", "grand", "weight = 0.7")
    catalogue.deployment("north", "grand", 'id = "north/other"', "weight = 0.4")
    with running(tmp_path_factory.mktemp("replay"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House, stage: Stage) -> Caller:
    """Who asked all of it: named models spread over three places, `smart` in every mode, a conversation that
    stays, one place that fails and is put last, and one request that nobody may serve.
    """
    caller = house.caller("asks", org="acme")
    for dialect in FOUR:
        for _ in range(6):
            assert caller.door.send(asked(dialect, "grand")).status == 200
        for mode in ("quality", "balanced", "cost", "fast"):
            assert caller.door.send(asked(dialect, "smart"), x_passerelle_mode=mode).status == 200
    for turn in (1, 2, 3):
        said = [{"role": "user", "content": "A long talk. " + "word " * 3_000}]
        said += [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "And?"}] * (turn - 1)
        ask = asked("openai_chat", "smart")
        body = json.dumps({**json.loads(ask.body), "messages": said}).encode()
        narrowed = {"x_passerelle_models": "fair,plain"} if turn == 1 else {}
        answer = caller.door.send(type(ask)(ask.path, body), x_passerelle_affinity="sticky", **narrowed)
        assert answer.headers["x-passerelle-deployment"] == "north/fair.north"
    stage.always("good.north", *failing(500)("openai_chat"))
    for _ in range(2):
        assert caller.door.send(asked("openai_chat", "good")).status >= 500
    ailing = caller.door.send(
        asked("openai_chat", "smart"), x_passerelle_models="good,fair", x_passerelle_mode="quality"
    )
    assert ailing.headers["x-passerelle-deployment"] == "north/fair.north"
    assert "put last" in json.dumps(house.receipt(caller, ailing)["plan"])
    refused = caller.door.send(asked("openai_chat", "smart"), x_passerelle_data_class="secret")
    assert refused.status == 403
    house.booked(caller)
    return caller


def command(house: House, *args: str) -> Said:
    """The command on the installation, in this process."""
    done = CliRunner(env={"PASSERELLE_DATA_DIR": str(house.gateway.data), **ENV}).invoke(
        passerelle, ["replay", "--config", str(house.gateway.config_path), *args], terminal_width=100
    )
    return Said(done.exit_code, done.stdout, done.stderr)


def result(house: House, *args: str) -> Any:
    said = command(house, "--since", "1d", "--json", *(args if "--org" in args else ("--org", "acme", *args)))
    assert said.code == 0, said.err
    return said.json


def test_every_decision_is_reproduced_in_every_dialect_named_and_smart_in_all_modes(
    house: House, caller: Caller
) -> None:
    found = result(house)
    totals, basis = found["totals"], found["basis"]
    assert totals["requests"] == NAMED + SMART
    assert totals["same_order"] == totals["same"] == totals["requests"] - totals["unserved"], found[
        "examples"
    ]
    assert basis["without_record"] == basis["under_another_catalog"] == basis["under_another_policy"] == 0
    assert basis["reckoned"] == basis["elsewhere"] == basis["predicted"] == 0
    assert found["costs"]["recorded"] == found["costs"]["replayed"]
    assert found["costs"]["compared"] > NAMED


def test_the_draw_decided_and_other_places_were_first_at_times(house: House, caller: Caller) -> None:
    """Or else the reproduction above would show nothing of weights."""
    ids = [row[0] for row in house.rows("select distinct deployment from ledger")]
    assert {"north/grand.north", "south/grand.south", "north/other"} <= set(ids)


def test_without_a_supplier_its_requests_go_elsewhere_and_are_counted(house: House, caller: Caller) -> None:
    found = result(house, "--without", "south")
    # The same draw spread over fewer places moves some between those that are left, as it would on the road.
    assert found["totals"]["changed"] >= found["providers"][0]["requests"] > 0
    assert {(c["before"], c["after"]) for c in found["providers"]} == {("south", "north")}
    assert {(c["before"], c["after"]) for c in found["jurisdictions"]} == {("US", "EU")}
    assert found["totals"]["forbidden"] == found["providers"][0]["requests"]
    assert {f["rule"] for f in found["forbidden"]} == {"drill.removed"}
    without_north = result(house, "--without", "north")
    assert without_north["totals"]["lost"] > 0
    assert {loss["rules"][0] for loss in without_north["losses"]} >= {"drill.removed"}


def test_another_mode_costs_less_at_a_lower_predicted_quality(house: House, caller: Caller) -> None:
    dear, cheap = (
        result(house, "--mode", "quality"),
        result(house, "--mode", "cost", "--models", "fair,plain"),
    )
    recorded = dear["costs"]["recorded"]["USD"]
    assert cheap["costs"]["recorded"]["USD"] == recorded
    assert cheap["costs"]["replayed"]["USD"] < min(recorded, dear["costs"]["replayed"]["USD"])
    assert cheap["costs"]["difference"]["USD"] == cheap["costs"]["replayed"]["USD"] - recorded
    assert cheap["quality"]["difference"]["mean"] < 0
    span = cheap["quality"]["replayed"]
    assert span["low"] < span["mean"] < span["high"]
    assert ("good", "fair") in {(c["before"], c["after"]) for c in cheap["models"]}


def test_a_conversation_that_begins_elsewhere_goes_on_elsewhere(house: House, caller: Caller) -> None:
    """Its later turns, which were free to go to `good`, stay with the first one."""
    found = result(house, "--models", "plain,good,grand")
    changes = {(c["before"], c["after"]): c["requests"] for c in found["models"]}
    assert changes["fair", "plain"] == 3
    assert found["basis"]["elsewhere"] == 2
    assert any("elsewhere by now" in note for note in found["notes"])


def test_a_stricter_policy_names_what_it_would_have_forbidden(
    house: House, caller: Caller, tmp_path: Path
) -> None:
    policy = tmp_path / "stricter.toml"
    policy.write_text('[policy.classes.internal]\nregions = ["eu"]\n')
    found = result(house, "--policy", str(policy))
    assert found["supposed"]["policy_version"] != found["supposed"]["policy_in_force"]
    assert set(found["supposed"]["files"]) == {"policy"}
    assert {(f["deployment"], f["rule"]) for f in found["forbidden"]} == {
        ("south/grand.south", "policy.internal.regions")
    }
    assert found["basis"]["under_another_policy"] == 0


def test_other_prices_are_paid_for_what_was_used(house: House, caller: Caller, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    lines = []
    for name, (_, price_in, price_out) in MODELS.items():
        lines += ["[[models]]", f'id = "{name}"']
        lines.append(f"price = {{ input = {2 * price_in}, output = {2 * price_out} }}")
    prices.write_text("\n".join(lines))
    found = result(house, "--prices", str(prices))
    costs = found["costs"]
    assert found["supposed"]["catalog_version"] != found["supposed"]["catalog_in_force"]
    assert costs["replayed"]["USD"] > 1.5 * costs["recorded"]["USD"] > 0
    assert found["basis"]["reckoned"] > 0


def test_a_place_that_is_not_there_yet_is_chosen_where_it_is_better(
    house: House, caller: Caller, tmp_path: Path
) -> None:
    catalog = tmp_path / "more.toml"
    catalog.write_text(
        '[[models]]\nid = "novel"\nquality = 0.97\nprice = { input = 0.01, output = 0.02 }\n'
        '[[deployments]]\nprovider = "north"\nmodel = "novel"\n'
    )
    free = tmp_path / "free.toml"
    free.write_text("[router]\n")  # no default that comes first
    found = result(house, "--catalog", str(catalog), "--policy", str(free), "--mode", "quality")
    assert {c["after"] for c in found["models"]} == {"novel"}
    assert found["basis"]["predicted"] > 0
    assert found["costs"]["difference"]["USD"] < 0


def test_committed_capacity_is_used_up_first(house: House, caller: Caller, tmp_path: Path) -> None:
    """`grand` costs nothing more at `south` while what is committed there lasts."""
    plenty, little = tmp_path / "plenty.toml", tmp_path / "little.toml"
    plenty.write_text('[[commitments]]\nprovider = "south"\namount = 20000\n')
    little.write_text('[[commitments]]\nprovider = "south"\namount = 0.0000001\n')
    loose = tmp_path / "loose.toml"
    loose.write_text("[router]\n")  # no default
    found = result(house, "--commitments", str(plenty), "--policy", str(loose), "--mode", "balanced")
    assert ("north", "south") in {(c["before"], c["after"]) for c in found["providers"]}
    used_up = result(house, "--commitments", str(little), "--policy", str(loose), "--mode", "balanced")
    moved = sum(c["requests"] for c in found["providers"] if c["after"] == "south")
    assert sum(c["requests"] for c in used_up["providers"] if c["after"] == "south") < moved


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--policy", "[policy]\ndefault_data_clas = 'public'\n", ":2: error: `policy.default_data_clas`"),
        ("--policy", "[policy\n", ":1: error:"),
        ("--policy", "[polcy]\n", "`polcy`: there is no such section. Did you mean `policy`?"),
        ("--policy", "[server]\nport = 1\n", "says nothing of `policy` and `router`"),
        ("--policy", "[router]\nsmart_mode = 'best'\n", ":2: error: `router.smart_mode`"),
        ("--prices", "[[models]]\nid = 'grnad'\nprice = { input = 1 }\n", "Did you mean `grand`?"),
        ("--prices", "[[models]]\nid = 'grand'\nquality = 1\nprice = {}\n", ":3: error: `models[0].quality`"),
        ("--prices", "[[models]]\nid = 'grand'\n", "there is no `price`"),
        ("--prices", "\n[[models]]\nid = 'fair'\nprice = { input = 'x' }\n", ":4: error: `models"),
        ("--catalog", "[[deployments]]\nprovider = 'nowhere'\nmodel = 'grand'\n", ":2: error: `deployments"),
        (
            "--commitments",
            "[[commitments]]\nprovider = 'south'\n",
            ":1: error: `commitments[0]`: `amount` is missing",
        ),
        ("--commitments", "commitments = 3\n", "`commitments`"),
    ],
)
def test_a_wrong_file_is_refused_naming_file_line_and_field(
    house: House, caller: Caller, tmp_path: Path, option: str, text: str, said: str
) -> None:
    file = tmp_path / "given.toml"
    file.write_text(text)
    done = command(house, option, str(file))
    assert done.code == 1, done.out
    assert str(file) in done.err
    assert said in done.err, done.err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--without", "nobody"), 1, "`north`"),
        (("--models", "grand,nobody-*"), 1, "`nobody-*`"),
        (("--since", "soon"), 2, "`soon`"),
        (("--since", "1d", "--until", "2d"), 2, "--until"),
        (("--mode", "best"), 2, "best"),
        (("--policy", "/no/such/file.toml"), 1, "there is no such file"),
        (("--org", "nobody"), 1, "`nobody`"),
    ],
)
def test_a_wrong_call_says_the_next_step(
    house: House, caller: Caller, args: tuple[str, ...], code: int, said: str
) -> None:
    done = command(house, *args)
    assert done.code == code, done.out
    assert said in done.err, done.err


def test_the_table_the_report_and_the_json_say_the_same_and_nothing_is_fetched(
    house: House, caller: Caller, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "replay"
    period = ("--since", "2026-01-01", "--until", "2027-12-31")
    said = command(house, *period, "--without", "south", "--report", str(folder))
    assert said.code == 0, said.err
    found = json.loads((folder / "report.json").read_text())
    assert f"{found['totals']['changed']} go elsewhere" in said.out
    assert "Between providers" in said.out
    assert "predicted quality" in said.out
    html, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "<svg" in html
    assert "<script" not in html
    assert 'src="' not in html
    assert "![cost](cost.svg)" in markdown
    assert (folder / "cost.svg").read_text().startswith("<svg")
    for page in (html, markdown):
        assert "drill.removed" in page
        assert found["inputs"]["digest"] in page
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert command(house, *period, "--without", "south", "--report", str(folder)).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_one_organisations_replay_is_of_its_own_requests(house: House, caller: Caller) -> None:
    other = house.caller(org="globex")
    assert other.door.send(asked("openai_chat", "fair")).status == 200
    house.booked(other)
    found = result(house, "--org", "globex")
    assert found["totals"]["requests"] == found["totals"]["same_order"] == 1
    assert found["inputs"]["organisations"] == [other.tenant.org_id]
    assert result(house)["totals"]["requests"] == NAMED + SMART


def test_a_replay_calls_nobody_and_leaves_no_trace(house: House, caller: Caller, stage: Stage) -> None:
    calls, generations = len(stage.requests), house.rows("select count(*) from meta")
    result(house, "--without", "south")
    assert len(stage.requests) == calls
    assert house.rows("select count(*) from meta") == generations
