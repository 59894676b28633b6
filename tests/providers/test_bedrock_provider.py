"""Bedrock as a provider: signed as botocore signs, asked where it listens, its errors understood."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from tests import upstream_answers as answers
from tests import upstream_bedrock as amazon
from tests.worlds import deployment

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.eventstream import event_headers, exception_headers, write_frame
from passerelle.core.errors import FailureKind
from passerelle.core.event import Failed, Finished
from passerelle.providers.aws import Signed
from passerelle.providers.base import Call, Deadlines, SendError
from passerelle.providers.bedrock import BedrockProvider, bedrock, bedrock_url
from passerelle.providers.entry import AwsEntry, ProviderEntry
from passerelle.providers.failures import classify
from passerelle.providers.sigv4 import AwsKeys, Signer

NOW_S = 1_795_000_000.0
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"
keys = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij0123456789/+=", min_size=8, max_size=60)


@given(
    keys, keys, st.none() | keys, st.binary(max_size=200), st.floats(0, 4e9),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40),
)  # fmt: skip
def test_a_signature_is_the_one_botocore_makes(
    key_id: str, secret: str, token: str | None, body: bytes, now_s: float, model: str
) -> None:
    path = f"/model/{quote(model, safe='')}/converse"
    signer = Signer("bedrock-runtime.eu-west-3.amazonaws.com", "eu-west-3", "bedrock", now=lambda: now_s)
    made = dict(signer.headers(AwsKeys(key_id, secret, token), "POST", path, body, "application/json"))

    request = AWSRequest("POST", f"https://bedrock-runtime.eu-west-3.amazonaws.com{path}", data=body)
    request.headers["content-type"] = "application/json"
    request.headers["x-amz-date"] = request.context["timestamp"] = made[b"x-amz-date"].decode()
    if token is not None:
        request.headers["x-amz-security-token"] = made[b"x-amz-security-token"].decode()
    theirs = SigV4Auth(Credentials(key_id, secret, token), "bedrock", "eu-west-3")
    signature = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    assert made[b"authorization"].decode().endswith(f"Signature={signature}")


def test_the_key_of_a_day_is_made_once_and_anew_on_the_next() -> None:
    now = [NOW_S]
    signer = Signer("h", "eu-west-3", "bedrock", now=lambda: now[0])
    first = signer.headers(AwsKeys("a", "b"), "POST", "/x", b"", "application/json")
    assert signer.headers(AwsKeys("a", "b"), "POST", "/x", b"", "application/json") == first
    now[0] += 86_400
    fresh = Signer("h", "eu-west-3", "bedrock", now=lambda: now[0])
    assert signer.headers(AwsKeys("a", "b"), "POST", "/x", b"", "application/json") == fresh.headers(
        AwsKeys("a", "b"), "POST", "/x", b"", "application/json"
    )


def test_keys_show_nothing_of_themselves() -> None:
    said = AwsKeys("AKIAEXAMPLE", "secret-words", "token-words")
    assert "secret" not in repr(said)
    assert "AKIA" not in repr(said)


# --- what it sends


class Reply:
    """A canned reply."""

    complete_by_eof = False

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status, self._body, self._headers, self.closed = status, body, headers or {}, False

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def read(self) -> bytes:
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), 37):
            yield self._body[at : at + 37]

    def set_deadline(self, at: float | None) -> None: ...

    async def aclose(self) -> None:
        self.closed = True


class Client:
    """Keeps what is sent and gives the replies in their order."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    async def request(
        self, method: str, path: str, headers: Any, body: bytes, *, deadlines: Deadlines, remaining_s: float
    ) -> Reply:
        assert method == "POST"
        self.sent.append((path, {name.decode(): value.decode() for name, value in headers}, body))
        return self.replies.pop(0)

    async def aclose(self) -> None: ...


def entry(**more: Any) -> ProviderEntry:
    return ProviderEntry("rock", "bedrock", **{"region": "eu-central-1", **more})


