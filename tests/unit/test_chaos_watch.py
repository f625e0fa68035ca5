"""The watch of `make chaos`: what it says when something is taken back in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.books import Attachment, Attempt, Event, Store
from chaos.watch import Watch

ENDED = Event("a", "shop", "call.missed", "1", "done", "", attempts=1, failures=0)
OPEN = Event("b", "shop", "call.missed", "2", "waiting", "", attempts=2, failures=1)
ATTEMPTS = [Attempt("a", 1, 10.0, "done"), Attempt("b", 1, 11.0, "lost"), Attempt("b", 2, 12.0, "waiting")]


ROWS = [Attachment("a", "r", 1, closed=True), Attachment("b", "r", 2, closed=False)]
KEPT = 28 * 86_400.0


def watch_over(
    events: Sequence[Event],
    attempts: Sequence[Attempt],
    *,
    anew: Sequence[str] = (),
    erased: Sequence[str] = (),
    after: float = 0.0,
) -> Watch:
    """A watch that sees these so many seconds after those above, and nothing in between since it cannot be read."""
    seen = [Store([ENDED, OPEN], ATTEMPTS, ROWS), None, Store(events, attempts, [])]
    now = 0.0
    watch = Watch(lambda: seen.pop(0), lambda: now, KEPT, may_begin_anew=set(anew), erased=set(erased))
    for _ in range(3):
        watch.look()
        now = after
    assert watch.looks == 2
    return watch


def watched(events: Sequence[Event], attempts: Sequence[Attempt], *, anew: Sequence[str] = ()) -> list[str]:
    """What it says where no time has passed."""
    return watch_over(events, attempts, anew=anew).wrong


@pytest.mark.parametrize(
    ("events", "attempts", "said"),
    [
        ([OPEN], ATTEMPTS[1:], "deleted too early: a, 0.0 hours after its end"),
        ([ENDED], ATTEMPTS[:1], "deleted before its end: b, which was waiting"),
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


def test_watch_lets_go_what_has_ended_long_enough_ago() -> None:
    """It stays in the books as it was last, with its attempts and rows."""
    watch = watch_over([OPEN], ATTEMPTS[1:], after=KEPT)

    assert watch.wrong == []
    whole = watch.whole(Store([OPEN], ATTEMPTS[1:], []))
    assert {event.key for event in whole.events} == {"a", "b"}
    assert sorted(attempt.key for attempt in whole.attempts) == ["a", "b", "b"]
    assert list(whole.attachments) == ROWS[:1]


def test_watch_says_so_when_something_goes_that_waits_however_old() -> None:
    """Retention is about what has ended."""
    assert watch_over([ENDED], ATTEMPTS[:1], after=10 * KEPT).wrong == ["deleted before its end: b, which was waiting"]


def test_watch_lets_go_what_an_operator_erases() -> None:
    """Whether it has ended, and however long ago."""
    assert watch_over([], [], erased=["a", "b"]).wrong == []


def test_row_stays_in_the_books_when_it_is_seen_to_be_gone_before_its_event() -> None:
    """As happens where the two are read one after the other; a row that is taken back while its event stays is no more."""
    kept, taken_back = ROWS[0], ROWS[1]
    seen = [
        Store([ENDED, OPEN], ATTEMPTS, [kept, taken_back]),
        Store([ENDED, OPEN], ATTEMPTS, []),
        Store([OPEN], ATTEMPTS[1:], []),
        Store([], [], []),
    ]
    watch = Watch(lambda: seen.pop(0), lambda: 0.0, 0.0, erased={"b"})
    for _ in range(4):
        watch.look()

    assert list(watch.whole(Store([], [], [])).attachments) == [kept]
