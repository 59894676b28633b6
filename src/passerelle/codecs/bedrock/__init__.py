"""Amazon Bedrock's Converse, spoken to callers (boto3) and to providers."""

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
from passerelle.codecs.bedrock import (
    envelope,
    errors,
    read_request,
    read_stream,
    response,
    watch,
    write_request,
    write_stream,
)
from passerelle.core.errors import Problem
from passerelle.core.request import Dialect, Request
from passerelle.core.response import Response


class Client:
    """Obeys `codecs.base.ClientSide`."""

    dialect: Dialect = "bedrock"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """What the road must know. Raises `ProblemError`."""
        return envelope.read_envelope(body, target)

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        """The whole request. Raises `ProblemError`."""
        return read_request.read_request(body, target)

    def encode_response(self, response_: Response, context: ReplyContext) -> bytes:
        """A whole answer."""
        return response.write_response(response_, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """A fresh encoder for one stream."""
        return write_stream.Encoder(context)

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        """An error body, before any byte was sent."""
        return errors.write_problem(problem, request_id)

    def encode_token_count(self, tokens: int) -> bytes:
        """The answer to CountTokens."""
        return msgspec.json.encode({"inputTokens": tokens})


class Provider:
    """Obeys `codecs.base.ProviderSide`."""

    dialect: Dialect = "bedrock"

    def encode_request(self, request: Request, target: Target) -> Encoded:
        """The request, and what it could not say."""
        return write_request.write_request(request, target)

    def relay_request(self, body: bytes, target: Target, envelope_: Envelope) -> bytes:
        """The caller's own bytes: the model stands in the path, and usage always comes."""
        return body

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        """Nothing is taken out."""
        return ()

    def decode_response(self, body: bytes) -> Response:
        """A whole answer. Raises `AnswerError`."""
        return response.read_response(body)

    def watch_response(self, body: bytes) -> Watched:
        """What the road must know of a whole answer. Raises `AnswerError`."""
        return response.watch_response(body)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder for one stream."""
        return read_stream.Decoder()

    def stream_watcher(self, envelope_: Envelope) -> StreamWatcher:
        """A fresh watcher for one relayed stream."""
        return watch.Watcher()

    def decode_token_count(self, body: bytes) -> int:
        """The answer to a native CountTokens. Raises `AnswerError`."""
        return response.read_token_count(body)


CLIENT: Final = Client()
PROVIDER: Final = Provider()
