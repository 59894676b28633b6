"""Commands that talk to a running gateway, and those that read what it leaves."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calling import Said, call
from tests.serving import Gateway

QUESTION = "What is a footbridge?"
ANSWER = "[simulated by simulated-plain-1; no model was called] A footbridge is a small bridge."


@pytest.fixture(scope="module")
def asked(gateway: Gateway, asking: dict[str, str]) -> Said:
    """A question that was answered."""
    return call("ask", QUESTION, "--model", "plain-1", **asking)


@pytest.fixture(scope="module")
def receipt_id(asked: Said) -> str:
    """The receipt of `asked`."""
    found = re.search(r"rcp_\w+", asked.out)
    assert found, asked
    return found.group()


@pytest.fixture(scope="module")
def receipt_file(gateway: Gateway, receipt_id: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receipt as `show --json` writes it."""
    said = call("receipts", "show", receipt_id, "--json", data=gateway.data)
    path = tmp_path_factory.mktemp("receipt") / "receipt.json"
    path.write_text(said.out)
    return path


def test_ask_shows_the_answer_then_what_it_took(asked: Said) -> None:
    assert asked.code == 0, asked.err
    answer, _, rest = asked.out.partition("\n\n")
    assert answer == ANSWER
    labels = [line.split()[0] for line in rest.splitlines() if not line.startswith(" ")]
    assert labels == ["Model", "Why", "Tokens", "Cost", "Time", "Receipt"]
    assert "simulated-plain-1, through near/plain-1" in rest
    assert "USD" in rest
    assert "\x1b" not in asked.out, "colour without a terminal"


def test_ask_as_json_is_one_document_with_the_answer_and_its_receipt(asking: dict[str, str]) -> None:
    said = call("ask", QUESTION, "--model", "plain-1", "--json", **asking)
    assert said.err == ""
    assert said.json["answer"]["choices"][0]["message"]["content"] == ANSWER
    assert said.json["receipt"]["verified"] is True


def test_a_plan_names_who_is_tried_and_who_is_excluded_and_calls_nothing(asking: dict[str, str]) -> None:
    said = call("ask", QUESTION, "--plan", "--data-class", "personal", **asking)
    assert said.code == 0
    assert re.search(r"^1\. +near/plain-1", said.out, re.MULTILINE)
    assert re.search(r"^No +far/distant-1: policy\.personal\.regions", said.out, re.MULTILINE)
    as_json = call("ask", QUESTION, "--plan", "--json", **asking)
    assert [c["deployment"] for c in as_json.json["plan"]["candidates"]]


def test_a_refusal_says_which_rule_and_ends_with_1(asking: dict[str, str]) -> None:
    said = call("ask", QUESTION, "--model", "distant-1", "--data-class", "personal", **asking)
    assert (said.code, said.out) == (1, "")
    assert "answered 403" in said.err
    assert "policy.personal.regions" in said.err
    assert "`regions` include `us`; allowed: `eu`" in said.err
    assert re.search(r"^Its receipt is rcp_\w+\.$", said.err, re.MULTILINE)


def test_ask_without_a_key_or_with_a_wrong_one_says_what_to_do(asking: dict[str, str]) -> None:
    without = call("ask", QUESTION, PASSERELLE_BASE_URL=asking["PASSERELLE_BASE_URL"])
    assert without.code == 1
    assert "passerelle keys create" in without.err
    wrong = call(
        "ask", QUESTION, "--key", "psk_live_wrong", PASSERELLE_BASE_URL=asking["PASSERELLE_BASE_URL"]
    )
    assert wrong.code == 1
    assert "answered 401" in wrong.err


def test_ask_where_nobody_listens_says_how_to_start_a_gateway() -> None:
    said = call("ask", QUESTION, "--url", "http://127.0.0.1:1", "--key", "k")
    assert (said.code, said.out) == (1, "")
    assert "No gateway answers at http://127.0.0.1:1; start one with `passerelle serve`" in said.err


