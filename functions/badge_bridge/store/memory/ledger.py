"""The ledger in memory: which activity carries a badge for which event and rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from badge_bridge.store.protocol import Attachment
from badge_bridge.store.records import plain, plain_attachment
from badge_bridge.store.wanted import Uses

__all__ = ["Ledger"]

_Card = tuple[str, int, int]
"""Portal, type and id of the owner."""


class Ledger:
    """The rows by event and rule. Each method is the store's of that name."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Attachment]] = {}
        """By event, then by rule."""
        self._open: dict[str, dict[tuple[str, str], Attachment]] = {}
        """Those that carry a badge, by join."""
        self._on_cards: dict[_Card, dict[tuple[str, str], Attachment]] = {}
        """Those that carry a badge, by card."""

    def attach(self, attachment: Attachment) -> None:
        self._put(plain_attachment(attachment))

    def unattach(self, key: str, rule: str) -> bool:
        row = self._find(key, rule)
        if row is None or row.activity is not None:
            return False
        self._drop(row)
        return True

    def has(self, key: str, rule: str) -> bool:
        return self._find(key, rule) is not None

    def forget(self, key: str) -> None:
        """Delete the rows of an event that is gone, but for those whose badge may be taken off yet."""
        for row in self.attachments(key):
            if not _is_open(row):
                self._drop(row)

    def forget_closed(self, before: float, is_there: Callable[[str], bool]) -> None:
        """Delete the rows that were closed before then and whose event is gone."""
        for row in self.all():
            if row.closed_at is not None and row.closed_at < before and not is_there(row.key):
                self._drop(row)

    def erase(self, key: str) -> None:
        for row in self.attachments(key):
            self._drop(row)

    def all(self) -> list[Attachment]:
        return [row for rows in self._rows.values() for row in rows.values()]

    def attachments(self, key: str) -> list[Attachment]:
        return sorted(self._rows.get(plain(key), {}).values(), key=lambda row: row.rule)

    def open_attachments(self, join: str, *, before: float | None) -> list[Attachment]:
        found = [row for row in self._open.get(plain(join), {}).values() if before is None or row.time < before]
        return sorted(found, key=lambda row: (row.time, row.key, row.rule))

    def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        there = self._on_cards.get((plain(portal), owner_type, owner_id))
        return max(there.values(), key=lambda row: row.activity or 0) if there else None

    def uses(self, since: float) -> Sequence[Uses]:
        times: dict[tuple[str, str], list[float]] = {}
        for row in self.all():
            if row.activity is not None and row.time >= since:
                times.setdefault((row.portal, row.badge), []).append(row.time)
        return [Uses(*badge, len(found), max(found)) for badge, found in sorted(times.items())]

    def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None) -> bool:
        row = self._find(key, rule)
        if row is None or row.closed_at is not None or activity not in (None, row.activity):
            return False
        self._put(replace(row, closed_at=now))
        return True

    def _find(self, key: str, rule: str) -> Attachment | None:
        return self._rows.get(plain(key), {}).get(plain(rule))

    def _drop(self, row: Attachment) -> None:
        rows = self._rows[row.key]
        del rows[row.rule]
        if not rows:
            del self._rows[row.key]
        self._take_out(row)

    def _put(self, row: Attachment) -> None:
        rows = self._rows.setdefault(row.key, {})
        before = rows.get(row.rule)
        if before is not None:
            self._take_out(before)
        rows[row.rule] = row
        if _is_open(row):
            self._open.setdefault(row.join, {})[row.key, row.rule] = row
        if row.activity is not None and row.closed_at is None:
            self._on_cards.setdefault(_card(row), {})[row.key, row.rule] = row

    def _take_out(self, row: Attachment) -> None:
        """Of what is found by something else than its event."""
        self._open.get(row.join, {}).pop((row.key, row.rule), None)
        self._on_cards.get(_card(row), {}).pop((row.key, row.rule), None)


def _card(row: Attachment) -> _Card:
    return row.portal, row.owner_type, row.owner_id


def _is_open(row: Attachment) -> bool:
    """Whether its badge is on a card, and something may take it off."""
    return bool(row.join) and row.activity is not None and row.closed_at is None
