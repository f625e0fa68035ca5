"""The one handler of the process: it cleans every record and gives a copy to a writer that can be exchanged."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, cast

from badge_bridge.observability import trace
from badge_bridge.observability.redaction import Redactor

__all__ = ["CleaningHandler", "CurrentStderr", "Writer"]

_tracebacks = logging.Formatter()
_URLS = ("requestUrl", "referer")


class CurrentStderr:
    """Writes to what `sys.stderr` is at that moment.

    The functions framework exchanges it while a request is handled, to add the execution id, and so do test runners;
    a handler that keeps the stream it was made with would miss both.
    """

    def write(self, text: str) -> int:
        return sys.stderr.write(text) if sys.stderr is not None else 0

    def flush(self) -> None:
        if sys.stderr is not None:
            sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr is not None and sys.stderr.isatty()


class Writer(logging.StreamHandler[Any]):
    """Formats and writes records that are clean."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Stay silent. Logging's own handler would print the record, arguments and all, to the stream that failed."""


class CleaningHandler(logging.Handler):
    """Hands each record on as a copy without secrets, phone numbers, queries of URLs and control characters.

    The copy's message is final (it has no arguments), `json_fields` are plain JSON values, an exception is text.
    `swap` exchanges the writer, `clean_with` the redactor, between two records: none is lost, none is written twice.
    """

    def __init__(self, writer: logging.Handler, redactor: Redactor) -> None:
        super().__init__()
        self._writer = writer
        self._redactor = redactor

    def swap(self, writer: logging.Handler) -> None:
        self.acquire()
        try:
            old, self._writer = self._writer, writer
        finally:
            self.release()
        old.flush()

    def clean_with(self, redactor: Redactor) -> None:
        self.acquire()
        try:
            self._redactor = redactor
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            clean = self._clean(record)
        except Exception as error:  # noqa: BLE001 - a line that cannot be cleaned must neither be shown nor break its caller
            clean = _substitute(record, f"a line of {record.name} could not be written: {type(error).__name__}")
        self._writer.handle(clean)

    def _clean(self, record: logging.LogRecord) -> logging.LogRecord:
        text = self._redactor.text
        clean = _copy(record)
        clean.msg, clean.args = text(_message(record)), None
        if record.exc_info and record.exc_info[0] is not None:
            clean.exc_text = text(_tracebacks.formatException(cast("Any", record.exc_info)))
        elif record.exc_text:
            clean.exc_text = text(record.exc_text)
        clean.exc_info = None
        if record.stack_info:
            clean.stack_info = text(record.stack_info)
        extra = clean.__dict__
        extra["json_fields"] = self._fields(extra.get("json_fields"))
        extra["labels"] = self._fields(extra.get("labels"))
        extra["http_request"] = self._http_request(extra.get("http_request"))
        _set_trace(extra)
        return clean

    def _fields(self, fields: object) -> dict[str, Any]:
        return self._redactor.fields(fields) if fields and isinstance(fields, Mapping) else {}

    def _http_request(self, request: object) -> dict[str, Any]:
        cleaned = self._fields(request)
        for name in _URLS:
            if isinstance(url := cleaned.get(name), str):
                cleaned[name] = url.split("?", 1)[0].split("#", 1)[0]
        return cleaned


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - any __str__ and any wrong format may fail here
        return f"(arguments do not fit this message) {record.msg}"


def _copy(record: logging.LogRecord) -> logging.LogRecord:
    # What copy.copy does, without the detour through pickling's protocol: this runs for every line.
    copy = logging.LogRecord.__new__(logging.LogRecord)
    copy.__dict__.update(record.__dict__)
    return copy


def _substitute(record: logging.LogRecord, message: str) -> logging.LogRecord:
    return logging.LogRecord(record.name, logging.ERROR, record.pathname, record.lineno, message, None, None)


def _set_trace(extra: dict[str, Any]) -> None:
    # Set in any case: a record's own values are unchecked, and StructuredLogHandler writes them without escaping.
    bound = trace.current()
    extra["trace"] = bound.name if bound else None
    extra["span_id"] = bound.span if bound else None
    extra["trace_sampled"] = bound.sampled if bound else False
