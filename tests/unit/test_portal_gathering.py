"""When calls leave and with whom, on virtual time: at once at an idle portal, in full batches under pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx
import pytest

from badge_bridge.errors import PortalUnreachable, StoreUnavailable
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import InboundWebhook, PortalClient, open_portal
from badge_bridge.portal.gathering import BODY_LIMIT, PATIENCE
from badge_bridge.portal.limits import Limiter
from badge_bridge.portal.wire import CONNECTIONS
from badge_bridge.store.memory import MemoryStore
from support.portals import BatchingPortal, LeakyBuckets, Said, run_virtually, virtual_clock

WEBHOOK = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
GET = "crm.activity.badge.get"


def echo(method: str, params: dict[str, Any]) -> Said:
    return {"result": {method: params}}


@asynccontextmanager
async def opened(portal: BatchingPortal, buckets: LeakyBuckets | None = None) -> AsyncIterator[PortalClient]:
    store = MemoryStore()
    await store.open()
    limiter = None if buckets is None else Limiter("main", buckets, rate=2, burst=50, clock=virtual_clock)
    opened = open_portal(
        "main",
        WEBHOOK,
        pauses=store,
        clock=virtual_clock,
        random=lambda: 0.5,
        transport=portal,
        limiter=limiter,
        timer=virtual_clock,
    )
    yield opened.client
    await opened.aclose()
    await store.close()


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def settled() -> None:
    """Let everybody go as far as he can without time passing."""
    for _ in range(100):
        await asyncio.sleep(0)


def test_a_command_waits_for_nothing_when_the_portal_is_idle() -> None:
    """Alone it is one plain request, sent in no time at all."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        async with opened(portal, LeakyBuckets()) as client:
            assert await client.call(GET, {"code": "bb", "n": 1, "none": None}) == {
                GET: {"code": "bb", "n": 1, "none": None}
            }
            assert elapsed() == 0
        assert [request.url.path for request in portal.received] == [f"/rest/7/s3cr3tw0rd/{GET}"]

    run_virtually(story())


@pytest.mark.parametrize(
    ("seconds", "longest"),
    [(lambda count: 0.2, 6.0), (lambda count: 0.1 + 0.02 * count, 16.0), (lambda count: 3.0 + 0.02 * count, 55.0)],
    ids=["quick", "growing with the commands", "slower than the patience"],
)
def test_a_thousand_events_need_few_requests_when_they_are_processed_side_by_side(seconds: Any, longest: float) -> None:
    """3,000 commands of 256 events at a time, through 2/s and 50: at most 66 requests, and none too soon for the portal."""
    events, width, steps = 1000, 256, 3

    async def story() -> None:
        theirs = LeakyBuckets()
        refused = 0

        async def event(number: int, free: asyncio.Semaphore) -> None:
            async with free:
                for step in range(steps):
                    said = await client.call(f"m{step}", {"n": number})
                    assert said[f"m{step}"]["n"] in {number, str(number)}

        class Counted(BatchingPortal):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                nonlocal refused
                if await theirs.draw("theirs", now=virtual_clock(), rate=2, burst=50):
                    refused += 1
                return await super().handle_async_request(request)

        portal, buckets = Counted(echo), LeakyBuckets()
        portal.seconds = seconds
        async with opened(portal, buckets) as client:
            free = asyncio.Semaphore(width)
            await asyncio.gather(*(event(number, free) for number in range(events)))
            took = elapsed()
        assert len(portal.requests) <= 66
        assert buckets.drawn == len(portal.requests)
        assert sum(portal.sizes) == events * steps
        assert refused == 0
        assert took < longest

    run_virtually(story())


def test_commands_leave_together_when_they_come_in_the_same_turn() -> None:
    """Nobody waits for a timer: whoever is there when the request leaves goes along."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        async with opened(portal) as client:
            said = await asyncio.gather(*(client.call(GET, {"code": f"c{number}"}) for number in range(7)))
            assert [one[GET]["code"] for one in said] == [f"c{number}" for number in range(7)]
            assert portal.sizes == [7]
            assert elapsed() == 0

    run_virtually(story())


def test_commands_gather_while_a_request_is_under_way_and_leave_when_it_returns() -> None:
    """The second request has all that came meanwhile, in the order in which they came."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 1.0
        async with opened(portal) as client:
            calls = []
            for number in range(6):
                calls.append(asyncio.create_task(client.call(GET, {"code": f"c{number}"})))
                await asyncio.sleep(0.1)
            assert portal.sizes == [1]
            await asyncio.gather(*calls)
            assert portal.sizes == [1, 5]
            assert [params["code"] for _, params in portal.requests[1]] == ["c1", "c2", "c3", "c4", "c5"]
            assert elapsed() == 2.0

    run_virtually(story())


