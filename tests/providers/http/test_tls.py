"""TLS: who is trusted, who is not, and what is agreed."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from tests.faultd import Authority, Close, Flood, Send, Upstream, answer, chunk, chunked_head
from tests.providers.http.asking import MakeClient, ask, fetch

from passerelle.providers.base import SendError
from passerelle.providers.http import HttpClient, TlsSettings, parse_origin
from passerelle.providers.http.tls import ResumingContext, build_context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusting(authority: Authority) -> TlsSettings:
    return TlsSettings(ca_file=authority.ca_file, system_roots=False)


async def loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_a_trusted_server_is_spoken_to_by_name(
    authority: Authority, trusting: TlsSettings, connect: MakeClient
) -> None:
    context = authority.server("api.example.test")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Upstream(tls=context) as upstream:
        client = connect(f"https://api.example.test:{upstream.port}", tls=trusting, resolve=loopback)
        assert await fetch(client) == b"{}"
        tls = upstream.sessions[0].transport.get_extra_info("ssl_object")
        assert (asked, tls.selected_alpn_protocol()) == (["api.example.test"], "http/1.1")
        assert upstream.requests[0].header("host") == f"api.example.test:{upstream.port}"


async def test_an_address_in_the_certificate_serves_as_a_name(
    authority: Authority, trusting: TlsSettings, connect: MakeClient
) -> None:
    async with Upstream(tls=authority.server("127.0.0.1")) as upstream:
        assert await fetch(connect(upstream, tls=trusting)) == b"{}"


@pytest.mark.parametrize("case", ["wrong name", "unknown authority", "plain http behind https"])
async def test_who_cannot_prove_its_name_gets_no_request(
    authority: Authority, trusting: TlsSettings, connect: MakeClient, case: str, tmp_path: Path
) -> None:
    contexts = {
        "wrong name": authority.server("other.example.test"),
        "unknown authority": Authority(tmp_path).server("api.example.test"),
        "plain http behind https": None,
    }
    async with Upstream(tls=contexts[case]) as upstream:
        upstream.on_connect = (Send(answer()), Close()) if case.startswith("plain") else ()
        client = connect(f"https://api.example.test:{upstream.port}", tls=trusting, resolve=loopback)
        with pytest.raises(SendError) as caught:
            await ask(client, headers=((b"authorization", b"Bearer secret"),))
        assert caught.value.failure == "transport"
        assert upstream.requests == []
        assert client.pool.open == 0


async def test_the_system_authorities_do_not_know_ours(authority: Authority, connect: MakeClient) -> None:
    async with Upstream(tls=authority.server("127.0.0.1")) as upstream:
        with pytest.raises(SendError, match="certificate is not trusted"):
            await ask(connect(upstream))


async def test_old_protocols_are_refused(
    authority: Authority, trusting: TlsSettings, connect: MakeClient
) -> None:
    context = authority.server("127.0.0.1")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Upstream(tls=context) as upstream:
        with pytest.raises(SendError):
            await ask(connect(upstream, tls=trusting))
        assert upstream.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_second_connection_resumes_the_session_of_the_first(
    authority: Authority, trusting: TlsSettings, connect: MakeClient, version: ssl.TLSVersion
) -> None:
    context = authority.server("127.0.0.1")
    context.maximum_version = version
    async with Upstream(tls=context) as upstream:
        upstream.always = (Send(answer(headers=(("connection", "close"),))),)
        client = connect(upstream, tls=trusting)
        for _ in range(3):
            assert await fetch(client) == b"{}"
        resumed = [s.transport.get_extra_info("ssl_object").session_reused for s in upstream.sessions]
        assert resumed == [False, True, True]


async def test_a_client_certificate_is_shown_when_asked_for(
    authority: Authority, connect: MakeClient, tmp_path: Path
) -> None:
    context = authority.server("127.0.0.1")
    authority.demand_client_certificate(context)
    ours = authority.ca.issue_cert("gateway.example.test")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in ours.cert_chain_pems))
    (tmp_path / "key.pem").write_bytes(ours.private_key_pem.bytes())
    async with Upstream(tls=context) as upstream:
        settings = TlsSettings(
            ca_file=authority.ca_file,
            client_cert_file=str(tmp_path / "cert.pem"),
            client_key_file=str(tmp_path / "key.pem"),
        )
        assert await fetch(connect(upstream, tls=settings)) == b"{}"
        with pytest.raises(SendError):
            await fetch(connect(upstream, tls=TlsSettings(ca_file=authority.ca_file)))


async def test_streams_cuts_and_large_bodies_behave_as_without_tls(
    authority: Authority, trusting: TlsSettings, connect: MakeClient
) -> None:
    async with Upstream(tls=authority.server("127.0.0.1")) as upstream:
        client = connect(upstream, tls=trusting)
        assert await fetch(client, b"x" * 1_100_000) == b"{}"
        assert len(upstream.requests[0].body) == 1_100_000
        upstream.script(Send(chunked_head() + chunk(b"a")), Close())
        reply = await ask(client)
        assert await anext(aiter(reply)) == b"a"
        with pytest.raises(SendError, match="before the end"):
            await anext(aiter(reply))
        upstream.script(Send(b"HTTP/1.1 200 OK\r\n\r\nall"), Close())
        reply = await ask(client)
        assert (await reply.read(), reply.complete_by_eof) == (b"all", True)


async def test_a_slow_reader_blocks_the_sender_behind_tls_too(
    authority: Authority, trusting: TlsSettings, connect: MakeClient
) -> None:
    async with Upstream(tls=authority.server("127.0.0.1")) as upstream:
        upstream.script(Send(chunked_head()), Flood(chunk(b"a" * 16_000), 4000))
        reply = await ask(connect(upstream, tls=trusting))
        await asyncio.wait_for(upstream.sessions[0].blocked.wait(), 5)
        for _ in range(200):
            await asyncio.sleep(0)
        assert upstream.sessions[0].sent_bytes < 50_000_000
        await reply.aclose()
        await upstream.sessions[0].gone.wait()


# Contexts


def test_a_context_is_no_weaker_than_the_standard_one() -> None:
    ours, standard = build_context(None), ssl.create_default_context()
    for name in ("check_hostname", "verify_mode", "verify_flags", "options", "minimum_version"):
        assert getattr(ours, name) == getattr(standard, name), name
    assert ours.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert ours.cert_store_stats() == standard.cert_store_stats()


def test_the_default_context_is_made_once_and_the_key_log_is_not_obeyed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    assert build_context(None) is build_context(TlsSettings())
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert build_context(TlsSettings(ca_file=authority.ca_file)).keylog_filename is None


class Ticket:
    """A session as far as the context looks at it."""

    has_ticket = True


def test_sessions_kept_are_few_and_the_newest() -> None:
    context = ResumingContext()
    context.remember("none.test", None)
    for number in range(100):
        context.remember(f"{number}.test", cast("ssl.SSLSession", Ticket()))
    assert list(context._sessions) == [f"{number}.test" for number in range(36, 100)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TlsSettings(ca_file="/nowhere/ca.pem"), "`ca_file` names `/nowhere/ca.pem`, which does not exist"),
        (TlsSettings(client_cert_file="/nowhere/c.pem"), "`client_cert_file` names"),
        (TlsSettings(client_key_file="/nowhere/k.pem"), "without `client_cert_file`"),
        (TlsSettings(system_roots=False), "no server could be trusted"),
    ],
)
def test_unusable_settings_are_refused_when_read(settings: TlsSettings, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_context(settings)


def test_a_file_without_pem_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("not pem")
    with pytest.raises(ValueError, match="holds no usable PEM"):
        build_context(TlsSettings(ca_file=str(tmp_path / "x.pem")))


def test_tls_settings_for_plain_http_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="not `https://`"):
        HttpClient(parse_origin("http://a.test")[0], tls=TlsSettings())
