"""Whatever the portal does wrong: one activity for each missed call, none for a returned one, and no token lost."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import pytest

from badge_bridge import doubts
from badge_bridge.portal.activities import Activities
from support.fault_run import VARIANTS, Books, run_with_faults
from support.portals import run_virtually
from support.webhook_run import run_by_webhook

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T]) -> T:
    ended: list[T] = []

    async def told() -> None:
        ended.append(await story)

    # A thousand warnings about faults that were ordered hide the one line that matters.
    logging.disable(logging.ERROR)
    try:
        run_virtually(told())
    finally:
        logging.disable(logging.NOTSET)
    return ended[0]


def show(books: Books) -> None:
    print(f"{books.requests} requests, struck: {dict(books.struck)}, variants met: {dict(books.met)}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_of_two_thousand_events_has_one_activity_while_every_fault_strikes() -> None:
    """Time-outs and broken connections, before, after and long before the commit, errors, limits, expired tokens."""
    books = run(run_with_faults(2000))
    show(books)
    assert (books.mistakes(), books.untried()) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variants", VARIANTS, ids=lambda variants: ",".join(f"{k}={v}" for k, v in variants.items()))
def test_events_have_one_activity_each_when_the_portal_behaves_otherwise(variants: Mapping[str, Any]) -> None:
    """The same under everything that the portal's documentation leaves open, and that an application meets."""
    books = run(run_with_faults(300, variants=variants))
    show(books)
    assert (books.mistakes(), books.untried()) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_events_wait_while_the_portal_refuses_badges_to_webhooks_and_end_when_it_does_not() -> None:
    """What a webhook meets: they wait for another credential, and none is lost while faults strike."""
    registry = run(run_by_webhook(200))
    print(f"{registry.requests} requests, struck: {dict(registry.struck)}, variants met: {dict(registry.met)}")
    assert (registry.mistakes(), registry.untried()) == ([], [])


def test_the_books_show_it_when_a_build_does_not_look_before_it_adds_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a sound build passes, and that fails for one that is broken on purpose."""
    assert run(run_with_faults(300)).mistakes() == []

    async def blind(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(Activities, "find", blind)
    assert any("more than one activity" in mistake for mistake in run(run_with_faults(300)).mistakes())


def test_the_books_show_it_when_a_build_does_not_wait_for_late_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that looks, and believes at once what it sees, adds again what the portal is still at work on."""
    monkeypatch.setattr(doubts, "CERTAIN_AFTER", 0.0)
    assert any("more than one activity" in mistake for mistake in run(run_with_faults(1000)).mistakes())