def test_a_full_batch_leaves_while_others_are_under_way() -> None:
    """Fifty do not wait; what is left over does."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.gate = asyncio.Event()
        async with opened(portal) as client:
            first = asyncio.create_task(client.call(GET))
            await settled()
            others = [asyncio.create_task(client.call(GET)) for _ in range(103)]
            await settled()
            assert portal.sizes == [1, 50, 50]
            portal.gate.set()
            await asyncio.gather(first, *others)
            assert portal.sizes == [1, 50, 50, 3]

    run_virtually(story())


def test_a_command_leaves_by_itself_when_a_request_does_not_return() -> None:
    """A portal that hangs on one request holds up the others for two seconds and no longer."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 50.0 if count == 1 else 0.0
        async with opened(portal) as client:
            slow = asyncio.create_task(client.call(GET))
            await asyncio.sleep(0.5)
            others = [asyncio.create_task(client.call(GET)) for _ in range(2)]
            await asyncio.gather(*others)
            assert elapsed() == 0.5 + PATIENCE
            slow.cancel()

    run_virtually(story())


def test_no_more_requests_are_under_way_than_there_are_connections_when_many_batches_wait() -> None:
    """A thousand commands at once take eight connections at a time."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 1.0
        async with opened(portal) as client:
            await asyncio.gather(*(client.call(GET) for _ in range(1000)))
        assert portal.most_under_way == CONNECTIONS
        assert portal.sizes == [50] * 20

    run_virtually(story())


def test_a_request_waits_for_the_limiter_and_takes_along_who_came_meanwhile() -> None:
    """A full bucket drains one request in half a second."""

    async def story() -> None:
        portal, buckets = BatchingPortal(echo), LeakyBuckets()
        async with opened(portal, buckets) as client:
            for _ in range(50):
                await client.call(GET)
            assert elapsed() == 0
            calls = [asyncio.create_task(client.call(GET)) for _ in range(3)]
            await asyncio.sleep(0.25)
            calls += [asyncio.create_task(client.call(GET)) for _ in range(4)]
            await asyncio.gather(*calls)
            assert elapsed() == pytest.approx(0.5)
            assert portal.sizes[50:] == [7]

    run_virtually(story())


def test_a_command_is_not_sent_when_its_caller_leaves_before_its_turn() -> None:
    """It is dropped without a request, and nothing is noted as asked; those before and behind it are sent."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 1.0
        asked: list[Exchange] = []
        async with opened(portal) as client:
            calls = [asyncio.create_task(client.call(GET, {"n": number}, asked=asked)) for number in range(1)]
            await settled()
            calls += [asyncio.create_task(client.call(GET, {"n": number}, asked=asked)) for number in range(1, 4)]
            await settled()
            calls[2].cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(results[2], asyncio.CancelledError)
        assert [[params["n"] for _, params in commands] for commands in portal.requests] == [[0], ["1", "3"]]
        assert [exchange.answer for exchange in asked] == ["ok"] * 3

    run_virtually(story())


def test_those_who_left_do_not_make_a_batch_full() -> None:
    """Nobody leaves early, or in a smaller company, for the sake of callers who have gone."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 1.0
        async with opened(portal) as client:
            calls = [asyncio.create_task(client.call(GET))]
            await settled()
            calls += [asyncio.create_task(client.call(GET)) for _ in range(49)]
            await settled()
            for call in calls[1:41]:
                call.cancel()
            await settled()
            calls += [asyncio.create_task(client.call(GET)) for _ in range(5)]
            await settled()
            assert portal.sizes == [1]
            await asyncio.gather(*calls, return_exceptions=True)
            assert portal.sizes == [1, 14]

    run_virtually(story())


def test_a_request_belongs_to_no_single_caller_when_it_logs() -> None:
    """What is said of fifty calls must not be filed under the event of the one who came first."""
    event = ContextVar("event", default="nobody")

    async def story() -> None:
        seen: list[str] = []

        def answer(method: str, params: dict[str, Any]) -> Said:
            seen.append(event.get())
            return {"result": event.get()}

        async with opened(BatchingPortal(answer)) as client:
            event.set("the first")
            await client.call(GET)
            await asyncio.gather(client.call(GET), client.call(GET))
        assert seen == ["nobody"] * 3

    run_virtually(story())


def test_no_request_is_made_when_everybody_left_while_the_limiter_let_nobody_through() -> None:
    """What nobody waits for is not sent, and the next command is."""

    async def story() -> None:
        portal, buckets = BatchingPortal(echo), LeakyBuckets()
        buckets.levels["main"] = (50.0, virtual_clock())
        async with opened(portal, buckets) as client:
            call = asyncio.create_task(client.call(GET))
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.sleep(5)
            assert portal.requests == []
            await client.call(GET)
            assert portal.sizes == [1]

    run_virtually(story())


def test_the_others_get_their_answers_when_one_of_a_batch_is_cancelled_under_way() -> None:
    """The one who left finds noted that his command was under way, the request goes on."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 1.0
        lists: list[list[Exchange]] = [[], [], []]
        async with opened(portal) as client:
            calls = [asyncio.create_task(client.call(GET, {"n": n}, asked=asked)) for n, asked in enumerate(lists)]
            await asyncio.sleep(0.25)
            calls[1].cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [dict, asyncio.CancelledError, dict]
        assert [[exchange.answer for exchange in asked] for asked in lists] == [["ok"], ["cancelled"], ["ok"]]
        assert lists[1] == [Exchange(method=GET, answer="cancelled", milliseconds=250, together=3)]
        assert portal.sizes == [3]

    run_virtually(story())


