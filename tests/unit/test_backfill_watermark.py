"""How far the rows of a portal's call statistics were read: gaps are waited for, and nothing is for ever."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from badge_bridge.backfill.watermark import OVERLAP, Place, Refused, Watermark

NOW = 1_790_000_000.0


def place(number: int) -> Place:
    return Place(id=number, call=f"call-{number}" if number else "")


def seen(top: int = 100) -> Watermark:
    return Watermark.starting(place(top))


def read(
    mark: Watermark, numbers: Iterable[int], *, at: float = 0.0, more: bool = False, reached: int = 0
) -> Watermark:
    """After a page with these rows, so many seconds after `NOW`."""
    rows = [place(number) for number in numbers]
    last = place(reached) if reached else rows[-1] if rows else mark.start
    return mark.after(rows, reached=last, now=NOW + at, more=more)


def test_first_sight_reads_nothing_of_before() -> None:
    """What is there already is history: reading goes on behind it."""
    assert seen(900).start == place(900)
    assert seen(0).start == Place()


def test_rows_without_gaps_are_read_once() -> None:
    """Below the newest nothing can become visible any more."""
    mark = read(seen(), [101, 102, 103])
    assert mark.start == place(103)
    assert mark.marks == ()


def test_a_quiet_look_changes_nothing() -> None:
    """So that nothing has to be written."""
    mark = read(seen(), [101])
    assert read(mark, [], at=60) == mark


def test_rows_above_a_gap_are_read_again_until_it_is_filled() -> None:
    """A transaction that ends later has the lower number."""
    mark = read(seen(), [101, 103, 104])
    assert mark.start == place(101)
    mark = read(mark, [103, 104], at=60)
    assert mark.start == place(101)
    assert read(mark, [102, 103, 104, 105], at=120).start == place(105)


def test_a_gap_that_nothing_fills_is_given_up() -> None:
    """A transaction that was rolled back leaves its number unused; rows since are read again for their own time."""
    mark = read(seen(), [102])
    mark = read(mark, [102, 104], at=300)
    assert read(mark, [102, 104], at=OVERLAP - 1).start == place(100)
    mark = read(mark, [102, 104], at=OVERLAP)
    assert mark.start == place(102)
    assert read(mark, [104], at=300 + OVERLAP).start == place(104)


def test_a_row_that_does_not_count_is_a_gap() -> None:
    """It is read again until it counts, and not for ever."""
    mark = read(seen(), [], reached=101)
    assert mark.start == place(100)
    assert read(mark, [101], at=60).start == place(101)
    assert read(mark, [], at=OVERLAP, reached=101).start == place(101)


def test_a_look_that_had_to_stop_is_gone_on_with() -> None:
    """Not from the gap, or a long absence would never be caught up with; that is looked at again in the end."""
    mark = read(seen(), [102, 150], more=True)
    assert mark.start == place(150)
    mark = read(mark, [151, 200], at=60)
    assert mark.start == place(100)


def test_marks_are_few_whatever_happens() -> None:
    """Where numbers always have gaps, as on a cluster, there is one for each look of the overlap."""
    mark = seen()
    for look in range(200):
        mark = read(mark, range(mark.start.id + 2, 102 + 2 * look + 1, 2), at=60.0 * look)
        assert len(mark.marks) <= OVERLAP / 60
    assert mark.start.id == 100 + 2 * 190


def test_a_clock_that_was_set_back_keeps_nothing_waiting() -> None:
    """A mark of the future would never become old."""
    mark = read(seen(), [102], at=365 * 86400.0)
    assert read(mark, [102], at=0.0).start == place(102)


def test_it_is_written_down_and_read_again() -> None:
    """Another process goes on with it; what another version wrote is not guessed at."""
    refused = Refused(why="insufficient_scope", credential="1a2b3c4d", until=NOW)
    for mark in (Watermark(refused=refused), read(seen(), [101, 103, 150], more=True)):
        assert Watermark.parse(mark.model_dump_json()) == mark
    assert Watermark.parse('{"base": 7}') is None
    assert Watermark.parse("") is None


@pytest.mark.parametrize(
    ("credential", "later", "rests"), [("1a2b3c4d", 59, True), ("1a2b3c4d", 60, False), ("another0", 1, False)]
)
def test_a_refusal_holds_for_its_time_and_its_credential(credential: str, later: float, rests: bool) -> None:
    """Another credential may have the right; and so may the same one, once somebody has read the log."""
    mark = Watermark(refused=Refused(why="ACCESS_DENIED", credential="1a2b3c4d", until=NOW + 60))
    assert mark.rests(NOW + later, credential=credential) is rests
    assert not mark.rests(NOW - 365 * 86400, credential=credential), "a clock that was set back"
    assert not read(mark, []).rests(NOW, credential="1a2b3c4d")
