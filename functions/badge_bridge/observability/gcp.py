"""Log lines as Cloud Logging reads them from a container's output: one JSON object with reserved keys per line.

google-cloud-logging writes them with its `StructuredLogHandler`. Importing it takes about as long as everything else
together, so `GcpFormatter` writes the same keys until `structured_handler` has been loaded; a test holds one to the
other. Both get records that `handler.CleaningHandler` has prepared.

Where the lines differ from what `StructuredLogHandler` writes by itself, on purpose:

- a message that is a mapping or happens to be JSON stays a message. By itself the handler would spread it over the
  line, so whoever gets a third party to log his text could write any field;
- what JSON has no form for (NaN, a datetime, an object) is text. By itself the handler writes NaN, which no reader of
  JSON takes, or loses the line;
- `httpRequest` is only what a record brings, its URLs without their queries. By itself the handler takes the whole URL
  of the request from Flask or Django;
- its diagnostic line (name and version of the library, before the first line) is left out.
"""

from __future__ import annotations

import json
import logging
from typing import IO, Any

__all__ = ["GcpFormatter", "structured_handler"]

# Keys that Cloud Logging takes out of the payload (Cloud Logging docs, "Structured logging", special fields), which a
# field of ours therefore cannot have.
_RESERVED = frozenset(
    {"severity", "httpRequest", "time", "timestamp", "timestampSeconds", "timestampNanos"}
    | {f"logging.googleapis.com/{name}" for name in ("insertId", "labels", "operation", "sourceLocation")}
    | {f"logging.googleapis.com/{name}" for name in ("spanId", "trace", "trace_sampled")}
)

_lines = logging.Formatter()
_encode = json.JSONEncoder(ensure_ascii=False).encode


def _payload(record: logging.LogRecord) -> dict[str, Any]:
    """The record's fields and its message, with exception and stack below it as Error Reporting expects them."""
    fields: dict[str, Any] = getattr(record, "json_fields", None) or {}
    payload = {key: value for key, value in fields.items() if key not in _RESERVED}
    payload["message"] = _lines.format(record)
    return payload


class GcpFormatter(logging.Formatter):
    """Writes what `StructuredLogHandler` writes, without google-cloud-logging."""

    def format(self, record: logging.LogRecord) -> str:
        line = _payload(record)
        line["severity"] = record.levelname
        line["logging.googleapis.com/labels"] = _labels(record)
        line["logging.googleapis.com/trace"] = getattr(record, "trace", None) or ""
        line["logging.googleapis.com/spanId"] = getattr(record, "span_id", None) or ""
        line["logging.googleapis.com/trace_sampled"] = bool(getattr(record, "trace_sampled", False))
        line["logging.googleapis.com/sourceLocation"] = {
            "line": record.lineno,
            "file": record.pathname,
            "function": record.funcName,
        }
        line["httpRequest"] = getattr(record, "http_request", None) or {}
        return _encode(line)


def _labels(record: logging.LogRecord) -> dict[str, Any]:
    own = {"python_logger": record.name} if record.name else {}
    return {**own, **(getattr(record, "labels", None) or {})}


def structured_handler(stream: IO[str]) -> logging.Handler:
    """A `StructuredLogHandler` that writes to `stream`. Imports google-cloud-logging, which takes 0.6 s and more.

    Raises:
        ImportError: it, or something it needs, is not installed.
    """
    from google.cloud.logging_v2.handlers import StructuredLogHandler  # noqa: PLC0415 - the reason for this function

    class Handler(StructuredLogHandler):
        def format(self, record: logging.LogRecord) -> Any:
            # A mapping as message is taken as the payload; a text would be searched for JSON. The record is a copy.
            record.msg, record.args, record.json_fields = _payload(record), None, None
            return super().format(record)  # type: ignore[no-untyped-call] # the library has no types

        def emit_instrumentation_info(self) -> None:
            """Leave the diagnostic line out: it passes through the root logger's handlers once more, unasked."""

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            """Stay silent, as `handler.Writer` does."""

    return Handler(stream=stream)  # type: ignore[no-untyped-call] # as above
