"""Sets up logging for the process: which loggers speak, in which form, and through one handler that cleans every line.

All forms are written to standard error. Standard output belongs to what a command was asked to print
(`events list --json | jq`), and whoever collects a service's lines (Cloud Run, systemd, Docker, Kubernetes) reads both;
the severity is in the line itself, so Cloud Logging takes nothing from the choice of stream.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import IO, Any, cast, get_args

from badge_bridge.errors import SettingsError
from badge_bridge.observability import trace
from badge_bridge.observability.formats import ConsoleFormatter, JsonFormatter
from badge_bridge.observability.gcp import GcpFormatter, structured_handler
from badge_bridge.observability.handler import CleaningHandler, CurrentStderr, Writer
from badge_bridge.observability.redaction import Redactor
from badge_bridge.settings import LogFormat

__all__ = ["LogFormat", "configure", "restore", "upgrade"]

_OURS = "badge_bridge"
_CLIENTS = ("httpx", "httpcore")
"""At INFO they write every URL they ask, with the secrets in its path and query."""
_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
_SUPERVISOR = "gunicorn.error"
"""Its level stays what the functions framework sets it to (`GUNICORN_LOG_LEVEL`)."""
_ACCESS = ("uvicorn.access", "gunicorn.access")
"""Off: they write the queries of URLs, and our own lines say more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Options:
    log_format: LogFormat
    level: int
    stream: IO[str] | None
    show_phone_numbers: bool
    secrets: frozenset[str]
    project: str

    def redactor(self) -> Redactor:
        return Redactor(secrets=self.secrets, show_phone_numbers=self.show_phone_numbers)


@dataclass(frozen=True, slots=True)
class _Before:
    """What a logger was set to before `configure`."""

    level: int
    handlers: list[logging.Handler]
    propagate: bool
    disabled: bool


@dataclass(slots=True)
class _Installed:
    options: _Options
    handler: CleaningHandler
    stream: IO[str]
    upgrade_started: bool = False


_lock = threading.RLock()
_installed: _Installed | None = None
_before: dict[str, _Before] = {}


def configure(
    log_format: LogFormat,
    level: str,
    *,
    stream: IO[str] | None = None,
    show_phone_numbers: bool = False,
    secrets: Collection[str] = (),
    project: str | None = None,
) -> None:
    """Send what the bridge, its server and the libraries log through one handler, in this form.

    Call it as often as you like: first without secrets, so that what is wrong with the rules file can be told, then
    with those of the rules file. A secret stays known until `restore`, and a handler that `upgrade` has changed stays
    as it is while form and stream are the same.

    It also takes back what others changed since: the functions framework (with `LOG_EXECUTION_ID`) and gunicorn's
    worker set up logging after the function's module was loaded, so a function calls it when a process handles its
    first request.

    Args:
        log_format: `console`, `json` or `gcp`.
        level: the least level of the bridge's own lines (`DEBUG`, `INFO`, ...). Libraries speak from WARNING on.
        stream: where lines go; what `sys.stderr` is at that moment if None.
        show_phone_numbers: leave phone numbers readable.
        secrets: values that must never appear: tokens, webhook URLs, signing keys; added to those of earlier calls.
        project: the Google Cloud project that traces are in; `GOOGLE_CLOUD_PROJECT` if None. Only used with `gcp`.

    Raises:
        SettingsError: there is no such level or form.
    """
    options = _Options(
        log_format=_checked_format(log_format),
        level=_checked_level(level),
        stream=stream,
        show_phone_numbers=show_phone_numbers,
        secrets=frozenset(secrets),
        project=(os.environ.get("GOOGLE_CLOUD_PROJECT", "") if project is None else project)
        if log_format == "gcp"
        else "",
    )
    with _lock:
        installed = _install(options)
        trace.enable(options.project)
        _take_over(installed.handler, options.level)


