"""Where calls go and with what, for every provider reached over HTTP. The client is a recorder."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import PasserelleError
from passerelle.core.model import Deployment, Model
from passerelle.core.request import Dialect, Operation
from passerelle.providers.anthropic import anthropic
from passerelle.providers.auth import AuthHeader, openai_carrier
from passerelle.providers.base import Call, Deadlines, SendError
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.gemini import gemini
from passerelle.providers.openai_like import openai_like
from passerelle.providers.remote import RemoteProvider


class Sent(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    remaining_s: float


class Recorder:
    """An `HttpSender` that goes nowhere."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.closed = 0

    async def request(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes,
        *, deadlines: Deadlines, remaining_s: float,
    ) -> Any:  # fmt: skip
        names = [name for name, _ in headers]
        assert len(names) == len(set(names)), f"a header is sent twice: {names}"
        assert all(name == name.lower() for name in names)
        self.sent.append(Sent(method, path, {n.decode(): v.decode() for n, v in headers}, body, remaining_s))

    async def aclose(self) -> None:
        self.closed += 1


Build = Callable[[ProviderEntry, Recorder], RemoteProvider]


def deployment(dialect: Dialect, model: str = "m") -> Deployment:
    return Deployment(f"p/{model}", Model("m", "x", "x"), "p", model, dialect)


async def send(
    build: Build,
    dialect: Dialect,
    operation: Operation = "chat",
    *,
    base_url: str | None = None,
    stream: bool = False,
    model: str = "m",
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (),
    key: str | None = "k-123",
) -> Sent:
    recorder = Recorder()
    provider = build(ProviderEntry("p", "openai_like", base_url, (lambda: key) if key else None), recorder)
    await provider.send(
        Call(deployment(dialect, model), operation, body, stream, dialect, headers=headers, remaining_s=7.0)
    )
    return recorder.sent[0]


PATHS: list[tuple[Build, str | None, Dialect, Operation, str]] = [
    (openai_like, None, "openai_chat", "chat", "/v1/chat/completions"),
    (openai_like, "https://api.openai.com/v1", "openai_chat", "embed", "/v1/embeddings"),
    (openai_like, "https://api.openai.com/v1/", "openai_responses", "chat", "/v1/responses"),
    (openai_like, "https://api.groq.com/openai/v1", "openai_chat", "chat", "/openai/v1/chat/completions"),
    (openai_like, "https://openrouter.ai/api/v1", "openai_chat", "chat", "/api/v1/chat/completions"),
    (openai_like, "https://x.openai.azure.com/openai/v1/", "openai_chat", "embed", "/openai/v1/embeddings"),
    (openai_like, "https://generativelanguage.googleapis.com/v1beta/openai", "openai_chat", "chat",
     "/v1beta/openai/chat/completions"),
    (openai_like, "https://api.perplexity.ai", "openai_responses", "chat", "/v1/responses"),
    (openai_like, "http://localhost:11434", "anthropic", "chat", "/v1/messages"),
    (openai_like, "http://localhost:8000/v1", "anthropic", "count_tokens", "/v1/messages/count_tokens"),
    (anthropic, None, "anthropic", "chat", "/v1/messages"),
    (anthropic, "https://api.anthropic.com/v1", "anthropic", "chat", "/v1/messages"),
    (anthropic, "https://api.anthropic.com/", "anthropic", "count_tokens", "/v1/messages/count_tokens"),
    (anthropic, "https://api.deepseek.com/anthropic", "anthropic", "chat", "/anthropic/v1/messages"),
    (gemini, None, "gemini", "chat", "/v1beta/models/m:generateContent"),
    (gemini, "https://generativelanguage.googleapis.com/v1alpha", "gemini", "count_tokens",
     "/v1alpha/models/m:countTokens"),
    (gemini, "https://gateway.example/google", "gemini", "embed", "/google/v1beta/models/m:embedContent"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "base_url", "dialect", "operation", "path"), PATHS)
