"""The line that tells of a delivery whose time lies in the future, once in ten minutes for each source."""

from __future__ import annotations

import logging

from badge_bridge.ahead import lead, see, tells
from badge_bridge.events import Event
from badge_bridge.observability.floods import FloodGate

__all__ = ["log_ahead"]

_log = logging.getLogger("badge_bridge.deliveries")

_gate = FloodGate(limit=1, seconds=600.0)


def log_ahead(key: str, event: Event, received_at: float, *, options: object, gate: FloodGate = _gate) -> None:
    """Log that an event which was received just now, in unix seconds, tells a time ahead of that; `options` are those
    of its source.
    """
    left_out = {over.kind: over.lines for over in gate.over()}.get(event.source, 0)
    if not gate.passes(event.source):
        return
    fields = {
        "kind": "ahead",
        "key": key,
        "source": event.source,
        "ahead_s": round(lead(event, received_at)),
        "is_used": event.told_time is None,
        "left_out": left_out,
    }
    _log.warning(
        "source %s: event %s %s: see %s%s",
        event.source,
        key,
        tells(event, received_at),
        see(options),
        f" ({left_out} more since the last such line)" if left_out else "",
        extra={"json_fields": fields, "console_fields": {}},
        stacklevel=2,
    )