def provider(client: Client, **more: Any) -> BedrockProvider:
    return bedrock(entry(**{"credential": lambda: "api-key", **more}), client)


def call(
    body: bytes = b"{}",
    *,
    model: str = CLAUDE,
    dialect: Any = "bedrock",
    operation: Any = "chat",
    stream: bool = False,
) -> Call:
    place = deployment("d", provider="rock", upstream_model=model, dialect=dialect)
    return Call(deployment=place, operation=operation, body=body, stream=stream, dialect=dialect)


PATHS = [
    ("bedrock", "chat", False, "converse", "application/json"),
    ("bedrock", "chat", True, "converse-stream", "application/vnd.amazon.eventstream"),
    ("anthropic", "chat", False, "invoke", "application/json"),
    ("anthropic", "chat", True, "invoke-with-response-stream", "application/vnd.amazon.eventstream"),
]


@pytest.mark.parametrize(("dialect", "operation", "stream", "verb", "accept"), PATHS)
def test_each_operation_has_its_path(
    dialect: Any, operation: Any, stream: bool, verb: str, accept: str
) -> None:
    client = Client(Reply(b"{}"))
    asyncio.run(provider(client).send(call(dialect=dialect, operation=operation, stream=stream)))
    ((path, headers, _),) = client.sent
    assert path == f"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/{verb}"
    assert headers == {
        "authorization": "Bearer api-key",
        "content-type": "application/json",
        "accept": accept,
    }


def test_an_arn_is_one_part_of_the_path() -> None:
    client = Client(Reply(b"{}"))
    asyncio.run(provider(client).send(call(model=ARN)))
    assert client.sent[0][0] == f"/model/{quote(ARN, safe='')}/converse"


def test_what_is_not_spoken_here_is_not_sent() -> None:
    client = Client()
    with pytest.raises(SendError) as caught:
        asyncio.run(provider(client).send(call(dialect="gemini")))
    assert (caught.value.failure, caught.value.sent) == ("not_found", False)


def test_access_keys_sign_what_is_sent() -> None:
    client = Client(Reply(b"{}"))
    aws = AwsEntry(lambda: amazon.ACCESS_KEY_ID, lambda: amazon.SECRET, lambda: amazon.SESSION_TOKEN)
    made = provider(client, credential=None, aws=aws)
    asyncio.run(made.send(call(b'{"messages":[]}')))
    path, headers, body = client.sent[0]
    host = "bedrock-runtime.eu-central-1.amazonaws.com"
    assert amazon.signature_objection("POST", path, {**headers, "host": host}, body) is None
    assert amazon.signature_objection("POST", path, {**headers, "host": host}, body + b" ") is not None
    assert made.hidden is not None
    assert made.hidden.sub(
        "", f"x {amazon.SECRET} {amazon.SESSION_TOKEN} {amazon.ACCESS_KEY_ID}"
    ).split() == ["x"]
    assert amazon.SECRET not in repr(made)


def test_keys_that_cannot_be_read_are_told_without_them() -> None:
    aws = AwsEntry(lambda: "AKIA", lambda: "with space", None)
    signer = Signer("h", "r", "bedrock", now=lambda: NOW_S)
    with pytest.raises(SendError, match=r"aws\.secret_access_key") as caught:
        Signed("rock", aws, signer).headers("/x", b"")
    assert caught.value.failure == "auth"
    assert "with space" not in caught.value.message


def test_rotated_keys_are_seen_and_the_old_ones_still_hidden() -> None:
    now = ["first-secret-words"]
    aws = AwsEntry(lambda: "AKIAEXAMPLE00", lambda: now[0], None)
    signed = Signed("rock", aws, Signer("h", "r", "bedrock", now=lambda: NOW_S))
    before = signed.headers("/x", b"")
    now[0] = "second-secret-words"
    assert signed.headers("/x", b"") != before
    assert signed.hidden is not None
    assert signed.hidden.sub("", "first-secret-words second-secret-words").strip() == ""


