"""Every program of the matrix: its SDK, where it runs, and how that SDK says what all of them are told."""

from dataclasses import dataclass, field

Usage = dict[str, int]

CHAT_WORDS = {"stop": "stop", "call": "tool_calls", "limit": "length", "filter": "content_filter"}
RESPONSES_WORDS = {
    "stop": "completed",
    "call": "completed",
    "limit": "max_output_tokens",
    "filter": "content_filter",
}
MESSAGES_WORDS = {
    "stop": "end_turn",
    "call": "tool_use",
    "limit": "max_tokens",
    "filter": "refusal",
    "sequence": "stop_sequence",
}
GEMINI_WORDS = {"stop": "STOP", "call": "STOP", "limit": "MAX_TOKENS", "filter": "SAFETY"}
CONVERSE_WORDS = {
    "stop": "end_turn",
    "call": "tool_use",
    "limit": "max_tokens",
    "filter": "content_filtered",
    "sequence": "stop_sequence",
}
PYDANTIC_WORDS = {"stop": "stop", "call": "tool_call", "limit": "length", "filter": "content_filter"}
AI_WORDS = {"stop": "stop", "call": "tool-calls", "limit": "length", "filter": "content-filter"}

INCLUDED = {"input": 64, "cached": 24, "output": 26, "reasoning": 5}
"""OpenAI's convention: what was cached is part of the input, thoughts are part of the output."""
APART = {"input": 40, "cached": 24, "output": 26, "reasoning": 5}
"""Anthropic's: the input is what was not cached."""
GOOGLE = {"input": 64, "cached": 24, "output": 21, "reasoning": 5}
"""Google's: thoughts are not part of the output."""

OPENAI_ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    413: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
}
ANTHROPIC_ERRORS = {**OPENAI_ERRORS, 413: "ContentTooLargeError", 503: "ServiceUnavailableError"}
ANTHROPIC_ERRORS |= {504: "GatewayTimeoutError", 529: "OverloadedError"}
NODE_ERRORS = {**OPENAI_ERRORS, 413: "APIError"}
GOOGLE_ERRORS = {400: "ClientError", 500: "ServerError"}
BOTO_ERRORS = {
    400: "ValidationException",
    401: "ClientError",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    413: "ValidationException",
    422: "ValidationException",
    429: "ThrottlingException",
    500: "ClientError",
    503: "ServiceUnavailableException",
}


@dataclass(frozen=True)
class Program:
    """One SDK in one of its ways to speak."""

    name: str
    """`sdk way`, as in the `PROGRAMS` of its file."""
    file: str
    """Without its ending."""
    dialect: str
    where: str = "dev"
    """The environment it runs in: `dev`, `node`, or one of `scripts/prepare_tests.py`'s."""
    words: dict[str, str] = field(default_factory=dict)
    """What it calls each ending."""
    usage: Usage = field(default_factory=dict)
    """What it makes of the replayed usage."""
    errors: dict[int, str] = field(default_factory=dict)
    """The class it throws for a status; for those not named, that of 400 or of 500."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Where its dialect has another status for what others tell by this one."""
    broken: tuple[str, ...] = ()
    """The classes it throws for a stream that breaks."""
    names_model: bool = True
    shows_headers: bool = True
    """Its errors tell `retry-after`."""
    key: str = "own"
    """The key it is given: see `matrix_run.make_keys`."""
    cannot: dict[str, str] = field(default_factory=dict)
    """Cases it has no way to ask for, and why."""

    def error(self, status: int) -> str:
        """What it throws."""
        return self.errors.get(status) or self.errors[400 if status < 500 else 500]


