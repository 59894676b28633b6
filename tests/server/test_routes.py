"""Every route declares its permission, and keeps it: the table is enumerated, not listed by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.gateway.door import Answer, Asked, Door
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.app import App, Source
from passerelle.core.principal import ROLE_PERMISSIONS, Permission, Role
from passerelle.server.route import PUBLIC

ROLES: tuple[Role, ...] = get_args(Role)
PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))
EXAMPLES = {
    "receipt_id": "rcp_01M80000000000000000000000",
    "key_id": "key_000000000000",
    "drill_id": "drl_01M80000000000000000000000",
    "models/": "no-such-model",
    "/model/": "no-such-model/converse",
    "files/": "file-01M80000000000000000000000",
    "/v1/batches/": "batch_01M80000000000000000000000",
    "/v1beta/batches/": "gbatch_01M80000000000000000000000",
    "messages/batches/": "msgbatch_01M80000000000000000000000",
    "responses/": "resp_01M80000000000000000000000",
    "conversations/": "conv_01M80000000000000000000000",
}
"""What stands for a path's parameter. A new parameter needs a word here."""
BODIES: dict[tuple[str, str], bytes] = {
    ("POST", "/api/keys"): b'{"name": "made by the test"}',
    ("POST", "/v1/conversations"): b'{"items": "none"}',  # a good one is refused: these keys keep nothing
}
"""Bodies that change nothing which another check relies on."""


class Entry(NamedTuple):
    """One method of one route."""

    method: str
    path: str
    permission: str

    @property
    def example(self) -> str:
        """A path that matches it."""
        path = self.path
        for name, value in EXAMPLES.items():
            path = path.replace(f"{{{name}}}", value)
        for prefix, value in EXAMPLES.items():
            if prefix.endswith("/") and path.endswith(prefix):
                path += value
                if self.method == "POST" and prefix != "/model/":
                    path += ":generateContent" if prefix == "models/" else "/cancel"
                break
        assert "{" not in path, f"`{self.path}` has a parameter that EXAMPLES does not know"
        return path


def _app(folder: Path) -> App:
    config = folder / "passerelle.toml"
    config.write_text(Catalogue().text)
    source = Source(config, {}, {"data_dir": str(folder / "data")})
    return App(source, source.read())


def _entries(folder: Path) -> Iterator[Entry]:
    """The whole table, of the entrance and of the management application behind it."""
    app = _app(folder)
    try:
        for route in app.entrance.routes:
            for method in route.methods:
                yield Entry(method, route.path, route.permission)
        api: Any = app._build_api()
        assert isinstance(api, FastAPI)
        for found in api.routes:
            yield from _managed(found)
    finally:
        app.store.close()


def _managed(found: Any) -> Iterator[Entry]:
    inner = getattr(found, "original_router", None)  # how newer FastAPI keeps an included router
    if inner is not None:
        for route in inner.routes:
            yield from _managed(route)
        return
    assert isinstance(found, APIRoute), f"{found} is no route made by `guard.route`"
    permission = (found.openapi_extra or {}).get("x-permission", "")
    assert found.dependencies, f"`{found.path}` checks no key"
    for method in found.methods:
        yield Entry(method, found.path, permission)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return sorted(_entries(tmp_path_factory.mktemp("table")))


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("bridge", "chat")
    with running(tmp_path_factory.mktemp("routes"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def callers(house: House) -> dict[Role, Caller]:
    return {role: house.caller(role, role=role) for role in ROLES}


def test_every_route_declares_a_permission_that_exists(entries: list[Entry]) -> None:
    assert len(entries) > 25
    assert len({(entry.method, entry.path) for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.permission in PERMISSIONS | {PUBLIC}, entry


def test_only_probes_and_greetings_are_public(entries: list[Entry]) -> None:
    public = {(entry.method, entry.path) for entry in entries if entry.permission == PUBLIC}
    probes = {(method, path) for method in ("GET", "HEAD") for path in ("/livez", "/readyz")}
    assert public == probes | {("HEAD", "/"), ("HEAD", "/api/hello")}


def test_every_permission_guards_something_and_some_role_has_it(entries: list[Entry]) -> None:
    guarded = {entry.permission for entry in entries} - {PUBLIC}
    assert guarded == PERMISSIONS
    for permission in PERMISSIONS:
        assert any(permission in having for having in ROLE_PERMISSIONS.values())


def test_every_route_asks_for_a_key_and_keeps_to_the_role(
    entries: list[Entry], house: House, callers: dict[Role, Caller], stage: Stage
) -> None:
    stranger = Door(house.gateway.base_url)
    checks = 0
    for entry in entries:
        verdicts: dict[str, int] = {"nobody": _ask(stranger, entry).status}
        verdicts["a wrong key"] = _ask(Door(house.gateway.base_url, "psk_live_no"), entry).status
        for role, caller in callers.items():
            verdicts[role] = _ask(caller.door, entry).status
        checks += len(verdicts)
        if entry.permission == PUBLIC:
            assert set(verdicts.values()) == {200}, entry
            continue
        refused = 403 if entry.path == "/model/" else 401  # as AWS refuses
        assert verdicts.pop("nobody") == verdicts.pop("a wrong key") == refused, entry
        for role in ROLES:
            allowed = entry.permission in ROLE_PERMISSIONS[role]
            assert (verdicts[role] not in (401, 403, 500)) if allowed else verdicts[role] == 403, (
                entry,
                role,
            )
    print(f"{len(entries)} routes, {checks} verdicts")
    assert not house.lines("unexpected failure")
    assert not stage.requests


def test_a_refused_caller_learns_nothing_of_what_is_behind(
    entries: list[Entry], house: House, callers: dict[Role, Caller]
) -> None:
    stranger = Door(house.gateway.base_url)
    for entry in entries:
        if entry.permission != PUBLIC:
            answer = _ask(stranger, entry)
            assert not any(caller.key_id.encode() in answer.body for caller in callers.values())
            assert b"bridge" not in answer.body


def _ask(door: Door, entry: Entry) -> Answer:
    body = BODIES.get((entry.method, entry.path), b"{}" if entry.method == "POST" else b"")
    return door.send(Asked(entry.example, body, entry.method))
