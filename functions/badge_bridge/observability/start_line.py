"""The line that says why there is no bridge."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from badge_bridge.errors import BridgeError, RulesError

__all__ = ["log_cannot_start"]

_log = logging.getLogger("badge_bridge.start")


def log_cannot_start(error: BridgeError) -> None:
    """Log one CRITICAL line for an error that keeps the bridge from starting.

    The message has the first finding of a `RulesError` and the number of the others, the field `findings` has them all
    as texts; any other error is one finding.
    """
    findings = [str(finding) for finding in error.findings] if isinstance(error, RulesError) else []
    first, *others = findings or [str(error) or type(error).__name__]
    more = f" (and {len(others)} more)" if others else ""
    _log.critical(
        "the bridge cannot start: %s%s",
        first,
        more,
        extra={
            "json_fields": {"kind": "start", "findings": [first, *others]},
            "console_fields": {"findings": _but_the_first} if others else {},
        },
        stacklevel=2,
    )


def _but_the_first(findings: Sequence[str]) -> list[str]:
    """The message has the first."""
    return list(findings[1:])
