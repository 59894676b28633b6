"""Sizes and costs before the call, from bytes alone.

Exact token counts cost ten times the whole hop, so they are taken only from providers' own usage. Two
figures are kept apart: what a request probably is (for choosing) and what it can cost at most (for
holding money).
"""

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.core.message import AudioPart, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from passerelle.core.model import Deployment, Price
from passerelle.core.request import Operation
from passerelle.core.response import Response
from passerelle.core.usage import TOKENS, Usage
from passerelle.ledger.price import cost, upper_bound

BYTES_PER_TOKEN = 4
"""English prose and code run at 3.5 to 4.5 bytes a token in current vocabularies."""
FEWEST_BYTES_PER_TOKEN = 1
"""Byte-level vocabularies never give more tokens than bytes: the bound that money may rest on."""
_MOST_BYTES_PER_TOKEN = 12
"""No script has longer ones on average: see `policy.eligible.least_tokens`."""
IMAGE_TOKENS = 1_600
"""A large picture at Anthropic: (width × height) / 750 capped near 1,600 (docs "Vision", 2026-11-22)."""
MOST_IMAGE_TOKENS = 16_000
EXPECTED_OUTPUT_TOKENS = 400
FALLBACK_MAX_OUTPUT_TOKENS = 8_192
"""Held for when neither the caller nor the catalog says where an answer must end."""
FALLBACK_CONTEXT_TOKENS = 1 << 20
"""Held for when a request holds what bytes do not bound and the catalog names no context window: the widest
common one (Gemini, GPT-4.1, Claude with its long context; their model pages, read 2026-11-22)."""
_MOST_NANOS = 10**18
"""A milliard of the currency: no hold is larger, so that no number a caller invents overflows the ledger."""

FREE: frozenset[Operation] = frozenset({"count_tokens"})
"""What no provider charges for ("Token counting" at platform.claude.com; "Count tokens" at
firebase.google.com/docs/vertex-ai; read 2026-11-22)."""


def input_tokens(envelope: Envelope) -> int:
    """The prompt's probable size in tokens."""
    return envelope.text_bytes // BYTES_PER_TOKEN + envelope.images * IMAGE_TOKENS + 1


def expected_cost(envelope: Envelope, price: Price | None) -> int | None:
    """Probable cost in nanos, or None without a price."""
    if price is None:
        return None
    if envelope.operation in FREE:
        return 0
    if envelope.operation != "chat":
        return cost(usage_from_bytes(envelope, 0), price)
    output = min(envelope.max_output_tokens or EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS)
    return cost(Usage(input_tokens=input_tokens(envelope), output_tokens=output), price)


def most_it_can_cost(envelope: Envelope, deployment: Deployment) -> int:
    """The hold for one attempt there, in nanos; 0 without a price."""
    price = deployment.effective_price
    if price is None or envelope.operation in FREE:
        return 0
    most_input = envelope.text_bytes // FEWEST_BYTES_PER_TOKEN + envelope.images * MOST_IMAGE_TOKENS
    if envelope.operation != "chat":
        return min(_most_of_a_task(envelope, most_input, price), _MOST_NANOS)
    if envelope.unmeasured or "builtin_tools" in envelope.features:
        # A provider's own tool brings pages and files into the prompt that nobody has seen yet.
        most_input = max(most_input, _window(deployment))
    most_output = deployment.limits.max_output_tokens or deployment.model.max_output_tokens
    if envelope.max_output_tokens is not None:
        most_output = min(envelope.max_output_tokens, most_output or _window(deployment))
    elif most_output is None:
        most_output = FALLBACK_MAX_OUTPUT_TOKENS
    return min(upper_bound(most_input, most_output * envelope.answers, price), _MOST_NANOS)


def _most_of_a_task(envelope: Envelope, most_input: int, price: Price) -> int:
    most = envelope.most
    if most is None:
        return upper_bound(most_input, 0, price)
    tokens = upper_bound(most_input + most.total_input_tokens, most.total_output_tokens, price)
    units = msgspec.structs.replace(most, **dict.fromkeys(TOKENS, 0))
    return tokens + cost(units, price)


def _window(deployment: Deployment) -> int:
    """No prompt and no answer is longer than this."""
    return deployment.limits.context_tokens or deployment.model.context_tokens or FALLBACK_CONTEXT_TOKENS


def usage_from_bytes(envelope: Envelope, answered_bytes: int) -> Usage:
    """An estimate for an attempt whose provider never said: marked as one."""
    if envelope.likely is not None:
        return msgspec.structs.replace(envelope.likely, source="estimated")
    return Usage(
        input_tokens=input_tokens(envelope),
        output_tokens=-(-answered_bytes // BYTES_PER_TOKEN),
        source="estimated",
    )


def with_what_came(told: Usage, answered_bytes: int) -> Usage:
    """The provider's count of an answer that broke off, unless more came than its tokens can hold: Anthropic
    opens a stream with its input and a token or so of output, and tells the rest at the end.
    """
    tokens = told.output_tokens + told.reasoning_tokens + told.output_audio_tokens
    if tokens * _MOST_BYTES_PER_TOKEN >= answered_bytes:
        return told
    missing = -(-answered_bytes // BYTES_PER_TOKEN) - tokens
    return msgspec.structs.replace(told, output_tokens=told.output_tokens + missing, source="estimated")


def said_bytes(response: Response) -> int:
    """How many bytes of words an answer holds: its text, thoughts and arguments, not its pictures or form."""
    size = 0
    for part in response.parts:
        match part:
            case TextPart(text=text) | ReasoningPart(text=text) | RefusalPart(text=text):
                size += text_bytes(text)
            case ToolCallPart(arguments=arguments):
                size += text_bytes(arguments)
            case AudioPart(transcript=transcript):
                size += text_bytes(transcript or "")
            case _:
                pass
    return size


def text_bytes(text: str) -> int:
    """The size of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
