"""Whatever the portal does wrong: one activity for each missed call, none for a returned one, and no token lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from badge_bridge.portal.activities import Activities
from support.fault_run import FAULTS, VARIANTS, Books, run_with_faults
from support.portals import run_virtually


def run(events: int, **options: Any) -> Books:
    books: list[Books] = []

    async def story() -> None:
        books.append(await run_with_faults(events, **options))

    # A thousand warnings about faults that were ordered hide the one line that matters.
    logging.disable(logging.ERROR)
    try:
        run_virtually(story())
    finally:
        logging.disable(logging.NOTSET)
    return books[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_of_two_thousand_events_has_one_activity_while_every_fault_strikes() -> None:
    """Time-outs after the commit, broken connections, errors, limits and expired tokens, each of them more than once."""
    books = run(2000)
    print(f"{books.requests} requests, struck: {dict(books.struck)}")
    assert books.mistakes() == []
    assert all(books.struck[fault] for fault in FAULTS), dict(books.struck)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variants", VARIANTS, ids=lambda variants: ",".join(f"{k}={v}" for k, v in variants.items()))
def test_events_have_one_activity_each_when_the_portal_behaves_otherwise(variants: Mapping[str, Any]) -> None:
    """The same under everything that the portal's documentation leaves open."""
    books = run(300, variants=variants)
    assert books.mistakes() == []
    assert all(books.struck[fault] for fault in FAULTS), dict(books.struck)


def test_the_books_show_it_when_a_build_does_not_look_before_it_adds_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a sound build passes, and that fails for one that is broken on purpose."""
    assert run(400, seed=8).mistakes() == []

    async def blind(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(Activities, "find", blind)
    assert any("more than one activity" in mistake for mistake in run(400, seed=8).mistakes())
