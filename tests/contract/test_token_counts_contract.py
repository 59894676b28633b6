"""Counting tokens: by the provider where it speaks the caller's dialect, else an estimate that says so."""

import pytest
from tests.contract.contract_said import MAX_TOKENS, QUESTION, SYSTEM
from tests.contract.contract_world import CREDENTIALS, DIALECTS, World, model, upstream_model
from tests.contract.speak_anthropic import ANTHROPIC_TOOL, anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.upstream import INPUT_TOKENS


def check(world: World, provider: str, native: str, tokens: int, headers: dict[str, str], path: str) -> None:
    """The provider's own count, or ours without asking anybody; nothing is charged for either."""
    seen = world.seen()
    if provider == native:
        (exchange,) = seen
        assert exchange.path == path
        assert CREDENTIALS[provider] in str(exchange.headers)
        assert world.token not in f"{exchange.headers}{exchange.path}{exchange.body}"
        assert tokens == INPUT_TOKENS
        assert "x-passerelle-estimated" not in headers
    else:
        assert seen == []
        assert 5 < tokens < 200
        assert headers["x-passerelle-estimated"] == "1"
    receipt = world.receipt(headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["cost_nanos"]) == ("count_tokens", 0)


@pytest.mark.parametrize("provider", DIALECTS)
def test_anthropic_s_sdk_counts(world: World, provider: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        raw = client.messages.with_raw_response.count_tokens(
            model=model(provider),
            system=SYSTEM,
            messages=[{"role": "user", "content": QUESTION}],
            tools=[ANTHROPIC_TOOL],
        )
    path = "/v1/messages/count_tokens"
    check(world, provider, "anthropic", raw.parse().input_tokens, dict(raw.headers), path)


@pytest.mark.parametrize("provider", DIALECTS)
def test_google_s_sdk_counts(world: World, provider: str) -> None:
    client = gemini_client(world.url, world.token)
    try:
        found = client.models.count_tokens(model=model(provider), contents=f"{SYSTEM} {QUESTION}")
    finally:
        client.close()
    headers = dict((found.sdk_http_response.headers if found.sdk_http_response else None) or {})
    path = f"/v1beta/models/{upstream_model(model('gemini'))}:countTokens"
    check(world, provider, "gemini", found.total_tokens or 0, headers, path)


def test_a_count_does_not_need_a_limit(world: World) -> None:
    """`max_tokens` is not among its fields, and is not made up for the provider."""
    with anthropic_client(world.url, world.token) as client:
        client.messages.count_tokens(
            model=model("anthropic"), messages=[{"role": "user", "content": QUESTION}]
        )
    (seen,) = world.seen()
    assert "max_tokens" not in seen.body
    assert MAX_TOKENS not in seen.body.values()
