"""The official Node SDKs of OpenAI and Anthropic against every provider dialect."""

import pytest
from tests.contract.contract_checks import check_tools, check_words
from tests.contract.contract_node import Node, NodeSpeaker
from tests.contract.contract_world import DIALECTS, World, model

CLIENTS = ("openai_chat", "openai_responses", "anthropic")
every_pair = pytest.mark.parametrize(
    ("client", "provider"), [(client, provider) for client in CLIENTS for provider in DIALECTS]
)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def speaker(node: Node, world: World, client: str) -> NodeSpeaker:
    return NodeSpeaker(node, client, world.url, world.token)


@both_ways
@every_pair
def test_an_answer_arrives_exactly_in_node(
    world: World, node: Node, client: str, provider: str, stream: bool
) -> None:
    said = speaker(node, world, client).converse(model(provider), stream=stream, tools=False)
    check_words(world, client, provider, said, stream=stream)


@both_ways
@every_pair
def test_two_calls_of_one_tool_keep_their_own_results_in_node(
    world: World, node: Node, client: str, provider: str, stream: bool
) -> None:
    said = speaker(node, world, client).converse(model(provider, "twice"), stream=stream, tools=True)
    check_tools(world, client, provider, said, stream=stream, behaviour="twice")


@both_ways
@every_pair
def test_thoughts_are_shown_and_return_to_their_provider_with_their_proof_in_node(
    world: World, node: Node, client: str, provider: str, stream: bool
) -> None:
    said = speaker(node, world, client).converse(model(provider, "thinks"), stream=stream, tools=True)
    check_tools(world, client, provider, said, stream=stream, behaviour="thinks")
