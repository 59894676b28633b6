"""The log: one structured line per settled request, and state changes. No prompt, no key, ever.

`extra={"receipt": …}` is unfolded into the fields below; any other extra field must be a plain value.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from passerelle.core.receipt import Receipt

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "receipt", "taskName"}


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Send every logger to standard error: ours from `level` on, those of libraries (OpenTelemetry's
    exporter, asyncio) from a warning on, so that no bare text stands among the lines. Called once, by the
    command line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Words())
    libraries = logging.getLogger()
    libraries.handlers[:] = [handler]
    libraries.setLevel("WARNING")
    root = logging.getLogger("passerelle")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    for name in ("uvicorn", "uvicorn.error"):
        other = logging.getLogger(name)
        other.handlers[:] = [handler]
        other.setLevel("WARNING")
        other.propagate = False


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """What the line of a settled request says."""
    fields: dict[str, Any] = {
        "request_id": receipt.request_id,
        "receipt_id": receipt.id,
        "org": receipt.org_id,
        "project": receipt.project_id,
        "key": receipt.key_id,
        "dialect": receipt.dialect,
        "operation": receipt.operation,
        "stream": receipt.stream,
        "outcome": receipt.outcome,
        "model": receipt.model,
        "deployment": receipt.deployment,
        "attempts": [f"{a.deployment}:{a.failure or 'ok'}" for a in receipt.attempts],
        "input_tokens": receipt.usage.total_input_tokens,
        "output_tokens": receipt.usage.total_output_tokens,
        "cost_nanos": receipt.cost_nanos,
        "currency": receipt.currency,
        "duration_ms": round(receipt.duration_ns / 1e6, 2),
        "generation": receipt.generation,
    }
    if receipt.problem is not None:
        fields["problem"] = receipt.problem
    return fields


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    receipt = record.__dict__.get("receipt")
    if isinstance(receipt, Receipt):
        return receipt_fields(receipt)
    return {k: v for k, v in record.__dict__.items() if k not in _STANDARD}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, its time in UTC."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Words(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, message, then `name=value`."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        said = " ".join(f"{k}={v}" for k, v in _fields(record).items() if v is not None)
        line = f"{at} {record.levelname.lower():7} {record.getMessage()} {said}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
