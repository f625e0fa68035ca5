"""The line of each look at a portal's call statistics that has found something."""

from __future__ import annotations

import logging

from badge_bridge.plural import counted

__all__ = ["log_fetched"]

_log = logging.getLogger("badge_bridge.backfill")


def log_fetched(*, portal: str, source: str, new: int, unreadable: int = 0) -> None:
    """Log that calls were fetched whose event had not come: INFO, or WARNING where rows cannot be read."""
    fields = {"kind": "backfill", "portal": portal, "source": source, "fetched": new}
    text = f"portal {portal}: fetched {counted(new, 'call')} whose event had not come, for source {source}"
    if unreadable:
        fields["unreadable"] = unreadable
        text += f"; {counted(unreadable, 'row')} of its calls cannot be read and came to nothing"
    level = logging.WARNING if unreadable else logging.INFO
    _log.log(level, "%s", text, extra={"json_fields": fields, "console_fields": {}}, stacklevel=2)