_NO_STOP = {"stop sequences": "the dialect has no such field"}
_NO_LISTS = {"model list": "it has none", "unknown model looked up": "it has no list of models"}
_NO_COUNT = {"tokens counted": "it does not count"}
_NO_VECTORS = {"embeddings": "it makes none"}
_NO_SEQUENCE = {
    "ended by a stop sequence": "the dialect does not tell it from an ending of its own",
    "ended by a stop sequence, streamed": "the dialect does not tell it from an ending of its own",
}
_NO_FAILED = {"tool that failed": "the dialect has no mark for it"}
_NO_PICTURE_RESULT = {"picture in a tool's result": "the dialect takes words only"}
_NAME = "it does so only for models whose names it knows"
_BY_NAME = {
    "structured": "it asks with a tool of its own, unless it knows the model's name",
    "structured, streamed": "it asks with a tool of its own, unless it knows the model's name",
    "temperature": "it leaves it out, unless it knows the model's name",
}
_CHECKS = {"malformed": "it checks before it sends"}
_NO_FORCING = {
    "tool required": "its agents would call for ever",
    "tool named": "its agents would call for ever",
}
_NO_PROOFS = {
    "thoughts between calls": "it sends the words back, not their proof",
    "thoughts between calls, streamed": "it sends the words back, not their proof",
}
_NO_THINKING = {
    "thoughts": "it does not show them",
    "thoughts, streamed": "it does not show them",
    "thoughts between calls": "it does not keep them",
    "thoughts between calls, streamed": "it does not keep them",
}

_CHAT = {**_NO_SEQUENCE, **_NO_FAILED, **_NO_PICTURE_RESULT, **_NO_COUNT}
_RESPONSES = {**_NO_STOP, **_NO_SEQUENCE, **_NO_FAILED, **_NO_COUNT}
_GEMINI = {**_NO_SEQUENCE}

OPENAI_BROKEN = ("APIError", "APIConnectionError")

