"""Every file of the shared corpora is read, and every difference from what it expects has a reason."""

import json
import re
from pathlib import Path

import pytest
from scripts import corpora
from tests.corpora.agentgateway import Golden, compared, goldens
from tests.corpora.inputs import files, inputs, refusal
from tests.corpora.reasons import REFUSED, RULES, WITHOUT_COUNTERPART, Rule, not_read, reason_of
from tests.shared import shared_data

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget
from passerelle.core.message import TextPart

ROOT = shared_data("dialects") or Path("nowhere")
GOLDENS = list(goldens(ROOT / "agentgateway"))
pytestmark = pytest.mark.skipif(not GOLDENS, reason="the corpora are not here")


def name_of(golden: Golden) -> str:
    return golden.path.relative_to(ROOT / "agentgateway").as_posix()


@pytest.mark.parametrize("golden", GOLDENS, ids=name_of)
def test_a_translation_agrees_or_differs_for_a_reason(golden: Golden) -> None:
    name = name_of(golden)
    found = compared(golden)
    elsewhere = [pattern for pattern in WITHOUT_COUNTERPART if re.fullmatch(pattern, name)]
    assert bool(elsewhere) is (found is None)
    if found is not None:
        unexplained = [one for one in found[1] if reason_of(name, one) is None]
        assert not unexplained


def test_no_reason_is_left_over() -> None:
    used: set[Rule | None] = set()
    for golden in GOLDENS:
        for difference in (compared(golden) or ("", []))[1]:
            used.add(reason_of(name_of(golden), difference))
    assert [rule for rule in RULES if rule not in used] == []


def test_every_file_is_read_or_has_a_reason_not_to_be() -> None:
    sources = {golden.source for golden in GOLDENS} | {golden.path for golden in GOLDENS}
    unread = [
        path
        for path in files(ROOT)
        if path not in sources and not_read(path.relative_to(ROOT).as_posix()) is None
        if not any(inputs(ROOT, path))
    ]
    assert unread == []


def test_every_body_is_taken_as_its_owner_takes_it_or_refused_for_a_reason() -> None:
    refused = {
        one.name: said
        for path in files(ROOT)
        for one in inputs(ROOT, path)
        if (said := refusal(one)) is not None
    }
    assert refused.keys() == REFUSED.keys()


def test_what_a_guard_would_read_is_what_we_read() -> None:
    for golden in GOLDENS:
        if not golden.path.name.endswith(".get-messages-gemini.snap"):
            continue
        request = registry.client("gemini").decode_request(
            golden.source.read_bytes(), PathTarget("chat", "m")
        )
        ours = [message.text for message in request.messages]
        assert ours == [one["content"] for one in golden.said]
        assert any(isinstance(part, TextPart) for message in request.messages for part in message.parts)


def test_bodies_with_an_operators_messages_are_read_as_well() -> None:
    for golden in GOLDENS:
        if golden.path.parent.name == "policies":
            body = golden.source.read_bytes()
            dialect = next(one.dialect for one in inputs(ROOT, golden.source))
            path = PathTarget("chat", "m" if dialect == "gemini" else None)
            before = registry.client(dialect).decode_request(body, path)
            after = registry.client(dialect).decode_request(json.dumps(golden.said).encode(), path)
            assert len(after.messages) > len(before.messages)


def test_the_page_tells_what_was_found() -> None:
    assert corpora.page(ROOT) == corpora.PAGE.read_text("utf-8"), "run `make corpora`"