def test_models_tells_health_when_it_may_ask(gateway: Gateway, asking: dict[str, str]) -> None:
    config = str(gateway.config_path)
    admin = gateway.key("--name", "admin", "--role", "admin")["token"]
    seen = call("models", "--config", config, data=gateway.data, **{**asking, "PASSERELLE_API_KEY": admin})
    assert re.search(r"^plain-1 .* eu +near +(healthy|unknown)$", seen.out, re.MULTILINE), seen.out
    denied = call("models", "--config", config, data=gateway.data, **asking)
    assert denied.code == 0
    assert "Health is not known" in denied.err
    assert "health:read" in denied.err


def test_a_receipt_is_shown_by_its_id_its_request_and_as_the_newest(
    gateway: Gateway, receipt_id: str, receipt_file: Path
) -> None:
    shown = call("receipts", "show", receipt_id, data=gateway.data)
    assert shown.code == 0
    for label in ("At", "Outcome", "Model", "Why", "Tokens", "Cost", "Time", "Receipt", "Attempt", "Signed"):
        assert re.search(rf"^{label} ", shown.out, re.MULTILINE), label
    request_id = json.loads(receipt_file.read_text())["receipt"]["request_id"]
    by_request = call("receipts", "show", request_id, data=gateway.data)
    assert by_request.out == shown.out
    assert re.search(r"^Receipt +rcp_", call("receipts", "show", data=gateway.data).out, re.MULTILINE)


def test_receipts_are_listed_newest_first(gateway: Gateway, receipt_id: str) -> None:
    listed = call("receipts", "list", data=gateway.data)
    head, *rows = listed.out.splitlines()
    assert head.split() == ["receipt", "at", "outcome", "model", "in", "out", "cost"]
    ids = [row.split()[0] for row in rows]
    assert receipt_id in ids
    assert ids == sorted(ids, reverse=True)


def test_a_receipt_is_verified_from_its_file_and_its_id(
    gateway: Gateway, receipt_id: str, receipt_file: Path
) -> None:
    from_file = call("receipts", "verify", str(receipt_file))
    assert from_file.code == 0
    assert from_file.out.startswith("Good: signed by ")
    assert "(the key in the file)" in from_file.out
    trusted = gateway.data / "keys" / "receipts.pub.pem"
    by_pem = call("receipts", "verify", str(receipt_file), "--public-key", str(trusted))
    assert by_pem.code == 0
    assert "(the key in the file)" not in by_pem.out
    by_id = call("receipts", "verify", receipt_id, "--json", data=gateway.data)
    assert by_id.json["verified"] is True


@pytest.mark.parametrize("change", ["body", "path", "key"])
def test_a_tampered_receipt_is_bad_and_ends_with_1(receipt_file: Path, tmp_path: Path, change: str) -> None:
    told = json.loads(receipt_file.read_text())
    if change == "body":
        told["signed"]["body"] = told["signed"]["body"].replace('"cost_nanos":', '"cost_nanos":9', 1)
    elif change == "path":
        told["signed"]["signature"]["index"] = told["signed"]["signature"]["index"] + 1
    else:
        told["public_key"] = "00" * 32
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(told))
    said = call("receipts", "verify", str(path))
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("BAD: ")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("receipt.cost_nanos", lambda told: told["receipt"].update(cost_nanos=1)),
        ("receipt.cost_nanos", lambda told: told["receipt"].pop("cost_nanos")),
        ("receipt.tags", lambda told: told["receipt"].update(tags=["paid"])),
        ("receipt.attempts[0].model", lambda told: told["receipt"]["attempts"][0].update(model="gpt")),
        ("receipt.attempts[1]", lambda told: told["receipt"]["attempts"].append({})),
        ("receipt", lambda told: told.update(receipt=None)),
        ("words", lambda told: told.update(words="It cost nothing.")),
    ],
)
def test_a_receipt_whose_readable_part_was_altered_is_bad_and_the_field_is_named(
    receipt_file: Path, tmp_path: Path, field: str, change: Callable[[dict[str, Any]], None]
) -> None:
    told = json.loads(receipt_file.read_text())
    change(told)
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(told))
    said = call("receipts", "verify", str(path))
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"BAD: `{field}` was changed")
    as_json = call("receipts", "verify", str(path), "--json")
    assert as_json.code == 1
    assert (as_json.json["verified"], as_json.json["differs"]) == (False, field)


