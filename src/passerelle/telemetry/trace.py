"""OpenTelemetry spans and metrics with the GenAI conventions, when the standard `OTEL_*` environment asks.

Needs the extra `otel`. Spans are made whole when a request settles, from its receipt: nothing is added to
the request's own path, and content is never captured.
"""

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from passerelle.core.receipt import Attempt, Receipt
from passerelle.telemetry import names

log = logging.getLogger("passerelle.telemetry")

Exporter = Callable[[str | None, Receipt], None]
"""Takes the caller's `traceparent`, if any, and a settled receipt."""


def wanted(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names an OTLP endpoint and has not switched the SDK off."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return any(
        name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("ENDPOINT") and env[name] for name in env
    )


def exporter(worker: str, endpoint: str | None = None) -> tuple[Exporter, Callable[[], None]] | None:
    """An exporter and its shutdown, or None when OpenTelemetry is not wanted or not installed.

    `endpoint` (`telemetry.otlp_endpoint`) is where to send to when the environment does not say.
    """
    if not wanted() and endpoint is None:
        return None
    try:
        return _build(worker, None if wanted() else endpoint)
    except ImportError:
        log.error("OTEL_* is set but OpenTelemetry is not installed: install `passerelle[otel]`")
        return None


def _build(worker: str, endpoint: str | None) -> tuple[Exporter, Callable[[], None]]:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` are laid over these by the SDK itself.
    resource = Resource.create(
        {"service.name": os.environ.get("OTEL_SERVICE_NAME", "passerelle"), "service.instance.id": worker}
    )
    tracers = TracerProvider(resource=resource)
    base = None if endpoint is None else endpoint.rstrip("/")
    spans = OTLPSpanExporter(endpoint=None if base is None else f"{base}/v1/traces")
    figures = OTLPMetricExporter(endpoint=None if base is None else f"{base}/v1/metrics")
    tracers.add_span_processor(BatchSpanProcessor(spans))
    meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(figures)])
    tracer = tracers.get_tracer("passerelle")
    meter = meters.get_meter("passerelle")
    duration = meter.create_histogram(names.METRIC_DURATION, unit="s")
    tokens = meter.create_histogram(names.METRIC_TOKENS, unit="{token}")
    propagator = TraceContextTextMapPropagator()

    def export(traceparent: str | None, receipt: Receipt) -> None:
        parent = propagator.extract({"traceparent": traceparent}) if traceparent else None
        operation = names.OPERATION_WORDS.get(receipt.operation, receipt.operation)
        requested = receipt.plan.requested if receipt.plan is not None else ""
        span = tracer.start_span(
            f"{operation} {requested}",
            context=parent,
            kind=SpanKind.SERVER,
            start_time=receipt.at_ns,
            attributes=_request_attributes(receipt, operation, requested),
        )
        if receipt.outcome not in ("answered", "cancelled"):
            span.set_status(Status(StatusCode.ERROR, receipt.problem or receipt.outcome))
        inside = trace.set_span_in_context(span)
        for attempt in receipt.attempts:
            child = tracer.start_span(
                f"{operation} {attempt.model}",
                context=inside,
                kind=SpanKind.CLIENT,
                start_time=attempt.started_at_ns,
                attributes=_attempt_attributes(attempt, operation),
            )
            if attempt.failure is not None:
                child.set_status(Status(StatusCode.ERROR, attempt.failure))
            child.end(end_time=attempt.started_at_ns + attempt.duration_ns)
            labels = _metric_labels(attempt, operation)
            duration.record(attempt.duration_ns / 1e9, labels)
            if attempt.usage.source != "none":
                for kind, amount in (
                    ("input", attempt.usage.total_input_tokens),
                    ("output", attempt.usage.total_output_tokens),
                ):
                    tokens.record(amount, {**labels, names.TOKEN_TYPE: kind})
        span.end(end_time=receipt.at_ns + receipt.duration_ns)

    def shutdown() -> None:
        tracers.shutdown()
        meters.shutdown()

    return export, shutdown


def _request_attributes(receipt: Receipt, operation: str, requested: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        names.OPERATION: operation,
        names.REQUEST_MODEL: requested,
        names.INPUT_TOKENS: receipt.usage.total_input_tokens,
        names.OUTPUT_TOKENS: receipt.usage.total_output_tokens,
        names.CACHE_READ_TOKENS: receipt.usage.cache_read_tokens,
        names.RECEIPT: receipt.id,
        names.OUTCOME: receipt.outcome,
        names.ATTEMPTS: len(receipt.attempts),
        names.COST: receipt.cost_nanos,
        names.GENERATION: receipt.generation,
        names.DIALECT: receipt.dialect,
    }
    if receipt.model is not None:
        attributes[names.RESPONSE_MODEL] = receipt.model
    if receipt.problem is not None:
        attributes[names.ERROR_TYPE] = receipt.problem
    return attributes


def _attempt_attributes(attempt: Attempt, operation: str) -> dict[str, Any]:
    attributes = {
        **_metric_labels(attempt, operation),
        names.DEPLOYMENT: attempt.deployment,
        names.INPUT_TOKENS: attempt.usage.total_input_tokens,
        names.OUTPUT_TOKENS: attempt.usage.total_output_tokens,
    }
    if attempt.finish is not None:
        attributes[names.RESPONSE_FINISH] = [attempt.finish]
    return attributes


def _metric_labels(attempt: Attempt, operation: str) -> dict[str, Any]:
    labels: dict[str, Any] = {
        names.OPERATION: operation,
        names.PROVIDER: attempt.provider,
        names.RESPONSE_MODEL: attempt.model,
    }
    if attempt.failure is not None:
        labels[names.ERROR_TYPE] = attempt.failure
    return labels
