"""Anthropic Messages: `POST /v1/messages` and `/v1/messages/count_tokens`, both sides.

`CLIENT` is the dialect as callers speak it, `PROVIDER` as providers are spoken to; both hold no state.
Reading goes through `read_request`, `read_stream` and `response`, writing through `write_request`,
`write_stream` and `response`; `relay` and `watch` pass bytes through; `automaton` says what a stream may
do next; `models` says what each generation of Claude takes.
"""

import msgspec

from passerelle.codecs.anthropic.errors import write_problem
from passerelle.codecs.anthropic.read_request import read_request
from passerelle.codecs.anthropic.read_stream import Decoder
from passerelle.codecs.anthropic.relay import read_envelope, relay_losses, relay_request
from passerelle.codecs.anthropic.response import (
    read_response,
    read_token_count,
    watch_response,
    write_response,
)
from passerelle.codecs.anthropic.watch import Watcher
from passerelle.codecs.anthropic.write_request import write_request
from passerelle.codecs.anthropic.write_stream import Encoder
from passerelle.codecs.base import (
    ClientSide,
    Encoded,
    EncodedProblem,
    Envelope,
    PathTarget,
    ProviderSide,
    ReplyContext,
    StreamDecoder,
    StreamEncoder,
    StreamWatcher,
    Target,
    Watched,
)
from passerelle.core.errors import Problem
from passerelle.core.request import Dialect, Request
from passerelle.core.response import Response

__all__ = ["CLIENT", "PROVIDER"]


class _Client:
    """See `codecs.base.ClientSide`."""

    dialect: Dialect = "anthropic"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        return read_envelope(body, target)

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        return read_request(body, target.operation)

    def encode_response(self, response: Response, context: ReplyContext) -> bytes:
        return write_response(response, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        return Encoder(context)

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        return write_problem(problem, request_id)

    def encode_token_count(self, tokens: int) -> bytes:
        return msgspec.json.encode({"input_tokens": tokens})


class _Provider:
    """See `codecs.base.ProviderSide`."""

    dialect: Dialect = "anthropic"

    def encode_request(self, request: Request, target: Target) -> Encoded:
        return write_request(request, target)

    def relay_request(self, body: bytes, target: Target, envelope: Envelope) -> bytes:
        return relay_request(body, target)

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        return relay_losses(body, target)

    def decode_response(self, body: bytes) -> Response:
        return read_response(body)

    def watch_response(self, body: bytes) -> Watched:
        return watch_response(body)

    def stream_decoder(self) -> StreamDecoder:
        return Decoder()

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        return Watcher()

    def decode_token_count(self, body: bytes) -> int:
        return read_token_count(body)


CLIENT: ClientSide = _Client()
PROVIDER: ProviderSide = _Provider()
