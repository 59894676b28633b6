"""From records to rows: each value in its column, each request once, one bad record never in the way."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.gateway.house import until
from tests.store.world import (
    NOON,
    StillClock,
    Tenant,
    a_settlement,
    a_tenant,
    an_intent,
    assert_books_balance,
    sql,
)

from passerelle.core.clock import mint
from passerelle.core.receipt import Held, HoldSettled, Receipt
from passerelle.core.usage import BUCKETS, Usage
from passerelle.ledger import receipts
from passerelle.store import Store, check_signature
from passerelle.store.records import Intended, Settled
from passerelle.store.spending import Lost, charges

Opener = Callable[..., Store]
NOBODY = Tenant("org", "wsp", "prj", "key", "")


def settle(store: Store, tenant: Tenant, **options: object) -> Receipt:
    intent = an_intent(tenant)
    store.journal.intent(intent)
    settlement = a_settlement(intent, **options)  # type: ignore[arg-type]
    store.journal.settle(settlement)
    assert store.flush()
    return settlement.receipt


def test_every_value_of_an_attempt_is_found_in_its_ledger_row(store: Store) -> None:
    tenant = a_tenant(store)
    usage = Usage(**{bucket: 100 + index for index, bucket in enumerate(BUCKETS)}, source="estimated")
    receipt = settle(
        store, tenant, usage=usage, amount_nanos=12_345, ok=False, failure="rate_limited", status=429,
        model="their-own-name", currency="EUR",
    )  # fmt: skip
    (row,) = store.usage.rows(tenant.org_id)
    (attempt,) = receipt.attempts
    assert row.usage == usage
    assert (row.attempt_id, row.receipt_id, row.kind) == (attempt.id, receipt.id, "attempt")
    assert (row.workspace_id, row.project_id, row.key_id) == tenant[1:4]
    assert (row.provider, row.deployment, row.model) == ("prov", "prov/model-x", "their-own-name")
    assert (row.ok, row.failure, row.status) == (False, "rate_limited", 429)
    assert (row.at_ns, row.duration_ns, row.first_content_ns) == (NOON, 1_500_000, 900_000)
    assert (row.price_version, row.amount_nanos, row.currency) == ("price1", 12_345, "EUR")
    assert (row.late, row.unknown) == (False, False)


def test_the_signed_receipt_reads_back_equal_and_verifies(store: Store) -> None:
    tenant = a_tenant(store)
    receipt = settle(store, tenant)
    signed = store.receipts.get(tenant.org_id, receipt.id)
    assert signed is not None
    assert receipts.read(signed) == receipt
    assert receipts.verify(signed, store.public_key, check_signature)
    assert store.receipts.by_request(tenant.org_id, receipt.request_id) == signed
    assert store.receipts.public_keys()[signed.signature.key_id] == store.public_key


def test_a_batch_shares_a_signature_within_an_organisation_and_never_across(
    store: Store, tmp_path: Path
) -> None:
    mine, theirs = a_tenant(store, "mine"), a_tenant(store, "theirs")
    for tenant in (mine, theirs, mine, theirs, mine):
        intent = an_intent(tenant)
        store.journal.settle(a_settlement(intent))
    assert store.flush()
    for tenant, count in ((mine, 3), (theirs, 2)):
        found = store.receipts.list(tenant.org_id)
        assert len(found) == count
        hashes = {receipts.tree.leaf_hash(one.body.encode()).hex() for one in found}
        for one in found:
            assert receipts.verify(one, store.public_key, check_signature)
            assert one.signature.size <= count
            if one.signature.size == 2:
                assert set(one.signature.path) <= hashes


def test_receipts_are_listed_newest_first_page_by_page_and_by_key(store: Store) -> None:
    tenant = a_tenant(store)
    other_key, _ = store.keys.create(tenant.org_id, tenant.project_id, name="other", actor="cli:test")
    made = [settle(store, tenant).id for _ in range(5)]
    other = settle(store, tenant._replace(key_id=other_key.id)).id
    ids = sorted([*made, other], reverse=True)
    first = [receipts.read(one).id for one in store.receipts.list(tenant.org_id, limit=4)]
    rest = [receipts.read(one).id for one in store.receipts.list(tenant.org_id, before=first[-1])]
    assert first + rest == ids
    of_key = store.receipts.list(tenant.org_id, key_id=other_key.id)
    assert [receipts.read(one).id for one in of_key] == [other]
    assert len(store.receipts.list(tenant.org_id, project_id=tenant.project_id)) == 6
    assert store.receipts.list(tenant.org_id, project_id="prj_none") == ()


def test_content_is_kept_sealed_apart_from_the_receipt_and_can_be_erased(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    receipt = settle(store, tenant, content={"request": "the secret recipe", "response": "salt"})
    assert store.contents.get(tenant.org_id, receipt.id) == {
        "request": "the secret recipe",
        "response": "salt",
    }
    store.close()
    assert b"secret recipe" not in b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_erased_content_is_gone_and_its_receipt_still_verifies(store: Store) -> None:
    tenant = a_tenant(store)
    receipt = settle(store, tenant, content="words")
    assert store.contents.erase(tenant.org_id, receipt.id, actor="cli:test")
    assert not store.contents.erase(tenant.org_id, receipt.id, actor="cli:test")
    assert store.contents.get(tenant.org_id, receipt.id) is None
    signed = store.receipts.get(tenant.org_id, receipt.id)
    assert signed is not None
    assert receipts.verify(signed, store.public_key, check_signature)


def test_shredding_makes_an_organisations_content_unreadable_and_no_others(store: Store) -> None:
    mine, theirs = a_tenant(store, "mine"), a_tenant(store, "theirs")
    old, kept = settle(store, mine, content="mine"), settle(store, theirs, content="theirs")
    assert store.contents.shred(mine.org_id, actor="cli:test") == 1
    assert store.contents.get(mine.org_id, old.id) is None
    new = settle(store, mine, content="again")
    assert store.contents.get(mine.org_id, old.id) is None, "the new key does not open the old words"
    assert store.contents.get(mine.org_id, new.id) == "again"
    assert store.contents.get(theirs.org_id, kept.id) == "theirs"


def test_an_attempt_id_used_by_two_receipts_is_set_aside_and_holds_up_no_other(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = a_tenant(store)
    first = settle(store, tenant)
    again = an_intent(tenant, attempt_id=first.attempts[0].id)
    good = an_intent(tenant)
    store.journal.settle(a_settlement(again))
    store.journal.settle(a_settlement(good))
    assert store.flush()
    assert store.health()["quarantined"] == 1
    assert store.receipts.get(tenant.org_id, good.receipt_id) is not None
    assert store.receipts.get(tenant.org_id, again.receipt_id) is None
    assert store.health()["ok"]
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert again.receipt_id.encode() in kept.read_bytes()
    assert "set aside" in caplog.text
    assert_books_balance(tmp_path)


def test_a_number_no_column_can_hold_is_set_aside(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = a_tenant(store)
    settle(store, tenant, duration_ns=2**63)
    settle(store, tenant)
    assert store.health()["quarantined"] == 1
    assert sql(tmp_path, "select count(*) from ledger") == [(1,)]
    assert_books_balance(tmp_path)


def test_a_model_name_with_a_nul_is_kept_without_it(store: Store) -> None:
    tenant = a_tenant(store)
    settle(store, tenant, model="evil\0name")
    (row,) = store.usage.rows(tenant.org_id)
    assert row.model == "evilname"


def test_an_intent_has_its_row_only_while_its_end_is_not_booked_beside_it(
    store: Store, clock: StillClock
) -> None:
    tenant = a_tenant(store)
    running = an_intent(tenant)
    store.journal.intent(running)

    def told() -> bool:
        clock.monotonic += 1.0  # the writer tells of what runs long from one upkeep to the next
        return store.audit.open_intents(tenant.org_id, before_ns=NOON + 1) == (running,)

    until(told, "it is told")
    assert store.audit.open_intents(tenant.org_id, before_ns=NOON) == ()
    store.journal.settle(a_settlement(running))
    assert store.flush()
    assert store.audit.open_intents(tenant.org_id, before_ns=NOON + 1) == ()


# --- what a crash leaves open: the arithmetic


def a_lost_request(*attempts: tuple[int, tuple[Held, ...]]) -> Lost:
    receipt_id = mint("rcp")
    intents = [
        an_intent(NOBODY, receipt_id=receipt_id, estimate_nanos=estimate, holds=holds)
        for estimate, holds in attempts
    ]
    return Lost(tuple(Intended(one, tuple("lse" for _ in one.holds)) for one in intents))


def amounts(lost: Lost) -> list[int]:
    return [amount for _, amount in lost.amounts()]


def test_one_lost_attempt_is_charged_its_estimate() -> None:
    lost = a_lost_request((100, (Held("h", "b1", 100), Held("h", "b2", 100))))
    assert amounts(lost) == [100]
    assert [(c.budget_id, c.amount_nanos, c.state) for c in lost.charges()] == [
        ("b1", 100, "unknown"),
        ("b2", 100, "unknown"),
    ]


def test_of_attempts_under_one_hold_the_last_is_charged() -> None:
    hold = (Held("h", "b", 100),)
    lost = a_lost_request((80, hold), (100, hold))
    assert amounts(lost) == [0, 100]
    assert sum(charge.amount_nanos for charge in lost.charges()) == 100


def test_attempts_that_were_each_held_for_are_each_charged() -> None:
    lost = a_lost_request((80, (Held("h1", "b", 80),)), (100, (Held("h1", "b", 80), Held("h2", "b", 100))))
    assert amounts(lost) == [80, 100]
    assert [(c.hold_id, c.amount_nanos) for c in lost.charges()] == [("h1", 80), ("h2", 100)]


def test_without_a_budget_the_last_attempt_is_charged_its_estimate() -> None:
    lost = a_lost_request((80, ()), (100, ()))
    assert amounts(lost) == [0, 100]
    assert lost.charges() == []


def test_budgets_that_held_different_sums_all_pay_what_the_ledger_says() -> None:
    lost = a_lost_request((100, (Held("h", "b1", 100), Held("h", "b2", 60))))
    assert {charge.budget_id: charge.amount_nanos for charge in lost.charges()} == {"b1": 100, "b2": 100}


def test_a_settlements_charges_are_its_holds() -> None:
    intent = an_intent(NOBODY, holds=(Held("h", "b", 100),))
    settlement = a_settlement(intent, amount_nanos=33)
    assert settlement.holds == (HoldSettled("h", "b", 100, 33),)
    (charge,) = charges(Settled(settlement, ("lse_1",)))
    assert (charge.lease_id, charge.held_nanos, charge.amount_nanos) == ("lse_1", 100, 33)


def test_two_attempts_of_one_request_are_two_ledger_rows_and_one_receipt(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    settlement = a_settlement(intent, amount_nanos=50)
    failed = msgspec.structs.replace(
        settlement.receipt.attempts[0], id=f"{intent.attempt_id}9", ok=False, failure="timeout", cost_nanos=7
    )
    receipt = msgspec.structs.replace(
        settlement.receipt, attempts=(failed, *settlement.receipt.attempts), cost_nanos=57
    )
    store.journal.settle(msgspec.structs.replace(settlement, receipt=receipt))
    assert store.flush()
    assert len(store.usage.rows(tenant.org_id, receipt_id=receipt.id)) == 2
    (line,) = store.usage.report(tenant.org_id)
    assert (line.attempts, line.failed, line.amount_nanos) == (2, 1, 57)
    assert_books_balance(tmp_path)
