"""The line that each sweep writes. Sweeps come once a minute, so these are few."""

from __future__ import annotations

import logging

__all__ = ["log_sweep"]

_log = logging.getLogger("badge_bridge.worker")


def log_sweep(*, attempts: int, nothing_left: bool, overdue: float = 0.0) -> None:
    """Log what one sweep has done: WARNING where something that it has left is overdue, otherwise INFO.

    `overdue` is for how many seconds something has been due at least; 0 where nothing is known to be.
    """
    fields = {"kind": "sweep", "attempts": attempts, "nothing_left": nothing_left}
    if overdue > 0:
        fields["overdue_s"] = round(overdue, 1)
    left = "nothing is left" if nothing_left else "something may be left"
    since = f", due for {overdue:.0f} s and more" if overdue > 0 else ""
    _log.log(
        logging.WARNING if overdue > 0 else logging.INFO,
        "sweep: attempts: %d; %s%s",
        attempts,
        left,
        since,
        extra={"json_fields": fields, "console_fields": {}},
        stacklevel=2,
    )
