"""The ledger in memory: which activity carries a badge for which event and rule."""

from __future__ import annotations

from dataclasses import replace

from badge_bridge.store.protocol import Attachment
from badge_bridge.store.records import plain, plain_attachment

__all__ = ["Ledger"]


class Ledger:
    """The rows by event and rule. Each method is the store's of that name."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Attachment] = {}

    def attach(self, attachment: Attachment) -> None:
        row = plain_attachment(attachment)
        self._rows[row.key, row.rule] = row

    def unattach(self, key: str, rule: str) -> bool:
        row = self._rows.get((plain(key), plain(rule)))
        if row is None or row.activity is not None:
            return False
        del self._rows[row.key, row.rule]
        return True

    def attachments(self, key: str) -> list[Attachment]:
        return sorted((row for row in self._rows.values() if row.key == plain(key)), key=lambda row: row.rule)

    def open_attachments(self, join: str, *, before: float | None) -> list[Attachment]:
        found = [
            row
            for row in self._rows.values()
            if join
            and row.join == plain(join)
            and row.activity is not None
            and row.closed_at is None
            and (before is None or row.time < before)
        ]
        return sorted(found, key=lambda row: (row.time, row.key, row.rule))

    def close_attachment(self, key: str, rule: str, *, now: float) -> bool:
        row = self._rows.get((plain(key), plain(rule)))
        if row is None or row.closed_at is not None:
            return False
        self._rows[row.key, row.rule] = replace(row, closed_at=now)
        return True
