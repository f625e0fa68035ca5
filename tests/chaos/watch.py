"""What may never be taken back in the store, and what may go from it, looked at all the time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from chaos.books import OPEN, Attachment, Attempt, Event, Store

__all__ = ["Watch"]

OFTEN = 0.25
"""Seconds between two looks."""
SEEN_LATE = 86_400.0
"""Seconds that may pass, as time does in a storm, between the end of an event and the look that sees it."""


@dataclass
class Watch:
    """Looks at the store by `read`, which returns None where it cannot be read just now, and remembers what may never be
    taken back: that an event is there, how many attempts it has had, when each of them began, and that the event has
    ended.

    An event may go when it has ended `kept` seconds ago by `steady`, a clock that cannot be set, or was erased.
    """

    read: Callable[[], Store | None]
    steady: Callable[[], float]
    kept: float
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    may_begin_anew: set[str] = field(default_factory=set)
    """Keys of events that have ended and that somebody tries again."""
    erased: set[str] = field(default_factory=set)
    """Keys of events that an operator erases."""
    gone: dict[str, Event] = field(default_factory=dict)
    """Events that went, by key, as they were last."""
    _before: Store = field(default_factory=lambda: Store((), (), ()))
    _gone_attempts: list[Attempt] = field(default_factory=list)
    _gone_rows: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    _missing_rows: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    """Those that this look did not see for the first time, whose events are there."""
    _ended: dict[str, float] = field(default_factory=dict)
    """When each was first seen to have ended, by the steady clock."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="watch the store")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(OFTEN):
            self.look()

    def look(self) -> None:
        """Compare what is there with what was there before. May be called by several threads."""
        with self._looking:
            store = self.read()
            if store is not None:
                self._see(store)

    def _see(self, store: Store) -> None:
        self.looks += 1
        now = self.steady()
        there = {event.key: event for event in store.events}
        for event in self._before.events:
            if event.key in there:
                self._compare(event, there[event.key])
            else:
                self._let_go(event, now)
        self._compare_attempts(store)
        self._keep_rows(store)
        for event in store.events:
            if event.state in OPEN:
                self._ended.pop(event.key, None)
            else:
                self._ended.setdefault(event.key, now)
        self._before = store

    def whole(self, store: Store) -> Store:
        """With what went from it, as that was last."""
        rows = {(row.key, row.rule): row for row in store.attachments}
        return Store(
            [*store.events, *self.gone.values()],
            [*store.attempts, *self._gone_attempts],
            [*store.attachments, *(row for name, row in self._gone_rows.items() if name not in rows)],
        )

    def _compare(self, before: Event, now: Event) -> None:
        if now.attempts < before.attempts:
            self.wrong.append(f"{now.key} had {before.attempts} attempts and has {now.attempts}")
        if before.state not in OPEN and now.state in OPEN and now.key not in self.may_begin_anew:
            self.wrong.append(f"{now.key} had ended as {before.state} and is {now.state} again")

    def _let_go(self, event: Event, now: float) -> None:
        if event.key not in self.erased:
            if event.state in OPEN:
                self.wrong.append(f"deleted before its end: {event.key}, which was {event.state}")
            elif (age := now - self._ended[event.key]) < self.kept - SEEN_LATE:
                self.wrong.append(f"deleted too early: {event.key}, {age / 3600:.1f} hours after its end")
        self.gone[event.key] = event

    def _keep_rows(self, store: Store) -> None:
        """Of Firestore the rows are read a moment after the events, which may both go in between."""
        there = {(row.key, row.rule) for row in store.attachments}
        before = {(row.key, row.rule): row for row in self._before.attachments}
        missing = {name: row for name, row in {**self._missing_rows, **before}.items() if name not in there}
        self._gone_rows |= {name: row for name, row in missing.items() if row.key in self.gone}
        self._missing_rows = {name: before[name] for name in missing.keys() & before.keys()}

    def _compare_attempts(self, store: Store) -> None:
        now = {(attempt.key, attempt.number): attempt.started_at for attempt in store.attempts}
        for attempt in self._before.attempts:
            if attempt.key in self.gone:
                self._gone_attempts.append(attempt)
            elif now.get((attempt.key, attempt.number)) != attempt.started_at:
                self.wrong.append(f"attempt {attempt.number} of {attempt.key} was there, and is gone or another")
