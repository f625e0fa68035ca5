"""What `process` does about one message: a real store in memory, attempts that end as a test says, no time that passes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from starlette.requests import Request

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event, Leg
from badge_bridge.pipeline import LEASE, Pipeline
from badge_bridge.serverless.process import take
from badge_bridge.serverless.processing import PATIENCE, Processing
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Claim, LegPlace, LegsRead, Settlement

START = 1_795_345_200.0
DONE = Settlement(state="done", ended_at=START)
CALL = "call\npbx\nCA1"


def retry(seconds: float, *, lane: str = "") -> Settlement:
    """Again so many seconds after the attempt."""
    return Settlement(state="waiting", ended_at=START, due=seconds, lane=lane, failed=not lane)


class World:
    """A store, a clock that goes on while somebody sleeps, and attempts that come to what `ends` says, in order."""

    def __init__(self, *, concurrency: int = 4) -> None:
        self.now = START
        self.store = MemoryStore()
        self.ends: list[Settlement | Exception] = []
        self.tried: list[tuple[str, float]] = []
        self.woken: list[list[str]] = []
        self.slept: list[float] = []
        self.running = 0
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Event()
        self.processing = Processing(
            pipeline=cast("Pipeline", self),
            store=self.store,
            wake=self.wake,
            concurrency=concurrency,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def wake(self, keys: Sequence[str]) -> None:
        self.woken.append(list(keys))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def sweep(self, limit: int) -> Sequence[Claim]:
        return await self.store.claim_due(now=self.now, lease=LEASE, limit=limit)

    async def process(self, claim: Claim) -> Settlement | None:
        self.tried.append((claim.key, self.now - START))
        self.running += 1
        self.most = max(self.most, self.running)
        self.changed.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            await self.store.give_back(claim)
            raise
        finally:
            self.running -= 1
        end = self.ends.pop(0) if self.ends else DONE
        if isinstance(end, Exception):
            raise end
        settlement = Settlement(
            state=end.state,
            ended_at=self.now,
            due=self.now + end.due if end.due else 0.0,
            lane=end.lane,
            failed=end.failed,
        )
        return settlement if await self.store.settle(claim, settlement) else None

    async def accept(self, *keys: str, leg: LegPlace | None = None, ends: Any = "") -> None:
        moment = datetime.fromtimestamp(self.now, UTC)
        for key in keys:
            event = Event(
                id=key, source="pbx", provider="generic", type="call.leg" if leg else "call.missed", time=moment,
                leg=Leg(call="CA1", leg=key, ends=ends) if leg else None,
            )  # fmt: skip
            await self.store.accept([Accepted(key, event, "bearer", self.now, joins=(CALL,) if leg else (), leg=leg)])

    async def judge(self, *, revision: int, type_: str) -> None:
        moment = datetime.fromtimestamp(self.now, UTC)
        event = Event(id="CA1", source="pbx", provider="generic", type=type_, time=moment)
        read = LegsRead(CALL, count=revision, open=(), is_full=False, reason="", rules_hash="")
        await self.store.judge(Accepted("judged", event, "legs", self.now), revision=revision, legs=read, now=self.now)

    async def push(self, message: dict[str, Any] | bytes) -> int:
        body = message if isinstance(message, bytes) else json.dumps({"message": message, "subscription": "s"}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
        return (await take(Request(scope, receive), self.processing)).status_code

    async def until_running(self, number: int) -> None:
        async with asyncio.timeout(10):
            while self.running < number:
                self.changed.clear()
                await self.changed.wait()

    async def message(self, key: str) -> int:
        return await self.push({"attributes": {"key": key}, "messageId": "1"})

    async def look(self) -> int:
        return await self.push({"attributes": {"look": "due"}, "messageId": "1"})

    async def state(self, key: str) -> str:
        found = await self.store.get(key)
        assert found is not None
        return found.state


@pytest.fixture
async def world() -> World:
    made = World()
    await made.store.open()
    return made


async def test_message_is_acknowledged_when_its_event_has_ended(world: World) -> None:
    """One attempt, one outcome, 204."""
    await world.accept("a")
    assert await world.message("a") == 204
    assert (world.tried, await world.state("a")) == ([("a", 0.0)], "done")


@pytest.mark.parametrize("state", ["done", "dead", "ignored"])
async def test_message_is_acknowledged_when_its_event_had_ended_before(world: World, state: Any) -> None:
    """Pub/Sub delivers at least once; the second time there is nothing to do."""
    await world.accept("a")
    world.ends = [Settlement(state=state, ended_at=START)]
    await world.message("a")
    assert await world.message("a") == 204
    assert len(world.tried) == 1


async def test_message_is_acknowledged_when_another_one_works_on_its_event(world: World) -> None:
    """The holder of the lease decides, or the sweep when he is gone."""
    await world.accept("a")
    await world.store.claim("a", now=world.now, lease=60)
    assert await world.message("a") == 204
    assert (world.tried, world.slept) == ([], [])


async def test_message_of_an_unknown_event_is_acknowledged_and_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Coming again it would find no more."""
    with caplog.at_level(logging.WARNING):
        assert await world.message("nobody") == 204
    assert "names the event nobody, which is not stored" in caplog.text


