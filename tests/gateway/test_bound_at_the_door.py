"""Sealed reasoning goes back to whoever sealed it, whatever is cheaper; the last of what binds is health."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.door import Asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage
from tests.upstream_answers import PROOF

from passerelle.codecs.sealed import Sealed, seal


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.provider("claude", "anthropic", stage.url)
    for name, provider, price in (("thinker", "claude", 15), ("cheap", "chat", 1)):
        said = f"{{ input = {price}, output = {price}, cache_read = {price / 10} }}"
        catalogue.model(name, provider, price=said, more=("quality = 0.8",))
    with running(tmp_path_factory.mktemp("bound"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


def anthropic(*, sealed: bool, opening: str = "Hello.") -> Asked:
    """A second turn, with or without the thoughts of the first."""
    said: list[dict[str, Any]] = [{"type": "text", "text": "Yes?"}]
    if sealed:
        said.insert(0, {"type": "thinking", "thinking": "A greeting.", "signature": PROOF})
    messages = [
        {"role": "user", "content": opening},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "And?"},
    ]
    body = {"model": "smart", "max_tokens": 99, "messages": messages}
    return Asked("/v1/messages", json.dumps(body).encode())


def chat(opening: str) -> Asked:
    """The same from a caller of another dialect, in whose keeping it was sealed."""
    kept = seal(Sealed("anthropic", signature=PROOF))
    detail = {"type": "reasoning.text", "text": "A greeting.", "signature": kept}
    messages = [
        {"role": "user", "content": opening},
        {"role": "assistant", "content": "Yes?", "reasoning_details": [detail]},
        {"role": "user", "content": "And?"},
    ]
    return Asked("/v1/chat/completions", json.dumps({"model": "smart", "messages": messages}).encode())


@pytest.mark.parametrize("affinity", ["adaptive", "none"])
def test_reasoning_binds_a_request_to_its_maker(house: House, caller: Caller, affinity: str) -> None:
    free = caller.door.send(anthropic(sealed=False), x_passerelle_affinity="none")
    bound = caller.door.send(
        anthropic(sealed=True, opening=f"Hello, {affinity}."), x_passerelle_affinity=affinity
    )

    assert free.headers["x-passerelle-deployment"].startswith("chat/")
    assert bound.headers["x-passerelle-deployment"].startswith("claude/")
    plan = house.receipt(caller, bound)["plan"]
    assert plan["choice"]["bound"] == ["claude"]
    assert len(plan["candidates"]) == 2


def test_it_binds_in_another_dialects_keeping_too(caller: Caller) -> None:
    answer = caller.door.send(chat("Hello there."))
    assert answer.headers["x-passerelle-deployment"].startswith("claude/")
    assert "x-passerelle-dropped" not in answer.headers


def test_when_its_maker_fails_the_next_may_still_answer(caller: Caller, stage: Stage) -> None:
    stage.script("thinker.claude", *failing(500)("anthropic"))
    answer = caller.door.send(anthropic(sealed=True, opening="A failing one."))

    assert answer.status == 200
    assert answer.headers["x-passerelle-deployment"].startswith("chat/")
    assert "thinking" in answer.headers["x-passerelle-dropped"]
