"""How the size of batches follows what they take."""

from __future__ import annotations

import pytest

from badge_bridge.portal.sizing import QUICK, SLOW, BatchSize


def test_a_batch_is_halved_when_it_was_slow_and_never_below_one() -> None:
    """Down to single commands, where there is nothing left to halve."""
    size, seen = BatchSize(), []
    for _ in range(8):
        size.took(size.now, SLOW + 0.1)
        seen.append(size.now)
    assert seen == [25, 12, 6, 3, 1, 1, 1, 1]


def test_the_size_shrinks_once_when_several_slow_batches_were_under_way_together() -> None:
    """They left with the same size and tell the same."""
    size = BatchSize()
    for _ in range(8):
        size.took(50, SLOW + 1)
    assert size.now == 25


def test_the_size_stays_when_a_command_alone_was_slow() -> None:
    """Its slowness is its own."""
    size = BatchSize()
    size.took(1, 59)
    size.too_large(1)
    assert size.now == 50


def test_the_size_grows_by_steps_when_full_batches_are_quick_again() -> None:
    """Three in a row for each step, up to what the portal takes."""
    size = BatchSize()
    size.too_large(50)
    seen = []
    for _ in range(18):
        size.took(size.now, QUICK - 0.1)
        seen.append(size.now)
    assert seen == [25, 25, 30, 30, 30, 35, 35, 35, 40, 40, 40, 45, 45, 45, 50, 50, 50, 50]


@pytest.mark.parametrize("between", [(25, QUICK + 0.1), (25, SLOW + 0.1)], ids=["not quick", "slow"])
def test_counting_begins_anew_when_a_full_batch_was_not_quick(between: tuple[int, float]) -> None:
    """Only a row of quick ones proves that there is room."""
    size = BatchSize(25)
    size.took(25, 1)
    size.took(25, 1)
    size.took(*between)
    before = size.now
    size.took(before, 1)
    size.took(before, 1)
    assert size.now == before


def test_small_batches_prove_nothing_when_the_size_is_larger() -> None:
    """That ten commands are quick says nothing about thirty."""
    size = BatchSize()
    size.too_large(50)
    for _ in range(10):
        size.took(10, 1)
    assert size.now == 25


def test_commands_go_alone_and_later_together_again_when_a_batch_was_refused() -> None:
    """A refusal is tried again after some quick requests."""
    size = BatchSize()
    size.refused()
    assert size.now == 1
    for _ in range(3):
        size.took(1, 0.1)
    assert size.now == 6
