"""Bodies that the management routes cannot read: said plainly, naming no field that is none."""

from collections.abc import Iterator

import pytest
from tests.gateway.door import Asked
from tests.gateway.house import Caller, running
from tests.gateway.stage import ENV, Catalogue, Stage


@pytest.fixture(scope="module")
def admin(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    with running(tmp_path_factory.mktemp("bodies"), catalogue.text, **ENV) as house:
        yield house.caller("admin", role="admin")


@pytest.mark.parametrize(
    ("body", "where"), [(b"{nonsense", "character 2"), (b'{"name": "x",}', "character 14"), (b"no", "")]
)
def test_a_body_that_is_not_json_is_called_that(admin: Caller, body: bytes, where: str) -> None:
    said = admin.door.send(Asked("/api/keys", body))

    assert said.status == 400
    error = said.json["error"]
    assert error["message"].startswith("The body is not JSON")
    assert where in error["message"]
    assert error["param"] is None
    assert "`" not in error["message"]


@pytest.mark.parametrize(
    ("body", "param"), [(b'{"name": ""}', "name"), (b"{}", "name"), (b'{"name": "x", "rpm": 3}', "rpm")]
)
def test_a_field_that_is_wrong_is_named(admin: Caller, body: bytes, param: str) -> None:
    said = admin.door.send(Asked("/api/keys", body))

    assert (said.status, said.json["error"]["param"]) == (400, param)
