"""OpenAI's files through its SDK and over a plain socket."""

import json
import socket
import urllib.parse
from collections.abc import Iterator
from http.client import HTTPConnection

import openai
import pytest
from tests.gateway.batch.office import openai_of
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage

_CONFIG = """
[files]
max_bytes = 1_500_000
max_project_bytes = 3_000_000
"""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m-chat", "chat")
    with running(tmp_path_factory.mktemp("files"), catalogue.text + _CONFIG, **ENV) as house:
        yield house


def test_a_file_comes_back_as_it_was_sent_and_lies_sealed(house: House) -> None:
    client = openai_of(house, house.caller("plain", org="plain"))
    content = b"the words of the bridge\n" + bytes(range(256)) * 4_000

    file = client.files.create(file=("bridge.bin", content), purpose="user_data")

    assert (file.bytes, file.filename, file.purpose) == (len(content), "bridge.bin", "user_data")
    assert file.status == "processed"
    assert file.expires_at is None
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content
    (lying,) = (house.gateway.data / "files").rglob(file.id)
    assert b"the words" not in lying.read_bytes()
    assert lying.stat().st_mode & 0o777 == 0o600
    deleted = client.files.delete(file.id)
    assert deleted.deleted
    assert not lying.exists()
    for asking in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            asking(file.id)


def test_files_live_as_long_as_their_purpose_or_their_caller_says(house: House) -> None:
    client = openai_of(house, house.caller("mortal", org="mortal"))
    batch = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    said = client.files.create(
        file=("b.txt", b"x"), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )

    assert batch.expires_at == batch.created_at + 30 * 86_400
    assert said.expires_at == said.created_at + 3_600
    for seconds in (3_599, 2_592_001):
        with pytest.raises(openai.BadRequestError, match="expires_after"):
            client.files.create(
                file=("b.txt", b"x"), purpose="vision",
                expires_after={"anchor": "created_at", "seconds": seconds},
            )  # fmt: skip


def test_files_are_listed_by_page_order_and_purpose(house: House) -> None:
    client = openai_of(house, house.caller("lister", org="lister"))
    made = [
        client.files.create(file=(f"{n}.jsonl", b"x"), purpose="batch" if n % 2 else "evals").id
        for n in range(5)
    ]

    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == made
    assert [file.id for file in client.files.list(purpose="batch")] == [made[3], made[1]]
    page = client.files.list(limit=2, after=made[4])
    assert [file.id for file in page.data] == [made[3], made[2]]
    assert page.has_more
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"order": "sideways"}):
        with pytest.raises(openai.BadRequestError):
            client.files.list(**wrong)  # type: ignore[arg-type]


def test_what_is_too_large_is_refused_and_nothing_of_it_stays(house: House) -> None:
    client = openai_of(house, house.caller("greedy", org="greedy"))
    before = _lying(house)
    for size in (1_500_001, 3_000_000):
        with pytest.raises(openai.APIStatusError) as refused:
            client.files.create(file=("a.bin", b"x" * size), purpose="user_data")
        assert refused.value.status_code == 413
    for _ in range(2):
        client.files.create(file=("a.bin", b"x" * 1_400_000), purpose="user_data")
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.create(file=("a.bin", b"x" * 300_000), purpose="user_data")
    assert refused.value.status_code == 413
    assert refused.value.code == "project_storage_full"
    assert len(_lying(house) - before) == 2


@pytest.mark.parametrize(
    ("purpose", "name"), [("batch", "words.txt"), ("batch_output", "a.jsonl"), ("nonsense", "a.jsonl")]
)
def test_what_a_file_is_for_is_checked(house: House, purpose: str, name: str) -> None:
    client = openai_of(house, house.caller("vague"))
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=(name, b"{}"), purpose=purpose)  # type: ignore[arg-type]


def test_a_tenant_that_keeps_nothing_keeps_no_files_and_no_batches(house: House) -> None:
    client = openai_of(house, house.caller("silent", content="none"))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert refused.value.code == "content_not_kept"
    with pytest.raises(openai.PermissionDeniedError):
        client.batches.create(
            input_file_id="file-x", endpoint="/v1/chat/completions", completion_window="24h"
        )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxx',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="more"; filename="a"\r\n\r\nxx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n\xff\r\n--b--\r\n',
    ],
)
def test_a_form_that_is_none_or_lacks_something_is_refused(house: House, body: bytes) -> None:
    before = _lying(house)
    status, told = _post(house, house.caller("odd"), body)
    assert status == 400
    assert told["error"]["type"] == "invalid_request_error"
    assert _lying(house) == before


def test_names_that_callers_give_are_never_paths(house: House) -> None:
    client = openai_of(house, house.caller("sly", org="sly"))
    file = client.files.create(file=("../../../etc/passwd", b"x"), purpose="user_data")
    assert file.filename == "../../../etc/passwd"
    assert {path.name for path in (house.gateway.data / "files").rglob("file-*")} >= {file.id}
    caller = house.caller("sly too", org="sly")
    for path in ("..%2f..%2fkeys%2fpepper", "../keys/pepper", "..%2fcontent", "%00", "x" * 500):
        connection = HTTPConnection(*_address(house))
        connection.request("GET", f"/v1/files/{path}", headers={"authorization": f"Bearer {caller.token}"})
        assert connection.getresponse().status == 404
        connection.close()


def test_an_upload_cut_off_leaves_nothing(house: House) -> None:
    caller = house.caller("cut")
    before = _lying(house)
    with socket.create_connection(_address(house)) as peer:
        head = f"POST /v1/files HTTP/1.1\r\nhost: x\r\nx-api-key: {caller.token}\r\n"
        head += "content-type: multipart/form-data; boundary=b\r\ncontent-length: 900000\r\n\r\n"
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 400_000
        peer.sendall(head.encode() + part)
        until(lambda: _lying(house) - before, "what came so far is on disk")
    until(lambda: _lying(house) == before, "the draft is gone")


def _post(house: House, caller: Caller, body: bytes) -> tuple[int, dict[str, dict[str, str]]]:
    connection = HTTPConnection(*_address(house))
    headers = {"authorization": f"Bearer {caller.token}", "content-type": "multipart/form-data; boundary=b"}
    connection.request("POST", "/v1/files", body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def _address(house: House) -> tuple[str, int]:
    url = urllib.parse.urlsplit(house.gateway.base_url)
    return str(url.hostname), int(url.port or 0)


def _lying(house: House) -> set[str]:
    return {path.name for path in (house.gateway.data / "files").rglob("file-*")}