async def test_each_operation_has_its_path_below_any_base_url(
    build: Build, base_url: str | None, dialect: Dialect, operation: Operation, path: str
) -> None:
    sent = await send(build, dialect, operation, base_url=base_url)
    assert (sent.method, sent.path, sent.remaining_s) == ("POST", path, 7.0)


async def test_gemini_streams_and_batches_have_methods_of_their_own() -> None:
    assert (await send(gemini, "gemini", stream=True)).path.endswith("/m:streamGenerateContent?alt=sse")
    batch = await send(gemini, "gemini", "embed", body=b'{"requests": [{}]}')
    assert batch.path.endswith(":batchEmbedContents")
    single = await send(
        gemini, "gemini", "embed", body=b'{"content": {"parts": [{"text": "\\"requests\\""}]}}'
    )
    assert single.path.endswith(":embedContent")


async def test_gemini_model_names_cannot_leave_their_place_in_the_path() -> None:
    assert (
        await send(gemini, "gemini", model="tunedModels/a-b")
    ).path == "/v1beta/tunedModels/a-b:generateContent"
    assert (await send(gemini, "gemini", model="models/a")).path == "/v1beta/models/a:generateContent"
    odd = (await send(gemini, "gemini", model="a?key=x#y z\r\n")).path
    assert odd == "/v1beta/models/a%3Fkey%3Dx%23y%20z%0D%0A:generateContent"


@pytest.mark.parametrize(
    ("build", "dialect", "header", "value"),
    [
        (openai_like, "openai_chat", "authorization", "Bearer k-123"),
        (anthropic, "anthropic", "x-api-key", "k-123"),
        (gemini, "gemini", "x-goog-api-key", "k-123"),
    ],
)
async def test_the_credential_goes_where_the_provider_looks_and_never_in_the_url(
    build: Build, dialect: Dialect, header: str, value: str
) -> None:
    sent = await send(build, dialect)
    assert sent.headers[header] == value
    assert "k-123" not in sent.path
    assert header not in (await send(build, dialect, key=None)).headers


def test_azure_keys_go_in_their_own_header() -> None:
    assert openai_carrier("x.openai.azure.com") == "api-key"
    assert openai_carrier("x.services.ai.azure.com") == "api-key"
    assert openai_carrier("evil-openai.azure.com.example") == "bearer"


async def test_a_rotated_credential_is_used_at_the_next_call() -> None:
    keys = iter(["old", "old", "new"])
    auth = AuthHeader("p", lambda: next(keys), "x-api-key")
    first, again, rotated = auth.header(), auth.header(), auth.header()
    assert first is again
    assert rotated == (b"x-api-key", b"new")


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nx: y", "clé", "a\x00"])
async def test_a_credential_that_could_not_stand_in_a_header_is_an_auth_failure(bad: str) -> None:
    with pytest.raises(SendError, match="`credential`") as error:
        AuthHeader("p", lambda: bad, "bearer").header()
    assert (error.value.failure, error.value.sent) == ("auth", False)
    assert bad not in str(error.value) or not bad


def test_a_credential_that_cannot_be_read_is_an_auth_failure() -> None:
    def lost() -> str:
        raise PasserelleError("`env:KEY` is not set")

    with pytest.raises(SendError, match="`env:KEY` is not set") as error:
        AuthHeader("p", lost, "bearer").header()
    assert (error.value.failure, error.value.sent) == ("auth", False)


def test_nothing_shows_the_credential() -> None:
    entry = ProviderEntry("p", "openai_like", None, lambda: "k-123")
    auth = AuthHeader("p", entry.credential, "bearer")
    auth.header()
    shown = f"{entry!r} {auth!r} {openai_like(entry, Recorder())!r}"
    assert "k-123" not in shown