def test_the_signed_text_and_the_key_alone_are_enough(receipt_file: Path, tmp_path: Path) -> None:
    told = json.loads(receipt_file.read_text())
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps({name: told[name] for name in ("signed", "public_key")}))
    assert call("receipts", "verify", str(path)).code == 0


def test_a_receipt_signed_by_another_key_is_bad(receipt_file: Path, gateway: Gateway) -> None:
    said = call("receipts", "verify", str(receipt_file), "--public-key", "ab" * 32)
    assert said.code == 1
    nonsense = call("receipts", "verify", str(receipt_file), "--public-key", "no-such-file")
    assert nonsense.code == 2
    private = call(
        "receipts", "verify", str(receipt_file), "--public-key", str(gateway.data / "keys" / "receipts.pem")
    )
    assert private.code == 2


def test_what_is_no_receipt_says_how_to_get_one(gateway: Gateway, tmp_path: Path) -> None:
    unknown = call("receipts", "show", "rcp_nobody", data=gateway.data)
    assert (unknown.code, unknown.out) == (1, "")
    assert "`rcp_nobody`" in unknown.err
    assert "passerelle receipts list" in unknown.err
    path = tmp_path / "receipt.json"
    path.write_text("{}")
    assert "is no receipt" in call("receipts", "verify", str(path)).err


def test_usage_adds_up_what_was_asked(gateway: Gateway, asked: Said) -> None:
    lines = call("usage", "--by", "model", "--by", "provider", "--json", data=gateway.data).json
    mine = next(line for line in lines if line["group"]["provider"] == "near")
    assert mine["group"]["model"] == "simulated-plain-1"  # no configuration says what it is a name of
    ours = (
        "usage",
        "--config",
        str(gateway.config_path),
        "--by",
        "model",
        "--by",
        "provider_model",
        "--json",
    )
    groups = [line["group"] for line in call(*ours, data=gateway.data).json]
    assert {"model": "plain-1", "provider_model": "simulated-plain-1"} in groups
    assert mine["attempts"] >= 1
    assert mine["amount_nanos"] > 0
    tagged = call("usage", "--by", "tag", data=gateway.data).out.splitlines()
    assert tagged[0].split()[0] == "tag"
    assert tagged[-1].split()[0] == "(all)"
    later = call("usage", "--by", "day", "--since", "2999-01-01", data=gateway.data)
    assert later.code == 0
    assert later.out.splitlines()[0].split() == ["day", "attempts", "failed", "in", "out", "cost"]
    assert "Nothing was used yet." in later.err


def test_another_organisation_sees_nothing_and_an_unknown_one_is_named(
    gateway: Gateway, receipt_id: str
) -> None:
    call("keys", "create", "--name", "k", "--org", "Other", data=gateway.data)
    theirs = call("receipts", "show", receipt_id, "--org", "Other", data=gateway.data)
    assert theirs.code == 1
    assert receipt_id in theirs.err
    said = call("usage", "--org", "Nobody", data=gateway.data)
    assert (said.code, said.out) == (1, "")
    assert "There is no organisation `Nobody`; known: " in said.err
    assert "`Other`" in said.err


def test_a_revoked_key_is_refused_at_once_and_by_name(gateway: Gateway, asking: dict[str, str]) -> None:
    made = gateway.key("--name", "short")
    revoked = call("keys", "revoke", made["id"], data=gateway.data)
    assert revoked.out == f"{made['id']} is revoked\n"
    said = call("ask", QUESTION, "--model", "plain-1", **{**asking, "PASSERELLE_API_KEY": made["token"]})
    assert said.code == 1
    assert "revoked" in said.err


def test_a_busy_port_is_said_with_the_way_out(gateway: Gateway) -> None:
    port = gateway.base_url.rpartition(":")[2]
    for command in ("serve", "quickstart"):
        said = call(command, "--port", port, data=gateway.data)
        assert (said.code, said.out) == (1, "")
        assert f"Cannot listen on 127.0.0.1:{port}" in said.err
        assert "--port" in said.err
