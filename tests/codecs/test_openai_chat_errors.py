"""Problems in OpenAI's words, and what the official SDK makes of them."""

import json
from collections.abc import Iterator
from typing import get_args

import httpx2
import openai
import pytest
from tests.codecs.openai_chat_support import context

from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.core.errors import STATUS, AnswerError, FailureKind, Problem, ProblemError, ProblemKind
from passerelle.core.event import Failed, PartDelta, PartStarted, Started

KINDS: tuple[ProblemKind, ...] = get_args(ProblemKind)

CLASSES: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    429: openai.RateLimitError,
}


def sdk(handler: httpx2.MockTransport) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=httpx2.Client(transport=handler)
    )


@pytest.fixture
def problem_client() -> Iterator[tuple[openai.OpenAI, dict[str, Problem]]]:
    told: dict[str, Problem] = {}

    def answer(request: httpx2.Request) -> httpx2.Response:
        encoded = CLIENT.encode_problem(told["now"], "req_01TEST")
        headers = {"content-type": "application/json", **dict(encoded.headers)}
        return httpx2.Response(encoded.status, headers=headers, content=encoded.body)

    with sdk(httpx2.MockTransport(answer)) as client:
        yield client, told


@pytest.mark.parametrize("kind", KINDS)
def test_every_problem_is_the_right_exception_of_the_sdk(
    kind: ProblemKind, problem_client: tuple[openai.OpenAI, dict[str, Problem]]
) -> None:
    client, told = problem_client
    told["now"] = Problem(kind, "what is wrong, and the next step", param="messages[0]")
    status = STATUS[kind]
    expected = CLASSES.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)
    with pytest.raises(expected) as caught:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    error = caught.value
    assert type(error) is expected
    assert error.status_code == status
    assert error.request_id == "req_01TEST"
    assert error.param == "messages[0]"
    assert error.type
    assert "what is wrong" in error.message


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unauthenticated", "invalid_api_key"),
        ("model_not_found", "model_not_found"),
        ("rate_limited", "rate_limit_exceeded"),
        ("budget_exhausted", "insufficient_quota"),
        ("context_length", "context_length_exceeded"),
        ("content_policy", "content_policy_violation"),
    ],
)
def test_codes_are_those_programs_compare(kind: ProblemKind, code: str) -> None:
    assert json.loads(CLIENT.encode_problem(Problem(kind, "x"), "r").body)["error"]["code"] == code


def test_a_problems_own_code_status_and_headers_stand() -> None:
    encoded = CLIENT.encode_problem(
        Problem("method_not_allowed", "x", code="mine", status=418, headers=(("allow", "POST"),)), "req_1"
    )
    assert encoded.status == 418
    assert json.loads(encoded.body)["error"]["code"] == "mine"
    assert dict(encoded.headers) == {"x-request-id": "req_1", "allow": "POST"}


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.1, "1"), (12.0, "12"), (12.01, "13"), (0.0, "0"), (-1.0, "0")]
)
def test_waiting_is_said_in_whole_seconds_rounded_up(seconds: float, header: str) -> None:
    encoded = CLIENT.encode_problem(Problem("rate_limited", "x", retry_after_s=seconds), "r")
    assert dict(encoded.headers)["retry-after"] == header


def test_a_spent_budget_is_not_tried_again_by_the_sdk() -> None:
    asked = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        encoded = CLIENT.encode_problem(Problem("budget_exhausted", "spent"), "r")
        return httpx2.Response(encoded.status, headers=dict(encoded.headers), content=encoded.body)

    with (
        sdk(httpx2.MockTransport(answer)).with_options(max_retries=2) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.models.list()
    assert asked == 1


@pytest.mark.parametrize("failure", get_args(FailureKind))
def test_a_failure_in_a_stream_raises_in_the_sdk(failure: FailureKind) -> None:
    encoder = CLIENT.stream_encoder(context())
    body = b"".join(
        encoder.encode(event)
        for event in (Started("m"), PartStarted(0, "text"), PartDelta(0, "par"), Failed(failure, "cut"))
    )

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": encoder.content_type}, content=body)

    heard: list[str] = []
    with sdk(httpx2.MockTransport(answer)) as client:
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        with pytest.raises(openai.APIError, match="cut"):
            heard.extend([chunk.choices[0].delta.content or "" for chunk in stream])


def test_chat_counts_no_tokens() -> None:
    with pytest.raises(ProblemError) as caught:
        CLIENT.encode_token_count(5)
    assert caught.value.problem.kind == "not_found"
    with pytest.raises(AnswerError):
        PROVIDER.decode_token_count(b"{}")
