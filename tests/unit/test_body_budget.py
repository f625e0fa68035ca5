"""The room that the bodies of all requests share."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack

import pytest

from badge_bridge.body_budget import BodyBudget, NoRoomForBody


def test_room_is_given_back_when_the_body_ends() -> None:
    """However it ends; and only what exceeds the free bytes is counted, whatever the chunks are."""
    budget = BodyBudget(100, free=10)
    with budget.reading() as share:
        for size in (4, 4, 4, 30, 0):
            share.take(size)
        assert budget.used == 32
    assert budget.used == 0
    with contextlib.suppress(ConnectionError), budget.reading(50) as share:
        share.take(50)
        raise ConnectionError
    assert budget.used == 0


def test_body_is_refused_when_others_take_the_room() -> None:
    """The one that does not fit is told to come back, keeps nothing, and the others go on."""
    budget = BodyBudget(100, free=10)
    with budget.reading() as first, budget.reading() as second:
        first.take(70)
        second.take(50)
        assert budget.used == 100
        with pytest.raises(NoRoomForBody) as refused:
            second.take(1)
        assert refused.value.status == 503
        assert budget.used == 100
    with budget.reading(110) as third:
        third.take(110)


def test_declared_body_is_refused_before_it_is_read_when_it_cannot_fit() -> None:
    """Exactly what is left fits; a declaration alone takes nothing from the others."""
    budget = BodyBudget(100, free=10)
    with budget.reading(110), budget.reading(110):
        assert budget.used == 0
    with budget.reading() as share:
        share.take(60)
        with budget.reading(60):
            pass
        with pytest.raises(NoRoomForBody, match="send again"), budget.reading(61):
            pass
        assert budget.used == 50


def test_small_body_is_read_when_large_ones_take_all_the_room() -> None:
    """A delivery of ordinary size gets through every flood of large bodies."""
    budget = BodyBudget(100, free=10)
    with budget.reading() as flood:
        flood.take(110)
        for _ in range(20):
            with budget.reading(10) as share:
                share.take(10)
                with pytest.raises(NoRoomForBody):
                    share.take(1)


def test_strangers_fill_16_mebibytes_when_they_send_as_much_as_they_can() -> None:
    """And their first 64 KiB each, which the number of connections bounds: 17 bodies of a mebibyte, and no 18th."""
    budget = BodyBudget()
    with ExitStack() as stack:
        for _ in range(17):
            stack.enter_context(budget.reading()).take(1024 * 1024)
        assert budget.used <= 16 * 1024 * 1024
        with pytest.raises(NoRoomForBody):
            budget.reading(1024 * 1024)
        budget.reading(64 * 1024)
