"""From a delivery to an ensured badge: the real pipeline, rules, sources and portal client, against the sandbox portal.

Time is in the test's hands, and each step is taken by the test, so that the order of things is certain.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import cast

import pytest
from httpx import ASGITransport

from badge_bridge import retry
from badge_bridge.attaching import BUDGET
from badge_bridge.errors import Impossible, StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.pipeline import LEASE, Pipeline
from badge_bridge.portal import Portal, open_portal
from badge_bridge.portal.credentials import InboundWebhook
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import Badge
from badge_bridge.sources import OPTIONS, build
from badge_bridge.sources.base import Delivery, Reading, Reply, SourceOptions
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Claim, Pause, Settlement, StoredEvent
from support.deliveries import RULES, Sent, bitrix24, environ, pbx, shop, zadarma

BASE = "http://127.0.0.1:8090"
START = 1_795_345_200.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    pipeline: Pipeline
    store: MemoryStore
    sandbox: SandboxPortal
    clock: Clock
    woken: list[str]
    portal: Portal

    async def deliver(self, sent: Sent) -> Reply:
        source = self.pipeline.source(sent.path.removeprefix("/hooks/"), sent.method)
        headers = [(name.lower(), value) for name, value in sent.headers.items()]
        return await self.pipeline.accept(source, Delivery(sent.method, "", headers, sent.body, self.clock()))

    async def work(self) -> int:
        """Process all that is due now, side by side; how many events that were."""
        claims = await self.pipeline.sweep(1000)
        await asyncio.gather(*(self.pipeline.process(claim) for claim in claims))
        return len(claims)

    async def events(self) -> list[StoredEvent]:
        found = [await self.store.get(event.key) for event in (await self.store.list(limit=1000)).events]
        return [event for event in found if event is not None]

    async def event(self) -> StoredEvent:
        (event,) = await self.events()
        return event

    def fault(self, method: str, kind: str, times: int = 1) -> None:
        self.sandbox.faults.add(FaultOrder(method=f"crm.activity.badge.{method}", fault=kind, times=times))

    def asked(self) -> list[tuple[str, str | None]]:
        return [(entry.method.rpartition(".")[2], entry.error) for entry in self.sandbox.journal.since()]


async def build_world(store: MemoryStore, rules_text: str = RULES, *, budget: float = BUDGET) -> World:
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    async def wake(keys: Sequence[str]) -> None:
        woken.extend(keys or ["whatever is due"])

    sandbox = SandboxPortal(clock=clock)
    webhook = sandbox.webhook_url(BASE)
    rules = parse(rules_text, "rules.yaml", providers=OPTIONS, environ=environ(webhook))
    await store.open()
    portal = open_portal(
        "main",
        InboundWebhook(webhook),
        pauses=store,
        clock=clock,
        random=lambda: 0.5,
        transport=ASGITransport(create_app(sandbox)),
    )
    woken: list[str] = []
    pipeline = Pipeline(
        rules=rules,
        sources={name: build(name, cast("SourceOptions", options)) for name, options in rules.sources.items()},
        portals={"main": portal},
        store=store,
        wake=wake,
        clock=clock,
        random=lambda: 0.5,
        sleep=sleep,
        budget=budget,
    )
    return World(pipeline, store, sandbox, clock, woken, portal)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    built = await build_world(MemoryStore())
    yield built
    await built.store.close()


async def test_missed_call_becomes_an_ensured_badge_when_the_portal_has_none(world: World) -> None:
    """The badge is asked for before it is added, and the event ends as done with what happened on record."""
    assert (await world.deliver(zadarma("CA1"))).status == 200
    assert world.woken == [(await world.event()).key]
    await world.work()
    assert world.asked() == [("get", "NOT_FOUND"), ("add", None)]
    event = await world.event()
    assert (event.state, event.attempts, event.failures) == ("done", 1, 0)
    (outcome,) = event.outcomes
    assert (outcome.rule, outcome.result, outcome.badge, outcome.reason) == (
        "missed call",
        "ensured",
        "bb_missedCall",
        "added",
    )
    assert [(exchange.method, exchange.answer) for exchange in event.history[0].asked] == [
        ("crm.activity.badge.get", "NOT_FOUND"),
        ("crm.activity.badge.add", "ok"),
    ]
    assert event.verified.startswith("hmac-sha1")


async def test_badge_keeps_its_texts_by_language(world: World) -> None:
    """Title and value arrive in the portal with all their languages."""
    await world.deliver(zadarma("CA1"))
    await world.work()
    (badge,) = [badge for badge in world.sandbox.seed.badges if badge.code == "bb_missedCall"]
    assert badge.title == {"en": "Call status", "de": "Anruf"}
    assert badge.value == {"en": "Missed", "de": "Verpasst"}
    assert badge.type == "failure"


async def test_add_is_called_once_when_200_events_arrive_together(world: World) -> None:
    """However many events need a new badge at the same moment, the portal is asked once and added to once."""
    await asyncio.gather(
        *(world.deliver(zadarma(f"CA{number}", caller=f"+49309018{number:03}")) for number in range(200))
    )
    assert await world.work() == 200
    assert world.asked() == [("get", "NOT_FOUND"), ("add", None)]
    assert {event.state for event in await world.events()} == {"done"}


async def test_event_ends_well_when_somebody_else_adds_the_badge_in_between(world: World) -> None:
    """NOT_FOUND, then an add that is refused because another actor was quicker, is a success."""
    world.fault("add", "race-add")
    await world.deliver(zadarma("CA1"))
    await world.work()
    assert [method for method, _ in world.asked()] == ["get", "add", "get"]
    event = await world.event()
    assert (event.state, event.outcomes[0].reason) == ("done", "present")


async def test_second_call_needs_nothing_of_the_portal(world: World) -> None:
    """A badge that was just seen is not asked for again."""
    await world.deliver(zadarma("CA1"))
    await world.work()
    await world.deliver(bitrix24("call.1"))
    await world.work()
    assert len(world.asked()) == 2
    assert {event.state for event in await world.events()} == {"done"}


async def test_repeated_delivery_is_answered_and_not_stored_again(world: World) -> None:
    """A sender that repeats itself hears 2xx, and nothing happens twice."""
    await world.deliver(zadarma("CA1"))
    await world.work()
    assert (await world.deliver(zadarma("CA1"))).status == 200
    assert await world.work() == 0
    assert (await world.event()).attempts == 1
    assert len(world.woken) == 1


async def test_event_is_ignored_with_the_reason_when_no_rule_matches(world: World) -> None:
    """An event that no rule wants ends at once and says why."""
    await world.deliver(zadarma("CA1", caller="+498001234567"))
    await world.work()
    event = await world.event()
    assert event.state == "ignored"
    assert event.reason == "the condition is not true: missed call"
    await world.deliver(bitrix24("call.1", code="200"))
    await world.work()
    (answered,) = [event for event in await world.events() if event.event.type == "call.answered"]
    assert answered.state == "ignored"
    assert "call.answered" in answered.reason
    assert world.asked() == []


async def test_condition_that_cannot_be_evaluated_is_no_match_and_is_shown(world: World) -> None:
    """A condition that fails on real data is not silent: the outcome says which and where."""
    await world.deliver(shop("msg_1", {"status": "paid", "phone": "+4930901820"}, at=START))
    await world.work()
    event = await world.event()
    assert event.state == "ignored"
    (outcome,) = event.outcomes
    assert (outcome.rule, outcome.result) == ("big order", "ignored")
    assert "total" in outcome.reason
    assert event.reason.startswith("could not be evaluated: big order (rules.yaml:")


async def test_condition_on_the_body_decides_when_the_value_is_there(world: World) -> None:
    """A condition reads the untyped body of the delivery."""
    await world.deliver(shop("msg_1", {"status": "paid", "phone": "+4930901820", "total": 250}, at=START))
    await world.deliver(shop("msg_2", {"status": "paid", "phone": "+4930901820", "total": 20}, at=START))
    await world.work()
    assert sorted(event.state for event in await world.events()) == ["done", "ignored"]


@pytest.mark.parametrize(
    "kind", ["http-500", "html", "drop-before", "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"]
)
async def test_event_is_tried_again_when_the_portal_fails_for_a_moment(world: World, kind: str) -> None:
    """A failure that may pass costs one attempt and a delay."""
    world.fault("get", kind)
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 1)
    assert event.due == pytest.approx(START + retry.SCHEDULE[0])
    assert await world.work() == 0
    world.clock.now = event.due
    await world.work()
    assert (await world.event()).state == "done"


@pytest.mark.parametrize("kind", ["drop-after-commit", "html"])
async def test_badge_is_added_once_when_the_answer_to_the_add_is_lost(world: World, kind: str) -> None:
    """An add whose answer is lost is looked up and not repeated."""
    world.fault("add", kind)
    await world.deliver(zadarma("CA1"))
    await world.work()
    for _ in range(3):
        world.clock.now += 3600
        await world.work()
    assert (await world.event()).state == "done"
    assert len([badge for badge in world.sandbox.seed.badges if badge.code == "bb_missedCall"]) == 1


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("add", "ACCESS_DENIED"),
        ("get", "ACCESS_DENIED"),
        ("get", "insufficient_scope"),
        ("get", "NO_AUTH_FOUND"),
        ("get", "expired_token"),
        ("get", "INVALID_CREDENTIALS"),
        ("get", "user_access_error"),
        ("get", "QUERY_LIMIT_EXCEEDED"),
        ("get", "OPERATION_TIME_LIMIT"),
        ("get", "OVERLOAD_LIMIT"),
    ],
)
async def test_event_keeps_its_place_when_the_portal_refuses(world: World, method: str, code: str) -> None:
    """A portal that cannot be used costs no attempt; once it can, the event is done without anybody's help."""
    world.fault(method, code)
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 0)
    assert event.lane.startswith("main")
    assert code in event.reason
    world.clock.now += 24 * 3600
    await world.work()
    assert (await world.event()).state == "done"


