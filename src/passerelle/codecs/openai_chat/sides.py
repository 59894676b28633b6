"""The dialect's two sides, as `codecs.base` wants them."""

from passerelle.codecs.base import (
    Encoded,
    EncodedProblem,
    Envelope,
    PathTarget,
    ReplyContext,
    Target,
)
from passerelle.codecs.openai_chat.encode_request import encode_request
from passerelle.codecs.openai_chat.envelope import read_envelope
from passerelle.codecs.openai_chat.mistral import as_translated
from passerelle.codecs.openai_chat.relay import relay_losses, relay_request
from passerelle.codecs.openai_chat.request import decode_request
from passerelle.codecs.openai_chat.response_decode import decode_response, watch_response
from passerelle.codecs.openai_chat.response_encode import encode_response
from passerelle.codecs.openai_chat.stream_decode import StreamDecoder
from passerelle.codecs.openai_chat.stream_encode import StreamEncoder
from passerelle.codecs.openai_chat.watch import StreamWatcher
from passerelle.codecs.openai_errors import encode_problem
from passerelle.core.errors import AnswerError, Problem, ProblemError
from passerelle.core.request import Dialect, Request
from passerelle.core.response import Response


class ChatClient:
    """Chat Completions as callers speak it (obeys `ClientSide`)."""

    dialect: Dialect = "openai_chat"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """See `envelope.read_envelope`."""
        envelope = read_envelope(body)
        return as_translated(envelope) if target.speaker == "mistral" else envelope

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        """See `request.decode_request`."""
        return decode_request(body, target.speaker)

    def encode_response(self, response: Response, context: ReplyContext) -> bytes:
        """See `response_encode.encode_response`."""
        return encode_response(response, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """A fresh encoder for one stream."""
        return StreamEncoder(context)

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        """See `errors.encode_problem`."""
        return encode_problem(problem, request_id)

    def encode_token_count(self, tokens: int) -> bytes:
        """Chat has no such answer: raises `ProblemError`."""
        raise ProblemError(
            Problem(
                "not_found",
                "Chat Completions cannot count tokens; use `/v1/messages/count_tokens`, or send the request "
                "and read `usage`.",
            )
        )


class ChatProvider:
    """Chat Completions as providers are spoken to (obeys `ProviderSide`)."""

    dialect: Dialect = "openai_chat"
    # Of every relayed request: without a step between.
    relay_request = staticmethod(relay_request)
    watch_response = staticmethod(watch_response)

    def encode_request(self, request: Request, target: Target) -> Encoded:
        """See `encode_request.encode_request`."""
        return encode_request(request, target)

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        """See `relay.relay_losses`."""
        return relay_losses(body, target)

    def decode_response(self, body: bytes) -> Response:
        """See `response_decode.decode_response`."""
        return decode_response(body)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder for one stream."""
        return StreamDecoder()

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        """A fresh watcher for one relayed stream."""
        return StreamWatcher(envelope)

    def decode_token_count(self, body: bytes) -> int:
        """Chat has no such answer: raises `AnswerError`."""
        raise AnswerError("Chat Completions has no token count to answer with")
