"""What the rules file does not keep any longer is deleted: what has ended, a portion at a time, by one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from badge_bridge.archive import Archive, is_kept
from badge_bridge.bridge import open_bridge
from badge_bridge.errors import StoreUnavailable
from badge_bridge.retention import EVERY, PAUSE, PORTION, Retention
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.forgetting import Forgotten
from badge_bridge.store.memory import MemoryStore
from support.stores import NOW, claimed, ended, item

DAY = 86_400.0
RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources: {s: {provider: zoom, secrets: ["${TOKEN}"]}}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
"""
KEEPS = RULES + "retention: {events: 2 days}\n"


def rules(text: str) -> RulesFile:
    return parse(text, providers=OPTIONS, environ=None)


class Scene:
    """A store, clocks that are set by hand, and how long was waited between portions."""

    def __init__(self, store: MemoryStore, text: str = KEEPS) -> None:
        self.store = store
        self.now = NOW
        self.waits: list[float] = []
        self._steady = 0.0
        self.retention = self.another(text)

    def another(self, text: str = KEEPS) -> Retention:
        """What another process would have."""
        return Retention(
            rules=rules(text),
            store=self.store,
            clock=lambda: self.now,
            steady=lambda: self._steady,
            sleep=self._sleep,
        )

    def let_pass(self, seconds: float) -> None:
        """By both clocks, the one on the wall and the one that nobody can set."""
        self.now += seconds
        self._steady += seconds

    async def later(self, days: float) -> None:
        """A look now, and then so many days in which the machine runs."""
        await self.retention.look()
        self.let_pass(days * DAY)

    async def go_on(self, seconds: float, retention: Retention | None = None) -> int:
        """Look every ten minutes for so long; how many events that deletes."""
        deleted = 0
        for _ in range(int(seconds / EVERY)):
            self.let_pass(EVERY)
            deleted += (await (retention or self.retention).look()).events
        return deleted

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def ended(self, *keys: str) -> None:
        await self.store.accept([item(key) for key in keys])
        for key in keys:
            await self.store.settle(await claimed(self.store, key), ended(ended_at=NOW))

    async def kept(self) -> set[str]:
        return {one.key for one in (await self.store.list(limit=1000)).events}


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


async def test_ended_event_is_deleted_when_it_was_kept_long_enough(store: MemoryStore) -> None:
    """Two days after its end, and not before; one that waits stays, however old."""
    scene = Scene(store)
    await scene.ended("s:1")
    await store.accept([item("s:waits")])
    await scene.later(2)
    assert (await scene.retention.look()).events == 0

    scene.let_pass(EVERY)

    assert (await scene.retention.look()).events == 1
    assert await scene.kept() == {"s:waits"}
    assert await store.accept([item("s:1")]) == [False]


async def test_nothing_is_deleted_when_the_rules_file_does_not_say_how_long(store: MemoryStore) -> None:
    """Who has not asked for it loses nothing."""
    scene = Scene(store, RULES)
    await scene.ended("s:1")
    scene.now = NOW + 10_000 * DAY

    assert (await scene.retention.look()).events == 0
    assert await scene.kept() == {"s:1"}


async def test_much_is_deleted_in_portions_when_its_time_is_over() -> None:
    """Each portion is followed by a pause, in which whoever waits has his turn."""
    asked: list[int] = []

    class Counting(MemoryStore):
        async def forget(self, *, before: float, limit: int) -> Forgotten:
            asked.append(limit)
            return await super().forget(before=before, limit=limit)

    store = Counting()
    await store.open()
    scene = Scene(store)
    await scene.ended(*(f"s:{number}" for number in range(2 * PORTION + 1)))
    await scene.later(3)
    asked.clear()
    scene.waits.clear()

    deleted = await scene.retention.look()

    assert (deleted.events, deleted.more) == (2 * PORTION + 1, False)
    assert asked == [PORTION] * 3
    assert scene.waits == [PAUSE] * 3


async def test_one_process_deletes_when_several_look(store: MemoryStore) -> None:
    """Whoever comes within ten minutes leaves it to the one who looked, and so does that one himself."""
    scene = Scene(store)
    other = scene.another()
    await scene.later(3)
    await scene.retention.look()
    await scene.ended("s:1")

    for retention in (scene.retention, other, scene.another()):
        assert (await retention.look()).events == 0

    scene.let_pass(EVERY)
    assert (await other.look()).events == 1


