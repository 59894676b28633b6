"""Two tenants on one gateway: neither sees a byte of the other, through any route.

The twin test: whatever A asks with something of B's, it is told the same as for something that is not.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.gateway.door import DIALECTS, Answer, Asked, Door, asked, path_of
from tests.gateway.house import ACTOR, Caller, House, Tenant, running
from tests.gateway.stage import ENV, Catalogue, Stage, short

from passerelle.core.principal import Rights, Role
from passerelle.ledger.reports import DIMENSIONS

ROLES: tuple[Role, ...] = ("owner", "admin", "finance", "auditor", "builder", "member")
"""Organisation roles; the operator's reaches further on purpose."""
B = "borealis"
"""A word in every name that belongs to B alone."""


class Side(NamedTuple):
    """A tenant, its callers, and what it left behind."""

    callers: dict[Role, Caller]
    receipts: list[str]
    requests: list[str]
    tenant: Tenant
    file: str
    batch: str
    messages: str
    gemini: str

    @property
    def marks(self) -> set[str]:
        """What must never be seen on the other side."""
        keys = {text for caller in self.callers.values() for text in (caller.key_id, caller.token)}
        keys |= {self.file, self.batch, self.messages, self.gemini}
        return keys | set(self.receipts) | set(self.requests) | set(self.tenant)


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for side in ("aurora", B):
        for dialect in DIALECTS:
            name = f"{side}-{short(dialect)}"
            catalogue.provider(name, dialect, stage.url)
            catalogue.model(name, name)
    with running(tmp_path_factory.mktemp("tenants"), catalogue.text, **ENV) as house:
        yield house


def _side(house: House, name: str) -> Side:
    """A tenant whose organisation may use its own models only, with some history."""
    tenants = house.store.tenants
    org = tenants.create_organisation(name, actor=ACTOR, rights=Rights(models=(f"{name}-*",)))
    workspace = tenants.create_workspace(org.id, f"{name} rooms", actor=ACTOR)
    project = tenants.create_project(org.id, workspace.id, f"{name} app", actor=ACTOR)
    house.tenants[name] = tenant = Tenant(org.id, workspace.id, project.id)
    callers = {role: house.caller(f"{name} {role}", org=name, role=role) for role in ROLES}
    member = callers["member"]
    receipts, requests = [], []
    for dialect in DIALECTS:
        for stream in (False, True):
            request = f"{name}-request-{dialect}-{stream}"
            answer = member.door.send(
                asked(dialect, f"{name}-{short(dialect)}", stream=stream),
                x_request_id=request,
                x_passerelle_tags=f"{name}-tag",
            )
            assert answer.status == 200
            receipts.append(answer.receipt)
            requests.append(request)
    house.booked(member)
    return Side(callers, receipts, requests, tenant, *_kept(member.door, name))


def _kept(door: Door, name: str) -> tuple[str, str, str, str]:
    """A file, a batch of it, a message batch and a Gemini batch."""
    form = (
        '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: '
    )
    form += f'form-data; name="file"; filename="{name}.jsonl"\r\n\r\n{{}}\r\n--b--\r\n'
    sent = Asked("/v1/files", form.encode(), headers={"content-type": "multipart/form-data; boundary=b"})
    file = door.send(sent).json["id"]
    said = {"input_file_id": file, "endpoint": "/v1/responses", "completion_window": "24h"}
    batch = door.send(Asked("/v1/batches", json.dumps({**said, "metadata": {"of": name}}).encode())).json[
        "id"
    ]
    requests = [{"custom_id": name, "params": {"model": f"{name}-claude"}}]
    messages = door.send(Asked("/v1/messages/batches", json.dumps({"requests": requests}).encode()))
    inline = {"requests": {"requests": [{"request": {"contents": []}}]}}
    body = json.dumps({"batch": {"displayName": name, "inputConfig": inline}}).encode()
    gemini = door.send(Asked(f"/v1beta/models/{name}-gem:batchGenerateContent", body))
    return file, batch, messages.json["id"], gemini.json["name"].removeprefix("batches/")


@pytest.fixture(scope="module")
def sides(house: House) -> tuple[Side, Side]:
    return _side(house, "aurora"), _side(house, B)


def _lists() -> Iterator[str]:
    yield from ("/v1/models", "/v1/models?limit=1000", "/v1beta/models", "/readyz", "/livez", "/api/me")
    yield from ("/api/models", "/api/health", "/api/keys", "/api/receipts", "/api/receipts?limit=500")
    yield "/api/openapi.json"
    yield from ("/v1/files", "/v1/batches", "/v1/messages/batches", "/v1beta/batches")
    for dimension in DIMENSIONS:
        yield f"/api/usage?by={dimension}"
    yield "/api/usage?" + "&".join(f"by={dimension}" for dimension in DIMENSIONS)
    yield "/api/usage?since=2020-01-01&until=2035-01-01&by=key"


