"""The shortest question each SDK can ask, and what its exceptions are to a program that catches them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import anthropic
import openai
from google.genai import errors as gemini_errors
from google.genai import types as gemini_types
from tests.contract.contract_said import QUESTION
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import openai_client


@dataclass(frozen=True)
class Question:
    """What to ask, and how."""

    model: str
    stream: bool = False
    malformed: bool = False
    """The limit on tokens is no number."""


@dataclass(frozen=True)
class Thrown:
    """An SDK's exception."""

    kind: str
    """The name of its class."""
    status: int | None
    """The HTTP status it knows."""
    message: str
    retry_after: str | None = None
    heard: str = ""
    """The words that had arrived when it was thrown."""


class Asker(Protocol):
    """An SDK that asks and catches."""

    dialect: str

    def ask(self, token: str, question: Question) -> Thrown | str:
        """The whole text of the answer, or what was thrown."""
        ...


Hear = Callable[[str], None]
Ask = Callable[[Any, Question, Hear], None]


class PythonAsker:
    """One of the Python SDKs, with a client for each key."""

    def __init__(self, dialect: str, url: str, closing: ExitStack) -> None:
        """`closing` closes the clients."""
        self.dialect = dialect
        self._url = url
        self._closing = closing
        self._clients: dict[str, Any] = {}

    def ask(self, token: str, question: Question) -> Thrown | str:
        """See `Asker`."""
        make, ask = _SDKS[self.dialect]
        if token not in self._clients:
            self._clients[token] = make(self._url, token)
            self._closing.callback(self._clients[token].close)
        heard: list[str] = []
        try:
            ask(self._clients[token], question, heard.append)
        except (openai.OpenAIError, anthropic.AnthropicError, gemini_errors.APIError) as error:
            return _thrown(error, "".join(heard))
        except RuntimeError as error:  # what OpenAI's helper throws for a response that never completed
            return Thrown("RuntimeError", None, str(error), heard="".join(heard))
        return "".join(heard)


def _thrown(error: Any, heard: str) -> Thrown:
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    after = None if response is None else response.headers.get("retry-after")
    kind = type(error).__name__
    return Thrown(kind, status if isinstance(status, int) else None, str(error), after, heard)


def ask_chat(client: openai.OpenAI, question: Question, hear: Hear) -> None:
    """Chat Completions."""
    asked: dict[str, Any] = {"model": question.model, "messages": [{"role": "user", "content": QUESTION}]}
    if question.malformed:
        asked["extra_body"] = {"max_completion_tokens": "many"}
    if not question.stream:
        hear(client.chat.completions.create(**asked).choices[0].message.content or "")
        return
    with client.chat.completions.create(**asked, stream=True) as chunks:
        for chunk in chunks:
            hear(chunk.choices[0].delta.content or "" if chunk.choices else "")


def ask_responses(client: openai.OpenAI, question: Question, hear: Hear) -> None:
    """Responses."""
    asked: dict[str, Any] = {"model": question.model, "input": QUESTION}
    if question.malformed:
        asked["extra_body"] = {"max_output_tokens": "many"}
    if not question.stream:
        hear(client.responses.create(**asked).output_text)
        return
    with client.responses.stream(**asked) as events:
        for event in events:
            if event.type == "response.output_text.delta":
                hear(event.delta)
        events.get_final_response()


def ask_anthropic(client: anthropic.Anthropic, question: Question, hear: Hear) -> None:
    """Messages."""
    asked: dict[str, Any] = {
        "model": question.model,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": 64,
    }
    if question.malformed:
        asked["extra_body"] = {"max_tokens": "many"}
    if not question.stream:
        hear("".join([b.text for b in client.messages.create(**asked).content if b.type == "text"]))
        return
    with client.messages.stream(**asked) as events:
        for words in events.text_stream:
            hear(words)
        events.get_final_message()


def ask_gemini(client: Any, question: Question, hear: Hear) -> None:
    """Generations."""
    config = gemini_types.GenerateContentConfig()
    if question.malformed:
        malformed = {"generationConfig": {"maxOutputTokens": "many"}}
        config.http_options = gemini_types.HttpOptions(extra_body=malformed)
    asked: dict[str, Any] = {"model": question.model, "contents": QUESTION, "config": config}
    if not question.stream:
        hear(client.models.generate_content(**asked).text or "")
        return
    for chunk in client.models.generate_content_stream(**asked):
        hear(chunk.text or "")


_SDKS: dict[str, tuple[Callable[[str, str], Any], Ask]] = {
    "openai_chat": (openai_client, ask_chat),
    "openai_responses": (openai_client, ask_responses),
    "anthropic": (anthropic_client, ask_anthropic),
    "gemini": (gemini_client, ask_gemini),
}
