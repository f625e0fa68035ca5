"""Many portals and several instances: nothing is lost, nothing doubled, no limit met, and a broken build is found out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from badge_bridge.attaching import Attaching
from badge_bridge.store import transitions
from support.distant_store import _Distant
from support.many_portals import Plan, Report, simulate
from support.portals import run_virtually

pytestmark = pytest.mark.slow

SMALL = Plan(portals=5, customers=5, deliveries=80, rate=20, hot=0.4, answered=0.2, lost=0.1, twice=0.1)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    # A thousand lines about portals that are installed hide the one that matters.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run(plan: Plan, instances: int) -> Report:
    reports: list[Report] = []

    async def told() -> None:
        reports.append(await simulate(plan, instances))

    run_virtually(told())
    return reports[0]


@pytest.mark.parametrize("instances", [1, 4])
def test_every_delivery_ends_once_when_messages_are_lost_and_doubled(instances: int) -> None:
    """Also those that only a sweep can find, which it does within its minute."""
    report = run(SMALL, instances)
    assert report.mistakes() == []
    assert report.lost
    assert report.twice
    assert report.swept >= len(report.lost)
    assert max(report.waits(lost=True)) < 65
    assert max(report.waits()) < 30
    assert (report.shared.conflicts > 0) is (instances > 1)
    assert report.fullest_bucket() <= 50


def test_the_books_show_it_when_nobody_sweeps() -> None:
    """A delivery whose message is lost stays where it is."""
    report = run(replace(SMALL, sweeping=False), 1)
    assert len(report.not_ended()) == len(report.lost)
    assert any("not ended well" in mistake for mistake in report.mistakes())


def test_the_books_show_it_when_instances_do_not_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight that each send what they like are more than a portal takes."""

    async def uncounted(*_: object, **__: object) -> float:
        return 0.0

    monkeypatch.setattr(_Distant, "draw", uncounted)
    report = run(Plan(portals=1, deliveries=200, rate=40, hot=1.0), 8)
    assert any("refused for the limit" in mistake for mistake in report.mistakes())


def test_the_books_show_it_when_a_build_neither_leases_nor_keeps_a_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that comes twice is worked on twice, and its activity added twice."""

    async def forgetful(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(transitions, "is_due", lambda *_: True)
    monkeypatch.setattr(Attaching, "_row", forgetful)
    report = run(SMALL, 2)
    assert any("added twice" in mistake for mistake in report.mistakes())
