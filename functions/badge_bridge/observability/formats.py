"""Log lines for a person in a terminal and for programs that read plain JSON. (Google's form is in `gcp`.)"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["ConsoleFormatter", "JsonFormatter"]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the record's fields, exception.

    Times are UTC with milliseconds. A field cannot take the place of the first four.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.msg,
        }
        for name, value in getattr(record, "json_fields", {}).items():
            line.setdefault(name, value)
        if details := _details(record):
            line["exception"] = details
        return _encode(line)


class ConsoleFormatter(logging.Formatter):
    """`10:00:00.123 WARNING  message   name=value name=value`, in local time, details of an exception below.

    Nothing inside a message, name or value can start a new line. A record chooses the fields that are worth showing
    with `console_fields`, by name: what puts the value (cleaned by then) in short, or None to show it as it is.
    Otherwise all simple ones are shown.
    """

    _MESSAGE_WIDTH = 72
    """Fields start in the same column below each other where messages are not longer."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        message = _one_line(str(record.msg))
        if not record.name.startswith("badge_bridge"):
            message = f"{record.name}: {message}"
        pairs = " ".join(f"{_one_line(name)}={_shown(value)}" for name, value in _chosen(record))
        line = (
            f"{self._painted(moment.strftime('%H:%M:%S.%f')[:-3], _DIM)} "
            f"{self._painted(f'{record.levelname:<8}', _LEVEL_COLOURS.get(record.levelno, ''))} "
            f"{f'{message:<{self._MESSAGE_WIDTH}}  {self._painted(pairs, _DIM)}' if pairs else message}"
        )
        if details := _details(record):
            line += "".join(f"\n  | {_one_line(part)}" for part in details.split("\n"))
        return line

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour and colour else text


_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_LEVEL_COLOURS = {
    logging.DEBUG: _DIM,
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
_BREAKS = re.compile(r"[\n\r\t]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN_VALUE = re.compile(r"[^\s\"'=]+")


def _one_line(text: str) -> str:
    """Other control characters were escaped when the record was cleaned."""
    return _BREAKS.sub(lambda found: _ESCAPES[found[0]], text)


def _chosen(record: logging.LogRecord) -> list[tuple[str, Any]]:
    fields: dict[str, Any] = getattr(record, "json_fields", {})
    chosen: Mapping[str, Callable[[Any], object] | None] | None = getattr(record, "console_fields", None)
    if chosen is not None:
        return [
            (name, fields[name] if shorten is None else shorten(fields[name]))
            for name, shorten in chosen.items()
            if name in fields
        ]
    return [(name, value) for name, value in fields.items() if not isinstance(value, dict | list)]


def _shown(value: object) -> str:
    if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value):
        return value
    return _encode(value)


def _details(record: logging.LogRecord) -> str:
    return "\n".join(part for part in (record.exc_text, record.stack_info) if part)
