"""A supplier taken out, on paper and in earnest, through the command and a gateway of two workers."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from tests.cli.calling import Said, call
from tests.gateway.door import Asked
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage
from tests.serving import clean_env

from passerelle.app import build_generation
from passerelle.cli.main import passerelle
from passerelle.config import load_settings
from passerelle.core.receipt import Receipt
from passerelle.gateway.drill.judge import Judge
from passerelle.gateway.drill.shapes import case_of, read
from passerelle.policy.removal import Removal, Without

EU = 'attributes = { regions = ["eu"], jurisdictions = ["EU"] }'
US = 'attributes = { regions = ["us"], jurisdictions = ["US"] }'


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("north", "openai_chat", stage.url, EU)
    catalogue.provider("south", "anthropic", stage.url, US)
    catalogue.model("bridge", "north", more=("quality = 0.8",))
    catalogue.deployment("south", "bridge", 'price = { input = "6", output = "30" }', "weight = 0.000001")
    catalogue.model("lonely", "north", more=("quality = 0.5",))
    catalogue.lines += ["[policy.classes.personal]", 'regions = ["eu"]']
    catalogue.lines += ["[concentration]", "max_share_per_provider = 0.6"]
    folder = tmp_path_factory.mktemp("drills")
    with running(folder, catalogue.text, workers=2, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def asked(house: House) -> tuple[Caller, Caller]:
    """Two tenants, and what they asked: one can do without `north`, the other cannot."""
    free, bound = house.caller("free", org="acme"), house.caller("bound", org="globex")
    for _ in range(3):
        assert free.door.send(chat("bridge")).status == 200
    assert bound.door.send(chat("bridge"), x_passerelle_data_class="personal").status == 200
    assert bound.door.send(chat("lonely")).status == 200
    house.booked(free)
    house.booked(bound)
    return free, bound


def chat(model: str) -> Asked:
    body = {"model": model, "messages": [{"role": "user", "content": "a bridge, please"}], "max_tokens": 20}
    return Asked("/v1/chat/completions", json.dumps(body).encode())


def drill(house: House, *args: str, **env: str) -> Said:
    """The command on the installation, in this process."""
    done = CliRunner(env={"PASSERELLE_DATA_DIR": str(house.gateway.data), **ENV, **env}).invoke(
        passerelle, ["drill", "--config", str(house.gateway.config_path), *args]
    )
    return Said(done.exit_code, done.stdout, done.stderr)


def test_a_drill_on_paper_says_who_is_left_with_nobody_and_why_and_calls_nobody(
    house: House, asked: tuple[Caller, Caller], stage: Stage
) -> None:
    before = len(stage.requests)
    config, data = str(house.gateway.config_path), house.gateway.data
    said = call("drill", "--config", config, "--without", "north", "--json", data=data, **ENV)
    assert said.code == 2, said.err
    assert len(stage.requests) == before
    report = said.json
    totals = report["totals"]
    assert (totals["requests"], totals["moved"], totals["lost"]) == (5, 3, 2)
    rules = {
        (loss["organisation"], loss["model"]): {r["deployment"]: r["rule"] for r in loss["rejections"]}
        for loss in report["losses"]
    }
    assert rules == {
        ("globex", "bridge"): {
            "north/bridge.north": "drill.removed",
            "south/bridge.south": "policy.personal.regions",
        },
        ("globex", "lonely"): {"north/lonely.north": "drill.removed"},
    }
    (move,) = report["moves"]
    assert (move["before"], move["after"]) == ("north/bridge.north", "south/bridge.south")
    assert move["cost_after"]["USD"] == 2 * move["cost_before"]["USD"] > 0
    assert move["first_content_before_s"] is None or move["first_content_before_s"] > 0
    assert move["duration_before_s"] > 0
    north = next(share for share in report["shares"] if share["name"] == "north")
    assert (north["request_share"], north["exceeded"], north["taken_out"]) == (1.0, True, True)


def test_a_supplier_nobody_depends_on_can_be_done_without(house: House, asked: tuple[Caller, Caller]) -> None:
    said = drill(house, "--without", "south", "--json", PASSERELLE_CONCENTRATION_MAX_SHARE_PER_PROVIDER="1.0")
    assert said.code == 0, said.err
    assert said.json["totals"]["unaffected"] == 5
    assert drill(house, "--without", "south").code == 2  # the ceiling of the file
    assert "drill" not in said.err


def test_the_reports_are_signed_and_a_changed_byte_is_found(
    house: House, asked: tuple[Caller, Caller], tmp_path: Path
) -> None:
    files = [tmp_path / f"drill.{ending}" for ending in ("html", "md", "json")]
    written = drill(house, "--without", "north", *(word for f in files for word in ("--report", str(f))))
    assert written.code == 2, written.err
    key = str(house.gateway.data / "keys" / "receipts.pub.pem")
    for file in files:
        good = drill(house, "verify", str(file), "--public-key", key)
        assert (good.code, good.err) == (0, ""), good
        content = file.read_bytes()
        assert b"globex" in content
        assert b"<script" not in content
        changed = tmp_path / f"changed{file.suffix}"
        changed.write_bytes(content.replace(b"globex", b"gl0bex", 1))
        assert drill(house, "verify", str(changed)).code == 1
    other = drill(house, "verify", str(files[0]), "--public-key", "00" * 32)
    assert other.code == 1
    assert drill(house, "verify", key).code == 1


def test_a_golden_set_is_judged_in_every_dialect(
    house: House, asked: tuple[Caller, Caller], tmp_path: Path, stage: Stage
) -> None:
    free, bound = asked
    words = [{"role": "user", "content": "hello"}]
    personal = {"x-passerelle-data-class": "personal"}
    lines: list[dict[str, Any]] = [
        {"path": "/v1/chat/completions", "body": {"model": "bridge", "messages": words}},
        {"path": "/v1/messages", "body": {"model": "bridge", "max_tokens": 9, "messages": words}},
        {"path": "/v1/responses", "body": {"model": "bridge", "input": "hello"}, "headers": personal},
        {
            "path": "/v1beta/models/bridge:generateContent",
            "body": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
            "key": bound.key_id,
        },
        {
            "url": "/model/bridge/converse",
            "custom_id": "rock",
            "body": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        },
    ]
    golden = tmp_path / "golden.jsonl"
    golden.write_text("\n".join(map(json.dumps, lines)))
    before = len(stage.requests)
    said = drill(house, "--without", "north", "--golden", str(golden), "--key", free.key_id, "--json")
    assert said.code == 1  # the line's own key was not among those given
    assert bound.key_id in said.err
    said = drill(
        house,
        "--without",
        "north",
        "--golden",
        str(golden),
        "--key",
        free.key_id,
        "--key",
        bound.key_id,
        "--json",
    )
    assert said.code == 2, said.err
    report = said.json
    assert (report["inputs"]["read"], report["inputs"]["judged"]) == (5, 9)
    assert (report["totals"]["moved"], report["totals"]["lost"]) == (7, 2)
    assert {loss["data_class"] for loss in report["losses"]} == {"personal"}
    assert len(stage.requests) == before


def test_a_recorded_request_is_judged_as_the_road_decided_it(
    house: House, asked: tuple[Caller, Caller]
) -> None:
    """The receipt's shape holds all that the decision depended on: judged again, it is the same decision."""
    free, _ = asked
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    words: list[dict[str, Any]] = [
        {"model": "bridge", "tools": tools},
        {"model": "smart", "messages": [{"role": "user", "content": [picture]}]},
        {"model": "smart", "tools": tools, "max_tokens": 7},
        {"model": "bridge", "messages": [{"role": "user", "content": "long " * 9_000}]},
    ]
    headers: list[dict[str, str]] = [
        {},
        {"x_passerelle_data_class": "secret"},
        {"x_passerelle_models": "bridge,south/*"},
        {"x_passerelle_mode": "cost"},
    ]
    ids = set()
    for body in words:
        for header in headers:
            said = {"messages": [{"role": "user", "content": "hello"}], **body}
            answer = free.door.send(Asked("/v1/chat/completions", json.dumps(said).encode()), **header)
            ids.add(answer.receipt)
    house.booked(free)
    settings = load_settings(
        house.gateway.config_path, {**os.environ, **ENV}, {"data_dir": str(house.gateway.data)}
    )
    generation = build_generation(settings, None, house.store)
    judge = Judge(generation, house.store.identity.revision, Removal(Without("nobody")), {})
    found = 0
    for body in house.store.receipts.bodies(free.tenant.org_id, since_ns=0, until_ns=time.time_ns()):
        receipt = msgspec.json.decode(body, type=Receipt)
        entry = house.store.identity.entry(receipt.key_id)
        if receipt.id not in ids:
            continue
        found += 1
        assert receipt.plan is not None
        assert entry is not None
        case = case_of(read(body), entry.principal)
        assert case is not None
        before = judge.judge(case).before
        assert (receipt.plan.candidates == ()) == (before is None)
        if before is not None:
            assert {c.deployment for c in before.candidates} == {
                c.deployment for c in receipt.plan.candidates
            }
            assert before.rejections == receipt.plan.rejections
            assert (before.mode, before.data_class) == (receipt.plan.mode, receipt.plan.data_class)
            costs = {c.deployment: c.cost_nanos for c in receipt.plan.candidates if c.cost_nanos is not None}
            assert costs.items() <= {c.deployment: c.cost_nanos for c in before.candidates}.items()
    assert found == len(ids) == 16


