"""Lost calls are fetched: from the first sight of a portal on, each once, whatever stops a look half way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import httpx
import pytest

from badge_bridge.backfill.fetching import BUDGET, PAGES
from badge_bridge.backfill.notebook import note_of
from badge_bridge.backfill.subject import EVERY, OLDEST
from badge_bridge.backfill.watermark import OVERLAP, REST
from badge_bridge.erasure import erase, held
from badge_bridge.errors import AccessRefused, PortalError, StoreUnavailable
from badge_bridge.sandbox.seed import OUTSIDER_TOKEN, Token
from badge_bridge.spellings import Spellings
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted
from support.lost_calls import CUSTOMER, SOURCE, STATISTICS, opened_scene
from support.portals import run_virtually, virtual_clock


class Crashing(MemoryStore):
    """A store in memory that cannot write notes while `broken`, and knows what was offered to it."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.offered: list[str] = []
        self.refused = ""

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        if self.broken:
            raise StoreUnavailable("the process was killed here")
        return await super().write_note(name, text, version=version)

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        if any(one.event.id == self.refused for one in batch):
            raise ValueError("its text cannot be written down")
        self.offered += [one.event.id for one in batch]
        return await super().accept(batch)


async def test_nothing_of_before_the_first_sight_is_fetched() -> None:
    """Who installs the bridge does not get the badges of two years."""
    async with opened_scene() as scene:
        await scene.calls(3)
        assert await scene.look() == 0
        await scene.call(call_id="lost")
        assert await scene.look() == 1
        assert await scene.called() == ["lost"]


async def test_a_portal_without_any_call_is_seen_as_well() -> None:
    """Its first call ever is fetched."""
    async with opened_scene(calls=()) as scene:
        assert await scene.look() == 0
        await scene.call(call_id="lost")
        assert (await scene.look(), await scene.called()) == (1, ["lost"])


async def test_fetched_call_is_the_event_that_was_lost() -> None:
    """It says what it is, where it is from, and is worked on like any other."""
    async with opened_scene() as scene:
        await scene.look()
        row = await scene.call(started_at=scene.now - 120)
        await scene.look()
        (stored,) = await scene.events()
        assert (stored.event.type, stored.event.caller, stored.event.source) == ("call.missed", CUSTOMER, "office")
        assert stored.event.time.timestamp() == int(row.call_start_date)
        assert stored.verified == f"fetched from the portal: {STATISTICS}"
        assert stored.event.data["auth"]["domain"] == "127.0.0.1:8090"
        await scene.bridges[0].worker.drain(10)
        assert (await scene.events())[0].state == "done"
        assert len(scene.badges()) == 1