async def test_next_look_goes_on_when_the_time_was_too_short(store: MemoryStore) -> None:
    """A function has less than a minute; what is left by then does not wait for ten."""
    scene = Scene(store)
    await scene.ended("s:1")
    await scene.later(3)

    assert (await scene.retention.look(0.0)).more
    assert await scene.kept() == {"s:1"}
    assert (await scene.another().look()).events == 1


async def test_hashes_are_dropped_when_their_source_is_gone(store: MemoryStore) -> None:
    """Those of a source that the rules file has are kept, also where events are kept for ever."""
    scene = Scene(store)
    await scene.ended("s:1", "gone:1", "gone:2")
    await scene.later(3)
    assert (await scene.retention.look()).hashes == 2
    assert list(await store.remembered()) == ["s"]

    await scene.ended("gone:3")
    await store.forget(before=NOW + DAY, limit=9)
    scene.let_pass(EVERY)
    assert (await scene.another(RULES).look()).hashes == 1


async def test_rules_file_of_before_goes_when_no_event_refers_to_it(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Twice as long after it was that of now, since an event may have been redriven with it just before its time was
    over. That of now stays.
    """
    caplog.set_level(logging.INFO, logger="badge_bridge.retention")
    scene = Scene(store)
    of_now, of_before = rules(KEEPS), rules(RULES)
    for one in (of_before, of_now):
        await Archive(store, clock=lambda: scene.now).keep(one)
    for _ in range(3):
        assert (await scene.retention.look()).rules == 0
        scene.let_pass(2 * DAY)
    assert await is_kept(store, of_before.hash)

    scene.let_pass(-DAY)
    assert (await scene.retention.look()).rules == 1

    assert [await is_kept(store, one.hash) for one in (of_before, of_now)] == [False, True]
    assert caplog.messages == ["retention: deleted 1 rules file of before"]
    scene.let_pass(EVERY)
    assert (await scene.retention.look()).rules == 0


async def test_rules_file_of_before_stays_when_events_are_kept_for_ever(store: MemoryStore) -> None:
    """Some event may refer to it, whenever."""
    scene = Scene(store, RULES)
    await Archive(store, clock=lambda: scene.now).keep(rules(KEEPS))
    scene.now = NOW + 10_000 * DAY

    assert (await scene.retention.look()).rules == 0
    assert await is_kept(store, rules(KEEPS).hash)


async def test_one_line_says_how_much_was_deleted(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """With the counts as fields; where there was nothing to do, nothing is said."""
    caplog.set_level(logging.INFO, logger="badge_bridge.retention")
    scene = Scene(store)
    await scene.retention.look()
    assert caplog.records == []
    await scene.ended("s:1", "s:2", "gone:1")
    await scene.later(3)

    await scene.retention.look()

    (record,) = caplog.records
    assert record.getMessage() == "retention: deleted 3 events and 1 hash of sources that are gone"
    assert record.__dict__["json_fields"] == {"kind": "retention", "events": 3, "hashes": 1, "rules": 0, "more": False}


@pytest.mark.parametrize(
    ("problem", "level"), [(StoreUnavailable("the disk is full"), "WARNING"), (KeyError("unforeseen"), "ERROR")]
)
async def test_look_ends_with_a_line_and_the_next_one_goes_on_when_the_store_fails(
    caplog: pytest.LogCaptureFixture, problem: Exception, level: str
) -> None:
    """What runs beside everything else must neither end nor disturb it."""

    class Failing(MemoryStore):
        fails = False

        async def forget(self, *, before: float, limit: int) -> Forgotten:
            if self.fails:
                raise problem
            return await super().forget(before=before, limit=limit)

    failing = Failing()
    await failing.open()
    scene = Scene(failing)
    await scene.ended("s:1")
    await scene.later(3)
    failing.fails = True

    assert (await scene.retention.look()).events == 0
    assert [record.levelname for record in caplog.records] == [level]

    failing.fails = False
    scene.let_pass(EVERY)
    assert (await scene.retention.look()).events == 1


async def test_open_bridge_deletes_beside_its_other_work(store: MemoryStore) -> None:
    """Nobody has to ask for it."""
    scene = Scene(store)
    await scene.ended("s:1")
    await store.accept([item("s:2", received_at=NOW + 3 * DAY)])

    async with open_bridge(rules(KEEPS), store, concurrency=1, clock=lambda: NOW + 3 * DAY):
        for _ in range(500):
            if "s:1" not in await scene.kept():
                break
            await asyncio.sleep(0.01)

    assert await scene.kept() == {"s:2"}


async def test_nothing_is_deleted_when_the_clock_is_ahead_for_a_while(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """By a year for a quarter of a minute, or for hours: one line says so, and later what is over goes as ever."""
    scene = Scene(store)
    await scene.later(0)
    await scene.ended("s:1")

    for seconds in (14.0, 6 * 3600.0):
        scene.now += 365 * DAY
        scene.let_pass(seconds)
        assert (await scene.retention.look()).events == 0
        assert await scene.go_on(seconds) == 0
        scene.now -= 365 * DAY
        assert await scene.go_on(EVERY) == 0

    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "the clock is 365 days ahead" in caplog.messages[0]
    assert await scene.go_on(DAY) == 0
    assert await scene.go_on(DAY) == 1


async def test_nothing_is_deleted_when_a_process_begins_by_a_clock_that_is_ahead(store: MemoryStore) -> None:
    """How far the last process has counted is known to the next, and to one after the other that dies young."""
    scene = Scene(store)
    await scene.later(0)
    await scene.ended("s:1")
    scene.now += 365 * DAY

    for _ in range(20):
        assert await scene.go_on(1800, scene.another()) == 0

    assert await scene.kept() == {"s:1"}


async def test_what_is_over_is_deleted_after_a_day_when_the_machine_was_off_for_a_year(store: MemoryStore) -> None:
    """A clock that has said the same for so long is believed, whoever has listened to it."""
    scene = Scene(store)
    await scene.later(0)
    await scene.ended("s:1")
    scene.now += 365 * DAY
    await scene.another().look()

    assert await scene.go_on(DAY / 2, scene.another()) == 0
    assert await scene.go_on(DAY / 2 + 2 * EVERY, scene.another()) == 1


async def test_doubt_begins_anew_when_the_clock_says_something_else(store: MemoryStore) -> None:
    """One that is never the same for a day is never believed."""
    scene = Scene(store)
    await scene.later(0)
    await scene.ended("s:1")

    for years in (1, 2, 3, 4):
        scene.now += 365 * DAY
        assert await scene.go_on(DAY / 2) == 0, years


async def test_restart_holds_nothing_up_when_it_took_minutes(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """So much is believed with the next look, and nobody hears of it."""
    scene = Scene(store)
    await scene.ended("s:1")
    await scene.later(2)
    await scene.retention.look()
    scene.now += 300
    after = scene.another()

    assert (await after.look()).events == 0
    assert await scene.go_on(EVERY, after) == 1
    assert "ahead" not in caplog.text


async def test_newest_event_is_the_bound_when_nobody_has_looked_yet(store: MemoryStore) -> None:
    """The first look by a store of before, where the clock may be wrong already; an event of today shows that it is not."""
    scene = Scene(store)
    await scene.ended("s:1")
    scene.now = NOW + 3 * DAY
    assert (await scene.another().look()).events == 0

    fresh = MemoryStore()
    await fresh.open()
    other = Scene(fresh)
    await other.ended("s:1")
    await fresh.accept([item("s:2", received_at=NOW + 3 * DAY)])
    other.now = NOW + 3 * DAY + 1
    assert (await other.another().look()).events == 1


async def test_clock_that_is_set_back_is_believed_at_once(store: MemoryStore) -> None:
    """It deletes less. Had the time of before been kept, it would be the one by which the next jump is measured."""
    scene = Scene(store)
    scene.now = NOW + 400 * DAY
    await scene.later(0)
    scene.now = NOW
    assert await scene.go_on(EVERY) == 0
    await scene.ended("s:1")

    scene.now += 365 * DAY
    assert await scene.go_on(3600) == 0


async def test_nothing_is_deleted_when_another_process_has_just_counted() -> None:
    """A jump ends a hold early, so that two may look at once: whoever notes what is certain first is the one."""

    class Overtaken(MemoryStore):
        async def write_note(self, name: str, text: str, *, version: int) -> bool:
            return False

    store = Overtaken()
    await store.open()
    scene = Scene(store)
    await scene.ended("s:1")
    scene.let_pass(3 * DAY)

    assert (await scene.retention.look()).events == 0


DURATIONS: list[tuple[str, float | None]] = [
    ("1 day", DAY),
    ("90 days", 90 * DAY),
    ("1 week", 7 * DAY),
    ("12 weeks", 84 * DAY),
    ("keep", None),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_rules_file_says_how_long_in_days_or_weeks(text: str, seconds: float | None) -> None:
    """As people write it, with its unit."""
    assert rules(f"{RULES}retention: {{events: {text}}}\n").retention == seconds


def test_events_are_kept_for_ever_when_the_rules_file_says_nothing() -> None:
    """Nothing that was kept before is deleted by a new version."""
    assert rules(RULES).retention is None