async def test_retry_that_is_due_soon_is_waited_for(world: World) -> None:
    """A portal that stumbles once costs seconds and not a sweep."""
    await world.accept("a")
    world.ends = [retry(5), retry(6)]
    assert await world.message("a") == 204
    assert world.tried == [("a", 0.0), ("a", 5.0), ("a", 11.0)]
    assert await world.state("a") == "done"


async def test_retry_that_is_due_later_is_left_to_the_sweep(world: World) -> None:
    """The next attempt is stored, so the message has done its work."""
    await world.accept("a")
    world.ends = [retry(5), retry(PATIENCE)]
    assert await world.message("a") == 204
    assert (world.tried, await world.state("a")) == ([("a", 0.0), ("a", 5.0)], "waiting")


async def test_attempts_begin_only_within_the_patience(world: World) -> None:
    """However long an attempt takes, the request ends before the platform ends it."""
    await world.accept("a")
    world.ends = [retry(1)]
    world.gate.clear()
    working = asyncio.create_task(world.message("a"))
    await world.until_running(1)
    world.now += 70
    world.gate.set()
    assert await working == 204
    assert (len(world.tried), world.slept) == (1, [])


async def test_no_attempt_begins_when_the_sleep_before_it_was_too_long(world: World) -> None:
    """An instance that got no processor for a while keeps to its time all the same."""

    async def sleep(seconds: float) -> None:
        world.now += seconds + PATIENCE

    world.processing._sleep = sleep
    await world.accept("a")
    world.ends = [retry(5)]
    assert await world.message("a") == 204
    assert (len(world.tried), await world.state("a")) == (1, "waiting")


async def test_event_that_waits_for_a_lane_is_left_to_it(world: World) -> None:
    """The portal is paused; whoever finds it usable wakes what waits."""
    await world.accept("a")
    world.ends = [retry(0, lane="main")]
    await world.store.pause("main", until=START + 3600, reason="it does not answer")
    assert await world.message("a") == 204
    assert await world.message("a") == 204
    assert (world.tried, world.slept) == ([("a", 0.0)], [])


@pytest.mark.parametrize(("seconds", "attempts", "state"), [(1.0, 2, "done"), (70.0, 1, "waiting")])
async def test_event_that_was_judged_anew_meanwhile_is_tried_again_at_once(
    world: World, seconds: float, attempts: int, state: str
) -> None:
    """Whoever was told of the new judgement found the event leased; after a long attempt it is left to the sweep."""
    await world.judge(revision=1, type_="call.missed")
    world.gate.clear()
    working = asyncio.create_task(world.message("judged"))
    await world.until_running(1)
    await world.judge(revision=2, type_="call.answered")
    assert await world.message("judged") == 204
    world.now += seconds
    world.gate.set()
    assert await working == 204
    assert (len(world.tried), await world.state("judged")) == (attempts, state)


async def test_grace_time_is_waited_for_and_then_the_call_is_read(world: World) -> None:
    """A leg that is due in some seconds is taken up when they are over."""
    place = LegPlace(CALL, "pbx:judged", ends=True, soon=START + 5, late=START + 3600, most=500)
    await world.accept("leg", leg=place, ends="call")
    world.ends = [Settlement(state="joined", ended_at=START)]
    assert await world.message("leg") == 204
    assert world.tried == [("leg", 5.0)]


async def test_leg_that_ends_the_call_sees_to_the_one_that_waits_for_it(world: World) -> None:
    """The first leg's message came when the end of the call was hours away; it is the last leg's that comes in time."""
    place = LegPlace(CALL, "pbx:judged", ends=False, soon=START + 5, late=START + 3600, most=500)
    await world.accept("ringing", leg=place)
    assert await world.message("ringing") == 204
    assert world.tried == []
    await world.accept("over", leg=LegPlace(CALL, "pbx:judged", ends=True, soon=START + 5, late=START + 3600, most=500), ends="call")  # fmt: skip
    assert await world.state("over") == "joined"
    world.ends = [Settlement(state="joined", ended_at=START)]
    assert await world.message("over") == 204
    assert world.tried == [("ringing", 5.0)]


async def test_message_is_refused_when_the_outcome_cannot_be_stored(world: World) -> None:
    """Only then Pub/Sub shall send it again."""
    await world.accept("a")
    world.ends = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await world.message("a")