async def test_missing_right_is_named_with_who_must_grant_it(world: World) -> None:
    """A manager's credential can look badges up but not add them; the reason says what to change."""
    world.fault("add", "ACCESS_DENIED", times=5)
    await world.deliver(zadarma("CA1"))
    await world.work()
    reason = (await world.event()).reason
    assert "CRM administrator" in reason
    assert "crm.activity.badge.add" in reason


async def test_event_is_dead_when_the_portal_refuses_the_call_itself(world: World) -> None:
    """A call that the portal will never take is not repeated; the event ends as dead with the portal's reason."""
    world.fault("add", "REQUIRED_ARG_MISSING", times=5)
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert (event.state, event.outcomes[0].result) == ("dead", "failed")
    assert "REQUIRED_ARG_MISSING" in event.reason


async def test_event_dies_after_the_last_retry_and_lives_again_when_redriven(world: World) -> None:
    """Nine failures make an event dead; redriving forgets them, keeps counting attempts, and can succeed."""
    world.fault("add", "http-500", times=9)
    await world.deliver(zadarma("CA1"))
    for _ in range(40):
        world.clock.now += 11 * 3600
        await world.work()
    event = await world.event()
    assert event.state == "dead"
    assert event.failures == 9
    assert await world.store.redrive(event.key, now=world.clock())
    await world.work()
    redriven = await world.event()
    assert redriven.state == "done"
    assert redriven.attempts == event.attempts + 1