def test_a_request_is_ended_when_all_its_callers_have_left() -> None:
    """Nobody waits for it, and it would only take up a connection."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        portal.seconds = lambda count: 30.0
        async with opened(portal) as client:
            calls = [asyncio.create_task(client.call(GET)) for _ in range(2)]
            await settled()
            for call in calls:
                call.cancel()
            await settled()
            assert portal.under_way == 0
            assert portal.sizes == [2]

    run_virtually(story())


@pytest.mark.parametrize(
    "params",
    [
        {"fields": {}},
        {"ids": []},
        {"code": None},
        {"title": "$result[c0][badge][code]"},
        {"a.b": 1},
        {"text": "\ud800"},
    ],
    ids=["empty map", "empty list", "null", "reference", "dot", "half a character"],
)
def test_a_command_is_sent_alone_when_a_batch_would_change_it(params: dict[str, Any]) -> None:
    """A query string knows no empty maps and no null; the others go together, it goes as JSON."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        async with opened(portal) as client:
            await asyncio.gather(*(client.call(GET, one) for one in ({"n": 1}, params, {"n": 2})))
        assert portal.requests == [[(GET, {"n": "1"}), (GET, {"n": "2"})], [(GET, params)]]

    run_virtually(story())


def test_a_batch_stays_below_a_size_when_its_commands_are_large() -> None:
    """Large commands are spread over several requests, in order; one that is larger than all is sent alone."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        large = "x" * (BODY_LIMIT * 2 // 5)
        async with opened(portal) as client:
            await asyncio.gather(*(client.call(GET, {"n": n, "text": large}) for n in range(5)))
            assert portal.sizes == [2, 2, 1]
            assert [int(params["n"]) for commands in portal.requests for _, params in commands] == [0, 1, 2, 3, 4]
            await asyncio.gather(*(client.call(GET, {"text": text}) for text in ("y" * BODY_LIMIT, "z")))
        assert portal.sizes[3:] == [1, 1]

    run_virtually(story())


def test_nothing_is_sent_when_requests_cannot_be_counted() -> None:
    """Each waiting call learns that the store is unavailable, by an error of its own; the next one asks again."""

    class Broken(LeakyBuckets):
        broken = True

        async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
            if self.broken:
                raise StoreUnavailable("the disk is full")
            return await super().draw(bucket, now=now, rate=rate, burst=burst)

    async def story() -> None:
        portal, buckets = BatchingPortal(echo), Broken()
        async with opened(portal, buckets) as client:
            errors = await asyncio.gather(*(client.call(GET) for _ in range(120)), return_exceptions=True)
            assert {str(error) for error in errors} == {"the disk is full"}
            assert {type(error) for error in errors} == {StoreUnavailable}
            assert len({id(error) for error in errors}) == 120
            assert portal.requests == []
            buckets.broken = False
            await client.call(GET)

    run_virtually(story())


def test_a_call_fails_alone_when_its_parameters_are_not_json() -> None:
    """A mistake of one caller does not reach the others that left in the same turn."""

    async def story() -> None:
        portal = BatchingPortal(echo)
        async with opened(portal) as client:
            results = await asyncio.gather(
                *(client.call(GET, {"n": value}) for value in (1, object(), float("nan"), 2)), return_exceptions=True
            )
        assert [type(result) for result in results] == [dict, TypeError, ValueError, dict]
        assert portal.sizes == [2]

    run_virtually(story())


def test_waiting_calls_are_told_when_the_portal_is_closed() -> None:
    """What was not sent is known not to be, and nobody waits for ever."""

    async def story() -> None:
        portal, buckets = BatchingPortal(echo), LeakyBuckets()
        buckets.levels["main"] = (50.0, virtual_clock())
        async with opened(portal, buckets) as client:
            calls = [asyncio.create_task(client.call(GET)) for _ in range(3)]
            await settled()
            await client.aclose()
            errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {PortalUnreachable}
        assert portal.requests == []

    run_virtually(story())
