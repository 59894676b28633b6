"""One key, one verdict: whichever header carries it, whatever the Host, the path or the other headers say."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.gateway.door import DIALECTS, Answer, Asked, Door, asked, read_error, status_of
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage, short

from passerelle.core.request import Dialect

Carrier = Callable[[Asked, str], Asked]


def _in_header(name: str, prefix: str = "", suffix: str = "") -> Carrier:
    return lambda ask, token: Asked(ask.path, ask.body, ask.method, {name: prefix + token + suffix})


def _in_query(ask: Asked, token: str) -> Asked:
    joined = "&" if "?" in ask.path else "?"
    return Asked(f"{ask.path}{joined}key={quote(token)}", ask.body, ask.method)


CARRIERS: dict[str, Carrier] = {
    "Bearer": _in_header("authorization", "Bearer "),
    "bearer, small": _in_header("authorization", "bearer "),
    "x-api-key": _in_header("x-api-key"),
    "x-goog-api-key": _in_header("x-goog-api-key"),
    "AWS signature": _in_header(
        "authorization",
        "AWS4-HMAC-SHA256 Signature=00, SignedHeaders=host, Credential=",
        "/20261122/x/bedrock/y",
    ),
    "?key=": _in_query,
}
MODEL = "bridge"


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"{MODEL}-{short(dialect)}", short(dialect))
    with running(tmp_path_factory.mktemp("credentials"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def keys(house: House) -> dict[str, Caller]:
    made = {
        "member": house.caller("member"),
        "auditor": house.caller("auditor", role="auditor"),
        "confined": house.caller("confined", models=("nothing-*",)),
        "revoked": house.caller("revoked"),
    }
    house.revoke(made["revoked"])
    return made


@pytest.fixture(scope="module")
def stranger(house: House) -> Door:
    """A caller without a key of its own."""
    return Door(house.gateway.base_url)


EXPECTED = {"member": 200, "auditor": 403, "confined": 404, "revoked": 401}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("who", EXPECTED)
def test_a_key_has_the_same_verdict_in_every_carrier(
    keys: dict[str, Caller], stranger: Door, who: str, dialect: Dialect
) -> None:
    good = asked(dialect, f"{MODEL}-{short(dialect)}")
    answers = [stranger.send(carry(good, keys[who].token)) for carry in CARRIERS.values()]

    assert {answer.status for answer in answers} == {status_of(dialect, EXPECTED[who])}
    if EXPECTED[who] != 200:
        assert len({read_error(dialect, answer).message for answer in answers}) == 1


@pytest.mark.parametrize("path", ["/v1/models", "/v1beta/models", "/api/me", "/api/keys", "/metrics"])
def test_a_key_has_the_same_verdict_on_every_other_route(
    keys: dict[str, Caller], stranger: Door, path: str
) -> None:
    for caller in keys.values():
        said = {
            name: stranger.send(carry(Asked(path, b"", "GET"), caller.token)).status
            for name, carry in CARRIERS.items()
        }
        assert len(set(said.values())) == 1, said


def test_limits_belong_to_the_key_and_not_to_its_carrier(house: House, stranger: Door) -> None:
    caller = house.caller("slow", requests_per_minute=2)
    good = asked("openai_chat", f"{MODEL}-chat")

    said = [stranger.send(carry(good, caller.token)).status for carry in CARRIERS.values()]

    assert said.count(200) in (1, 2)
    assert set(said) == {200, 429}


def test_the_first_carrier_counts_when_two_are_sent(stranger: Door, keys: dict[str, Caller]) -> None:
    good, bad = keys["member"].token, keys["revoked"].token
    me = Asked("/api/me", b"", "GET")

    assert stranger.send(me, authorization=f"Bearer {good}", x_api_key=bad).status == 200
    assert stranger.send(me, authorization=f"Bearer {bad}", x_api_key=good).status == 401
    assert stranger.send(me, x_api_key=bad, x_goog_api_key=good).status == 401


def test_a_key_of_many_shapes_is_401_and_quick(keys: dict[str, Caller], house: House) -> None:
    token = keys["member"].token
    prefix, _, secret = token.rpartition("_")
    draw = random.Random(2026)
    alphabet = "aZ09_-'\";=()*%\\/<> \té\xff~psk"
    hostile = [
        "", "psk", "psk_", "_" * 200, "psk__" + "a" * 64, token[:-1], token + "A", token.upper(), token[1:],
        f"{prefix}_{secret[::-1]}", f"{token} {token}", f"{token},{token}", f"' OR '1'='1' -- {token}",
        "'; DROP TABLE api_key; --", "1) UNION SELECT digest FROM api_key --", "pg_sleep(10)",
        f"{prefix.rpartition('_')[0]}_key_{secret}", "null", "undefined", "${TOKEN}", "{{7*7}}", "%00",
        "../" * 50, "a" * 8_000, prefix, secret, f"psk_live_{'0' * 12}_{secret}",
        *("".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 120))).strip() for _ in range(400)),
        *(token[:n] + draw.choice("aZ0") + token[n + 1 :] for n in range(4, len(token), 3)),
    ]  # fmt: skip
    wrong = [value for value in hostile if value != token]
    head = b"GET /v1/models HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\n\r\n"
    door = Door(house.gateway.base_url)
    for value in wrong:
        said = door.raw(head % value.encode("latin-1"))
        assert said.startswith((b"HTTP/1.1 401", b"HTTP/1.1 400 Bad Request")), (value, said[:80])

    assert not house.lines("unexpected failure")
    assert not any(value in line for value in wrong if len(value) > 20 for line in house.gateway.log)


HOSTS = [
    "evil.example", "evil.example/v1/models?", "evil.example#@gate", "a@evil.example", "gate:99999",
    "[::1]:80", "gate, evil.example", "..", "%2e%2e", "/livez", "?", "#",
]  # fmt: skip
GAMES = [
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-prefix", "/livez"),
    ("x-original-url", "/livez"),
    ("x-rewrite-url", "/livez"),
    ("x-http-method-override", "GET"),
    ("forwarded", "for=127.0.0.1;host=evil.example"),
    ("connection", "authorization"),
]
GUARDED = [
    ("GET", "/api/keys"),
    ("GET", "/api/config"),
    ("POST", "/api/config/reload"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
]


def _said(door: Door, method: str, target: str, lines: list[tuple[str, str]]) -> Answer:
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines)
    raw = door.raw(f"{head}content-length: 2\r\n\r\n{{}}".encode("latin-1"))
    start, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = start.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Answer(int(first.split(" ")[1]), headers, body)


@pytest.mark.parametrize("who", ["member", None])
@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_no_host_and_no_proxy_header_changes_the_verdict(
    keys: dict[str, Caller], stranger: Door, method: str, path: str, who: str | None
) -> None:
    key = [] if who is None else [("authorization", f"Bearer {keys[who].token}")]
    clean = _said(stranger, method, path, [("host", "gate"), *key])

    for host in HOSTS:
        said = _said(stranger, method, path, [("host", host), *key])
        assert (said.status, said.body) == (clean.status, _with_id(clean, said)), host
    for game in GAMES:
        said = _said(stranger, method, path, [("host", "gate"), *key, game])
        assert said.status == clean.status, game
    doubled = _said(stranger, method, path, [("host", "gate"), ("host", "evil.example"), *key])
    assert doubled.status in (clean.status, 400)
    absolute = _said(stranger, method, f"http://evil.example{path}", [("host", "gate"), *key])
    assert absolute.status == clean.status


def _with_id(clean: Answer, said: Answer) -> bytes:
    """The clean answer's body as it would be under the other request's id."""
    return clean.body.replace(clean.headers["x-request-id"].encode(), said.headers["x-request-id"].encode())


PATHS = [
    "//api/keys", "/api//keys", "/api/keys/", "/api/./keys", "/api/../api/keys", "/livez/../api/keys",
    "/%61pi/keys", "/api%2fkeys", "/api/%2e%2e/api/keys", "/API/keys", "/api/keys;a=b", "/api/keys%00",
    "/api/keys#x", "/livez#/api/keys", "/livez?/api/keys",
    "/livez%3f/api/keys", "/.//api/keys", "\\api\\keys",
    "/api/keys/..%2f..%2flivez", "/livez%2f..%2fapi/keys", "/api", "/api/", "api/keys", "*",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_of_a_path_gets_around_the_key(
    stranger: Door, keys: dict[str, Caller], path: str
) -> None:
    without = _said(stranger, "GET", path, [("host", "gate")])
    low = _said(stranger, "GET", path, [("host", "gate"), ("x-api-key", keys["member"].token)])

    livez = path.split("#")[0].split("?")[0] == "/livez"
    assert without.status == 200 if livez else without.status in (400, 401, 404, 405), without
    assert low.status == 200 if livez else low.status in (400, 403, 404, 405), low
    assert "location" not in without.headers | low.headers
    assert keys["auditor"].key_id.encode() not in low.body


def test_only_the_named_hosts_are_served_where_the_operator_names_them(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    catalogue = Catalogue(['server.allowed_hosts = ["Gate.example", "127.0.0.1"]', *Catalogue().lines])
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model(MODEL, "chat")
    with running(tmp_path_factory.mktemp("hosts"), catalogue.text, **ENV) as house:
        token = house.caller().token
        door = Door(house.gateway.base_url)
        key = ("authorization", f"Bearer {token}")
        for path in ("/v1/models", "/api/me", "/livez"):
            for host in ("gate.example", "GATE.example:8080", "127.0.0.1"):
                assert _said(door, "GET", path, [("host", host), key]).status == 200
            for host in ("evil.example", "gate.example.evil", "gate.example@evil", "", "xgate.example"):
                assert _said(door, "GET", path, [("host", host), key]).status == 400
            assert _said(door, "GET", path, [key]).status == 400
            assert _said(door, "GET", path, [("host", "gate.example"), ("host", "evil"), key]).status == 400


@pytest.mark.parametrize("path", ["/v1/models", "/api/usage"])
def test_a_key_is_good_everywhere_from_the_moment_it_is_made(stage: Stage, tmp_path: Path, path: str) -> None:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model(MODEL, "chat")
    with running(tmp_path, catalogue.text, workers=3, **ENV) as house, ThreadPoolExecutor(12) as pool:
        for number in range(8):
            door = house.caller(f"new {number}").door
            # At once and together, so that every worker takes some.
            assert {answer.status for answer in pool.map(door.get, [path] * 12)} == {200}
