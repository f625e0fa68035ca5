"""Accepting legs of calls: where each goes depends on the one before (`store.legs`), so that is found out first, and
then all of a group are inserted together, in as few statements as ordinary events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from badge_bridge.store.legs import Call, Placing, Stage, place
from badge_bridge.store.protocol import LegPlace
from badge_bridge.store.records import Unreadable, plain, read_event
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.rows import EventRow, portions

__all__ = ["place_legs"]


@dataclass(slots=True)
class _Due:
    """When a leg is due; None where it is joined at once."""

    at: float | None
    reason: str


@dataclass(slots=True)
class _Group:
    """The calls of a group of legs, as they are while one leg after the other is placed."""

    calls: dict[str, Call]
    waiting: set[str]
    """The keepers that wait, have not failed so far, and can be read."""
    moved_up: dict[str, tuple[float, float]]
    """Keepers that were stored before: when they are due at the latest, by a clock that said so much."""
    placed: dict[str, _Due]

    def place(self, row: EventRow, leg: LegPlace) -> None:
        key, received_at = row[0], row[4]
        call = self.calls.get(plain(leg.call), Call())
        placing = place(key, leg, received_at, call=call, keeper_waits=call.keeper in self.waiting)
        self.calls[plain(leg.call)] = placing.call
        self.placed[key] = _Due(placing.due, placing.reason)
        if placing.due is not None:
            self.waiting.add(key)
        self._move_up(call.keeper, placing, received_at)

    def _move_up(self, keeper: str, placing: Placing, now: float) -> None:
        due = placing.keeper_due
        if due is None:
            return
        placed = self.placed.get(keeper)
        if placed is None:
            self.moved_up[keeper] = min((due, now), self.moved_up.get(keeper, (due, now)))
        elif placed.at is not None:
            placed.at = min(placed.at, due)


def place_legs(connection: sqlite3.Connection, rows: Sequence[tuple[EventRow, LegPlace]]) -> set[str]:
    """Insert legs; the keys that were not known before."""
    known = _known(connection, [row[0] for row, _ in rows])
    new: dict[str, EventRow] = {}
    group = _read(connection, {plain(leg.call) for _, leg in rows})
    for row, leg in rows:
        if row[0] not in known and row[0] not in new:  # the first of a key is the one that is inserted
            new[row[0]] = row
            group.place(row, leg)
    for some in portions([_leg_row(row, group.placed[key]) for key, row in new.items()]):
        connection.execute(sql.accept_legs(len(some)), [value for row in some for value in row])
    for calls in portions(list(group.calls.items()) if new else []):
        values = [value for name, call in calls for value in (name, call.legs, call.keeper, int(call.stage))]
        connection.execute(sql.set_calls(len(calls)), values)
    for key, (due, now) in group.moved_up.items():
        connection.execute(sql.MOVE_UP, {"key": key, "due": due, "ready": int(due <= now)})
    return set(new)


def _known(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for some in portions(keys):
        known.update(key for (key,) in connection.execute(sql.known(len(some)), some))
    return known


def _read(connection: sqlite3.Connection, wanted: set[str]) -> _Group:
    group = _Group({}, set(), {}, {})
    for some in portions(list(wanted)):
        for name, legs, keeper, stage, event in connection.execute(sql.calls(len(some)), some).fetchall():
            group.calls[name] = Call(legs, keeper, Stage(stage))
            if event is not None and _is_readable(event):
                group.waiting.add(keeper)
    return group


def _is_readable(event: str) -> bool:
    try:
        read_event(event)
    except Unreadable:
        return False
    return True


def _leg_row(row: EventRow, placed: _Due) -> Sequence[object]:
    key, source, kind, verified, received_at, _, event = row
    written: Sequence[object] = ("joined", received_at, None, plain(placed.reason), received_at)
    if placed.at is not None:
        written = ("waiting", placed.at, int(placed.at <= received_at), plain(placed.reason), None)
    return (key, source, kind, verified, received_at, *written, event)
