"""Every dialect by name. A dialect is imported when it is first spoken."""

from functools import cache
from typing import Any, assert_never

from passerelle.codecs.base import ClientSide, ProviderSide, TaskClientSide, TaskProviderSide
from passerelle.core.event import Failed
from passerelle.core.request import Dialect, Operation


@cache
def client(dialect: Dialect) -> ClientSide:
    """The dialect as callers speak it."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.CLIENT
        case "openai_responses":
            from passerelle.codecs import openai_responses

            return openai_responses.CLIENT
        case "anthropic":
            from passerelle.codecs import anthropic

            return anthropic.CLIENT
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.CLIENT
        case "bedrock":
            from passerelle.codecs import bedrock

            return bedrock.CLIENT
        case _:
            assert_never(dialect)


@cache
def provider(dialect: Dialect) -> ProviderSide:
    """The dialect as providers are spoken to."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs import openai_chat

            return openai_chat.PROVIDER
        case "openai_responses":
            from passerelle.codecs import openai_responses

            return openai_responses.PROVIDER
        case "anthropic":
            from passerelle.codecs import anthropic

            return anthropic.PROVIDER
        case "gemini":
            from passerelle.codecs import gemini

            return gemini.PROVIDER
        case "bedrock":
            from passerelle.codecs import bedrock

            return bedrock.PROVIDER
        case _:
            assert_never(dialect)


@cache
def task_client(operation: Operation, dialect: Dialect) -> TaskClientSide[Any, Any] | None:
    """An operation beside chat as callers of the dialect ask for it, or None where it has none."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs.openai_chat import tasks as openai_tasks

            return openai_tasks.CLIENTS.get(operation)
        case "gemini":
            from passerelle.codecs.gemini import tasks as gemini_tasks

            return gemini_tasks.CLIENTS.get(operation)
        case "openai_responses" | "anthropic" | "bedrock":
            return None
        case _:
            assert_never(dialect)


@cache
def task_provider(operation: Operation, dialect: Dialect) -> TaskProviderSide[Any, Any] | None:
    """An operation beside chat as providers are asked for it, or None where the dialect has none."""
    match dialect:
        case "openai_chat":
            from passerelle.codecs.openai_chat import tasks as openai_tasks

            return openai_tasks.PROVIDERS.get(operation)
        case "gemini":
            from passerelle.codecs.gemini import tasks as gemini_tasks

            return gemini_tasks.PROVIDERS.get(operation)
        case "bedrock":
            from passerelle.codecs.bedrock import tasks as bedrock_tasks

            return bedrock_tasks.PROVIDERS.get(operation)
        case "openai_responses" | "anthropic":
            return None
        case _:
            assert_never(dialect)


def task_stream_error(failed: Failed) -> bytes:
    """The honest end of a task's stream that broke. Only OpenAI's dialect streams tasks."""
    from passerelle.codecs.openai_chat.tasks.stream import error_event

    return error_event(failed)
