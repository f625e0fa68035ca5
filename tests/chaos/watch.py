"""What may never be taken back in the store, looked at all the time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from chaos.books import OPEN, Store

__all__ = ["Watch"]

OFTEN = 0.25
"""Seconds between two looks."""


@dataclass
class Watch:
    """Looks at the store by `read`, which returns None where it cannot be read just now, and remembers what may never be
    taken back: that an event is there, how many attempts it has had, when each of them began, and that the event has
    ended.
    """

    read: Callable[[], Store | None]
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    may_begin_anew: set[str] = field(default_factory=set)
    """Keys of events that have ended and that somebody tries again."""
    _attempts: Mapping[str, int] = field(default_factory=dict)
    _began: Mapping[tuple[str, int], float] = field(default_factory=dict)
    _ended: Mapping[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

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
        """Compare what is there with what was there before."""
        store = self.read()
        if store is None:
            return
        self.looks += 1
        self._compare({event.key: (event.attempts, event.state) for event in store.events})
        now = {(attempt.key, attempt.number): attempt.started_at for attempt in store.attempts}
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
