"""Files named by their id reach every provider with their bytes, whoever speaks what; others' never do."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.batch.office import begin, ended, openai_of, read
from tests.gateway.door import Asked
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

PDF = b"%PDF-1.7 of the bridge at Avignon"
PNG = b"\x89PNG\r\n\x1a\n of the bridge"
_CONFIG = "[server]\nmax_body_bytes = 20000\n"


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    more = ['input_modalities = ["text", "image", "file"]']
    for name, dialect in (("chat", "openai_chat"), ("resp", "openai_responses"), ("claude", "anthropic")):
        catalogue.provider(name, dialect, stage.url)  # type: ignore[arg-type]
        catalogue.model(f"m-{name}", name, more=more)
    config = catalogue.text.replace("[local]", f"{_CONFIG}[local]", 1)
    with running(tmp_path_factory.mktemp("attached"), config, **ENV) as house:
        yield house


def upload(house: House, caller: Caller, name: str, content: bytes) -> str:
    return openai_of(house, caller).files.create(file=(name, content), purpose="user_data").id


def asked(dialect: str, model: str, pdf: str, png: str | None = None) -> Asked:
    """A request that names files."""
    if dialect == "openai_chat":
        parts: list[Any] = [{"type": "file", "file": {"file_id": pdf}}]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": parts}]}
        path = "/v1/chat/completions"
    elif dialect == "openai_responses":
        parts = [{"type": "input_file", "file_id": pdf}]
        parts += [{"type": "input_image", "file_id": png, "detail": "low"}] if png else []
        body = {"input": [{"role": "user", "content": parts}]}
        path = "/v1/responses"
    else:
        parts = [{"type": "document", "source": {"type": "file", "file_id": pdf}}]
        parts += [{"type": "image", "source": {"type": "file", "file_id": png}}] if png else []
        body = {"max_tokens": 64, "messages": [{"role": "user", "content": parts}]}
        path = "/v1/messages"
    return Asked(path, json.dumps({"model": model, **body}).encode())


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic"])
@pytest.mark.parametrize("provider", ["chat", "resp", "claude"])
def test_a_file_reaches_any_provider_from_any_dialect(
    house: House, stage: Stage, dialect: str, provider: str
) -> None:
    caller = house.caller("reader")
    pdf = upload(house, caller, "bridge.pdf", PDF)
    png = upload(house, caller, "bridge.png", PNG) if dialect != "openai_chat" else None

    answer = caller.door.send(asked(dialect, f"m-{provider}", pdf, png))

    assert answer.status == 200, answer.body
    sent = stage.seen(f"m-{provider}.{provider}")[-1].body
    assert base64.b64encode(PDF) in sent
    assert b"application/pdf" in sent
    assert pdf.encode() not in sent
    if png is not None:
        assert base64.b64encode(PNG) in sent
        assert b"image/png" in sent
    receipt = house.receipt(caller, answer)
    assert receipt["request_digest"]


def test_a_text_becomes_words_for_anthropic(house: House, stage: Stage) -> None:
    caller = house.caller("reader")
    text = upload(house, caller, "bridge.txt", b"four arches")

    assert caller.door.send(asked("anthropic", "m-claude", text)).status == 200
    (block,) = json.loads(stage.seen("m-claude.claude")[-1].body)["messages"][0]["content"]
    assert block["source"] == {"type": "text", "media_type": "text/plain", "data": "four arches"}


def test_a_file_of_another_project_is_as_one_that_does_not_exist(house: House, stage: Stage) -> None:
    mine, other = house.caller("mine"), house.caller("other", org="elsewhere")
    theirs = upload(house, mine, "bridge.pdf", PDF)
    before = len(stage.requests)
    for dialect in ("openai_chat", "openai_responses", "anthropic"):
        told = []
        for name in (theirs, f"{theirs[:-4]}ZZZZ"):
            answer = other.door.send(asked(dialect, "m-chat", name))
            assert answer.status == 400
            error = answer.json["error"]
            told.append(error["message"].replace(name, "ID"))
        assert told[0] == told[1]
        assert "There is no file" in told[0]
    assert len(stage.requests) == before


def test_ids_of_providers_pass_as_they_are(house: House, stage: Stage) -> None:
    caller = house.caller("native")
    assert caller.door.send(asked("openai_chat", "m-chat", "file-0abcProvidersOwn")).status == 200
    assert b"file-0abcProvidersOwn" in stage.seen("m-chat.chat")[-1].body


def test_no_more_than_a_body_may_hold_is_put_into_one(house: House) -> None:
    caller = house.caller("greedy")
    large = upload(house, caller, "bridge.pdf", PDF + b"x" * 20_000)
    answer = caller.door.send(asked("openai_responses", "m-resp", large))
    assert answer.status == 413
    assert answer.json["error"]["param"] == "input.0.content.0.file_id"


def test_lines_of_a_batch_may_name_files_too(house: House, stage: Stage) -> None:
    caller = house.caller("batching")
    client = openai_of(house, caller)
    pdf = upload(house, caller, "bridge.pdf", PDF)
    body = json.loads(asked("openai_chat", "m-claude", pdf).body)
    line = {"custom_id": "c1", "method": "POST", "url": "/v1/chat/completions", "body": body}

    over = ended(client, begin(client, [line]))

    assert read(client, over.output_file_id)[0]["response"]["status_code"] == 200
    assert base64.b64encode(PDF) in stage.seen("m-claude.claude")[-1].body