async def test_event_that_breaks_the_portal_does_not_hold_up_the_others(world: World) -> None:
    """An event whose own calls paused the portal lets a later one probe it."""
    world.fault("get", "http-500", times=3)
    await world.deliver(zadarma("CA1"))
    while not (await world.event()).lane:
        world.clock.now += 3600
        await world.work()
    await world.deliver(shop("msg_1", {"status": "paid", "total": 500}, at=world.clock()))
    world.clock.now += 5.5
    await world.work()
    assert {event.event.type: event.state for event in await world.events()} == {
        "call.missed": "waiting",
        "order.paid": "done",
    }
    world.clock.now += 60
    await world.work()
    assert {event.state for event in await world.events()} == {"done"}


async def test_next_event_is_looked_for_at_once_when_a_half_open_lane_let_one_through(world: World) -> None:
    """Events that wait for a right to add are done one after the other once the badge is there, without a tick each."""
    world.fault("add", "ACCESS_DENIED", times=100)
    for number in range(3):
        await world.deliver(zadarma(f"CA{number}"))
    await world.work()
    assert {event.lane for event in await world.events()} == {"main/crm.activity.badge.add"}
    seed = world.sandbox.seed
    badge = Badge(code="bb_missedCall", title="Call status", value="Missed", type="failure")
    world.sandbox.reseed(seed.model_copy(update={"badges": (*seed.badges, badge)}))
    world.clock.now += 3600
    world.woken.clear()
    while any(event.state == "waiting" for event in await world.events()):
        assert await world.work() == 1
        assert len(world.woken) == 1
        world.woken.clear()
    assert {event.state for event in await world.events()} == {"done"}