@pytest.mark.parametrize("role", ROLES)
def test_no_list_shows_a_byte_of_the_other(sides: tuple[Side, Side], role: Role) -> None:
    for mine, other, name in ((sides[0], sides[1], B), (sides[1], sides[0], "aurora")):
        for path in _lists():
            answer = mine.callers[role].door.get(path)
            assert answer.status in (200, 403), (path, answer.body)
            _clean(answer, other, name)


def test_each_sees_its_own(sides: tuple[Side, Side]) -> None:
    for side in sides:
        owner = side.callers["owner"].door
        listed = {receipt["id"] for receipt in owner.get("/api/receipts?limit=500").json["receipts"]}
        assert set(side.receipts) <= listed
        lines = owner.get("/api/usage?by=key").json["lines"]
        assert [line["group"]["key"] for line in lines] == [side.callers["member"].key_id]
        assert sum(line["attempts"] for line in lines) == len(side.receipts)
        names = {model["id"] for model in owner.get("/v1/models").json["data"]}
        assert len(names - {"smart"}) == len(DIALECTS)


class Twin(NamedTuple):
    """A request that names something of B's, and the same for something that does not exist."""

    ask: Asked
    other: Asked
    theirs: str
    nobodys: str


def _previewed(name: str, field: str) -> Asked:
    body = json.loads(asked("openai_chat", name if field == "model" else "smart").body)
    headers = {"x-passerelle-models": name} if field == "header" else {}
    return Asked("/api/plan", json.dumps({"body": body, "headers": headers}).encode())


def _twins(other: Side, house: House) -> Iterator[Twin]:
    key, receipt, request = other.callers["member"].key_id, other.receipts[0], other.requests[0]
    pairs = [(receipt, f"{receipt[:-4]}ZZZZ"), (request, f"{request[:-1]}E"), (key, "key_zzzzzzzzzzzz")]
    for theirs, nobodys in pairs:
        for path in ("/api/receipts/{}", "/api/receipts?key={}", "/api/receipts?before={}"):
            yield Twin(_get(path, theirs), _get(path, nobodys), theirs, nobodys)
        yield Twin(_delete(theirs), _delete(nobodys), theirs, nobodys)
    kept = {
        other.file: ("/v1/files/{}", "/v1/files/{}/content", "/v1/files?after={}"),
        other.batch: ("/v1/batches/{}", "/v1/batches?after={}"),
        other.messages: (
            "/v1/messages/batches/{}", "/v1/messages/batches/{}/results", "/v1/messages/batches?after_id={}",
        ),
        other.gemini: ("/v1beta/batches/{}", "/v1beta/batches/{}:cancel", "/v1beta/batches?pageToken={}"),
    }  # fmt: skip
    for theirs, paths in kept.items():
        nobodys = f"{theirs[:-4]}ZZZZ"
        for path in paths:
            yield Twin(_get(path, theirs), _get(path, nobodys), theirs, nobodys)
        for path, method in ((f"{paths[0]}/cancel", "POST"), (paths[0], "DELETE")):
            asks = [Asked(path.format(name), b"", method) for name in (theirs, nobodys)]
            yield Twin(*asks, theirs, nobodys)
    said = [
        {"endpoint": "/v1/responses", "completion_window": "24h", "input_file_id": f}
        for f in (other.file, f"{other.file[:-4]}ZZZZ")
    ]
    made = [Asked("/v1/batches", json.dumps(body).encode()) for body in said]
    yield Twin(made[0], made[1], other.file, f"{other.file[:-4]}ZZZZ")
    for theirs in other.tenant:
        nobodys = theirs[:4] + "0" * (len(theirs) - 4)
        made = [json.dumps({"name": "x", "project_id": name}).encode() for name in (theirs, nobodys)]
        yield Twin(Asked("/api/keys", made[0]), Asked("/api/keys", made[1]), theirs, nobodys)
    for dialect in DIALECTS:
        model = f"{B}-{short(dialect)}"
        deployment = f"{model}/{model}.{model}"
        for theirs in (model, deployment, f"{model}/{model}", f"{model}.{model}"):
            if dialect == "gemini" and "/" in theirs:
                continue  # its path has no place for a slash
            nothing = theirs.replace("b", "z")  # as far from the names A does know
            for stream in (False, True):
                asks = [asked(dialect, name, stream=stream) for name in (theirs, nothing)]
                yield Twin(asks[0], asks[1], theirs, nothing)
        for field in ("model", "header"):
            nothing = model.replace("b", "z")
            made = [_previewed(name, field) for name in (model, nothing)]
            yield Twin(made[0], made[1], model, nothing)
        for path in ("/v1/models/{}", "/v1beta/models/{}"):
            nothing = model.replace("b", "z")
            yield Twin(_get(path, model), _get(path, nothing), model, nothing)


def _get(path: str, value: str) -> Asked:
    return Asked(path.format(value), b"", "GET")


def _delete(value: str) -> Asked:
    return Asked(f"/api/keys/{value}", b"", "DELETE")


