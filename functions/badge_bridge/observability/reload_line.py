"""The lines of a reload of the rules. Those of one that is refused are `start_line.log_rules_refused`'s."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

__all__ = ["log_reloaded", "log_unchanged"]

_log = logging.getLogger("badge_bridge.serve")


def log_reloaded(filename: str, *, before: str, rules: str, said: str, fields: Mapping[str, Any]) -> None:
    """Log that other rules are in use; `before` and `rules` are hashes, `said` tells what has changed."""
    more = {"kind": "reload", "result": "reloaded", "rules_hash_before": before, "rules_hash": rules, **fields}
    _log.info(
        "rules reloaded from %s (%s -> %s): %s",
        filename,
        before,
        rules,
        said,
        extra={"json_fields": more, "console_fields": {}},
        stacklevel=2,
    )


def log_unchanged(filename: str, *, rules: str) -> None:
    """Log that the file says what is in use."""
    more = {"kind": "reload", "result": "unchanged", "rules_hash": rules}
    _log.info(
        "rules in %s are those that are in use (%s)",
        filename,
        rules,
        extra={"json_fields": more, "console_fields": {}},
        stacklevel=2,
    )