@pytest.mark.parametrize("first", ["event", "row"])
async def test_call_that_comes_both_ways_is_one_event(first: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever comes first; and it is no news to anybody that a call was not lost."""
    caplog.set_level(logging.INFO)
    async with opened_scene() as scene:
        await scene.look()
        row = await scene.call()
        if first == "event":
            await scene.deliver(row)
            caplog.clear()
            assert await scene.look() == 0
            assert "duplicate" not in caplog.text
        else:
            assert await scene.look() == 1
            await scene.deliver(row)
        assert await scene.called() == [row.call_id]


async def test_answered_call_whose_event_was_lost_takes_the_badge_off() -> None:
    """Or it would stay on the card for ever. One that we made in vain takes none off."""
    async with opened_scene() as scene:
        await scene.look()
        await scene.call(started_at=scene.now)
        await scene.look()
        await scene.bridges[0].worker.drain(10)
        await scene.call(call_type=1, code="304", started_at=scene.now)
        await scene.look()
        await scene.bridges[0].worker.drain(10)
        assert [badge.completed for badge in scene.badges()] == [False]
        await scene.call(call_type=1, code="200", duration=20, started_at=scene.now)
        await scene.look()
        await scene.bridges[0].worker.drain(10)
        assert [badge.completed for badge in scene.badges()] == [True]


async def test_a_quiet_look_is_one_request_and_reads_one_row() -> None:
    """The last row that is known shows that the numbers are still those of before."""
    async with opened_scene() as scene:
        await scene.look()
        row = await scene.call()
        await scene.look()
        before = len(scene.asked())
        await scene.look()
        assert scene.asked()[before:] == [{"FILTER": {">=ID": row.id}, "SORT": "ID", "ORDER": "ASC"}]


async def test_call_that_becomes_visible_after_a_later_one_is_fetched() -> None:
    """Its row was written by a transaction that ended later."""
    async with opened_scene() as scene:
        await scene.look()
        late, other = await scene.calls(2)
        del scene.portal.records.calls[late.id]
        assert await scene.look() == 1
        scene.portal.records.calls[late.id] = late
        assert await scene.look(later=OVERLAP - 120) == 1
        assert set(await scene.called()) == {late.call_id, other.call_id}


async def test_rows_above_a_gap_are_not_offered_again() -> None:
    """They are read again while the gap is waited for, which must not cost a write each time."""
    store = Crashing()
    async with opened_scene(store=store) as scene:
        await scene.look()
        gone, *others = await scene.calls(3)
        del scene.portal.records.calls[gone.id]
        for _ in range(5):
            await scene.look()
        assert store.offered == [row.call_id for row in others]


async def test_row_that_is_not_finished_is_waited_for() -> None:
    """A row without its code would be read as a call of which nothing is known, and hide what its event tells."""
    async with opened_scene() as scene:
        await scene.look()
        row = await scene.call()
        scene.portal.records.calls[row.id] = row.model_copy(update={"call_failed_code": ""})
        assert await scene.look() == 0
        scene.portal.records.calls[row.id] = row
        assert await scene.look() == 1
        assert [one.event.type for one in await scene.events()] == ["call.missed"]


async def test_late_report_with_an_old_start_is_fetched() -> None:
    """A PBX that was cut off reports later; its row has a new number and an old time."""
    async with opened_scene() as scene:
        await scene.look()
        await scene.call(call_id="late", started_at=scene.now - OLDEST + 3600)
        await scene.call(call_id="ancient", started_at=scene.now - OLDEST - 3600)
        assert await scene.look() == 1
        assert await scene.called() == ["late"]


async def test_many_lost_calls_are_fetched_in_bounded_looks() -> None:
    """A long absence is caught up with look by look, each row is read about once, and none is left out."""
    async with opened_scene(limits=None) as scene:
        await scene.look()
        rows = await scene.calls(PAGES * 49 + 70)
        before = len(scene.asked())
        assert await scene.look() == PAGES * 49
        assert len(scene.asked()) - before == PAGES
        assert await scene.look() == 70
        assert sorted(await scene.called()) == sorted(row.call_id for row in rows)


async def test_a_crash_before_the_watermark_is_written_repeats_the_page() -> None:
    """What is stored already is not stored twice, and nothing is passed over."""
    store = Crashing()
    async with opened_scene(processes=2, store=store) as scene:
        await scene.look()
        rows = await scene.calls(60)
        store.broken = True
        await scene.look()
        assert len(await scene.called()) == 49
        store.broken = False
        await scene.look(1)
        assert sorted(await scene.called()) == sorted(row.call_id for row in rows)
        assert set(store.offered[:49]) <= set(store.offered[49:])


async def test_a_lost_answer_loses_no_call() -> None:
    """The next look asks for the same rows."""
    async with opened_scene() as scene:
        await scene.look()
        await scene.call(call_id="lost")
        scene.wire.broken = httpx.ReadError("connection reset")
        assert await scene.look() == 0
        scene.wire.broken = None
        assert await scene.look() == 1


async def test_one_process_at_a_time_looks() -> None:
    """The other one leaves it alone for most of a minute, and takes over where the first is gone."""
    async with opened_scene(processes=2) as scene:
        await scene.look(0)
        await scene.call()
        before = len(scene.asked())
        assert await scene.look(1, later=0) == 0
        assert len(scene.asked()) == before
        assert await scene.look(1, later=EVERY) == 1


async def test_two_processes_that_look_side_by_side_store_each_call_once() -> None:
    """As where the one was slower than its hold; only one of them moves the watermark."""
    store = Crashing()
    async with opened_scene(processes=2, store=store) as scene:
        await scene.look()
        rows = await scene.calls(30)
        scene.now += EVERY
        one, other = (bridge.backfill.fetch() for bridge in scene.bridges)
        store.hold = always  # type: ignore[method-assign]
        found = await asyncio.gather(one, other)
        assert sum(found) == 30
        assert sorted(await scene.called()) == sorted(row.call_id for row in rows)
        assert await scene.look() == 0


async def always(*_: object, **__: object) -> bool:
    return True


@pytest.mark.parametrize("token", [OUTSIDER_TOKEN, "without-telephony"])
async def test_missing_right_is_said_once_and_stops_nothing_else(token: str, caplog: pytest.LogCaptureFixture) -> None:
    """With what to do about it; it is asked for again after an hour, and then what it needs is there at once."""
    admin = Token(access_token="without-telephony", user_id=1, client_id="local.sandbox-application", scopes=("crm",))
    outsider = Token(access_token=OUTSIDER_TOKEN, user_id=9, client_id=admin.client_id, scopes=("crm", "telephony"))
    async with opened_scene(token=token, tokens=(admin, outsider)) as scene:
        for _ in range(10):
            assert await scene.look() == 0
        said = [one.getMessage() for one in caplog.records if "cannot be fetched, and are lost" in one.getMessage()]
        assert len(said) == 1
        assert "backfill: false at source office" in said[0]
        assert ("permission telephony" if token != OUTSIDER_TOKEN else "view the call statistics") in said[0]
        assert len(scene.asked()) == 1
        await scene.look(later=REST)
        assert len(scene.asked()) == 2
        assert len([one for one in caplog.records if "cannot be fetched, and are lost" in one.getMessage()]) == 1
        allowed = Token(access_token=token, user_id=1, client_id=admin.client_id, scopes=("crm", "telephony"))
        scene.replace(tokens=(allowed.model_dump(),))
        await scene.look(later=REST)
        await scene.call(call_id="lost")
        assert (await scene.look(), await scene.called()) == (1, ["lost"])


async def test_a_right_that_is_taken_away_meanwhile_loses_no_place() -> None:
    """When it is given back, what was lost in between is fetched."""
    async with opened_scene() as scene:
        await scene.look()
        scene.replace(users=[{**one.model_dump(), "call_statistics": False} for one in scene.portal.seed.users])
        await scene.call(call_id="lost")
        assert await scene.look() == 0
        scene.replace(users=[{**one.model_dump(), "call_statistics": True} for one in scene.portal.seed.users])
        assert await scene.look(later=REST) == 1


async def test_a_paused_portal_is_not_asked() -> None:
    """Nor for calls that it may have lost."""
    async with opened_scene() as scene:
        await scene.look()
        await scene.store.pause("main", until=scene.now + 300, reason="OVERLOAD_LIMIT: it rests")
        before = len(scene.asked())
        await scene.look()
        assert len(scene.asked()) == before


async def test_a_credential_that_died_is_no_matter_of_lost_calls(caplog: pytest.LogCaptureFixture) -> None:
    """The whole portal is paused then, and told of by that; as soon as it is back, so are the lost calls."""
    async with opened_scene() as scene:
        await scene.look()
        tokens = [one.model_dump() for one in scene.portal.seed.tokens]
        scene.replace(tokens=())
        await scene.call()
        assert await scene.look() == 0
        assert "and are lost" not in caplog.text
        scene.replace(tokens=tokens)
        assert await scene.look() == 1


async def test_who_asks_gets_all_there_is_and_hears_how_far_it_is() -> None:
    """In several looks, of which each is bounded; the rows are counted from where it began to the newest one."""
    async with opened_scene(limits=None) as scene:
        await scene.look()
        rows = await scene.calls(PAGES * 49 + 70)
        told: list[tuple[int, int]] = []
        found = await scene.bridges[0].backfill.catch_up("main", lambda *at: told.append(at))
        assert (found.read, found.new, found.more, found.has_failed) == (len(rows), len(rows), False, False)
        assert sorted(await scene.called()) == sorted(row.call_id for row in rows)
        assert told == [(min(49 * page, len(rows)), len(rows)) for page in range(1, PAGES + 3)]


async def test_who_asks_waits_for_nobody_who_looks_by_himself() -> None:
    """Whose turn lasts for most of a minute, though his look is over. When it is done, he has his turn back."""
    async with opened_scene(processes=3) as scene:
        await scene.look(0)
        await scene.call()
        found = await scene.bridges[1].backfill.catch_up("main", nothing)
        assert (found.new, found.elsewhere) == (1, False)
        await scene.call()
        assert await scene.look(0, later=EVERY) == 1
        assert (await scene.bridges[1].backfill.catch_up("main", nothing)).read == 0
        assert await scene.look(2, later=EVERY) == 0


async def test_two_who_ask_at_once_read_one_after_the_other() -> None:
    """The second is told so, and costs no request."""
    async with opened_scene(processes=2, limits=None) as scene:
        await scene.look()
        await scene.calls(60)
        before = len(scene.asked())
        one, other = await asyncio.gather(*(bridge.backfill.catch_up("main", nothing) for bridge in scene.bridges))
        assert (one.new, one.elsewhere) == (60, False)
        assert (other.read, other.elsewhere) == (0, True)
        assert len(scene.asked()) - before == 3
        await scene.call()
        assert (await scene.bridges[1].backfill.catch_up("main", nothing)).new == 1


async def test_who_asks_goes_on_where_another_has_moved_the_watermark() -> None:
    """As somebody who looks by himself may do at the same time; nothing is lost and nothing stored twice."""
    store = Crashing()
    async with opened_scene(processes=2, store=store, limits=None) as scene:
        await scene.look()
        rows = await scene.calls(PAGES * 49 + 70)
        scene.now += EVERY
        asked = scene.bridges[0].backfill.catch_up("main", nothing)
        store.hold = always  # type: ignore[method-assign]
        found, by_itself = await asyncio.gather(asked, scene.bridges[1].backfill.fetch())
        assert (found.more, found.has_failed) == (False, False)
        assert found.new + by_itself == len(rows)
        assert sorted(await scene.called()) == sorted(row.call_id for row in rows)


async def test_who_asks_is_told_of_a_refusal_and_may_ask_again(caplog: pytest.LogCaptureFixture) -> None:
    """Within the hour in which nobody asks by himself. What was refused to him is nobody else's news."""
    async with opened_scene() as scene:
        await scene.look()
        scene.replace(users=[{**one.model_dump(), "call_statistics": False} for one in scene.portal.seed.users])
        await scene.call(call_id="lost")
        found = await scene.bridges[0].backfill.catch_up("main", nothing)
        assert isinstance(found.refused, AccessRefused)
        assert "and are lost" not in caplog.text
        await scene.look()
        assert "and are lost" in caplog.text
        scene.replace(users=[{**one.model_dump(), "call_statistics": True} for one in scene.portal.seed.users])
        await scene.store.resume(f"main/{STATISTICS}")
        found = await scene.bridges[0].backfill.catch_up("main", nothing)
        assert (found.new, found.has_failed) == (1, False)
        await scene.call(call_id="later")
        assert await scene.look() == 1


async def test_who_asks_hears_what_has_ended_it() -> None:
    """The portal or the store; what was read until then is counted, and the rest is there the next time."""
    store = Crashing()
    async with opened_scene(store=store) as scene:
        await scene.look()
        await scene.call()
        scene.wire.broken = httpx.ReadError("connection reset")
        found = await scene.bridges[0].backfill.catch_up("main", nothing)
        assert (found.read, isinstance(found.error, PortalError)) == (0, True)
        scene.wire.broken = None
        store.broken = True
        found = await scene.bridges[0].backfill.catch_up("main", nothing)
        assert (found.new, isinstance(found.error, StoreUnavailable)) == (1, True)
        store.broken = False
        found = await scene.bridges[0].backfill.catch_up("main", nothing)
        assert (found.read, found.new, found.has_failed) == (1, 0, False)


async def test_first_sight_is_told_to_who_asks() -> None:
    """And where the portal has to be seen anew."""
    async with opened_scene() as scene:
        await scene.calls(20)
        assert (await scene.bridges[0].backfill.catch_up("main", nothing)).begins == "first"
        scene.replace(calls=(), last_ids={})
        await scene.calls(3)
        assert (await scene.bridges[0].backfill.catch_up("main", nothing)).begins == "anew"


def test_slow_portal_is_read_to_the_end_by_who_asks() -> None:
    """In as many looks as that takes; one in which nothing comes is the last."""

    async def story() -> None:
        async with opened_scene(clock=virtual_clock, limits=None) as scene:
            await scene.look()
            rows = await scene.calls(49 * 5)
            scene.wire.seconds = BUDGET / 3 + 1
            found = await scene.bridges[0].backfill.catch_up("main", nothing)
            assert (found.read, found.more, found.has_failed) == (len(rows), False, False)
            await scene.call()
            scene.wire.seconds = BUDGET + 1
            begun = virtual_clock()
            found = await scene.bridges[0].backfill.catch_up("main", nothing)
            assert "nothing of its calls came within 40 s" in str(found.error)
            assert virtual_clock() - begun == BUDGET

    run_virtually(story())


def nothing(*_: int) -> None:
    """Nobody looks how far it is."""


async def test_numbers_that_begin_anew_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """A portal that was restored, or another one: it counts as seen for the first time, and goes on from there."""
    async with opened_scene() as scene:
        await scene.calls(20)
        await scene.look()
        scene.replace(calls=(), last_ids={})
        await scene.calls(3)
        assert await scene.look() == 0
        assert "not those of before" in caplog.text
        await scene.call(call_id="lost")
        assert (await scene.look(), await scene.called()) == (1, ["lost"])


async def test_lost_calls_are_fetched_when_the_last_call_that_was_read_was_erased() -> None:
    """Which call it was is not known any more, only its number."""
    async with opened_scene() as scene:
        await scene.look()
        await scene.call(call_id=f"call.{CUSTOMER}")
        await scene.look()
        await scene.call("+4930555555", call_id="lost")
        rules = scene.bridges[0].rules
        person = Spellings(CUSTOMER)
        await erase(scene.store, rules, person, await held(scene.store, rules, person))
        note = await scene.store.note(note_of("main"))
        assert note is not None
        assert CUSTOMER not in note.text
        assert (await scene.look(), await scene.called()) == (1, ["lost"])


async def test_another_portal_with_higher_numbers_is_noticed() -> None:
    """The number that was read last is another call there: years of history are none of ours."""
    async with opened_scene() as scene:
        await scene.look()
        top = max(scene.portal.records.calls)
        scene.replace(calls=(), last_ids={})
        await scene.calls(top + 60)
        assert await scene.look() == 0
        assert await scene.called() == []


async def test_a_row_that_was_deleted_moves_nothing() -> None:
    """Where the last one that was read is gone and others follow, reading goes on behind it."""
    async with opened_scene() as scene:
        await scene.look()
        last = await scene.call()
        await scene.look()
        lost = await scene.call()
        del scene.portal.records.calls[last.id]
        assert await scene.look() == 1
        assert lost.call_id in await scene.called()


async def test_a_row_that_cannot_be_kept_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is passed over and told of."""
    store = Crashing()
    async with opened_scene(store=store) as scene:
        await scene.look()
        store.refused = (await scene.call()).call_id
        row = await scene.call()
        assert await scene.look() == 1
        assert await scene.called() == [row.call_id]
        assert "1 row of its calls cannot be read" in caplog.text


async def test_fetched_call_that_cannot_have_begun_yet_counts_from_when_it_was_fetched() -> None:
    """As one that was told of; its event, should it come, is the same one still."""
    async with opened_scene() as scene:
        await scene.look()
        row = await scene.call(started_at=scene.now + 10 * 86_400)
        assert await scene.look() == 1
        (stored,) = await scene.events()
        assert stored.event.time.timestamp() == stored.received_at
        assert stored.event.told_time is not None
        assert stored.event.told_time.timestamp() == int(row.call_start_date)
        await scene.deliver(row)
        assert await scene.called() == [row.call_id]


async def test_what_a_look_has_found_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """And one that has found nothing says nothing."""
    caplog.set_level(logging.INFO, logger="badge_bridge.backfill")
    async with opened_scene() as scene:
        await scene.look()
        await scene.calls(3)
        caplog.clear()
        await scene.look()
        (line,) = caplog.records
        assert line.getMessage() == "portal main: fetched 3 calls whose event had not come, for source office"
        await scene.look()
        assert caplog.records == [line]


async def test_switched_off_nothing_is_asked() -> None:
    """By backfill: false."""
    async with opened_scene(sources=SOURCE.removesuffix("}") + ", backfill: false}") as scene:
        await scene.look()
        assert scene.asked() == []


async def test_a_portal_with_several_sources_fetches_for_the_one_that_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """A call that is told to two sources is two events, so nobody guesses which one it is."""
    second = '\n  other: {provider: bitrix24, secrets: ["${APPLICATION_TOKEN}"]'
    async with opened_scene(sources=SOURCE + second + "}") as scene:
        await scene.look()
        assert scene.asked() == []
        assert "write backfill: true" in caplog.text
    async with opened_scene(sources=SOURCE + second + ", backfill: true}") as scene:
        await scene.look()
        await scene.call()
        await scene.look()
        assert [one.event.source for one in await scene.events()] == ["other"]


def test_it_is_looked_about_once_a_minute() -> None:
    """By the process itself, and until it is stopped."""

    async def story() -> None:
        async with opened_scene(clock=virtual_clock) as scene:
            looking = asyncio.create_task(scene.bridges[0].backfill.run())
            await asyncio.sleep(10 * EVERY + 1)
            looking.cancel()
            assert len(scene.asked()) == 11

    run_virtually(story())
