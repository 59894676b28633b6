"""Tokens: kept, renewed before they end, fetched by one for all who wait, and never shown."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.errors import PasserelleError
from passerelle.providers.auth.entra import AUTHORITIES, entra_grant
from passerelle.providers.auth.google import SCOPE, TOKEN_URL, GoogleGrant, read_file
from passerelle.providers.auth.token import Asking, TokenHeader
from passerelle.providers.base import SendError
from passerelle.providers.entry import EntraEntry

SECRET = "the-client-secret-0123456789"


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Said:
    """A reply of the token endpoint."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    async def read(self) -> bytes:
        return self._body

    async def aclose(self) -> None:
        pass


class Endpoint:
    """A `TokenSender` that answers from a list, waiting for `gate` when there is one."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes]] = []
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Event()
        self.closed = False

    async def request(
        self, method: str, path: str, headers: Any, body: bytes, *, deadlines: Any, remaining_s: float
    ) -> Any:
        assert method == "POST"
        assert (b"content-type", b"application/x-www-form-urlencoded") in headers
        assert 0 < remaining_s <= 60
        self.asked.append((path, body))
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else token(f"t{len(self.asked)}")
        if isinstance(answer, SendError):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


class Right:
    """A grant with one secret."""

    path = "/token"

    def __init__(self) -> None:
        self.failure: SendError | None = None

    def ask(self) -> Asking:
        if self.failure is not None:
            raise self.failure
        return Asking(f"secret={SECRET}".encode(), (SECRET,))


def token(value: str, expires_in: Any = 3600) -> Said:
    said = {"access_token": value, "token_type": "Bearer", "expires_in": expires_in}
    return Said(200, json.dumps({k: v for k, v in said.items() if v is not None}).encode())


def made(*answers: Any) -> tuple[TokenHeader, Endpoint, Clock]:
    endpoint, clock = Endpoint(*answers), Clock()
    return TokenHeader("p", Right(), endpoint, monotonic=clock), endpoint, clock


async def shown(header: TokenHeader) -> str:
    await header.ready(5.0)
    return header.header()[1].decode()


async def fetched(header: TokenHeader) -> None:
    """What is being fetched is there, or has failed."""
    if header._task is not None:
        async with asyncio.timeout(5):
            await asyncio.wait([header._task])


async def failure(header: TokenHeader) -> SendError:
    with pytest.raises(SendError) as caught:
        await header.ready(5.0)
    assert caught.value.sent is False
    return caught.value


async def test_a_token_is_fetched_by_the_first_call_and_kept() -> None:
    header, endpoint, clock = made()
    assert [await shown(header) for _ in range(3)] == ["Bearer t1"] * 3
    clock.now += 3200
    assert await shown(header) == "Bearer t1"
    assert len(endpoint.asked) == 1


async def test_it_is_renewed_beside_the_calls_before_it_ends() -> None:
    header, endpoint, clock = made()
    await shown(header)
    endpoint.gate = asyncio.Event()
    endpoint.called.clear()
    clock.now += 3400
    assert [await shown(header) for _ in range(4)] == ["Bearer t1"] * 4
    await endpoint.called.wait()
    assert len(endpoint.asked) == 2
    endpoint.gate.set()
    await fetched(header)
    assert header.header()[1] == b"Bearer t2"
    assert await shown(header) == "Bearer t2"
    assert len(endpoint.asked) == 2


async def test_a_token_that_is_over_is_never_shown() -> None:
    header, _, clock = made()
    await shown(header)
    clock.now += 3600
    assert await shown(header) == "Bearer t2"


async def test_all_who_wait_are_given_one_token() -> None:
    header, endpoint, _ = made()
    endpoint.gate = asyncio.Event()
    waiting = [asyncio.create_task(shown(header)) for _ in range(50)]
    await endpoint.called.wait()
    endpoint.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"Bearer t1"}
    assert len(endpoint.asked) == 1


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    header, endpoint, _ = made()
    endpoint.gate = asyncio.Event()
    first = asyncio.create_task(shown(header))
    second = asyncio.create_task(shown(header))
    await endpoint.called.wait()
    first.cancel()
    endpoint.gate.set()
    assert await second == "Bearer t1"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_waiting_has_an_end() -> None:
    header, endpoint, _ = made()
    endpoint.gate = asyncio.Event()
    with pytest.raises(SendError) as caught:
        await header.ready(0.02)
    assert caught.value.failure == "timeout"
    await header.aclose()


async def test_a_refused_token_is_exchanged_once_for_all_whom_it_was_refused() -> None:
    header, endpoint, _ = made()
    await header.ready(5.0)
    old = header.header()
    assert await asyncio.gather(*(header.renew(old, 5.0) for _ in range(20))) == [True] * 20
    assert header.header() != old
    assert len(endpoint.asked) == 2
    assert await header.renew(old, 5.0) is True  # somebody else's new one will do
    assert len(endpoint.asked) == 2


async def test_a_credential_that_is_refused_for_good_is_not_exchanged_at_every_call() -> None:
    header, endpoint, clock = made()
    await header.ready(5.0)
    assert await header.renew(header.header(), 5.0) is True
    assert [await header.renew(header.header(), 5.0) for _ in range(5)] == [False] * 5
    assert len(endpoint.asked) == 2
    clock.now += 60
    assert await header.renew(header.header(), 5.0) is True


async def test_renewing_that_fails_leaves_the_refusal_to_speak() -> None:
    header, endpoint, _ = made()
    await header.ready(5.0)
    endpoint.answers = [Said(503, b"")]
    assert await header.renew(header.header(), 5.0) is False


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Said(400, b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'), "auth"),
        (Said(401, b'{"error":"invalid_client","error_description":"AADSTS7000215: Invalid."}'), "auth"),
        (Said(429, b"{}"), "transport"),
        (Said(503, b"<html>"), "transport"),
        (Said(200, b"{}"), "transport"),
        (Said(200, b"not json"), "transport"),
        (Said(302, b""), "transport"),
        (Said(200, b'{"access_token":"two words"}'), "protocol"),
        (SendError("timeout", "no answer"), "timeout"),
        (SendError("transport", "refused", sent=True), "transport"),
    ],
)
async def test_no_token_is_a_failure_of_its_kind_before_anything_was_sent(answer: Any, kind: str) -> None:
    header, _, _ = made(answer)
    assert (await failure(header)).failure == kind


async def test_a_failing_endpoint_is_left_alone_for_a_growing_while() -> None:
    header, endpoint, clock = made(*[Said(503, b"")] * 20)
    pauses = []
    for _ in range(8):
        await failure(header)
        asked, before = len(endpoint.asked), clock.now
        while len(endpoint.asked) == asked:
            clock.now += 0.25
            await failure(header)
        pauses.append(clock.now - before)
    assert pauses == sorted(pauses)
    assert pauses[0] >= 0.5
    assert pauses[-1] <= 8.0
    endpoint.answers.clear()
    clock.now += 8
    assert (await shown(header)).startswith("Bearer t")


async def test_while_the_old_one_is_good_a_failing_endpoint_disturbs_nobody() -> None:
    header, endpoint, clock = made()
    await shown(header)
    endpoint.answers = [Said(503, b"")] * 3
    clock.now += 3400
    for _ in range(3):
        assert await shown(header) == "Bearer t1"
        await fetched(header)
    assert len(endpoint.asked) == 2


async def test_nothing_secret_is_said() -> None:
    words = f"AADSTS7000215: Invalid client secret '{SECRET}' provided"
    header, endpoint, clock = made(
        Said(401, json.dumps({"error": "invalid_client", "error_description": words}).encode())
    )
    said = (await failure(header)).message
    assert "AADSTS7000215" in said
    assert SECRET not in said
    clock.now += 10
    await shown(header)
    assert header.hidden is not None
    assert header.hidden.sub("*", f"you sent Bearer t2 with {SECRET}").count(SECRET) == 0
    for thing in (header, Asking(SECRET.encode(), (SECRET,))):
        assert SECRET not in repr(thing)
    assert endpoint.asked[-1][0] == "/token"


async def test_closing_ends_what_is_under_way() -> None:
    header, endpoint, _ = made()
    endpoint.gate = asyncio.Event()
    waiting = asyncio.create_task(header.ready(5.0))
    await endpoint.called.wait()
    await header.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert endpoint.closed


async def test_a_header_is_not_made_up() -> None:
    header, _, _ = made()
    with pytest.raises(SendError) as caught:
        header.header()
    assert caught.value.failure == "auth"


@pytest.mark.parametrize("said", [None, "3600", 3600, 3599.5, 0, -5, "soon", 1e12])
async def test_any_life_that_is_said_is_bounded(said: Any) -> None:
    header, endpoint, clock = made(token("first", said))
    assert await shown(header) == "Bearer first"
    clock.now += 86_400
    assert await shown(header) == "Bearer t2"
    assert len(endpoint.asked) == 2


@settings(max_examples=40)  # every fetch goes through a thread
@given(st.integers(min_value=1, max_value=7200), st.lists(st.floats(0, 5000), max_size=12))
def test_a_token_is_shown_only_while_it_lives(life_s: int, steps: list[float]) -> None:
    async def run() -> None:
        clock = Clock()
        born: dict[str, float] = {}

        class Mint(Endpoint):
            async def request(self, *args: Any, **kwargs: Any) -> Any:
                name = f"t{len(born) + 1}"
                born[name] = clock.now
                return token(name, life_s)

        header = TokenHeader("p", Right(), Mint(), monotonic=clock)
        for step in steps:
            clock.now += step
            name = (await shown(header)).removeprefix("Bearer ")
            assert clock.now - born[name] < life_s
            await fetched(header)

    asyncio.run(run())


# --- Entra

ENTRA = EntraEntry("tenant.example", "client-1", lambda: SECRET)


@pytest.mark.parametrize("cloud", sorted(AUTHORITIES))
def test_entra_is_asked_at_its_clouds_own_host(cloud: Any) -> None:
    origin, grant = entra_grant("p", EntraEntry("t/../x", "c", lambda: SECRET, cloud))
    assert origin == AUTHORITIES[cloud][0]
    assert grant.path == "/t%2F..%2Fx/oauth2/v2.0/token"
    form = parse_qs(grant.ask().body.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["c"],
        "client_secret": [SECRET],
        "scope": [AUTHORITIES[cloud][1]],
    }


def test_entras_endpoint_and_scope_can_be_configured() -> None:
    said = EntraEntry(
        "t", "c", lambda: SECRET, scope="api://x/.default", token_url="https://id.example/a/token"
    )
    origin, grant = entra_grant("p", said)
    assert (origin, grant.path) == ("https://id.example", "/a/token")
    assert parse_qs(grant.ask().body.decode())["scope"] == ["api://x/.default"]


def test_a_secret_that_cannot_be_read_is_our_matter_and_says_where_it_should_be() -> None:
    def lost() -> str:
        raise PasserelleError("`env:X` is not set")

    with pytest.raises(SendError) as caught:
        entra_grant("p", EntraEntry("t", "c", lost))[1].ask()
    assert caught.value.failure == "auth"
    assert "`env:X` is not set" in caught.value.message
    assert SECRET not in repr(entra_grant("p", ENTRA)[1])


# --- Google

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any = RSA) -> str:
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.decode()


def account(**more: Any) -> str:
    file = {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "k1",
        "private_key": pem(),
        "client_email": "gateway@proj.iam.gserviceaccount.com",
        "token_uri": "https://evil.example/token",
        **more,
    }
    return json.dumps(file)


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def google(text: str | None) -> GoogleGrant:
    return GoogleGrant("p", lambda: text, path="/token", unix_s=lambda: 1_795_318_633.9)


def test_a_service_account_signs_its_own_claim() -> None:
    asking = google(account()).ask()
    form = parse_qs(asking.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    signed, _, signature = form["assertion"][0].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    RSA.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    head, claims = (decoded(part) for part in signed.split("."))
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims == {
        "iss": "gateway@proj.iam.gserviceaccount.com",
        "scope": SCOPE,
        "aud": TOKEN_URL,
        "iat": 1_795_318_633,
        "exp": 1_795_322_233,
    }
    assert form["assertion"][0] in asking.secrets


def test_the_files_own_endpoint_is_not_followed() -> None:
    grant = google(account())
    assert grant.path == "/token"
    assert b"evil" not in base64.b64decode(grant.ask().body.split(b".")[1] + b"==")


def test_a_person_refreshes_a_token() -> None:
    file = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s-12345",
        "refresh_token": "r-12345",
    }
    asking = google(json.dumps(file)).ask()
    assert parse_qs(asking.body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["c"],
        "client_secret": ["s-12345"],
        "refresh_token": ["r-12345"],
    }
    assert set(asking.secrets) == {"s-12345", "r-12345"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("{", "is not a credential file"),
        ('{"type":"external_account"}', "another type"),
        ('{"type":"service_account","client_email":"x"}', "lacks fields"),
        (account(private_key="-----BEGIN nothing"), "no RSA private key"),
        (account(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "no RSA private key"),
        ("AIza-a-key", "is an API key"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_nothing_of_itself(text: str | None, words: str) -> None:
    with pytest.raises(SendError) as caught:
        google(text).ask()
    assert caught.value.failure == "auth"
    assert words in caught.value.message
    assert "BEGIN" not in caught.value.message
    assert caught.value.__cause__ is None or "BEGIN" not in str(caught.value.__cause__)


def test_an_api_key_is_told_from_a_file() -> None:
    assert read_file("p", lambda: "AIza-a-key") == "AIza-a-key"
    held = read_file("p", account)
    assert not isinstance(held, str)
    assert held.project_id == "proj"
    assert "PRIVATE" not in repr(held)
