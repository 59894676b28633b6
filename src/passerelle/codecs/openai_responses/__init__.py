"""OpenAI's Responses API, `POST /v1/responses`: as callers speak it and as providers do.

envelope                     what the road must know, cheaply
decode items_in content_in   a request → core            encode items_out content_out   core → a request
tools                        tools and the choice among them, namespaces flattened
answer_in shapes answer_out  whole answers               finish usage   the same, both ways
stream_in stream_parts       a provider's stream         stream_out stream_items stream_log   ours
relay                        the caller's own bytes, and the watcher of what comes back
conversation background compaction replay   what is kept, made later, made short, told again
errors types                 the wire
"""

from passerelle.codecs import openai_errors
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
from passerelle.codecs.openai_responses import (
    answer_in,
    answer_out,
    decode,
    encode,
    envelope,
    relay,
    stream_in,
    stream_out,
)
from passerelle.core.errors import Problem
from passerelle.core.request import Dialect, Request
from passerelle.core.response import Response

__all__ = ["CLIENT", "PROVIDER"]


class _Client:
    """Obeys `codecs.base.ClientSide`."""

    dialect: Dialect = "openai_responses"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        return envelope.read_envelope(body, target)

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        return decode.decode_request(body, target)

    def encode_response(self, response: Response, context: ReplyContext) -> bytes:
        return answer_out.encode_response(response, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        return stream_out.ResponsesEncoder(context)

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        return openai_errors.encode_problem(problem, request_id)

    def encode_token_count(self, tokens: int) -> bytes:
        return answer_out.encode_token_count(tokens)


class _Provider:
    """Obeys `codecs.base.ProviderSide`."""

    dialect: Dialect = "openai_responses"

    def encode_request(self, request: Request, target: Target) -> Encoded:
        return encode.encode_request(request, target)

    def relay_request(self, body: bytes, target: Target, envelope: Envelope) -> bytes:
        return relay.relay_request(body, target, envelope)

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        return relay.relay_losses(body, target)

    def decode_response(self, body: bytes) -> Response:
        return answer_in.decode_response(body)

    def watch_response(self, body: bytes) -> Watched:
        return answer_in.watch_response(body)

    def stream_decoder(self) -> StreamDecoder:
        return stream_in.ResponsesDecoder()

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        return relay.ResponsesWatcher()

    def decode_token_count(self, body: bytes) -> int:
        return answer_in.decode_token_count(body)


CLIENT = _Client()
PROVIDER = _Provider()
