"""The lines that say why there is no bridge, or none with the newest rules."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from badge_bridge.errors import BridgeError, RulesError

__all__ = ["log_cannot_start", "log_rules_refused"]

_log = logging.getLogger("badge_bridge.start")


def log_cannot_start(error: BridgeError) -> None:
    """Log one CRITICAL line for an error that keeps the bridge from starting.

    The message has the first finding of a `RulesError` and the number of the others, the field `findings` has them all
    as texts; any other error is one finding.
    """
    _write(logging.CRITICAL, "start", "the bridge cannot start", error)


def log_rules_refused(what: str, error: BridgeError) -> None:
    """Log one ERROR line for rules that are not used while others are, as `log_cannot_start`. `what` says which are."""
    _write(logging.ERROR, "rules_refused", what, error)


def _write(level: int, kind: str, what: str, error: BridgeError) -> None:
    findings = [str(finding) for finding in error.findings] if isinstance(error, RulesError) else []
    first, *others = findings or [str(error) or type(error).__name__]
    more = f" (and {len(others)} more)" if others else ""
    _log.log(
        level,
        "%s: %s%s",
        what,
        first,
        more,
        extra={
            "json_fields": {"kind": kind, "findings": [first, *others]},
            "console_fields": {"findings": _but_the_first} if others else {},
        },
        stacklevel=3,
    )


def _but_the_first(findings: Sequence[str]) -> list[str]:
    """The message has the first."""
    return list(findings[1:])
