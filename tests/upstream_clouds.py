"""Replayed clouds: Azure, Foundry and Vertex AI as strict as the real ones, and those who give out tokens.

All stand on one port and are told apart by their paths. What is not exactly as the documents say is answered
400 with what is wrong, and kept in `wrong`: a test that passes saw none of it. The sources are those of the
adapters (`providers/azure.py`, `providers/vertex.py`, `providers/auth/`).
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests import upstream_answers as answers
from tests import upstream_openai as openai
from tests.upstream import Exchange, Upstream, _json, _stream

KEY = "azure-key-0123456789abcdef"
SECRET = "entra-secret~0123456789"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
PROJECT = "bridge-works"
PLACE = "europe-west4"
EXPRESS = "AIza-express-0123456789abcdefghijklmnop"
VERSION = "2024-10-21"

_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(token_uri: str = "https://oauth2.googleapis.com/token") -> dict[str, str]:
    """A service account's file, whose key the replayed Google knows."""
    pem = _RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "k1",
        "private_key": pem.decode(),
        "client_email": "gateway@bridge-works.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }


@dataclass
class Clouds(Upstream):
    """The clouds, in a thread with its own loop."""

    wrong: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Every token given out, in order. Only the last of each path is good."""
    good: dict[str, str] = field(default_factory=dict)
    life_s: int = 3600
    filters: bool = True
    """Azure's content filter annotates answers."""

    @property
    def asked(self) -> list[Exchange]:
        """The requests for models, without those for tokens."""
        return [e for e in self.exchanges if "token" not in e.path.rpartition("/")[2]]

    def forget(self) -> None:
        """Refuse every token given out so far."""
        self.good.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rest = head.decode().split("\r\n")
                method, path, _ = line.split(" ", 2)
                headers = {n.lower(): v.strip() for n, _, v in (r.partition(":") for r in rest if r)}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                form = headers.get("content-type") == "application/x-www-form-urlencoded"
                body = dict(parse_qsl(raw.decode())) if form else json.loads(raw or b"{}")
                self.exchanges.append(Exchange(method, path, headers, body))
                await self._reply(writer, self.exchanges[-1])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _reply(self, writer: asyncio.StreamWriter, said: Exchange) -> None:
        path, _, query = said.path.partition("?")
        found = list(self._objections(said, path, {k: v[0] for k, v in parse_qs(query).items()}))
        if found:
            status, words = found[0]
            if status != 401:
                self.wrong += [f"{said.path}: {words}" for _, words in found]
            _json(writer, {"error": {"code": status, "message": words}}, status=status)
        elif path.endswith("token"):
            self.tokens.append(f"token-{len(self.tokens) + 1}-0123456789")
            self.good[said.body.get("scope", path)] = self.tokens[-1]
            given = {"access_token": self.tokens[-1], "expires_in": self.life_s, "token_type": "Bearer"}
            _json(writer, given)
        else:
            await self._answer_well(writer, path, said.body)

    async def _answer_well(self, writer: asyncio.StreamWriter, path: str, body: Any) -> None:
        for ending, whole, stream in _ANSWERS:
            if path.endswith(ending):
                if stream is not None and (whole is None or body.get("stream")):
                    frames = stream(path, body)
                    if "/openai/" in path and path.endswith("completions") and self.filters:
                        frames = [*_annotated(frames)]
                    await _stream(writer, frames, None, path)
                else:
                    assert whole is not None
                    _json(writer, whole(path, body))
                return
        raise AssertionError(f"no answer for {path}")

    # --- what is wrong with a request

    def _objections(self, said: Exchange, path: str, query: dict[str, str]) -> Iterator[tuple[int, str]]:
        if said.method != "POST":
            yield 405, f"{said.method} is not POST"
        for route, check in _ROUTES:
            matched = re.fullmatch(route, path)
            if matched:
                yield from check(self, said, matched, query)
                return
        yield 404, f"no such path: {path}"

    def _bearer(self, said: Exchange, issued_for: str = "/token") -> Iterator[tuple[int, str]]:
        if said.headers.get("authorization", "") != f"Bearer {self.good.get(issued_for)}":
            yield 401, "Request had invalid authentication credentials."
        for carrier in ("api-key", "x-api-key", "x-goog-api-key"):
            if carrier in said.headers:
                yield 400, f"two credentials: {carrier} beside a token"

    def _azure_key(self, said: Exchange, carrier: str) -> Iterator[tuple[int, str]]:
        if "authorization" in said.headers:
            claude = carrier == "x-api-key"
            audience = "ai" if claude else "cognitiveservices"
            yield from self._bearer(said, f"https://{audience}.azure.com/.default")
        elif said.headers.get(carrier) != KEY:
            yield 401, "Access denied due to invalid subscription key or wrong API endpoint."

    def _entra(self, said: Exchange, path: re.Match[str], _: Any) -> Iterator[tuple[int, str]]:
        wanted = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": SECRET,
        }
        body = dict(said.body)
        scope = body.pop("scope", None)
        if scope not in ("https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default"):
            yield (
                400,
                f"AADSTS70011: The provided value for the input parameter 'scope' is not valid: {scope}",
            )
        if path["tenant"] != TENANT or body != wanted:
            yield 401, f"AADSTS7000215: Invalid client secret provided ({said.body.get('client_secret')})."

    def _google(self, said: Exchange, _: re.Match[str], __: Any) -> Iterator[tuple[int, str]]:
        if said.body.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            yield 400, "unsupported_grant_type"
            return
        signed, _, signature = said.body["assertion"].rpartition(".")
        head, claims = (json.loads(_unbase64(part)) for part in signed.split("."))
        try:
            _RSA.public_key().verify(
                _unbase64(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            yield 400, "invalid_grant: Invalid JWT Signature."
        if head != {"alg": "RS256", "typ": "JWT", "kid": "k1"}:
            yield 400, f"invalid_grant: header {head}"
        if claims["exp"] - claims["iat"] > 3600 or not claims["aud"].endswith("/token"):
            yield 400, f"invalid_grant: claims {claims}"
        if claims["scope"] != "https://www.googleapis.com/auth/cloud-platform":
            yield 400, f"invalid_scope: {claims['scope']}"

    def _azure(self, said: Exchange, path: re.Match[str], query: dict[str, str]) -> Iterator[tuple[int, str]]:
        yield from self._azure_key(said, "api-key")
        classic = "deployment" in path.groupdict()
        if query != ({"api-version": VERSION} if classic else {}):
            yield 400, f"API version not supported: {query}"
        if not classic and said.body.get("model") not in DEPLOYMENTS:
            yield 404, f"DeploymentNotFound: {said.body.get('model')}"

    def _foundry(self, said: Exchange, _: re.Match[str], query: dict[str, str]) -> Iterator[tuple[int, str]]:
        yield from self._azure_key(said, "x-api-key")
        if query or said.headers.get("anthropic-version") != "2023-06-01":
            yield 400, f"anthropic-version {said.headers.get('anthropic-version')}, query {query}"
        if said.body.get("model") not in DEPLOYMENTS or "anthropic_version" in said.body:
            yield 400, f"body {sorted(said.body)} with model {said.body.get('model')}"
        yield from _known_betas(said, FOUNDRY_BETAS)

    def _claude(
        self, said: Exchange, path: re.Match[str], query: dict[str, str]
    ) -> Iterator[tuple[int, str]]:
        yield from self._bearer(said)
        counting = path["model"] == "count-tokens"
        streaming = path["method"] == "streamRawPredict"
        if query or "anthropic-version" in said.headers:
            yield 400, f"query {query}, headers {sorted(said.headers)}"
        if said.body.get("anthropic_version") != "vertex-2023-10-16":
            yield 400, "anthropic_version: Field required"
        if ("model" in said.body) != counting or ("@" in path["model"]) == counting:
            yield 400, "model: Extra inputs are not permitted"
        if bool(said.body.get("stream")) != streaming:
            yield 400, f"stream {said.body.get('stream')} at {path['method']}"
        yield from _known_betas(said, VERTEX_BETAS)

    def _gemini(
        self, said: Exchange, path: re.Match[str], query: dict[str, str]
    ) -> Iterator[tuple[int, str]]:
        yield from self._bearer(said)
        yield from self._generation(said, path, query)

    def _express(
        self, said: Exchange, path: re.Match[str], query: dict[str, str]
    ) -> Iterator[tuple[int, str]]:
        if said.headers.get("x-goog-api-key") != EXPRESS or "authorization" in said.headers:
            yield 401, "API keys are not supported by this API."
        yield from self._generation(said, path, query)

    def _generation(
        self, said: Exchange, path: re.Match[str], query: dict[str, str]
    ) -> Iterator[tuple[int, str]]:
        method = path["method"]
        if query != ({"alt": "sse"} if method == "streamGenerateContent" else {}):
            yield 400, f"query {query}"
        if "model" in said.body or "generateContentRequest" in said.body or "store" in said.body:
            yield 400, f"Unknown name among {sorted(said.body)}"
        if method == "predict" and not {"instances"} <= said.body.keys() <= {"instances", "parameters"}:
            yield 400, f"body {sorted(said.body)}"
        for content in said.body.get("contents", ()):
            if content.get("role") not in ("user", "model"):
                yield 400, "Please use a valid role: user, model."

    def _open_model(self, said: Exchange, _: re.Match[str], __: Any) -> Iterator[tuple[int, str]]:
        yield from self._bearer(said)
        if "/" not in said.body.get("model", ""):
            yield 400, f"model {said.body.get('model')}"


DEPLOYMENTS = frozenset({"legal-sol", "claude-for-legal", "vectors"})
VERTEX_BETAS = frozenset(
    {"context-1m-2025-08-07", "context-management-2025-06-27", "interleaved-thinking-2025-05-14"}
)
FOUNDRY_BETAS = frozenset({*VERTEX_BETAS, "effort-2025-11-24", "prompt-caching-scope-2026-01-05"})

_CLOUD = rf"/projects/{PROJECT}/locations/{PLACE}"
_Check = Callable[[Clouds, Exchange, re.Match[str], dict[str, str]], Iterator[tuple[int, str]]]
_ROUTES: tuple[tuple[str, _Check], ...] = (
    (r"/(?P<tenant>[^/]+)/oauth2/v2.0/token", Clouds._entra),
    (r"/token", Clouds._google),
    (r"/openai/v1/(chat/completions|embeddings|responses)", Clouds._azure),
    (r"/openai/deployments/(?P<deployment>legal-sol|vectors)/(chat/completions|embeddings)", Clouds._azure),
    (r"/anthropic/v1/messages(/count_tokens)?", Clouds._foundry),
    (
        rf"/v1{_CLOUD}/publishers/anthropic/models/(?P<model>[^/:]+):(?P<method>rawPredict|streamRawPredict)",
        Clouds._claude,
    ),
    (rf"/v1beta1{_CLOUD}/publishers/google/models/[^/:]+:(?P<method>\w+)", Clouds._gemini),
    (r"/v1beta1/publishers/google/models/[^/:]+:(?P<method>\w+)", Clouds._express),
    (rf"/v1{_CLOUD}/endpoints/openapi/chat/completions", Clouds._open_model),
)


def _known_betas(said: Exchange, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    for beta in filter(None, said.headers.get("anthropic-beta", "").split(",")):
        if beta not in known:
            yield 400, f"Unexpected value(s) `{beta}` for the `anthropic-beta` header."


def _annotated(frames: list[str]) -> Iterator[str]:
    """A chat stream as Azure sends it: the prompt's filter results first, without choices and without a
    model, and results of the answer's on each chunk.
    """
    prompt = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": [prompt],
    }
    yield answers.data_frame(first)
    for frame in frames:
        if not frame.startswith("data: {"):
            yield frame
            continue
        chunk = json.loads(frame.removeprefix("data: "))
        for choice in chunk["choices"]:
            choice["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}
        yield answers.data_frame(chunk)


def _predictions(_: str, body: Any) -> Any:
    one = {"embeddings": {"values": [0.5, -0.5], "statistics": {"truncated": False, "token_count": 7}}}
    return {"predictions": [one for _ in body["instances"]]}


def _claude_whole(path: str, body: Any) -> Any:
    return answers.anthropic_count(path, body) if "count-tokens" in path else answers.anthropic(path, body)


_ANSWERS: tuple[tuple[str, Callable[..., Any] | None, Callable[..., list[str]] | None], ...] = (
    ("/chat/completions", openai.chat, openai.chat_stream),
    ("/embeddings", openai.embeddings, None),
    ("/responses", openai.responses, openai.responses_stream),
    ("/messages", answers.anthropic, answers.anthropic_stream),
    ("/count_tokens", answers.anthropic_count, None),
    (":rawPredict", _claude_whole, None),
    (":streamRawPredict", None, answers.anthropic_stream),
    (":generateContent", answers.gemini, None),
    (":streamGenerateContent", None, answers.gemini_stream),
    (":countTokens", answers.gemini_count, None),
    (":predict", _predictions, None),
    (":embedContent", answers.gemini_embedding, None),
    (":batchEmbedContents", answers.gemini_embeddings, None),
)


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
