"""The line of each look that has deleted something."""

from __future__ import annotations

import logging

from badge_bridge.plural import counted

__all__ = ["log_deleted"]

_log = logging.getLogger("badge_bridge.retention")


def log_deleted(*, events: int, hashes: int, rules: int, more: bool) -> None:
    """Log how much was deleted: events whose time is over, hashes of events of sources that are gone, and rules files
    of before that no event refers to any more.
    """
    fields = {"kind": "retention", "events": events, "hashes": hashes, "rules": rules, "more": more}
    said = [counted(events, "event")] if events else []
    if hashes:
        said.append(f"{counted(hashes, 'hash', 'hashes')} of sources that are gone")
    if rules:
        said.append(f"{counted(rules, 'rules file', 'rules files')} of before")
    left = "; there is more, and the next look goes on" if more else ""
    _log.info(
        "retention: deleted %s%s",
        " and ".join(said),
        left,
        extra={"json_fields": fields, "console_fields": {}},
        stacklevel=2,
    )