async def test_event_whose_holder_vanished_is_taken_over_when_its_lease_is_over(world: World) -> None:
    """An attempt that never ended is recorded as lost, counts as a failure, and the event is done all the same."""
    await world.deliver(zadarma("CA1"))
    assert len(await world.pipeline.sweep(10)) == 1
    assert await world.work() == 0
    world.clock.now += LEASE + 1
    await world.work()
    event = await world.event()
    assert (event.state, event.attempts, event.failures) == ("done", 2, 1)
    assert [attempt.result for attempt in event.history] == ["lost", "done"]


async def test_event_that_kills_every_holder_is_given_up(world: World) -> None:
    """An event whose attempts never end does not go round for ever."""
    await world.deliver(zadarma("CA1"))
    for _ in range(len(retry.SCHEDULE) + 1):
        assert len(await world.pipeline.sweep(10)) == 1
        world.clock.now += LEASE + 1
    await world.work()
    event = await world.event()
    assert event.state == "dead"
    assert "without a result" in event.reason


async def test_late_settlement_changes_nothing_when_the_lease_was_taken_over(world: World) -> None:
    """The holder that overslept its lease cannot overwrite what its successor wrote."""
    await world.deliver(zadarma("CA1"))
    (late,) = await world.pipeline.sweep(10)
    world.clock.now += LEASE + 1
    await world.work()
    before = await world.event()
    await world.pipeline.process(late)
    assert await world.event() == before


