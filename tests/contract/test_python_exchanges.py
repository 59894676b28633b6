"""The official Python SDKs against every provider dialect: words and tools, whole and streamed."""

import pytest
from tests.contract.contract_checks import check_tools, check_words
from tests.contract.contract_said import Speaker
from tests.contract.contract_world import CLIENTS, DIALECTS, World, model

every_pair = pytest.mark.parametrize(
    ("client", "provider"), [(client, provider) for client in CLIENTS for provider in DIALECTS]
)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
Speakers = dict[str, Speaker]


@both_ways
@every_pair
def test_an_answer_arrives_exactly_with_its_usage_model_and_receipt(
    world: World, speakers: Speakers, client: str, provider: str, stream: bool
) -> None:
    said = speakers[client].converse(model(provider), stream=stream, tools=False)
    check_words(world, client, provider, said, stream=stream)


@both_ways
@every_pair
def test_a_tool_is_called_and_its_result_returns_to_that_call(
    world: World, speakers: Speakers, client: str, provider: str, stream: bool
) -> None:
    said = speakers[client].converse(model(provider), stream=stream, tools=True)
    check_tools(world, client, provider, said, stream=stream)


@both_ways
@every_pair
def test_two_calls_of_one_tool_in_a_turn_keep_their_own_results(
    world: World, speakers: Speakers, client: str, provider: str, stream: bool
) -> None:
    said = speakers[client].converse(model(provider, "twice"), stream=stream, tools=True)
    check_tools(world, client, provider, said, stream=stream, behaviour="twice")


@both_ways
@every_pair
def test_thoughts_are_shown_and_return_to_their_provider_with_their_proof(
    world: World, speakers: Speakers, client: str, provider: str, stream: bool
) -> None:
    said = speakers[client].converse(model(provider, "thinks"), stream=stream, tools=True)
    check_tools(world, client, provider, said, stream=stream, behaviour="thinks")


@both_ways
@pytest.mark.parametrize("behaviour", ["twice", "thinks"])
@pytest.mark.parametrize("provider", DIALECTS)
def test_google_s_chat_sessions_carry_the_conversation_on(
    world: World, speakers: Speakers, provider: str, behaviour: str, stream: bool
) -> None:
    session = speakers["gemini chats"]
    said = session.converse(model(provider, behaviour), stream=stream, tools=True)
    check_tools(world, "gemini", provider, said, stream=stream, behaviour=behaviour)
