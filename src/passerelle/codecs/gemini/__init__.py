"""The Gemini API, spoken to callers and to providers."""

from typing import Final

import msgspec

from passerelle.codecs.base import (
    Encoded,
    EncodedProblem,
    Envelope,
    PathTarget,
    ReplyContext,
    StreamDecoder,
    StreamEncoder,
    StreamWatcher,
    Target,
    Watched,
)
from passerelle.codecs.gemini import (
    decode_stream,
    encode_stream,
    errors,
    relay,
    request,
    response,
    types,
    vertex,
    watch,
    write_request,
)
from passerelle.codecs.gemini import envelope as envelopes
from passerelle.codecs.gemini.wire import WireError, check_utf8, parse
from passerelle.core.errors import AnswerError, Problem
from passerelle.core.request import Dialect, Request
from passerelle.core.response import Response


class Client:
    """Obeys `codecs.base.ClientSide`."""

    dialect: Dialect = "gemini"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """What the road must know. Raises `ProblemError`."""
        return envelopes.envelope(body, target)

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        """The whole request. Raises `ProblemError`."""
        return request.decode_request(body, target)

    def encode_response(self, response_: Response, context: ReplyContext) -> bytes:
        """A whole answer."""
        return response.encode_response(response_, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """A fresh encoder for one stream, in the form `context` asks for."""
        return encode_stream.StreamEncoder(context)

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        """An error body, before any byte was sent."""
        return errors.encode_problem(problem, request_id)

    def encode_token_count(self, tokens: int) -> bytes:
        """The answer to `countTokens`."""
        return msgspec.json.encode({"totalTokens": tokens})


class Provider:
    """Obeys `codecs.base.ProviderSide`."""

    dialect: Dialect = "gemini"

    def encode_request(self, request_: Request, target: Target) -> Encoded:
        """The request, and what it could not say."""
        return write_request.encode_request(request_, target)

    def relay_request(self, body: bytes, target: Target, envelope: Envelope) -> bytes:
        """The caller's own bytes, nearly always unchanged."""
        return relay.relay_request(body, target, envelope)

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        """What Vertex AI does not know; nothing elsewhere."""
        if vertex.QUIRK not in target.quirks or target.operation == "count_tokens":
            return ()
        return vertex.losses(body)

    def decode_response(self, body: bytes) -> Response:
        """A whole answer. Raises `AnswerError`."""
        return response.decode_response(body)

    def watch_response(self, body: bytes) -> Watched:
        """What the road must know of a whole answer. Raises `AnswerError`."""
        return watch.watch_response(body)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder for one stream."""
        return decode_stream.StreamDecoder()

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        """A fresh watcher for one relayed stream."""
        return watch.StreamWatcher(envelope)

    def decode_token_count(self, body: bytes) -> int:
        """The answer to a native `countTokens`. Raises `AnswerError`."""
        try:
            check_utf8(body)
            said = parse(body, types.CountTokensResponse)
        except WireError as error:
            message = f"the provider's answer is no token count: {response.describe(body, error)}"
            raise AnswerError(message) from None
        if said.error is not None:
            failed = errors.read_failure(said.error)
            raise AnswerError(failed.message, failed.failure)
        if said.total_tokens is None or said.total_tokens < 0:
            raise AnswerError(
                "the provider's answer is no token count: `totalTokens` is missing, or below zero"
            )
        return said.total_tokens


CLIENT: Final = Client()
PROVIDER: Final = Provider()

__all__ = ["CLIENT", "PROVIDER"]