class FailingStore(MemoryStore):
    """Refuses its next calls of the methods in `broken`, so many times each."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, int] = {}

    def _maybe_fail(self, method: str) -> None:
        if self.broken.get(method, 0) > 0:
            self.broken[method] -= 1
            raise StoreUnavailable("the disk is full")

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        self._maybe_fail("accept")
        return await super().accept(batch)

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        self._maybe_fail("settle")
        return await super().settle(claim, settlement)

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        self._maybe_fail("paused")
        return await super().paused(lanes)


async def test_nothing_is_answered_2xx_when_the_store_cannot_write() -> None:
    """Without a durable write there is no reply, and the next delivery of the same event is a new one."""
    store = FailingStore()
    world = await build_world(store)
    store.broken["accept"] = 1
    with pytest.raises(StoreUnavailable):
        await world.deliver(zadarma("CA1"))
    assert world.woken == []
    await world.deliver(zadarma("CA1"))
    assert len(world.woken) == 1


async def test_outcome_is_written_when_the_store_can_be_written_again() -> None:
    """Work that is done is not done again because its record could not be written at once."""
    store = FailingStore()
    world = await build_world(store)
    await world.deliver(zadarma("CA1"))
    store.broken["settle"] = 10
    await world.work()
    event = await world.event()
    assert (event.state, event.attempts, event.failures) == ("done", 1, 0)
    assert event.settled_at == START
    assert world.clock.now == START + 10


async def test_event_is_taken_up_again_when_its_outcome_could_not_be_written() -> None:
    """An attempt whose end cannot be stored for a whole lease is repeated, and adds no second badge."""
    store = FailingStore()
    world = await build_world(store)
    await world.deliver(zadarma("CA1"))
    (claim,) = await world.pipeline.sweep(10)
    store.broken["settle"] = 1000
    with pytest.raises(StoreUnavailable):
        await world.pipeline.process(claim)
    assert world.clock.now < START + LEASE
    store.broken.clear()
    world.clock.now += LEASE + 1
    await world.work()
    assert (await world.event()).state == "done"
    assert [method for method, _ in world.asked()].count("add") == 1


async def test_attempt_counts_for_nothing_when_the_store_fails_on_the_way() -> None:
    """Not knowing whether the portal is paused is no failure of the event."""
    store = FailingStore()
    world = await build_world(store)
    await world.deliver(zadarma("CA1"))
    store.broken["paused"] = 1
    await world.work()
    event = await world.event()
    assert (event.state, event.failures, event.lane) == ("waiting", 0, "")
    world.clock.now = event.due
    await world.work()
    assert (await world.event()).state == "done"


async def test_event_is_given_back_when_the_process_stops() -> None:
    """An attempt that is cut off leaves the event due at once and uncounted."""
    world = await build_world(MemoryStore())
    world.fault("get", "timeout-before")
    await world.deliver(zadarma("CA1"))
    (claim,) = await world.pipeline.sweep(10)
    attempt = asyncio.create_task(world.pipeline.process(claim))
    while not world.asked():  # noqa: ASYNC110 - the sandbox has no event for it
        await asyncio.sleep(0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 0)
    assert len(await world.pipeline.sweep(10)) == 1
    await world.portal.aclose()


async def test_attempt_counts_for_nothing_when_the_portal_never_came_to_its_turn() -> None:
    """Waiting inside the process for the portal is not the event's failure."""

    class Queue:
        """A portal with so much to do that this event's turn does not come."""

        async def ensure(self, *_: object, **__: object) -> None:
            await asyncio.Event().wait()

    world = await build_world(MemoryStore(), budget=0.01)
    world.pipeline._cards._portals = {"main": SimpleNamespace(badges=Queue())}  # type: ignore[dict-item]
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 0)
    assert "turn" in event.reason


async def test_attempt_ends_when_its_time_is_over() -> None:
    """A portal that hangs in the middle costs one attempt, which ends in time for its lease."""
    world = await build_world(MemoryStore(), budget=0.05)
    world.fault("add", "timeout-before")
    await world.deliver(zadarma("CA1"))
    async with asyncio.timeout(10):
        await world.work()
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 1)
    assert "no answer" in event.reason
    world.sandbox.faults.clear()


async def test_reason_is_stored_when_an_event_cannot_be_judged(world: World) -> None:
    """A mistake of ours while judging is on record with the event, and follows the schedule."""

    class Broken:
        hash = "0" * 16

        def judge(self, _: object) -> object:
            raise OverflowError("timestamp out of range")

    await world.deliver(zadarma("CA1"))
    world.pipeline._rules = Broken()  # type: ignore[assignment]
    await world.work()
    event = await world.event()
    assert (event.state, event.failures) == ("waiting", 1)
    assert "timestamp out of range" in event.reason


