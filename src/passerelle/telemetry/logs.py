"""The log: one structured line per settled request, and state changes. No prompt, no key, ever.

Lines of settled requests are most of the log, and are made without a `LogRecord`; those of one turn of the
loop are written together. `extra={"receipt": …}` is unfolded into the same fields; any other extra field must
be a plain value.
"""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

from passerelle.core.receipt import Receipt

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "receipt", "taskName"}
_SETTLED = "settled"
_road = logging.getLogger("passerelle.road")

Soon = Callable[[Callable[[], None]], object]
"""What has a function called when this turn of the loop is over: `loop.call_soon`."""


class Output(logging.StreamHandler[TextIO]):
    """Writes the log's lines, in the order in which they were said."""

    soon: Soon | None = None
    """Unset: each line is written at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Write a line when this turn of the loop is over. Called by the loop's own thread alone."""
        if self.soon is not None and not self._waiting:
            self.soon(self.flush)
        self._waiting.append(line)
        if self.soon is None:
            self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line that was said after those that wait."""
        self._write()
        super().emit(record)

    def flush(self) -> None:
        """Write those that wait."""
        self._write()
        super().flush()

    def _write(self) -> None:
        self.acquire()
        try:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self.stream.write(b"\n".join([*waiting, b""]).decode())
        finally:
            self.release()


_output: Output | None = None
"""Where lines of settled requests go that are JSON; unset where they are words, or the log was not set up."""


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Send every logger to standard error: ours from `level` on, those of libraries (OpenTelemetry's
    exporter, asyncio) from a warning on, so that no bare text stands among the lines. Called once, by the
    command line.
    """
    global _output
    handler = Output(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Words())
    _output = handler if form == "json" else None
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


def by_turns(soon: Soon | None) -> None:
    """Write what is settled in one turn of a loop together; None ends this before the loop does."""
    if _output is not None:
        _output.soon = soon
        _output.flush()


def settled(receipt: Receipt) -> None:
    """The line of a settled request."""
    if not _road.isEnabledFor(logging.INFO):
        return
    if _output is None:
        _road.info(_SETTLED, extra={"receipt": receipt})
        return
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": _road.name,
        "message": _SETTLED,
        **receipt_fields(receipt),
    }
    _output.add(msgspec.json.encode(line))


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
        return json.dumps(line, ensure_ascii=False, default=str, separators=(",", ":"))


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