def upgrade() -> None:
    """With `gcp`: load google-cloud-logging and let its `StructuredLogHandler` write the lines from now on.

    Takes 0.6 s and more, so it is called in a thread, after the first response of a process; it may be called from
    several threads, and does its work once. Lines logged meanwhile are written in the same form. Where the library
    cannot be loaded our own formatter stays, and one warning says so. With other forms it does nothing.
    """
    with _lock:
        installed = _installed
        if installed is None or installed.options.log_format != "gcp" or installed.upgrade_started:
            return
        installed.upgrade_started = True
    # Outside the lock: `configure` on the event loop must not wait for the import.
    try:
        writer = structured_handler(installed.stream)
    except Exception as error:  # noqa: BLE001 - logging goes on without it, whatever its import raises
        _log.warning("google-cloud-logging cannot be loaded, log lines keep being written without it: %s", error)
        return
    installed.handler.swap(writer)


def restore() -> None:
    """Undo `configure`: every logger as it was before. For tests, and for programs that embed the bridge."""
    global _installed  # noqa: PLW0603 - see configure
    with _lock:
        for name, before in _before.items():
            logger = logging.getLogger(name)
            logger.setLevel(before.level)
            logger.handlers, logger.propagate, logger.disabled = before.handlers, before.propagate, before.disabled
        _before.clear()
        _installed = None
        trace.enable("")


def _checked_level(level: str) -> int:
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise SettingsError(f"there is no log level {level!r}; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return levels[level.upper()]


def _checked_format(log_format: str) -> LogFormat:
    if log_format not in get_args(LogFormat):
        raise SettingsError(f"there is no log format {log_format!r}; use console, json or gcp")
    return cast("LogFormat", log_format)


def _install(options: _Options) -> _Installed:
    """What is installed, made to fit these options: as it is, with another redactor, or made anew."""
    global _installed  # noqa: PLW0603 - logging is one per process, and so is this
    if _installed is not None:
        options = replace(options, secrets=options.secrets | _installed.options.secrets)
    if _installed is None or (_installed.options.log_format, _installed.options.stream) != (
        options.log_format,
        options.stream,
    ):
        _installed = _made(options)
    elif _installed.options != options:
        # The handler stays, so an `upgrade` that is under way in another thread changes the one in use.
        _installed.handler.clean_with(options.redactor())
        _installed.options = options
    return _installed


def _made(options: _Options) -> _Installed:
    stream = options.stream if options.stream is not None else cast("IO[str]", CurrentStderr())
    writer = Writer(stream)
    writer.setFormatter(_formatter(options.log_format, stream))
    return _Installed(options, CleaningHandler(writer, options.redactor()), stream)


def _formatter(log_format: LogFormat, stream: IO[str]) -> logging.Formatter:
    if log_format == "gcp":
        return GcpFormatter()
    if log_format == "json":
        return JsonFormatter()
    # https://no-color.org: any value but the empty one turns colour off.
    return ConsoleFormatter(
        colour=stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def _take_over(handler: CleaningHandler, level: int) -> None:
    _set("", level=logging.WARNING, handlers=[handler], propagate=True)
    # Its own handler and no propagation: a handler that someone adds to the root logger sees no line of ours uncleaned.
    _set(_OURS, level=level, handlers=[handler], propagate=False)
    for name in _CLIENTS:
        _set(name, level=logging.WARNING, handlers=[], propagate=True)
    for name in _SERVERS:
        _set(name, level=logging.WARNING, handlers=[], propagate=True)
    _set(_SUPERVISOR, level=None, handlers=[], propagate=True)
    for name in _ACCESS:
        _set(name, level=logging.WARNING, handlers=[], propagate=False)
    # logging.config.dictConfig, as the functions framework calls it, disables all loggers that exist.
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(f"{_OURS}.")]:
        logging.getLogger(name).disabled = False


def _set(name: str, *, level: int | None, handlers: list[Any], propagate: bool) -> None:
    logger = logging.getLogger(name)
    if name not in _before:
        _before[name] = _Before(logger.level, logger.handlers, logger.propagate, logger.disabled)
    if level is not None:
        logger.setLevel(level)
    # Assigned, not changed in place: gunicorn's worker lets two loggers share one list.
    logger.handlers, logger.propagate, logger.disabled = handlers, propagate, False
