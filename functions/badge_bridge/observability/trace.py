"""Which trace of Cloud Trace a log line belongs to: taken from the request's headers, carried by a context variable.

Cloud Logging then shows our lines below the request they belong to. Off, and free, until `enable` is called with the
project that the traces are in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from typing import NamedTuple

__all__ = ["Trace", "bind_request", "current", "enable"]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
"""W3C Trace Context, "traceparent": version, trace, parent span, flags; the lowest flag says sampled."""
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?")
"""Google's older header, X-Cloud-Trace-Context: trace in hex, span in decimal, whether it is sampled."""


class Trace(NamedTuple):
    """`name` is `projects/<project>/traces/<32 hex>`, `span` 16 hex digits or empty."""

    name: str
    span: str
    sampled: bool


_current: ContextVar[Trace | None] = ContextVar("badge_bridge_trace", default=None)
_project = ""


def enable(project: str) -> None:
    """Bind traces of this project from now on; an empty project turns it off."""
    global _project  # noqa: PLW0603 - one process logs for one project, as logging itself is one per process
    _project = project


def current() -> Trace | None:
    """The trace of the request that is being worked on, or None."""
    return _current.get() if _project else None


class bind_request:  # noqa: N801 - used as a function: `with bind_request(headers): ...`
    """Give log lines inside the `with` block the trace that the request's headers name, if they name one.

    Headers are a mapping or pairs; names in lower case, as ASGI has them. A task that is started inside the block and
    outlives the request keeps the trace; start such a task in a context of its own (`contextvars.Context()`).
    """

    __slots__ = ("_headers", "_token")

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        self._headers = headers
        self._token: Token[Trace | None] | None = None

    def __enter__(self) -> None:
        if _project:
            self._token = _current.set(_read(dict(self._headers)))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None


def _read(headers: Mapping[str, str]) -> Trace | None:
    if found := _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip()):
        return Trace(_name(found[1]), found[2], bool(int(found[3], 16) & 1))
    if found := _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "").strip()):
        span = int(found[2] or 0)
        return Trace(_name(found[1]), f"{span:016x}" if 0 < span < 2**64 else "", found[3] == "1")
    return None


def _name(trace: str) -> str:
    return f"projects/{_project}/traces/{trace.lower()}"