@pytest.mark.parametrize(
    "region", [None, "", "paris", "eu-central-1.evil.example", "eu-central-1/../x", "EU-CENTRAL-1"]
)
def test_only_a_region_makes_an_address(region: str | None) -> None:
    with pytest.raises(ValueError, match="region"):
        bedrock_url(region)


def test_a_region_decides_the_address() -> None:
    assert bedrock_url("eu-central-1") == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert bedrock_url("us-gov-west-1") == "https://bedrock-runtime.us-gov-west-1.amazonaws.com"
    assert bedrock_url("cn-north-1") == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"


def test_two_credentials_are_one_too_many() -> None:
    aws = AwsEntry(lambda: "a", lambda: "b")
    with pytest.raises(ValueError, match="both"):
        provider(Client(), aws=aws)


# --- counting


def test_a_count_asks_for_the_model_itself_and_then_for_its_profile() -> None:
    client = Client(Reply(b"{}", 400), Reply(b'{"inputTokens":7}'))
    reply = asyncio.run(provider(client).send(call(operation="count_tokens")))
    assert asyncio.run(reply.read()) == b'{"inputTokens":7}'
    assert [path.split("/")[2] for path, _, _ in client.sent] == [
        "anthropic.claude-sonnet-4-5-20250929-v1%3A0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
    ]


def test_a_count_of_claude_s_own_request_is_wrapped_and_its_answer_turned() -> None:
    client = Client(Reply(b'{"inputTokens":7}'))
    body = b'{"messages":[],"anthropic_version":"bedrock-2023-05-31","max_tokens":1}'
    reply = asyncio.run(provider(client).send(call(body, dialect="anthropic", operation="count_tokens")))
    sent = json.loads(client.sent[0][2])
    assert base64.b64decode(sent["input"]["invokeModel"]["body"]) == body
    assert registry.provider("anthropic").decode_token_count(asyncio.run(reply.read())) == 7


def test_only_claude_is_counted_there() -> None:
    made = provider(Client())
    assert made.supports("count_tokens", call().deployment)
    assert not made.supports("count_tokens", call(model="us.amazon.nova-pro-v1:0").deployment)


# --- Claude's stream


def invoked(*frames: bytes) -> list[Any]:
    client = Client(Reply(b"".join(frames)))

    async def listen() -> bytes:
        reply = await provider(client).send(call(dialect="anthropic", stream=True))
        return b"".join([piece async for piece in reply])

    decoder = registry.provider("anthropic").stream_decoder()
    return decoder.feed(asyncio.run(listen())) + decoder.close()


CHUNKS = amazon.invoke_stream("", {"messages": [], "model": "claude"})


def test_claude_s_events_come_out_of_their_chunks() -> None:
    direct = registry.provider("anthropic").stream_decoder()
    expected = direct.feed("".join(answers.anthropic_stream("", {"messages": []})).encode()) + direct.close()
    assert invoked(*CHUNKS) == expected
    assert isinstance(expected[-1], Finished)


FAULTS: list[tuple[str, FailureKind]] = [
    ("throttlingException", "rate_limited"),
    ("serviceUnavailableException", "overloaded"),
    ("validationException", "invalid_request"),
    ("modelTimeoutException", "timeout"),
    ("internalServerException", "server_error"),
]


@pytest.mark.parametrize(("exception", "failure"), FAULTS)
def test_an_exception_among_chunks_is_anthropic_s_error(exception: str, failure: FailureKind) -> None:
    last = invoked(*CHUNKS[:3], write_frame(exception_headers(exception), b'{"message":"No."}'))[-1]
    assert isinstance(last, Failed)
    assert last.failure == failure