async def test_only_listed_headers_are_forwarded() -> None:
    asked = (
        ("anthropic-beta", "a,b"),
        ("anthropic-version", "2099-01-01"),
        ("traceparent", "00-1-2-01"),
        ("authorization", "Bearer callers"),
        ("x-api-key", "callers"),
        ("host", "evil"),
        ("cookie", "c"),
        ("content-type", "text/plain"),
        ("accept", "x\r\ny: z"),
        ("idempotency-key", "x\r\ninjected: 1"),
    )
    sent = (await send(anthropic, "anthropic", headers=asked)).headers
    assert sent == {
        "content-type": "application/json",
        "accept": "application/json",
        "x-api-key": "k-123",
        "anthropic-beta": "a,b",
        "anthropic-version": "2099-01-01",
        "traceparent": "00-1-2-01",
    }
    assert set((await send(gemini, "gemini", headers=asked)).headers) == {
        "content-type", "accept", "x-goog-api-key", "traceparent",
    }  # fmt: skip


async def test_anthropics_version_is_said_when_the_caller_does_not() -> None:
    assert (await send(anthropic, "anthropic")).headers["anthropic-version"] == "2023-06-01"
    beta = await send(anthropic, "anthropic", headers=(("anthropic-beta", "x"),))
    assert beta.headers["anthropic-version"] == "2023-06-01"
    assert (await send(openai_like, "anthropic")).headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-version" not in (await send(openai_like, "openai_chat")).headers


async def test_streams_ask_for_events() -> None:
    assert (await send(openai_like, "openai_chat", stream=True)).headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("build", "dialect", "operation"),
    [
        (openai_like, "openai_responses", "embed"),
        (openai_like, "openai_chat", "count_tokens"),
        (anthropic, "openai_chat", "chat"),
        (anthropic, "anthropic", "embed"),
        (gemini, "openai_chat", "chat"),
    ],
)
async def test_what_a_provider_does_not_speak_is_refused_before_anything_is_sent(
    build: Build, dialect: Dialect, operation: Operation
) -> None:
    with pytest.raises(SendError, match="`dialect`") as error:
        await send(build, dialect, operation)
    assert (error.value.failure, error.value.sent) == ("not_found", False)
    provider = build(ProviderEntry("p", "openai_like"), Recorder())
    assert not provider.supports(operation, deployment(dialect))


async def test_closing_a_provider_closes_its_connections() -> None:
    recorder = Recorder()
    await anthropic(ProviderEntry("p", "anthropic"), recorder).aclose()
    assert recorder.closed == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["traceparent", "anthropic-beta", "x-api-key", "host", "te"]), st.text())
    ),
    st.sampled_from(["openai_chat", "anthropic"]),
)
def test_no_header_of_a_caller_ever_replaces_one_of_ours(
    headers: list[tuple[str, str]], dialect: Dialect
) -> None:
    provider = openai_like(ProviderEntry("p", "openai_like", None, lambda: "k"), Recorder())
    call = Call(deployment(dialect), "chat", b"{}", False, dialect, headers=tuple(dict(headers).items()))
    made = dict(provider._headers(call))
    assert made[b"authorization"] == b"Bearer k"
    assert made[b"content-type"] == b"application/json"
    assert set(made) <= {
        b"authorization", b"content-type", b"accept", b"traceparent", b"anthropic-beta", b"anthropic-version",
    }  # fmt: skip
    assert all(value.isascii() and b"\n" not in value and b"\r" not in value for value in made.values())


@pytest.mark.parametrize("stream", [False, True])
def test_the_usual_headers_are_made_once_and_not_at_every_send(*, stream: bool) -> None:
    provider = openai_like(ProviderEntry("p", "openai_like", None, lambda: "k"), Recorder())
    first, second = (Call(deployment("openai_chat"), "chat", b"{}", stream, "openai_chat") for _ in range(2))
    assert provider._headers(first) is provider._headers(second)
    assert provider._path(first) is provider._path(second)


def test_an_entry_is_a_plain_value() -> None:
    entry = ProviderEntry("p", "openai_like", "https://x.example/v1")
    assert entry == msgspec.structs.replace(entry)
