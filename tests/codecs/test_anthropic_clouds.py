"""Claude at the clouds that sell it: what stands in the body there, and what is left out and said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.anthropic_support import CHAT, COUNT
from tests.shared import shared_data

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.anthropic.clouds import CLOUDS, known_betas, lost_betas
from passerelle.codecs.base import CLOUD_QUIRKS, QUIRKS, Target, said_betas
from passerelle.core.request import Operation

SAID: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "hé"}],
}
CLAUDE_CODE = (
    "claude-code-20250219", "context-1m-2025-08-07", "interleaved-thinking-2025-05-14",
    "thinking-token-count-2026-05-13", "context-management-2025-06-27", "prompt-caching-scope-2026-01-05",
    "mid-conversation-system-2026-04-07", "effort-2025-11-24",
)  # fmt: skip
"""What Claude Code 2.1.197 was seen to send."""


def target(quirk: str, *, operation: Operation = "chat", betas: tuple[str, ...] = ()) -> Target:
    return Target("claude-opus-5-5@default", quirks=frozenset({quirk}), operation=operation, betas=betas)


def relayed(
    quirk: str, *, betas: tuple[str, ...] = (), operation: Operation = "chat", **more: Any
) -> dict[str, Any]:
    body = json.dumps({**SAID, **more}).encode()
    envelope = CLIENT.envelope(body, COUNT if operation == "count_tokens" else CHAT)
    sent = PROVIDER.relay_request(body, target(quirk, operation=operation, betas=betas), envelope)
    found: dict[str, Any] = json.loads(sent)
    return found


def losses(quirk: str, *, betas: tuple[str, ...] = (), **more: Any) -> tuple[str, ...]:
    return PROVIDER.relay_losses(json.dumps({**SAID, **more}).encode(), target(quirk, betas=betas))


def test_every_cloud_is_a_quirk_that_is_documented() -> None:
    assert CLOUDS.keys() == CLOUD_QUIRKS <= QUIRKS.keys()


def test_on_vertex_the_model_is_not_in_the_body_and_the_version_is() -> None:
    assert relayed("on_vertex") == {
        "max_tokens": 100,
        "stream": True,
        "messages": SAID["messages"],
        "anthropic_version": "vertex-2023-10-16",
    }


def test_on_vertex_a_count_names_its_model_in_the_body() -> None:
    sent = relayed("on_vertex", operation="count_tokens")
    assert sent["model"] == "claude-opus-5-5@default"
    assert sent["anthropic_version"] == "vertex-2023-10-16"


def test_on_bedrock_neither_model_nor_stream_is_in_the_body() -> None:
    assert relayed("on_bedrock") == {
        "max_tokens": 100,
        "messages": SAID["messages"],
        "anthropic_version": "bedrock-2023-05-31",
    }


def test_on_bedrock_the_known_betas_are_in_the_body() -> None:
    sent = relayed("on_bedrock", betas=CLAUDE_CODE)
    assert sent["anthropic_beta"] == [
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
    ]


def test_a_count_on_bedrock_has_the_limit_a_message_needs() -> None:
    body = json.dumps({"model": "m", "messages": SAID["messages"]}).encode()
    envelope = CLIENT.envelope(body, COUNT)
    sent = json.loads(PROVIDER.relay_request(body, target("on_bedrock", operation="count_tokens"), envelope))
    assert sent == {
        "messages": SAID["messages"],
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1,
    }


def test_on_foundry_the_body_is_anthropics_own() -> None:
    assert relayed("on_foundry") == {**SAID, "model": "claude-opus-5-5@default"}


def test_betas_a_cloud_does_not_know_are_said_to_be_lost_unless_they_ask_for_nothing() -> None:
    lost = ("thinking-token-count-2026-05-13", "mid-conversation-system-2026-04-07")
    assert losses("on_foundry", betas=CLAUDE_CODE) == tuple(f"anthropic-beta.{beta}" for beta in lost)
    assert "anthropic-beta.prompt-caching-scope-2026-01-05" in losses("on_vertex", betas=CLAUDE_CODE)


def test_a_beta_of_another_name_there_is_sent_under_that_name() -> None:
    assert known_betas(CLOUDS["on_vertex"], ("advanced-tool-use-2025-11-20",)) == (
        "tool-search-tool-2025-10-19",
    )
    assert known_betas(CLOUDS["on_foundry"], ("advanced-tool-use-2025-11-20",)) == (
        "advanced-tool-use-2025-11-20",
    )


def test_fields_that_only_bear_on_speed_are_left_out_and_said() -> None:
    assert "speed" not in relayed("on_vertex", speed="fast")
    assert losses("on_vertex", speed="fast", service_tier="auto") == ("speed", "service_tier")


def test_a_cache_scope_goes_where_it_is_known_and_nowhere_else() -> None:
    def marked(scope: dict[str, str]) -> list[Any]:
        return [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", **scope}}]

    assert relayed("on_vertex", system=marked({"scope": "global"}))["system"] == marked({})
    assert losses("on_vertex", system=marked({"scope": "global"})) == ("cache_control.scope",)
    assert relayed("on_foundry", system=marked({"scope": "global"}))["system"] == marked({"scope": "global"})


def test_a_scope_that_is_a_tools_own_argument_stays_byte_for_byte() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "t",
                    "name": "f",
                    "input": {"cache_control": {"scope": "mine"}},
                }
            ],
        },
    ]
    body = json.dumps({**SAID, "messages": messages}).encode()
    sent = PROVIDER.relay_request(body, target("on_vertex"), CLIENT.envelope(body, CHAT))
    assert json.dumps(messages).encode() in sent
    assert losses("on_vertex", messages=messages) == ()


@pytest.mark.parametrize("quirk", sorted(CLOUDS))
@pytest.mark.parametrize("operation", ["chat", "count_tokens"])
def test_a_translated_request_has_the_same_form_as_a_relayed_one(quirk: str, operation: Operation) -> None:
    body = json.dumps({**SAID, "speed": "fast"}).encode()
    request = CLIENT.decode_request(body, COUNT if operation == "count_tokens" else CHAT)
    encoded = PROVIDER.encode_request(request, target(quirk, operation=operation, betas=CLAUDE_CODE))
    sent = json.loads(encoded.body)
    straight = relayed(quirk, operation=operation, betas=CLAUDE_CODE)
    for name in ("model", "anthropic_version", "anthropic_beta"):
        assert sent.get(name) == straight.get(name)
    assert "speed" not in sent
    assert set(losses(quirk, betas=CLAUDE_CODE)) <= set(encoded.dropped)


@given(st.sampled_from(sorted(CLOUDS)), st.lists(st.sampled_from([*CLAUDE_CODE, "new-beta-2027-01-01"])))
def test_every_beta_is_either_sent_or_said_or_needless(quirk: str, betas: list[str]) -> None:
    cloud = CLOUDS[quirk]
    said = said_betas([("anthropic-beta", ", ".join(betas))])
    assert set(said) == set(betas)
    assert len(said) == len(set(said))
    sent = known_betas(cloud, said)
    lost = lost_betas(cloud, said)
    assert set(sent) <= set(cloud.betas.values())
    assert ("anthropic-beta.new-beta-2027-01-01" in lost) == ("new-beta-2027-01-01" in betas)


REAL = shared_data("dialects", "agentgateway", "requests")
CORPUS: dict[str, dict[str, str]] = {
    "messages/system_message": {},
    "messages/tools": {},
    "messages/reasoning": {},
    # The corpus sends its gateway's own name for the model; ours is the deployment's.
    "count-tokens/with_system": {"model": "claude-opus-5-5@default"},
}


@pytest.mark.skipif(REAL is None, reason="the corpora are not here")
@pytest.mark.parametrize("case", sorted(CORPUS))
def test_the_corpus_of_vertex_requests_agrees(case: str) -> None:
    assert REAL is not None
    said = json.loads((REAL / f"{case}.json").read_text())
    expected = json.loads((REAL / f"{case}.vertex.snap").read_text().split("\n---\n", 1)[1])["request"]
    operation: Operation = "count_tokens" if case.startswith("count") else "chat"
    body = json.dumps(said).encode()
    envelope = CLIENT.envelope(body, COUNT if operation == "count_tokens" else CHAT)
    sent = json.loads(PROVIDER.relay_request(body, target("on_vertex", operation=operation), envelope))
    if "output_format" in said:
        # The corpus drops a field of no known meaning; ours goes as it came, for the owner to judge.
        assert sent.pop("output_format") == said["output_format"]
    assert sent == {**expected, **CORPUS[case]}
