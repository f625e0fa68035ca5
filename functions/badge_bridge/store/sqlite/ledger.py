"""The ledger in the file: which activity carries a badge for which event and rule.

Each function is the store's method of that name, inside an open transaction.
"""

from __future__ import annotations

import math
import sqlite3

from badge_bridge.store.protocol import Attachment, Claim
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.remembered import Mark, knows

__all__ = ["attach", "attachments", "close_attachment", "on_top", "open_attachments", "unattach"]


def attach(connection: sqlite3.Connection, row: Attachment, mark: Mark, claim: Claim | None) -> bool:
    """`mark` is that of the row's event."""
    if claim is not None:
        if not _is_held(connection, row.key, claim):
            return False
    elif knows(connection, [mark]) and connection.execute(sql.IS_ATTACHED, (row.key, row.rule)).fetchone() is None:
        return False
    values = (
        row.key,
        row.rule,
        row.portal,
        row.badge,
        row.owner_type,
        row.owner_id,
        row.time,
        row.join,
        row.content,
        row.activity,
        row.sent_at,
        row.closed_at,
        row.customer,
        row.taken_back,
    )
    connection.execute(sql.ATTACH, values)
    return True


def unattach(connection: sqlite3.Connection, key: str, rule: str, claim: Claim | None) -> bool:
    if claim is not None and not _is_held(connection, key, claim):
        return False
    return connection.execute(sql.UNATTACH, (key, rule)).rowcount == 1


def _is_held(connection: sqlite3.Connection, key: str, claim: Claim) -> bool:
    """Whether the lease on this event is the claim's."""
    return connection.execute(sql.IS_HELD, (key, claim.token)).fetchone() is not None


def attachments(connection: sqlite3.Connection, key: str) -> list[Attachment]:
    return [Attachment(*row) for row in connection.execute(sql.ATTACHMENTS, (key,)).fetchall()]


def open_attachments(connection: sqlite3.Connection, join: str, before: float | None) -> list[Attachment]:
    values = {"join": join, "before": math.inf if before is None else before}
    return [Attachment(*row) for row in connection.execute(sql.OPEN_ATTACHMENTS, values).fetchall()]


def on_top(connection: sqlite3.Connection, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
    row = connection.execute(sql.ON_TOP, (portal, owner_type, owner_id)).fetchone()
    return None if row is None else Attachment(*row)


def close_attachment(connection: sqlite3.Connection, key: str, rule: str, *, now: float, activity: int | None) -> bool:
    values = {"key": key, "rule": rule, "now": now, "activity": activity}
    return connection.execute(sql.CLOSE_ATTACHMENT, values).rowcount == 1