# --- in earnest


@pytest.fixture
def operator(house: House) -> Caller:
    return house.caller("operator", role="operator")


def begin(house: House, operator: Caller, caller: Caller, seconds: str = "60s") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "passerelle", "drill", "--without", "north", "--live", "--yes"]
    command += ["--scope", f"key:{caller.key_id}", "--for", seconds, "--url", house.gateway.base_url]
    process = subprocess.Popen(
        command,
        env=clean_env(PASSERELLE_API_KEY=operator.token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "taken out" in line, line + process.stderr.read()
    return process


def answers(house: House, caller: Caller, model: str = "bridge") -> tuple[int, str]:
    answer = house.at(caller).send(chat(model))
    return answer.status, answer.headers.get("x-passerelle-deployment", "")


def everywhere(house: House, caller: Caller, wanted: str) -> bool:
    """Whether twelve requests in a row, each on a connection of its own, are answered by that place."""
    return all(answers(house, caller) == (200, wanted) for _ in range(12))


NORTH, SOUTH = "north/bridge.north", "south/bridge.south"


def test_in_earnest_it_is_out_at_every_worker_within_a_second_and_ctrl_c_puts_it_back(
    house: House, operator: Caller
) -> None:
    caller, other = house.caller("drilled"), house.caller("beside")
    assert everywhere(house, caller, NORTH)
    process = begin(house, operator, caller)
    until(lambda: everywhere(house, caller, SOUTH), "it is out at both workers", within_s=1.0)
    assert everywhere(house, other, NORTH)
    refused = house.at(caller).send(chat("lonely"))
    assert refused.status == 403
    receipt = house.receipt(caller, refused)
    assert [r["rule"] for r in receipt["plan"]["rejections"]] == ["drill.removed"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 2, err
    assert "back" in err
    elsewhere = len(
        house.rows("select 1 from ledger where key_id = ? and deployment = ?", caller.key_id, SOUTH)
    )
    assert elsewhere >= 12
    assert f"{elsewhere} requests answered by another place" in out
    assert "1 requests: nobody else" in out
    until(lambda: everywhere(house, caller, NORTH), "it is back at both workers", within_s=1.0)
    listed = house.at(operator).get("/api/drill").json["drills"]
    assert listed[0]["running"] is False
    actions = [row[0] for row in house.rows("select action from audit where target = ?", listed[0]["id"])]
    assert sorted(actions) == ["drill.ended", "drill.started"]


def test_it_ends_by_its_own_clock_when_the_command_is_killed(house: House, operator: Caller) -> None:
    caller = house.caller("left alone")
    process = begin(house, operator, caller, "3s")
    process.kill()
    process.communicate(timeout=10)
    until(lambda: everywhere(house, caller, SOUTH), "it is out", within_s=1.5)
    until_s = newest(house, operator)["until_ns"] / 1e9
    until(lambda: everywhere(house, caller, NORTH), "it is back", within_s=20.0)
    assert time.time() >= until_s


def test_it_is_summed_up_when_its_time_is_over(house: House, operator: Caller) -> None:
    caller = house.caller("waited for")
    process = begin(house, operator, caller, "2s")
    until(lambda: everywhere(house, caller, SOUTH), "it is out", within_s=1.5)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "over since" in out
    assert "0 requests: nobody else" in out


def test_it_outlives_a_killed_gateway_and_keeps_its_end(house: House, operator: Caller) -> None:
    caller = house.caller("restarted")
    asked = {"without": "north", "scope": "key", "scope_id": caller.key_id, "for_s": 120, "reason": "test"}
    made = house.at(operator).send(Asked("/api/drill", json.dumps(asked).encode()))
    assert made.status == 201, made.body
    house.gateway.kill()
    house.gateway.start()
    assert everywhere(house, caller, SOUTH)
    drill = newest(house, operator)
    assert (drill["id"], drill["until_ns"], drill["running"]) == (
        made.json["id"],
        made.json["until_ns"],
        True,
    )
    ended = house.at(operator).send(Asked(f"/api/drill/{drill['id']}", b"", "DELETE"))
    assert (ended.status, ended.json["running"]) == (200, False)
    until(lambda: everywhere(house, caller, NORTH), "it is back", within_s=1.5)


def newest(house: House, operator: Caller) -> dict[str, Any]:
    found: dict[str, Any] = house.at(operator).get("/api/drill").json["drills"][0]
    return found


def test_another_name_typed_takes_nothing_out(house: House, operator: Caller) -> None:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "passerelle", "drill", "--without", "north", "--live", "--for", "5s",
                "--scope", f"key:{operator.key_id}", "--url", house.gateway.base_url,
            ],
            env=clean_env(PASSERELLE_API_KEY=operator.token),
            stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        before = house.at(operator).get("/api/drill").json["drills"]
        os.write(ours, b"south\n")
        _, err = process.communicate(timeout=20)
        assert (process.returncode, "Nothing was taken out" in err) == (1, True), err
        assert house.at(operator).get("/api/drill").json["drills"] == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_member_may_not_and_an_unknown_scope_or_supplier_is_refused(house: House, operator: Caller) -> None:
    caller = house.caller("curious", role="owner")
    good = {"without": "north", "scope": "key", "scope_id": caller.key_id, "for_s": 5}

    def ask(who: Caller, **changed: Any) -> tuple[int, bytes]:
        answer = house.at(who).send(Asked("/api/drill", json.dumps({**good, **changed}).encode()))
        return answer.status, answer.body

    assert ask(caller)[0] == 403
    assert ask(operator, without="nobody")[0] == 400
    assert ask(operator, scope_id="key_000000000000")[0] == 404
    assert ask(operator, scope="everything")[0] == 400
    assert ask(operator, for_s=4 * 3600 + 1)[0] == 400
    assert house.at(operator).get("/api/drill/drl_none").status == 404