async def test_unexpected_failure_is_told_and_left_to_the_lease(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A bug of ours is not repaired by sending the message again at once."""
    await world.accept("a")
    world.ends = [RuntimeError("a bug of ours")]
    assert await world.message("a") == 204
    assert "a bug of ours" in caplog.text
    assert await world.state("a") == "working"


@pytest.mark.parametrize("message", [b"{}", b"x" * 70_000, {"attributes": {"colour": "red"}}])
async def test_what_is_no_message_of_ours_is_refused_and_told(
    world: World, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes to the dead-letter topic, and an error in the log says why."""
    assert await world.push(message) == 400
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_no_more_attempts_run_side_by_side_than_are_allowed(world: World) -> None:
    """Messages beyond the concurrency wait for their turn."""
    keys = [f"k{number}" for number in range(20)]
    await world.accept(*keys)
    world.gate.clear()
    working = [asyncio.create_task(world.message(key)) for key in keys]
    await world.until_running(4)
    world.gate.set()
    assert await asyncio.gather(*working) == [204] * 20
    assert world.most == 4
    assert sorted(key for key, _ in world.tried) == sorted(keys)


async def test_look_works_on_whatever_is_due_and_asks_for_another_when_there_may_be_more(world: World) -> None:
    """A round is as large as the room; where it was full, another message goes on."""
    await world.accept(*(f"k{number}" for number in range(6)))
    assert await world.look() == 204
    assert (len(world.tried), world.woken) == (4, [[]])
    assert await world.look() == 204
    assert (len(world.tried), world.woken) == (6, [[]])


async def test_look_goes_on_when_one_of_its_attempts_cannot_be_stored(world: World) -> None:
    """The others have ended, and the lease of that one runs out."""
    await world.accept("a", "b")
    world.ends = [StoreUnavailable("away")]
    assert await world.look() == 204
    assert sorted([await world.state("a"), await world.state("b")]) == ["done", "working"]


async def test_attempt_that_outlasts_the_process_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process is to end, the event is due again at once, and Pub/Sub sends the message to another process."""
    monkeypatch.setattr("badge_bridge.serverless.processing.GRACE", 0.0)
    await world.accept("a")
    world.gate.clear()
    working = asyncio.create_task(world.message("a"))
    await world.until_running(1)
    await world.processing.stop()
    assert await working == 503
    found = await world.store.get("a")
    assert found is not None
    assert (found.state, found.failures, [one.result for one in found.history]) == ("waiting", 0, ["given back"])


@pytest.mark.parametrize("what", ["message", "look"])
async def test_event_that_is_leased_while_the_process_stops_is_given_back(
    world: World, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not begun after `stop` has seen that nothing runs."""
    await world.accept("a")
    leasing, go = asyncio.Event(), asyncio.Event()
    claim, claim_due = world.store.claim, world.store.claim_due

    async def slow_claim(key: str, *, now: float, lease: float) -> Claim | None:
        leasing.set()
        await go.wait()
        return await claim(key, now=now, lease=lease)

    async def slow_claim_due(*, now: float, lease: float, limit: int) -> list[Claim]:
        leasing.set()
        await go.wait()
        return await claim_due(now=now, lease=lease, limit=limit)

    monkeypatch.setattr(world.store, "claim", slow_claim)
    monkeypatch.setattr(world.store, "claim_due", slow_claim_due)
    working = asyncio.create_task(world.message("a") if what == "message" else world.look())
    await leasing.wait()
    await world.processing.stop()
    go.set()
    assert await working == 503
    assert world.tried == []
    found = await world.store.get("a")
    assert found is not None
    assert (found.state, found.failures, [one.result for one in found.history]) == ("waiting", 0, ["given back"])


async def test_attempt_may_end_when_the_process_stops(world: World) -> None:
    """What needs a moment more is not cut off, and nothing new is begun."""
    await world.accept("a", "b")
    world.gate.clear()
    working = asyncio.create_task(world.message("a"))
    await world.until_running(1)
    stopping = asyncio.create_task(world.processing.stop())
    await asyncio.sleep(0)
    assert await world.message("b") == 503
    world.gate.set()
    await stopping
    assert await working == 204
    assert (await world.state("a"), await world.state("b")) == ("done", "waiting")


async def test_waiting_message_goes_back_when_the_process_stops(world: World) -> None:
    """Whoever sleeps until a retry is due leaves at once."""
    asleep = asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    world.processing._sleep = sleep
    await world.accept("a")
    world.ends = [retry(5)]
    working = asyncio.create_task(world.message("a"))
    await asleep.wait()
    await world.processing.stop()
    assert await working == 503
