"""Every observable name, once: metrics, span attributes, log fields.

GenAI names are OpenTelemetry's (semantic-conventions-genai, read 2026-11-22: none is stable yet, which is
why they stand in one file). Ours begin with `passerelle`.
"""

# Span and attributes (OpenTelemetry GenAI)
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
ERROR_TYPE = "error.type"

OPERATION_WORDS = {"chat": "chat", "embed": "embeddings"}
"""Our operations in OpenTelemetry's words, where it has them."""

# Attributes of ours
RECEIPT = "passerelle.receipt.id"
DEPLOYMENT = "passerelle.deployment"
OUTCOME = "passerelle.outcome"
ATTEMPTS = "passerelle.attempts"
COST = "passerelle.cost.nanos"
GENERATION = "passerelle.generation"
DIALECT = "passerelle.dialect"

# OpenTelemetry metric instruments
METRIC_DURATION = "gen_ai.client.operation.duration"
METRIC_TOKENS = "gen_ai.client.token.usage"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - an attribute's name, not a secret

# Prometheus metrics (labels are bounded: no key, user, request or free text ever becomes one)
PROM_REQUESTS = "passerelle_requests"
PROM_ATTEMPTS = "passerelle_attempts"
PROM_TOKENS = "passerelle_tokens"
PROM_COST = "passerelle_cost_nanos"
PROM_DURATION = "passerelle_request_duration_seconds"
PROM_FIRST_CONTENT = "passerelle_time_to_first_content_seconds"
PROM_OVERHEAD = "passerelle_overhead_seconds"
PROM_TASKS = "passerelle_tasks"
PROM_TURNED_AWAY = "passerelle_turned_away_requests"
PROM_IN_FLIGHT = "passerelle_in_flight_requests"
PROM_BREAKER = "passerelle_breaker_open"
PROM_OPENINGS = "passerelle_breaker_openings"
PROM_SPARED = "passerelle_throttled_requests"
PROM_RETRIES_DENIED = "passerelle_retries_denied"
PROM_SPEED = "passerelle_tokens_per_second"
PROM_CASCADES = "passerelle_cascades"
PROM_EDGE_ERRORS = "passerelle_edge_errors"
PROM_WRITER_QUEUE = "passerelle_writer_queue_records"
PROM_GENERATION = "passerelle_generation"
