"""What may never be taken back in the store, looked at all the time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from chaos.books import OPEN, reading

__all__ = ["Watch"]


@dataclass
class Watch:
    """Looks at the store all the time, and remembers what may never be taken back: that an event is there, how many
    attempts it has had, when each of them began, and that the event has ended.
    """

    path: Path
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    may_begin_anew: set[str] = field(default_factory=set)
    """Keys of events that have ended and that somebody tries again."""
    _attempts: dict[str, int] = field(default_factory=dict)
    _began: dict[tuple[str, int], float] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="watch the store")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.25):
            self.look()

    def look(self) -> None:
        """Compare what is there with what was there before."""
        try:
            with reading(self.path) as connection:
                events = connection.execute("SELECT key, attempts, state FROM events").fetchall()
                began = connection.execute(
                    "SELECT key, number, started_at FROM attempts JOIN events ON events.id = attempts.event"
                ).fetchall()
        except sqlite3.OperationalError:
            return  # not made yet, or just being recovered by a bridge that starts
        self.looks += 1
        self._compare({key: (attempts, state) for key, attempts, state in events})
        now = {(key, number): started for key, number, started in began}
        for attempt, started in self._began.items():
            if now.get(attempt) != started:
                self.wrong.append(f"attempt {attempt[1]} of {attempt[0]} was there, and is gone or another")
        self._began = now

    def _compare(self, now: Mapping[str, tuple[int, str]]) -> None:
        for key, before in self._attempts.items():
            attempts, _ = now.get(key, (-1, ""))
            if attempts < before:
                self.wrong.append(
                    f"{key} is gone" if attempts < 0 else f"{key} had {before} attempts and has {attempts}"
                )
        for key, word in self._ended.items():
            state = now[key][1] if key in now else word
            if state in OPEN and key not in self.may_begin_anew:
                self.wrong.append(f"{key} had ended as {word} and is {state} again")
        self._attempts = {key: attempts for key, (attempts, _) in now.items()}
        self._ended = {key: state for key, (_, state) in now.items() if state not in OPEN}
