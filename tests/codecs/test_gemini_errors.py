"""Problems in Google's words, and the exceptions its SDK makes of them."""

import json
from typing import Any, get_args

import httpx2
import pytest
from google.genai import errors as sdk_errors
from tests.codecs.gemini_support import sdk_client

from passerelle.codecs.gemini import CLIENT
from passerelle.codecs.gemini.errors import IN_BAND, STATUS_OF, read_failure
from passerelle.codecs.gemini.types import ErrorInfo
from passerelle.core.errors import STATUS, FailureKind, Problem, ProblemKind


def encode(problem: Problem) -> tuple[Any, dict[str, str]]:
    encoded = CLIENT.encode_problem(problem, "req_01TEST")
    body = json.loads(encoded.body)
    assert set(body) == {"error"}
    assert body["error"]["code"] == encoded.status
    return body["error"], dict(encoded.headers)


def test_every_kind_has_a_name_and_every_failure_an_ending() -> None:
    assert set(STATUS_OF) == set(get_args(ProblemKind)) == set(STATUS)
    assert set(IN_BAND) == set(get_args(FailureKind))


@pytest.mark.parametrize("kind", get_args(ProblemKind))
def test_the_sdk_raises_its_own_class_for_every_kind(kind: ProblemKind) -> None:
    encoded = CLIENT.encode_problem(Problem(kind, "`x` is wrong: mend it"), "req_01TEST")
    client = sdk_client(
        lambda _: httpx2.Response(
            encoded.status, content=encoded.body, headers={"content-type": "application/json"}
        )
    )
    expected = sdk_errors.ClientError if encoded.status < 500 else sdk_errors.ServerError
    with pytest.raises(expected) as caught:
        client.models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status) == (STATUS[kind], STATUS_OF[kind])
    assert caught.value.message == "`x` is wrong: mend it"


def test_details_tell_the_field_the_reason_and_the_wait_in_googles_types() -> None:
    error, headers = encode(
        Problem(
            "rate_limited", "slow down: try again later", param="contents[0]", code="per_minute",
            retry_after_s=1.2, headers=(("x-more", "1"),),
        )
    )  # fmt: skip
    by_type = {one["@type"].rpartition(".")[2]: one for one in error["details"]}
    assert by_type["RetryInfo"]["retryDelay"] == "2s"
    assert by_type["BadRequest"]["fieldViolations"][0]["field"] == "contents[0]"
    assert by_type["ErrorInfo"]["reason"] == "PER_MINUTE"
    assert by_type["RequestInfo"]["requestId"] == "req_01TEST"
    assert headers == {"x-request-id": "req_01TEST", "retry-after": "2", "x-more": "1"}


def test_a_providers_own_status_is_passed_on() -> None:
    error, _ = encode(Problem("invalid_request", "no", status=422))
    assert (error["code"], error["status"]) == (422, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ErrorInfo(code=429, status="RESOURCE_EXHAUSTED", message="Quota exceeded"), "rate_limited"),
        (ErrorInfo(code=503, message="x"), "overloaded"),
        (ErrorInfo(code=403, status="PERMISSION_DENIED", message="x"), "auth"),
        (ErrorInfo(code=418, message="x"), "invalid_request"),
        (ErrorInfo(code=599, message="x"), "server_error"),
        (ErrorInfo(status="SOMETHING_NEW", message="x"), "server_error"),
        (
            ErrorInfo(code=400, status="INVALID_ARGUMENT", message="The input token count exceeds…"),
            "context_length",
        ),
    ],
)
def test_a_providers_error_is_classed_by_its_name_then_its_code(
    error: ErrorInfo, failure: FailureKind
) -> None:
    failed = read_failure(error)
    assert failed.failure == failure
    assert failed.status == error.code