def test_no_management_route_is_left_out(house: House, sides: tuple[Side, Side]) -> None:
    described = sides[0].callers["owner"].door.get("/api/openapi.json").json["paths"]
    asked_for = {path.partition("?")[0] for path in _lists()}
    asked_for |= {twin.ask.path.partition("?")[0] for twin in _twins(sides[1], house)}
    for path, methods in described.items():
        if any(method["x-permission"].startswith(("config:", "drill:")) for method in methods.values()):
            continue  # the operator's, about no tenant
        pattern = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path))
        assert any(pattern.fullmatch(done) for done in asked_for), f"nothing here asks `{path}`"


@pytest.mark.parametrize("role", ROLES)
def test_what_is_the_others_is_told_apart_from_nothing_by_nothing(
    house: House, sides: tuple[Side, Side], stage: Stage, role: Role
) -> None:
    mine, other = sides
    calls = len(stage.requests)
    caller = mine.callers[role]
    checks = 0
    for twin in _twins(other, house):
        theirs, nobodys = caller.door.send(twin.ask), caller.door.send(twin.other)
        assert theirs.status == nobodys.status, twin
        assert _without(theirs, twin.theirs) == _without(nobodys, twin.nobodys), twin
        assert set(theirs.headers) == set(nobodys.headers), twin
        checks += 1
    assert len(stage.requests) == calls
    print(f"{role}: {checks} twins")


def _without(answer: Answer, name: str) -> bytes:
    """The body, with what is new in every answer and what the caller said itself put aside."""
    said = answer.body.replace(name.encode(), b"NAME")
    for header in ("x-request-id", "x-passerelle-receipt"):
        said = said.replace(answer.headers.get(header, "\0").encode(), b"ID")
    return said


@pytest.mark.parametrize("dialect", DIALECTS)
def test_smart_plans_and_receipts_name_only_ones_own_models(
    house: House, sides: tuple[Side, Side], dialect: str
) -> None:
    mine, other = sides
    caller = mine.callers["member"]
    ask = asked(dialect, "smart")  # type: ignore[arg-type]
    for headers in ({}, {"x-passerelle-mode": "cost"}, {"x-passerelle-models": f"{B}-*"}):
        planned = caller.door.send(ask, **headers, x_passerelle_plan="1")
        _clean(planned, other, B, said=f"{B}-*")
        answer = caller.door.send(ask, **headers)
        _clean(answer, other, B, said=f"{B}-*")
        if "x-passerelle-models" in headers:
            assert answer.status == planned.status == 400
            continue
        assert answer.status == 200
        assert B not in json.dumps(house.receipt(caller, answer))


def test_a_member_sees_its_own_project_only(house: House, sides: tuple[Side, Side]) -> None:
    mine, _ = sides
    tenant = mine.tenant
    project = house.store.tenants.create_project(tenant.org_id, tenant.workspace_id, "next door", actor=ACTOR)
    house.tenants["next door"] = tenant._replace(project_id=project.id)
    for role in ("member", "builder"):
        beside = house.caller(f"beside {role}", org="next door", role=role)  # type: ignore[arg-type]
        assert beside.door.get("/api/receipts?limit=500").json["receipts"] == []
        assert beside.door.get("/api/usage?by=key").json["lines"] == []
        for name in (mine.receipts[0], mine.requests[0]):
            assert beside.door.get(f"/api/receipts/{name}").status == 404
        assert beside.door.get(f"/api/receipts?key={mine.callers['member'].key_id}").json["receipts"] == []


def test_a_key_cannot_be_made_or_widened_across_the_border(sides: tuple[Side, Side]) -> None:
    mine, other = sides
    admin = mine.callers["admin"].door

    def make(**fields: Any) -> Answer:
        return admin.send(Asked("/api/keys", json.dumps({"name": "made", **fields}).encode()))

    assert make(project_id=other.tenant.project_id).status == 404
    assert make(org_id=other.tenant.org_id).status == 400
    assert make(role="operator").status == 400
    assert make(rights={"models": ["*"]}).status == 400
    assert make(models=["*"]).status == 403
    made = make().json
    door = type(admin)(f"http://{admin.host}:{admin.port}", made["token"])
    names = [model["id"] for model in door.get("/v1/models").json["data"]]
    assert names
    assert not any(B in name for name in names)
    assert door.send(asked("openai_chat", f"{B}-chat")).status == 404


def test_paths_are_no_way_round(sides: tuple[Side, Side]) -> None:
    caller = sides[0].callers["member"]
    for path in (path_of("gemini", f"../{B}-gem"), path_of("gemini", f"%2e%2e%2f{B}-gem")):
        assert caller.door.send(Asked(path, asked("gemini", "x").body)).status == 404


def _clean(answer: Answer, other: Side, name: str, said: str = "\0") -> None:
    """No mark of the other's in body or headers, beside what the caller said itself."""
    everything = (answer.body + json.dumps(answer.headers).encode()).decode().replace(said, "")
    assert name not in everything
    assert not [mark for mark in other.marks if mark in everything]
