"""A model that may be used but cannot do what is asked: the request is at fault, and is told so."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.door import DIALECTS, Asked, asked, error_type, names_field, read_error
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WINDOW = 2000
LONG = "Sur le pont d'Avignon. " * 1200  # some 27 kB: surely more than 2,000 tokens


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("here", "openai_chat", stage.url)
    catalogue.provider("there", "anthropic", stage.url, 'attributes = { regions = ["us"] }')
    plain = ['input_modalities = ["text"]', f"context_tokens = {WINDOW}", 'capabilities = ["json"]']
    catalogue.model("words", "here", "there", more=plain)
    catalogue.model("sights", "here", more=['input_modalities = ["text", "image"]'])
    catalogue.lines += ["[policy.classes.personal]", 'regions = ["us"]']
    with running(tmp_path_factory.mktemp("unable"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


def seen_by(dialect: Dialect, model: str) -> Asked:
    """A question about a picture."""
    url = f"data:image/png;base64,{PIXEL}"
    match dialect:
        case "openai_chat":
            part: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
            more: dict[str, Any] = {"messages": [{"role": "user", "content": [part]}]}
        case "openai_responses":
            more = {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}
        case "anthropic":
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            more = {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}
        case "gemini":
            data = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
            more = {"contents": [{"role": "user", "parts": [data]}]}
        case "bedrock":
            image = {"image": {"format": "png", "source": {"bytes": PIXEL}}}
            more = {"messages": [{"role": "user", "content": [image]}]}
    return asked(dialect, model, **more)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_picture_for_a_model_of_words_is_the_requests_own_fault(
    house: House, stage: Stage, caller: Caller, dialect: Dialect
) -> None:
    since = len(stage.requests)

    answer = caller.door.send(seen_by(dialect, "words"))

    assert answer.status == 400
    error = read_error(dialect, answer)
    assert error.type == error_type(dialect, 400)
    assert (error.code or "").lower() == "unsupported_by_model" or dialect == "bedrock"  # it has no codes
    assert names_field(dialect, error, "model")
    assert "the model does not take images" in error.message
    assert len(stage.requests) == since
    receipt = house.receipt(caller, answer)
    assert (receipt["outcome"], receipt["problem"]) == ("refused", "invalid_request")
    rejected = {r["deployment"]: r["rule"] for r in receipt["plan"]["rejections"]}
    assert rejected == dict.fromkeys(("here/words.here", "there/words.there"), "capability.images")
    assert caller.door.send(seen_by(dialect, "sights")).status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_prompt_that_does_not_fit_is_told_in_the_dialects_own_words(
    house: House, caller: Caller, dialect: Dialect, *, stream: bool
) -> None:
    answer = caller.door.send(asked(dialect, "words", stream=stream, text=LONG))

    assert answer.status == 400
    error = read_error(dialect, answer)
    assert error.type == error_type(dialect, 400)
    assert error.code == ("context_length_exceeded" if dialect.startswith("openai") else None)
    assert "prompt is too long" in error.message
    assert f"the context window is {WINDOW}" in error.message
    receipt = house.receipt(caller, answer)
    assert (receipt["outcome"], receipt["problem"]) == ("refused", "context_length")
    assert {r["rule"] for r in receipt["plan"]["rejections"]} == {"limits.context_tokens"}


def test_a_rule_in_the_way_of_any_place_keeps_it_a_matter_of_rights(house: House, caller: Caller) -> None:
    picture = seen_by("openai_chat", "words")
    for headers, rules in (
        ({"x-passerelle-data-class": "personal"}, {"policy.personal.regions", "capability.images"}),
        ({"x-passerelle-models": "there/*"}, {"request.models", "capability.images"}),
    ):
        answer = caller.door.send(picture, **headers)
        assert answer.status == 403
        receipt = house.receipt(caller, answer)
        assert receipt["problem"] == "no_eligible_deployment"
        assert {r["rule"] for r in receipt["plan"]["rejections"]} == rules


def test_what_a_key_may_not_know_of_is_not_told_beside_it(house: House) -> None:
    confined = house.caller("confined", models=("here/*",))
    answer = confined.door.send(seen_by("openai_chat", "words"))
    assert answer.status == 400
    assert b"there" not in answer.body


def test_smart_leaves_the_choice_to_us_so_it_is_not_the_requests_fault(house: House, caller: Caller) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    heard = asked("openai_chat", "smart", messages=[{"role": "user", "content": [sound]}])
    answer = caller.door.send(heard)
    assert answer.status == 403
    assert house.receipt(caller, answer)["problem"] == "no_eligible_deployment"
