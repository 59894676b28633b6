"""Amazon Bedrock: Converse for every model, InvokeModel for Claude in its own dialect and for tasks.

Paths (docs.aws.amazon.com/bedrock/latest/APIReference "Converse", "ConverseStream", "InvokeModel",
"InvokeModelWithResponseStream", "CountTokens"; read 2026-11-22): `/model/{modelId}/…`, the id encoded so
that the slashes of an ARN are part of it. The region decides the host,
`bedrock-runtime.{region}.amazonaws.com`, and is signed.

    dialect      operation      path
    bedrock      chat           converse · converse-stream
    bedrock      count_tokens   count-tokens                Claude only; the model's own id, not a profile's
    bedrock      embed          invoke, once for each body in the list that the codec writes
    bedrock      rerank, generate_image, edit_image    invoke
    anthropic    chat           invoke · invoke-with-response-stream (see `invoked`)
    anthropic    count_tokens   count-tokens, the body in base64 inside `input.invokeModel`

Counting refuses the ids of cross-region profiles, which newer models can only be asked by (measured in
Boise-State-Development/agentcore-public-stack#430), while some accounts saw the reverse
(BerriAI/litellm#32683): the model's own id is tried first and, refused, the profile's.
"""

import asyncio
import binascii
import re
from collections.abc import AsyncIterator, Mapping
from re import Pattern
from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from passerelle.codecs.bedrock.models import base_model
from passerelle.codecs.eventstream import CONTENT_TYPE as EVENT_STREAM
from passerelle.core.model import Deployment
from passerelle.core.request import Operation
from passerelle.providers.aws import CONTENT_TYPE, Bearer, Signed
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.invoked import InvokedStream
from passerelle.providers.remote import HttpSender
from passerelle.providers.sigv4 import Header, Signer

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_JSON: Final = (b"content-type", CONTENT_TYPE.encode())
_ACCEPT: Final = (b"accept", b"application/json")
_ACCEPT_STREAM: Final = (b"accept", EVENT_STREAM.encode())
_INVOKED: Final[frozenset[Operation]] = frozenset({"rerank", "generate_image", "edit_image"})
_AT_ONCE: Final = 8
"""Invocations of one embedding request that are under way together."""
_encode = msgspec.json.Encoder().encode
_bodies = msgspec.json.Decoder(list[msgspec.Raw])


class Auth(Protocol):
    """How a request shows who asks: `aws.Bearer` or `aws.Signed`."""

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds the credential in words of the provider's."""
        ...

    def headers(self, path: str, body: bytes) -> list[Header]:
        """The headers to add. Raises `SendError("auth")`."""
        ...


def bedrock_url(region: str | None) -> str:
    """The address of a region's runtime. Raises `ValueError`, in words for the operator, without a region."""
    if region is None or not _REGION.fullmatch(region):
        raise ValueError(
            f"`region` is `{region or ''}`, which is no region of AWS; set it to one such as `eu-central-1`"
        )
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}"