async def test_difference_between_file_and_portal_is_kept_with_the_outcome(world: World) -> None:
    """A badge that the portal has otherwise is used as it is, and the outcome says in what it differs."""
    seed = world.sandbox.seed
    badge = Badge(code="bb_missedCall", title="Calls", value="Verpasst!", type="warning")
    world.sandbox.reseed(seed.model_copy(update={"badges": (*seed.badges, badge)}))
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert event.state == "done"
    assert event.outcomes[0].reason == "present, but with another title and value and type"


async def test_delivery_is_refused_when_its_time_is_outside_of_all_calendars(world: World) -> None:
    """A time that no program can keep is the sender's mistake, named and not stored."""
    source = world.pipeline.source("pbx", "POST")
    sent = pbx(b'{"type": "call.missed", "id": "1"}')
    moment = datetime.fromisoformat("0001-01-01T00:00:00+14:00")

    class Odd(type(source)):  # type: ignore[misc]
        def read(self, delivery: Delivery) -> Sequence[Reading]:
            (reading,) = super().read(delivery)
            fields = reading.event.model_dump() | {"time": moment}
            return (Reading(Event.model_validate(fields), reading.identity),)

    odd = Odd("pbx", source.options)
    headers = [(name.lower(), value) for name, value in sent.headers.items()]
    delivery = Delivery("POST", "", headers, sent.body, START)
    with pytest.raises(Impossible, match="time"):
        await world.pipeline.accept(odd, delivery)
    assert await world.events() == []


async def test_all_deliveries_are_checked_before_one_is_read_when_they_come_together(world: World) -> None:
    """Each step is taken for all of them, and every one is stored."""
    steps: list[str] = []
    source = world.pipeline.source("pbx", "POST")

    class Noting(type(source)):  # type: ignore[misc]
        def _verify(self, delivery: Delivery) -> str:
            steps.append("check")
            return str(super()._verify(delivery))

        def read(self, delivery: Delivery) -> Sequence[Reading]:
            steps.append("read")
            return tuple(super().read(delivery))

    noting = Noting("pbx", source.options)

    async def deliver(sent: Sent) -> Reply:
        headers = [(name.lower(), value) for name, value in sent.headers.items()]
        return await world.pipeline.accept(noting, Delivery("POST", "", headers, sent.body, START))

    replies = await asyncio.gather(
        *[deliver(pbx(b'{"type": "call.missed", "id": "%d"}' % number)) for number in range(3)]
    )
    assert steps == ["check"] * 3 + ["read"] * 3
    assert [reply.status for reply in replies] == [204] * 3
    assert len(await world.events()) == 3


async def test_other_rules_act_when_one_fails() -> None:
    """Two rules for one event: the one that fails is tried again, the one that is done is not done again."""
    rules = RULES + "  - {name: also paid, on: call.missed, badge: paid}\n"
    world = await build_world(MemoryStore(), rules)
    world.sandbox.faults.add(FaultOrder(method="crm.activity.badge.get", fault="http-500", times=1))
    await world.deliver(zadarma("CA1"))
    await world.work()
    event = await world.event()
    assert event.state == "waiting"
    assert [outcome.rule for outcome in event.outcomes] == ["also paid"]
    world.clock.now = event.due
    await world.work()
    event = await world.event()
    assert event.state == "done"
    assert sorted((outcome.rule, outcome.attempt) for outcome in event.outcomes) == [
        ("also paid", 1),
        ("missed call", 2),
    ]


async def test_stored_event_holds_no_token(world: World) -> None:
    """What is kept of a delivery is its content without the secret that came with it."""
    await world.deliver(bitrix24("call.1"))
    await world.deliver(pbx(json.dumps({"type": "call.missed", "id": "7"}).encode()))
    for event in await world.events():
        text = event.event.model_dump_json()
        assert "51610fefc120afg4b628cc82d6298cce" not in text
        assert "pbx-token" not in text