BAD = [
    b"<html>",
    write_frame(event_headers("chunk"), b'{"bytes":"!!"}'),
    write_frame(event_headers("chunk"), b'{"bytes":"AAAA"}'),
    CHUNKS[3][:-2],
]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_chunk_breaks_the_stream(bad: bytes) -> None:
    with pytest.raises(SendError) as caught:
        invoked(*CHUNKS[:3], bad)
    assert caught.value.failure in ("protocol", "transport")


# --- its errors

ERRORS: list[tuple[int, str, str, FailureKind]] = [
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limited"),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "quota"),
    (429, "ModelNotReadyException", "Model is not ready for inference.", "overloaded"),
    (400, "ServiceQuotaExceededException", "Your request would exceed a quota.", "quota"),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
        "auth",
    ),
    (
        403,
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
        "not_found",
    ),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
    (403, "ExpiredTokenException", "The security token included in the request is expired", "auth"),
    (403, "InvalidSignatureException", "The request signature we calculated does not match", "auth"),
    (404, "ResourceNotFoundException", "This model version has reached the end of its life.", "not_found"),
    (400, "ValidationException", "The provided model identifier is invalid.", "not_found"),
    (
        400,
        "ValidationException",
        "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
        "not_found",
    ),
    (400, "ValidationException", "Input is too long for requested model.", "context_length"),
    (
        400,
        "ValidationException",
        "Malformed input request: extraneous key [x] is not permitted",
        "invalid_request",
    ),
    (408, "ModelTimeoutException", "Model has timed out in processing the request.", "timeout"),
    (
        424,
        "ModelErrorException",
        "The system encountered an unexpected error during processing.",
        "server_error",
    ),
    (500, "InternalServerException", "", "server_error"),
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", "overloaded"),
]


@pytest.mark.parametrize(("status", "kind", "message", "failure"), ERRORS)
def test_amazon_s_errors_are_known_by_the_header_that_names_them(
    status: int, kind: str, message: str, failure: FailureKind
) -> None:
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    body = json.dumps({"message": message}).encode()
    found = classify(status, headers, body, provider="rock", now_s=NOW_S)
    assert found.kind == failure
    assert kind in found.detail


def test_converse_bodies_for_claude_are_good_at_both_doors() -> None:
    """What the codec writes for InvokeModel is what the replayed service takes."""
    request = registry.client("openai_chat").decode_request(
        b'{"model":"m","messages":[{"role":"user","content":"Hi."}],"stream":true}', PathTarget("chat")
    )
    at = Target(CLAUDE, quirks=frozenset({"on_bedrock"}), max_output_tokens=1000)
    body = registry.provider("anthropic").encode_request(request, at).body
    path = f"/model/{quote(CLAUDE, safe='')}/invoke"
    assert amazon.objection(path, {}, json.loads(body), body) is None


# --- embeddings


def test_embeddings_are_invoked_text_by_text_and_counted_by_their_headers() -> None:
    headers = {"x-amzn-bedrock-input-token-count": "4"}
    client = Client(
        Reply(b'{"embedding":[1],"inputTextTokenCount":3}'), Reply(b' {"embeddings":[[2]]}', headers=headers)
    )
    body = b'[{"inputText":"a"},{"texts":["b"]}]'
    reply = asyncio.run(
        provider(client).send(call(body, model="amazon.titan-embed-text-v2:0", operation="embed"))
    )
    found = registry.task_provider("embed", "bedrock")
    assert found is not None
    answer = found.decode_response(asyncio.run(reply.read()), "application/json")
    assert answer.vectors == ((1,), (2,))
    assert answer.usage.input_tokens == 7
    assert [path.rpartition("/")[2] for path, _, _ in client.sent] == ["invoke", "invoke"]


def test_a_refused_embedding_refuses_them_all() -> None:
    client = Client(Reply(b'{"embedding":[1]}'), Reply(b'{"message":"no"}', 429), Reply(b'{"embedding":[1]}'))
    reply = asyncio.run(
        provider(client).send(call(b"[{},{},{}]", model="amazon.titan-embed-text-v2:0", operation="embed"))
    )
    assert reply.status == 429