class BedrockProvider:
    """Obeys `providers.base.Provider`."""

    def __init__(self, name: str, client: HttpSender, auth: Auth, *, base_path: str = "") -> None:
        self.name = name
        self._client = client
        self._auth = auth
        self._root = f"{base_path}/model/"
        # Grows with the deployments of the catalog, never with what callers send.
        self._models: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"BedrockProvider({self.name!r})"

    @property
    def hidden(self) -> Pattern[str] | None:
        """See `Provider.hidden`."""
        return self._auth.hidden

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Whether `operation` has a form here in the deployment's own dialect."""
        if operation == "count_tokens":
            return base_model(deployment.upstream_model).startswith("anthropic.")
        if operation == "embed" or operation in _INVOKED:
            return deployment.dialect == "bedrock"
        return operation == "chat" and deployment.dialect in ("bedrock", "anthropic")

    async def send(self, call: Call) -> Reply:
        """Send one call. Raises `SendError`; a dialect or operation not spoken here is `not_found`."""
        native = call.dialect == "bedrock"
        if call.operation == "count_tokens" and (native or call.dialect == "anthropic"):
            return await self._count(call, native=native)
        if call.operation == "embed" and native:
            return await self._embed(call)
        if call.operation in _INVOKED and native:
            return await self._post(call, "invoke")
        if call.operation == "chat" and native:
            return await self._post(call, "converse-stream" if call.stream else "converse")
        if call.operation == "chat" and call.dialect == "anthropic":
            if not call.stream:
                return await self._post(call, "invoke")
            return InvokedStream(await self._post(call, "invoke-with-response-stream"))
        raise SendError(
            "not_found",
            f"provider `{self.name}` has no `{call.operation}` in the dialect `{call.dialect}`; correct the "
            f"`dialect` of deployment `{call.deployment.id}`",
            sent=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(
        self, call: Call, verb: str, *, body: bytes | None = None, model: str | None = None
    ) -> Reply:
        sent = call.body if body is None else body
        path = f"{self._root}{self._quoted(model or call.deployment.upstream_model)}/{verb}"
        headers = [_JSON, _ACCEPT_STREAM if call.stream else _ACCEPT, *self._auth.headers(path, sent)]
        return await self._client.request(
            "POST", path, headers, sent, deadlines=call.deadlines, remaining_s=call.remaining_s
        )

    def _quoted(self, model: str) -> str:
        known = self._models.get(model)
        if known is None:
            known = self._models[model] = quote(model, safe="")
        return known

    async def _count(self, call: Call, *, native: bool) -> Reply:
        model = call.deployment.upstream_model
        body = call.body
        if not native:
            blob = binascii.b2a_base64(body, newline=False).decode()
            body = _encode({"input": {"invokeModel": {"body": blob}}})
        own = base_model(model)
        reply = await self._post(call, "count-tokens", body=body, model=own)
        if reply.status == 400 and own != model:
            await reply.aclose()
            reply = await self._post(call, "count-tokens", body=body, model=model)
        return reply if native else _Counted(reply)

    async def _embed(self, call: Call) -> Reply:
        """Invoke the model once for each body, a few at a time; the answers come as one list."""
        bodies = _bodies.decode(call.body)
        answers: list[msgspec.Raw] = []
        for start in range(0, len(bodies), _AT_ONCE):
            asked = [self._invoked(call, bytes(body)) for body in bodies[start : start + _AT_ONCE]]
            replies = await asyncio.gather(*asked)
            refused = next((reply for reply, answer in replies if answer is None), None)
            if refused is not None:
                await asyncio.gather(*[reply.aclose() for reply, _ in replies if reply is not refused])
                return refused
            answers += [msgspec.Raw(answer or b"null") for _, answer in replies]
        return _Whole(replies[-1][0], _encode(answers))

    async def _invoked(self, call: Call, body: bytes) -> tuple[Reply, bytes | None]:
        """A reply and its body; without one, and open, when it is no answer."""
        reply = await self._post(call, "invoke", body=body)
        if not 200 <= reply.status < 300:
            return reply, None
        try:
            answer = await reply.read()
        finally:
            await reply.aclose()
        return reply, _counted(answer, reply.headers.get("x-amzn-bedrock-input-token-count", ""))


def _counted(answer: bytes, tokens: str) -> bytes:
    """An answer with the count that only its headers tell (Cohere's embeddings)."""
    start = answer.lstrip()
    if not tokens.isdigit() or start[:1] != b"{":
        return answer if start[:1] in b"{[" and start else b"null"
    return b'{"inputTextTokenCount":%b,%b' % (tokens.encode(), start[1:])


class _Whole:
    """A reply whose body is known. Obeys `Reply`."""

    def __init__(self, reply: Reply, body: bytes | None = None) -> None:
        self._reply = reply
        self._body = body
        self.status = reply.status
        self.complete_by_eof = reply.complete_by_eof

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's own."""
        return self._reply.headers

    async def read(self) -> bytes:
        """The whole body."""
        return await self._reply.read() if self._body is None else self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in one piece."""
        yield await self.read()

    def set_deadline(self, at: float | None) -> None:
        """The reply's own."""
        self._reply.set_deadline(at)

    async def aclose(self) -> None:
        """The reply's own."""
        await self._reply.aclose()


class _Counted(_Whole):
    """A count in the words of Anthropic's endpoint."""

    async def read(self) -> bytes:
        """`inputTokens` becomes `input_tokens`; anything else stays."""
        body = await super().read()
        return body.replace(b'"inputTokens"', b'"input_tokens"', 1) if self.status == 200 else body


def bedrock(entry: ProviderEntry, client: HttpSender) -> BedrockProvider:
    """Bedrock in `entry.region`. `client` is bound to the origin of `entry.base_url`, or of the region's
    own address. Raises `ValueError` for an entry without a region or with two credentials."""
    own = bedrock_url(entry.region)
    origin, base_path = parse_origin(entry.base_url or own)
    auth: Auth
    if entry.aws is None:
        auth = Bearer(entry.name, entry.credential)
    elif entry.credential is not None:
        raise ValueError(
            f"provider `{entry.name}` has both a Bedrock API key (`credential`) and access keys (`aws`); "
            "remove one of them"
        )
    else:
        auth = Signed(entry.name, entry.aws, Signer(origin.authority, entry.region or "", "bedrock"))
    return BedrockProvider(entry.name, client, auth, base_path=base_path)
