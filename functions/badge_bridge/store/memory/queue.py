"""The queue of the store in memory: the events that wait or are worked on, sorted, so that looking for what is due
costs what is due and not what waits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable

from badge_bridge.store.clock import counted
from badge_bridge.store.protocol import LONGEST_WAIT
from badge_bridge.store.rows import Row

__all__ = ["Queue"]

_Part = dict[str, list[tuple[float, str]]]
"""By lane: moments and keys, sorted. Moving 30,000 of them by one place takes a few microseconds."""


class Queue:
    """Knows where each row stands; told of every change by `file`."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        """All of them by key: what has ended costs nothing any more."""
        self.working: dict[str, Row] = {}
        self._ready: _Part = {}
        self._later: _Part = {}
        self._places: dict[str, tuple[_Part, str, tuple[float, str]]] = {}

    def file(self, row: Row) -> None:
        """Put a row where it belongs as it is now."""
        self.take_out(row)
        if row.state == "working":
            self.rows[row.key] = self.working[row.key] = row
        elif row.state == "waiting":
            self.rows[row.key] = row
            part, entry = (self._ready, row.age) if row.ready else (self._later, (row.due, row.key))
            insort(part.setdefault(row.lane, []), entry)
            self._places[row.key] = part, row.lane, entry

    def take_out(self, row: Row) -> None:
        """Forget where a row stands."""
        self.rows.pop(row.key, None)
        self.working.pop(row.key, None)
        if row.key in self._places:
            part, lane, entry = self._places.pop(row.key)
            entries = part[lane]
            del entries[bisect_left(entries, entry)]
            if not entries:
                del part[lane]

    def promote(self, now: float, due_by: Callable[[str], float]) -> None:
        """Notice the events whose time has come, by a clock that may have been set back; those of a lane are due at
        what `due_by` says of it at the latest.
        """
        for lane, entries in list(self._later.items()):
            come = len(entries) if due_by(lane) <= now else bisect_right(entries, now, key=_moment)
            beyond = bisect_right(entries, now + LONGEST_WAIT, key=_moment)
            reached = entries[:come] + entries[beyond:]
            # Together, since taking the first out of a list moves all others.
            del entries[beyond:], entries[:come]
            if not entries:
                del self._later[lane]
            for _, key in reached:
                del self._places[key]
                self.rows[key].ready = True
                self.file(self.rows[key])

    def lanes(self) -> list[str]:
        """Those for which events wait whose time has come."""
        return list(self._ready)

    def oldest(self, lane: str, count: int) -> list[Row]:
        """Of the events whose time has come."""
        return [self.rows[key] for _, key in self._ready.get(lane, [])[:count]]

    def dues(self, now: float) -> dict[str, float]:
        """Of each lane with events that wait, when the first is due."""
        dues = dict.fromkeys(self._ready, now)
        for lane, entries in self._later.items():
            # If the last one lies beyond all that is planned now, it has been reached, whatever lies between.
            due = min(counted(due, now=now, longest=LONGEST_WAIT) for due, _ in (entries[0], entries[-1]))
            dues[lane] = min(due, dues.get(lane, due))
        return dues


def _moment(entry: tuple[float, str]) -> float:
    return entry[0]
