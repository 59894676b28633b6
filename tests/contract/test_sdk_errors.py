"""What goes wrong, as the class of exception each SDK has for it."""

import anthropic
import openai
import pytest
from tests.contract.contract_ask import (
    Ask,
    Asker,
    Question,
    Thrown,
    ask_anthropic,
    ask_chat,
    ask_responses,
)
from tests.contract.contract_world import CLIENTS, DIALECTS, World, model
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_openai import openai_client
from tests.upstream import TEXT
from tests.upstream_troubles import REFUSAL, RETRY_AFTER_S, SECRET_WORDS

KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
}
GEMINI_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
}
LIMITS = {
    "openai_chat": "max_completion_tokens",
    "openai_responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "gemini": "maxOutputTokens",
}
"""The field a malformed question gets wrong."""
every_provider = pytest.mark.parametrize("provider", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def thrown(asker: Asker, token: str, question: Question, status: int) -> Thrown:
    """The SDK's own class for `status`, checked."""
    outcome = asker.ask(token, question)
    assert isinstance(outcome, Thrown), f"an answer: {outcome}"
    assert outcome.status == status
    if asker.dialect == "gemini":
        assert outcome.kind == ("ClientError" if status < 500 else "ServerError")
        assert outcome.message.startswith(f"{status} {GEMINI_STATUS[status]}. ")
    else:
        assert outcome.kind == KINDS[status]
    assert outcome.heard == ""
    return outcome


@both_ways
def test_a_wrong_key_is_an_authentication_error(world: World, asker: Asker, stream: bool) -> None:
    found = thrown(asker, "psk_live_wrong", Question(model("anthropic"), stream=stream), 401)
    assert "psk_live_wrong" not in found.message
    assert world.seen() == []


@both_ways
def test_an_unknown_model_is_not_found(world: World, asker: Asker, stream: bool) -> None:
    found = thrown(asker, world.token, Question("no-such-model", stream=stream), 404)
    assert "no-such-model" in found.message
    assert world.seen() == []


@every_provider
def test_a_malformed_request_is_a_bad_request_before_any_call(
    world: World, asker: Asker, provider: str
) -> None:
    found = thrown(asker, world.token, Question(model(provider), malformed=True), 400)
    assert LIMITS[asker.dialect] in found.message
    assert world.seen() == []


def test_a_role_that_may_not_call_is_denied(world: World, asker: Asker) -> None:
    found = thrown(asker, world.new_key(role="auditor"), Question(model("gemini")), 403)
    assert "model:call" in found.message
    assert world.seen() == []


def test_our_own_rate_limit_says_how_long_to_wait(world: World, asker: Asker) -> None:
    slow = world.new_key(requests_per_minute=1)
    assert asker.ask(slow, Question(model("anthropic"))) == TEXT
    found = thrown(asker, slow, Question(model("anthropic")), 429)
    assert found.retry_after is not None
    assert 50 <= int(found.retry_after) <= 60
    assert len(world.seen()) == 1


@both_ways
@every_provider
def test_a_provider_s_rate_limit_keeps_its_wait(
    world: World, asker: Asker, provider: str, stream: bool
) -> None:
    found = thrown(asker, world.token, Question(model(provider, "busy"), stream=stream), 429)
    assert found.retry_after == str(RETRY_AFTER_S)
    assert len(world.seen()) == 1


@both_ways
@every_provider
def test_what_a_provider_finds_malformed_is_told_in_its_words(
    world: World, asker: Asker, provider: str, stream: bool
) -> None:
    found = thrown(asker, world.token, Question(model(provider, "refuses"), stream=stream), 400)
    assert REFUSAL in found.message
    assert len(world.seen()) == 1


@every_provider
def test_our_own_refused_credential_is_not_the_caller_s(world: World, asker: Asker, provider: str) -> None:
    thrown(asker, world.token, Question(model(provider, "locked")), 502)
    assert len(world.seen()) == 1


@pytest.mark.parametrize("ask", [ask_chat, ask_responses])
def test_openai_s_sdk_does_not_repeat_what_repeating_cannot_cure(world: World, ask: Ask) -> None:
    """It obeys `x-should-retry`, but only when that is said once."""
    retrying = openai_client(world.url, world.token).with_options(max_retries=2)
    with retrying as client, pytest.raises(openai.InternalServerError) as caught:
        ask(client, Question(model("gemini", "locked")), print)
    assert caught.value.response.headers.get_list("x-should-retry") == ["false"]
    assert len(world.seen()) == 1


def test_anthropic_s_sdk_does_not_repeat_what_repeating_cannot_cure(world: World) -> None:
    retrying = anthropic_client(world.url, world.token).with_options(max_retries=2)
    with retrying as client, pytest.raises(anthropic.InternalServerError) as caught:
        ask_anthropic(client, Question(model("gemini", "locked")), print)
    assert caught.value.response.headers.get_list("x-should-retry") == ["false"]
    assert len(world.seen()) == 1


def test_a_failing_provider_is_a_server_error_in_our_words(world: World, asker: Asker) -> None:
    # One provider for each SDK: the gateway tries several times, a second in all.
    provider = DIALECTS[(CLIENTS.index(asker.dialect) + 2) % 5]
    found = thrown(asker, world.token, Question(model(provider, "down")), 502)
    assert SECRET_WORDS not in found.message


@pytest.mark.parametrize("trouble", ["cut", "sick"])
@every_provider
def test_a_stream_that_breaks_is_thrown_and_never_ends_like_an_answer(
    world: World, asker: Asker, provider: str, trouble: str
) -> None:
    outcome = asker.ask(world.token, Question(model(provider, trouble), stream=True))
    assert isinstance(outcome, Thrown), f"an answer: {outcome}"
    assert outcome.heard.startswith("The bridge ")
    assert "arches left" not in outcome.heard
    assert SECRET_WORDS not in outcome.message
