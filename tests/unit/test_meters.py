"""What is counted, and as what."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from badge_bridge.errors import BodyTooLarge, NotFound, OutcomeUnknownAndPaused, PortalUnreachable, Unauthenticated
from badge_bridge.meters import LATEST, REMEMBERED, Histogram, Meters, Refusal, kind
from badge_bridge.portal import InboundWebhook, Portal, open_portal
from badge_bridge.portal.limits import Limiter
from badge_bridge.store.memory import MemoryStore
from support.portals import BatchingPortal, LeakyBuckets, run_virtually


def test_histogram_counts_what_falls_on_a_bound_below_it() -> None:
    """Bounds are inclusive, as Prometheus reads them, and each number counts what is smaller too."""
    histogram = Histogram("x", "", ("source",), (0.1, 1.0))
    for amount in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(amount, "pbx")
    assert histogram.series["pbx",].cumulative == [2, 4, 5]
    assert histogram.series["pbx",].sum == pytest.approx(8.65)


def test_time_counts_as_none_when_a_clock_was_set_back() -> None:
    """A sum that shrinks would look like a process that was started anew."""
    histogram = Histogram("x", "", (), (0.1,))
    histogram.observe(-3600.0)
    assert (histogram.series[()].cumulative, histogram.series[()].sum) == ([1, 1], 0.0)


def test_error_is_counted_by_its_kind_and_not_by_what_it_says() -> None:
    """What an error says may be the sender's words; its kind is one of ours."""
    assert kind(BodyTooLarge("evil")) == "body_too_large"
    said = OutcomeUnknownAndPaused("evil", portal="main", method="evil", lane="main", until=1.0)
    assert kind(said) == "outcome_unknown_and_paused"


def portal_of(transport: BatchingPortal, store: MemoryStore, meters: Meters, buckets: LeakyBuckets) -> Portal:
    clock = asyncio.get_running_loop().time
    return open_portal(
        "main",
        InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"),
        pauses=store,
        clock=clock,
        limiter=Limiter("acme", buckets, rate=1.0, burst=2, clock=clock),
        transport=transport,
        timer=clock,
        meters=meters,
    )


def test_portal_requests_are_counted_with_what_they_carry_and_wait_for() -> None:
    """Each request by what it came to, its commands by method, its size, its time, and its wait for the limit."""
    meters = Meters()

    async def call_together() -> None:
        portal = BatchingPortal(lambda method, _: {"result": method})
        portal.seconds = lambda _: 0.2
        store = MemoryStore()
        await store.open()
        opened_portal = portal_of(portal, store, meters, LeakyBuckets())
        await asyncio.gather(*(opened_portal.client.call("crm.item.list") for _ in range(3)))
        await opened_portal.client.call("crm.activity.badge.get")
        portal.instead = [httpx.Response(404, json={"error": "NOT_FOUND", "error_description": "evil"})]
        await asyncio.gather(opened_portal.client.call("crm.activity.badge.get"), return_exceptions=True)
        await opened_portal.aclose()

    run_virtually(call_together())
    assert meters.requests.values == {("main", "ok"): 2, ("main", "not_found"): 1}
    assert meters.commands.values == {("main", "crm.item.list"): 3, ("main", "crm.activity.badge.get"): 2}
    assert meters.together.series["main",].sum == 5
    assert meters.answering.series["main",].sum == pytest.approx(0.6)
    # Room for two at once; the third finds what 0.4 s have let out.
    assert meters.waiting.series["main",].cumulative[-1] == 3
    assert meters.waiting.series["main",].sum == pytest.approx(0.6, abs=0.01)


def test_latest_answers_of_a_portal_are_remembered_with_when_they_came() -> None:
    """So many and no more; and of errors the last, however many good answers came after it, and none that is usual."""
    moments = iter(range(1000))
    meters = Meters(lambda: float(next(moments)))
    said = PortalUnreachable("portal main: no connection", portal="main", method="crm.item.list")
    missing = NotFound("there is no such badge", portal="main", method="crm.activity.badge.get")
    meters.answered("main", ["crm.item.list"], seconds=0.5, error=said)
    for _ in range(LATEST):
        meters.answered("main", ["crm.item.list"] * 3, seconds=0.1, error=None)
    meters.answered("main", ["crm.activity.badge.get"], seconds=0.1, error=missing)
    answers = meters.answers["main"]
    assert len(answers) == LATEST
    assert (answers[0].result, answers[0].commands, answers[-1].result) == ("ok", 3, "not_found")
    assert meters.errors["main"].error == "portal main: no connection"
    assert (meters.since, meters.errors["main"].at) == (0.0, 1.0)


def test_latest_refusal_of_a_source_is_remembered_and_not_without_end() -> None:
    """Somebody who looks learns why the last delivery was refused; a sender who says much is cut short."""
    meters = Meters(lambda: 7.0)
    meters.refuse("pbx", BodyTooLarge("x" * 1000))
    assert len(meters.refusals["pbx"].reason) == 500
    meters.refuse("pbx", Unauthenticated("the signature is another one"))
    assert meters.refusals["pbx"] == Refusal(7.0, "unauthenticated", "the signature is another one")
    assert meters.refused.values == {("pbx", "body_too_large"): 1, ("pbx", "unauthenticated"): 1}


def test_refusals_are_counted_by_when_they_were_and_not_without_end() -> None:
    """Of each source by itself; of very many it is told only that there were at least so many."""
    moments = iter(range(1000))
    meters = Meters(lambda: float(next(moments)))  # the first is that of the beginning
    for _ in range(3):
        meters.refuse("pbx", Unauthenticated("the signature is another one"))
    assert [meters.refused_since("pbx", since) for since in (0.0, 1.0, 3.0)] == [3, 2, 0]
    assert meters.refused_since("shop", 0.0) == 0
    for _ in range(REMEMBERED):
        meters.refuse("pbx", Unauthenticated("the signature is another one"))
    assert meters.refused_since("pbx", 0.0) == REMEMBERED
