"""The watch of `make chaos`: what it says when something is taken back in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.books import Attempt, Event, Store
from chaos.watch import Watch

ENDED = Event("a", "shop", "call.missed", "1", "done", "", attempts=1, failures=0)
OPEN = Event("b", "shop", "call.missed", "2", "waiting", "", attempts=2, failures=1)
ATTEMPTS = [Attempt("a", 1, 10.0, "done"), Attempt("b", 1, 11.0, "lost"), Attempt("b", 2, 12.0, "waiting")]


def watched(events: Sequence[Event], attempts: Sequence[Attempt], *, anew: Sequence[str] = ()) -> list[str]:
    """What a watch says that sees these after those above, and nothing in between since it cannot be read."""
    seen = [Store([ENDED, OPEN], ATTEMPTS, []), None, Store(events, attempts, [])]
    watch = Watch(lambda: seen.pop(0), may_begin_anew=set(anew))
    for _ in range(3):
        watch.look()
    assert watch.looks == 2
    return watch.wrong


@pytest.mark.parametrize(
    ("events", "attempts", "said"),
    [
        ([OPEN], ATTEMPTS, "a is gone"),
        ([ENDED, replace(OPEN, attempts=1)], ATTEMPTS, "b had 2 attempts and has 1"),
        ([replace(ENDED, state="waiting"), OPEN], ATTEMPTS, "a had ended as done and is waiting again"),
        ([ENDED, OPEN], ATTEMPTS[1:], "attempt 1 of a was there, and is gone or another"),
        (
            [ENDED, OPEN],
            [replace(ATTEMPTS[0], started_at=99.0), *ATTEMPTS[1:]],
            "attempt 1 of a was there, and is gone or another",
        ),
    ],
)
def test_watch_says_so_when_something_is_taken_back(
    events: Sequence[Event], attempts: Sequence[Attempt], said: str
) -> None:
    """Events and attempts only ever come, and what has ended has ended."""
    assert watched(events, attempts) == [said]


@pytest.mark.parametrize(
    ("events", "attempts"),
    [
        ([ENDED, replace(OPEN, attempts=3, state="working")], [*ATTEMPTS, Attempt("b", 3, 13.0, "working")]),
        ([ENDED, replace(OPEN, state="dead")], [*ATTEMPTS[:2], replace(ATTEMPTS[2], result="dead")]),
        ([ENDED, OPEN, replace(OPEN, key="c", attempts=0)], ATTEMPTS),
    ],
)
def test_watch_says_nothing_when_work_goes_on(events: Sequence[Event], attempts: Sequence[Attempt]) -> None:
    """As it does without anything wrong."""
    assert watched(events, attempts) == []


def test_watch_lets_an_operator_try_an_event_again() -> None:
    """That it has ended is taken back then."""
    assert watched([replace(ENDED, state="waiting"), OPEN], ATTEMPTS, anew=["a"]) == []
