"""The official Google GenAI SDK, unmodified."""

from typing import Any

from google import genai
from google.genai import types
from tests.contract.contract_said import (
    MAX_TOKENS,
    QUESTION,
    SYSTEM,
    TOOL,
    TOOL_DESCRIPTION,
    TOOL_SCHEMA,
    WEATHER,
    Said,
)

GEMINI_TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name=TOOL, description=TOOL_DESCRIPTION, parameters_json_schema=TOOL_SCHEMA)
    ]
)


def gemini_client(url: str, token: str, **more: Any) -> genai.Client:
    """The client as its documentation makes it, pointed at the gateway."""
    return genai.Client(api_key=token, http_options=types.HttpOptions(base_url=url, **more))


class GeminiSpeaker:
    """`client.models`."""

    dialect = "gemini"

    def __init__(self, client: genai.Client) -> None:
        self._client = client

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`. Results are made as the documentation does: by the function's name, without ids."""
        contents: list[Any] = [types.Content(role="user", parts=[types.Part.from_text(text=QUESTION)])]
        said, parts = self._ask(model, contents, stream, tools)
        if not tools:
            return [said]
        results = [
            types.Part.from_function_response(name=name, response={"result": WEATHER[arguments["city"]]})
            for name, arguments in said.calls
        ]
        contents += [types.Content(role="model", parts=parts), types.Content(role="user", parts=results)]
        return [said, self._ask(model, contents, stream, tools)[0]]

    def _ask(
        self, model: str, contents: list[Any], stream: bool, tools: bool
    ) -> tuple[Said, list[types.Part]]:
        config = types.GenerateContentConfig(system_instruction=SYSTEM, max_output_tokens=MAX_TOKENS)
        if tools:
            config.tools = [GEMINI_TOOL]
        models = self._client.models
        if stream:
            chunks = list(models.generate_content_stream(model=model, contents=contents, config=config))
        else:
            chunks = [models.generate_content(model=model, contents=contents, config=config)]
        return gemini_said(chunks)


class ChatSession:
    """`client.chats`, which keeps the history itself: of a stream, every chunk as a content of its own."""

    dialect = "gemini"

    def __init__(self, client: genai.Client) -> None:
        self._client = client

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`."""
        config = types.GenerateContentConfig(
            system_instruction=SYSTEM, max_output_tokens=MAX_TOKENS, tools=[GEMINI_TOOL] if tools else None
        )
        session = self._client.chats.create(model=model, config=config)

        def send(message: Any) -> Said:
            if stream:
                return gemini_said(list(session.send_message_stream(message)))[0]
            return gemini_said([session.send_message(message)])[0]

        called = send(QUESTION)
        if not tools:
            return [called]
        results = [
            types.Part.from_function_response(name=name, response={"result": WEATHER[arguments["city"]]})
            for name, arguments in called.calls
        ]
        return [called, send(results)]


def gemini_said(chunks: list[types.GenerateContentResponse]) -> tuple[Said, list[types.Part]]:
    """What a generation says, and its parts to send back."""
    parts = [part for chunk in chunks for part in (chunk.candidates or [])[0].content.parts or ()]  # type: ignore[union-attr]
    finishes = [
        c.candidates[0].finish_reason for c in chunks if c.candidates and c.candidates[0].finish_reason
    ]
    assert len(finishes) == 1, "one chunk says how it ended"
    usage: Any = chunks[-1].usage_metadata
    headers = dict(chunks[0].sdk_http_response.headers or {})  # type: ignore[union-attr]
    said = Said(
        text="".join([part.text for part in parts if part.text and not part.thought]),
        finish=finishes[0].value,
        usage={
            name: getattr(usage, name) or 0
            for name in (
                "prompt_token_count",
                "cached_content_token_count",
                "candidates_token_count",
                "thoughts_token_count",
                "total_token_count",
            )
        },
        models={chunk.model_version or "" for chunk in chunks},
        headers=headers,
        thought="".join([part.text for part in parts if part.text and part.thought]),
        calls=[
            (part.function_call.name or "", part.function_call.args or {})
            for part in parts
            if part.function_call
        ],
        raw="".join([f"{headers}{chunk.model_dump_json()}" for chunk in chunks]),
    )
    return said, parts
