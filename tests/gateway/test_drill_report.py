"""The report: signed to the last byte, safe to open whatever tenants are called, sums that add up."""

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.plan import Rejection
from passerelle.gateway.drill.html import html
from passerelle.gateway.drill.markdown import markdown
from passerelle.gateway.drill.pages import sections
from passerelle.gateway.drill.proof import examine, signed_json, signed_page
from passerelle.gateway.drill.report import (
    LIMITS,
    METHOD,
    Basis,
    Finding,
    Inputs,
    Loss,
    Move,
    Report,
    Share,
    Tenant,
    Totals,
)
from passerelle.gateway.drill.run import _findings
from passerelle.store import check_signature

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
HOSTILE = "<script>alert(1)</script> --> | `x` \"'&amp; \n# heading"


def report(name: str = "Banque") -> Report:
    """A report with one of everything, of a tenant called `name`."""
    who = {"org_id": "org_1", "organisation": name, "project_id": "prj_1", "project": name}
    key = {"key_id": "key_1", "key": name}
    counts = {"requests": 9, "unaffected": 2, "moved": 3, "lost": 4, "unserved": 0, "last": 1}
    return Report(
        made_at_ns=1_795_000_000_000_000_000,
        without="nordwind",
        taken_out=("nordwind/a",),
        inputs=Inputs(
            kind="receipts", since_ns=0, until_ns=10**18, read=9, judged=9, digest="0" * 64, first="rcp_1",
            last="rcp_9", organisations=("org_1",), unknown_keys=0, unplanned=0, revoked=0, without_shape=0,
        ),
        basis=Basis("0.1.0", "1-00000000", "0" * 64, "p", "c", "0" * 64, ("v1",), 3, "223b31858941f21f"),
        totals=Totals(
            **counts, cost_before={"USD": 10**9}, cost_after={"USD": 2 * 10**9}, unpriced=0,
            quality_before=0.8, quality_after=None,
        ),
        moves=(
            Move(
                "nordwind/a", "rivage/a", "rivage", 3, 0, {"USD": 10**9}, {"USD": 2 * 10**9}, 0.8, None,
                0.25, 1.5, None, 3.0,
            ),
        ),
        tenants=(Tenant(**who, **key, **counts),),
        losses=(
            Loss(
                **who, **key, model=name, operation="chat", data_class="personal", features=("tools",),
                requests=4, example="rcp_1",
                rejections=(Rejection("nordwind/a", "drill.removed", f"`{name}` is taken out"),),
            ),
        ),
        losses_left_out=1,
        shares=(
            Share("provider", name, 7, 0.7, {"USD": 10**9}, {"USD": 0.9}, 0.0, True, 0.6, True),
            Share("jurisdiction", "EU", 2, 0.2, {}, {}, 1.0, False, None, False),
        ),
        findings=(Finding("failed", "4 of 9"), Finding("exceeded", name), Finding("note", "one")),
        method=METHOD,
        limits=LIMITS,
    )  # fmt: skip


FORMS = {
    "html": lambda r: signed_page(html(r), KEY.sign, RAW),
    "md": lambda r: signed_page(markdown(r), KEY.sign, RAW),
    "json": lambda r: signed_json(r, KEY.sign, RAW),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_signed_verifies_with_the_right_key_alone(form: str) -> None:
    file = FORMS[form](report())
    for trusted in (None, RAW):
        proof = examine(file, check_signature, trusted)
        assert (proof.unchanged, proof.differs, proof.public_key) == (True, None, RAW)
    assert not examine(file, check_signature, OTHER).unchanged


@pytest.mark.parametrize("form", ["html", "md"])
@given(place=st.integers(0, 10**9), byte=st.integers(0, 255))
def test_no_byte_of_a_page_can_be_changed(form: str, place: int, byte: int) -> None:
    file = FORMS[form](report())
    place %= len(file)
    changed = file[:place] + bytes([byte]) + file[place + 1 :]
    if changed == file:
        return
    try:
        proof = examine(changed, check_signature, RAW)
    except ValueError:
        return
    # The key beside the signature may be called another: the trusted one decides, and the text is whole.
    assert not proof.unchanged or changed[: changed.rindex(b"<!-- ")] == file[: file.rindex(b"<!-- ")]


def test_nothing_can_be_added_after_a_page_or_changed_in_what_is_read_of_a_document() -> None:
    page = FORMS["html"](report())
    with pytest.raises(ValueError, match="no report"):
        examine(page + b"<p>more</p>\n", check_signature)
    document = json.loads(FORMS["json"](report()))
    document["report"]["totals"]["lost"] = 0
    assert examine(json.dumps(document).encode(), check_signature).differs == "totals"
    document["signed"]["body"] = json.dumps(document["report"])
    assert not examine(json.dumps(document).encode(), check_signature).unchanged


@pytest.mark.parametrize(
    "file", [b"", b"{}", b"[]", b"<html></html>", b'{"report": {}, "signed": 3}', b"\xff\xfe"]
)
def test_another_file_is_no_report(file: bytes) -> None:
    with pytest.raises(ValueError, match="no report"):
        examine(file, check_signature)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_tenants_name_opens_no_tag_ends_no_comment_and_breaks_no_table() -> None:
    plain, hostile = _Tags(), _Tags()
    plain.feed(html(report("x`y` z")))
    hostile.feed(html(report(HOSTILE)))
    assert [t for t in hostile.seen if t != "code"] == [t for t in plain.seen if t != "code"]
    assert hostile.attributes <= {"lang", "charset", "class", "http-equiv", "content"}
    assert not re.search(r"(?i)<script|src=|href=|url\(|@import", html(report(HOSTILE)))
    for line in markdown(report(HOSTILE)).splitlines():
        assert "<" not in line
        assert not line.startswith("# heading")
    assert markdown(report(HOSTILE)).count("\n|") == markdown(report("plain")).count("\n|")
    assert examine(FORMS["html"](report(HOSTILE)), check_signature, RAW).unchanged


def test_the_page_says_every_figure_and_the_document_is_the_whole() -> None:
    words = _Tags()
    words.feed(html(report()))
    said = " ".join(words.words)
    for wanted in (
        "NOT PASSED",
        "Art. 28(8)",
        "Art. 29(1)(a)",
        "drill.removed",
        "OVER 60%",
        ["250", "ms", "/", "1.5", "s"][0],
    ):
        assert wanted in said, wanted
    document = json.loads(FORMS["json"](report()))
    assert msgspec.convert(document["report"], Report) == report()


def test_findings_say_where_to_look_and_count_one_request_as_one() -> None:
    made = report()
    totals = msgspec.structs.replace(made.totals, unserved=1, unpriced=2, last=1)
    inputs = msgspec.structs.replace(made.inputs, revoked=1)
    said = [finding.text for finding in _findings(inputs, totals, ())]
    assert said == [
        "4 of 9 requests have no legal alternative; the report's section `No alternative` says whose.",
        "1 request would have one place left, and none after it.",
        "1 request is served by nobody even with the supplier.",
        "2 requests are in no sum of costs: a place that was judged has no price.",
        "1 request is of keys revoked or expired since.",
    ]
    headings = [section.title for section in sections(made)]
    assert "No alternative" in headings