PROGRAMS: tuple[Program, ...] = (
    Program(
        "openai chat",
        "with_openai",
        "openai_chat",
        words=CHAT_WORDS,
        usage=INCLUDED,
        errors=OPENAI_ERRORS,
        broken=OPENAI_BROKEN,
        cannot=_CHAT,
    ),
    Program(
        "openai responses",
        "with_openai",
        "openai_responses",
        words=RESPONSES_WORDS,
        usage=INCLUDED,
        errors=OPENAI_ERRORS,
        broken=(*OPENAI_BROKEN, "RuntimeError"),
        cannot={**_RESPONSES},
    ),
    Program(
        "anthropic messages",
        "with_anthropic",
        "anthropic",
        words=MESSAGES_WORDS,
        usage=APART,
        errors=ANTHROPIC_ERRORS,
        broken=("APIError", "APIConnectionError"),
        cannot={**_NO_VECTORS},
    ),
    Program(
        "google models",
        "with_google",
        "gemini",
        words=GEMINI_WORDS,
        usage=GOOGLE,
        errors=GOOGLE_ERRORS,
        broken=("APIError",),
        cannot={**_GEMINI},
    ),
    Program(
        "google chats",
        "with_google",
        "gemini",
        words=GEMINI_WORDS,
        usage=GOOGLE,
        errors=GOOGLE_ERRORS,
        broken=("APIError",),
        cannot={**_GEMINI, "at once": "the same as that of `google models`"},
    ),
    Program(
        "boto3 converse",
        "with_boto3",
        "bedrock",
        words=CONVERSE_WORDS,
        usage={"input": 40, "cached": 24, "output": 26},
        errors=BOTO_ERRORS,
        statuses={401: 403, 502: 424},  # UnrecognizedClientException, ModelErrorException
        broken=("EventStreamError", "BotoCoreError", "ClientError"),
        names_model=False,
        cannot={
            **_NO_LISTS,
            **_NO_COUNT,
            **_NO_VECTORS,
            **_CHECKS,
            "tool forbidden": "Converse cannot say it",
        },
    ),
    Program(
        "mistral chat",
        "with_mistral",
        "openai_chat",
        "sdks",
        words=CHAT_WORDS,
        usage={"input": 64, "output": 26},
        errors={400: "MistralError", 422: "HTTPValidationError", 500: "MistralError"},
        broken=("MistralError",),
        cannot={
            **_CHAT,
            **_NO_THINKING,
            "asked again after retry-after": "it is told to, per call, not per client",
            "malformed": "it checks before it sends",
        },
    ),
    Program(
        "langchain openai",
        "with_langchain",
        "openai_chat",
        "sdks",
        words=CHAT_WORDS,
        usage=INCLUDED,
        errors=OPENAI_ERRORS,
        broken=OPENAI_BROKEN,
        cannot={**_CHAT, **_NO_LISTS, **_NO_THINKING, "structured, streamed": "it is the same request"},
    ),
    Program(
        "langchain openai responses",
        "with_langchain",
        "openai_responses",
        "sdks",
        words=RESPONSES_WORDS,
        usage=INCLUDED,
        errors=OPENAI_ERRORS,
        broken=OPENAI_BROKEN,
        cannot={**_RESPONSES, **_NO_LISTS, "structured, streamed": "it is the same request"},
    ),
    Program(
        "langchain anthropic",
        "with_langchain",
        "anthropic",
        "sdks",
        words=MESSAGES_WORDS,
        usage={"input": 64, "cached": 24, "output": 26, "reasoning": 5},
        errors=OPENAI_ERRORS,
        broken=("APIError", "APIConnectionError"),
        cannot={
            **_NO_LISTS,
            **_NO_COUNT,
            **_NO_VECTORS,
            "structured, streamed": "it is the same request",
        },
    ),
    Program(
        "llamaindex openai",
        "with_llamaindex",
        "openai_chat",
        "llamaindex",
        errors=OPENAI_ERRORS,
        broken=OPENAI_BROKEN,
        names_model=False,
        cannot={
            **_CHAT,
            **_NO_LISTS,
            **_NO_THINKING,
            **_NO_VECTORS,
            "structured": "it asks by the name of the model it knows",
            "structured, streamed": "whole only",
        },
    ),
    Program(
        "llamaindex openai responses",
        "with_llamaindex",
        "openai_responses",
        "llamaindex",
        errors=OPENAI_ERRORS,
        broken=OPENAI_BROKEN,
        names_model=False,
        cannot={
            **_RESPONSES,
            **_NO_LISTS,
            **_NO_THINKING,
            **_NO_VECTORS,
            "picture in a tool's result": "it sends words only",
            "ended by the limit, streamed": "it reads past `response.incomplete`",
            "tool named": "it names it in the form of Chat",
            "structured": "it asks by the name of the model it knows",
            "structured, streamed": "whole only",
        },
    ),
    Program(
        "llamaindex anthropic",
        "with_llamaindex",
        "anthropic",
        "llamaindex",
        errors={**OPENAI_ERRORS, 529: "OverloadedError"},
        broken=("APIError", "APIConnectionError"),
        names_model=False,
        cannot={
            **_NO_SEQUENCE,
            **_NO_LISTS,
            **_NO_COUNT,
            **_NO_VECTORS,
            **_NO_FAILED,
            **_NO_FORCING,
            **_NO_PROOFS,
            "tool forbidden": "it does not say it",
            "structured": "it asks by the name of the model it knows",
            "picture in a tool's result": "it sends words only",
            "structured, streamed": "whole only",
        },
    ),
    Program(
        "pydantic-ai openai chat",
        "with_pydantic_ai",
        "openai_chat",
        "sdks",
        words=PYDANTIC_WORDS,
        usage={"input": 64, "cached": 24, "output": 26},
        errors={400: "ModelHTTPError", 500: "ModelHTTPError"},
        broken=("ModelAPIError", "UnexpectedModelBehavior"),
        cannot={**_CHAT, **_NO_LISTS, **_NO_VECTORS, **_NO_FORCING, **_NO_PROOFS},
    ),
    Program(
        "pydantic-ai openai responses",
        "with_pydantic_ai",
        "openai_responses",
        "sdks",
        words={**PYDANTIC_WORDS, "call": "stop"},
        usage={"input": 64, "cached": 24, "output": 26},
        errors={400: "ModelHTTPError", 500: "ModelHTTPError"},
        broken=("ModelAPIError", "UnexpectedModelBehavior"),
        cannot={**_RESPONSES, **_NO_LISTS, **_NO_VECTORS, **_NO_FORCING, **_NO_PROOFS},
    ),
    Program(
        "pydantic-ai anthropic",
        "with_pydantic_ai",
        "anthropic",
        "sdks",
        words=PYDANTIC_WORDS,
        usage={"input": 64, "cached": 24, "output": 26},
        errors={400: "ModelHTTPError", 500: "ModelHTTPError"},
        broken=("ModelAPIError", "UnexpectedModelBehavior"),
        cannot={
            **_NO_SEQUENCE,
            **_NO_LISTS,
            **_NO_COUNT,
            **_NO_VECTORS,
            **_NO_FORCING,
            "structured": _NAME,
            "structured, streamed": _NAME,
        },
    ),
    Program(
        "pydantic-ai google",
        "with_pydantic_ai",
        "gemini",
        "sdks",
        words={**PYDANTIC_WORDS, "call": "stop"},
        usage={"input": 64, "cached": 24, "output": 26},
        errors={400: "ModelHTTPError", 500: "ModelHTTPError"},
        broken=("ModelAPIError", "UnexpectedModelBehavior"),
        cannot={
            **_GEMINI,
            **_NO_LISTS,
            **_NO_COUNT,
            **_NO_VECTORS,
            **_NO_FORCING,
            "malformed": "it has no room for more in a body",
        },
    ),
    Program(
        "node openai chat",
        "with_openai",
        "openai_chat",
        "node",
        words=CHAT_WORDS,
        usage=INCLUDED,
        errors=NODE_ERRORS,
        broken=("APIError", "OpenAIError"),
        cannot=_CHAT,
    ),
    Program(
        "node openai responses",
        "with_openai",
        "openai_responses",
        "node",
        words=RESPONSES_WORDS,
        usage=INCLUDED,
        errors=NODE_ERRORS,
        broken=("APIError", "OpenAIError"),
        cannot=_RESPONSES,
    ),
    Program(
        "node anthropic messages",
        "with_anthropic",
        "anthropic",
        "node",
        words=MESSAGES_WORDS,
        usage=APART,
        errors=NODE_ERRORS,
        broken=("APIError", "AnthropicError"),
        cannot={**_NO_VECTORS},
    ),
    Program(
        "node google models",
        "with_google",
        "gemini",
        "node",
        words=GEMINI_WORDS,
        usage=GOOGLE,
        errors={400: "ApiError", 500: "ApiError"},
        broken=("ApiError",),
        shows_headers=False,
        cannot={**_GEMINI},
    ),
    *[
        Program(
            f"ai {way}",
            "with_ai",
            dialect,
            "node",
            words=AI_WORDS,
            usage=INCLUDED,
            errors={400: "APICallError", 500: "APICallError"},
            broken=("Error",),
            names_model=way != "google",
            key="keeper" if way == "openai stored" else "own",
            cannot={**cannot, **_NO_SEQUENCE, **_NO_LISTS, **_NO_COUNT, **_CHECKS},
        )
        for way, dialect, cannot in (
            ("openai", "openai_responses", _RESPONSES),
            ("openai stored", "openai_responses", _RESPONSES),
            ("openai chat", "openai_chat", {**_CHAT, **_NO_THINKING}),
            ("openai-compatible", "openai_chat", {**_CHAT, **_NO_PROOFS}),
            ("anthropic", "anthropic", {**_NO_VECTORS, **_BY_NAME}),
            ("google", "gemini", _GEMINI),
        )
    ],
)
