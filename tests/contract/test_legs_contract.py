"""What every store does with the legs of a call: one waits for all, the others are joined as they come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.store.protocol import Accepted, Claim, Judged, LegPlace, LegsRead, Settlement, Store, StoredEvent
from badge_bridge.store.sqlite import SqliteStore
from support.stores import NOW, UNREADABLE, item, overwrite

SOON, LATE = 5.0, 600.0
CALL = "call\ns\n7"
BREAKS = """
CREATE TRIGGER breaks BEFORE INSERT ON joins WHEN new.value = 'other' BEGIN SELECT raise(ABORT, 'broken'); END
"""
"""A write of a leg that fails after its call and its keeper were written."""


def leg(name: str, *, ends: bool = False, at: float = NOW, most: int = 500, call: str = CALL) -> Accepted:
    place = LegPlace(call, "s:judged", ends, soon=at + SOON, late=at + LATE, most=most)
    return replace(item(f"s:{name}", type="call.leg", received_at=at, joins=(call,)), leg=place)


async def found(store: Store, name: str) -> StoredEvent:
    stored = await store.get(f"s:{name}")
    assert stored is not None
    return stored


async def states(store: Store, *names: str) -> str:
    return " ".join([(await found(store, name)).state for name in names])


async def claimed(store: Store, name: str, *, now: float) -> Claim:
    claim = await store.claim(f"s:{name}", now=now, lease=60)
    assert claim is not None
    return claim


async def judge(store: Store, *, now: float, unread: int = 0, **fields: Any) -> Judged:
    legs = await store.related(CALL, limit=500)
    given: dict[str, Any] = {
        "call": CALL,
        "count": len(legs) - unread,
        "open": [one.key for one in legs if one.state in ("waiting", "working")],
        "is_full": False,
        "reason": "judged as call.missed",
        "rules_hash": "abc",
        **fields,
    }
    return await store.judge(item("s:judged"), revision=given["count"], legs=LegsRead(**given), now=now)


async def test_one_leg_waits_for_all_while_nothing_has_ended(store: Store) -> None:
    """The first waits as long as a call may take; the next ones are joined at once, and say where to look."""
    assert await store.accept([leg("1")]) == [True]
    assert await store.accept([leg("2", at=NOW + 9)]) == [True]
    first, second = await found(store, "1"), await found(store, "2")
    assert (first.state, first.due, first.reason) == ("waiting", NOW + LATE, "waits for the call's end")
    assert (second.state, second.settled_at, second.attempts, second.history) == ("joined", NOW + 9, 0, ())
    assert second.reason == "left to another leg of the call, to be judged in s:judged"
    assert await store.claim_due(now=NOW + LATE - 1, lease=60, limit=9) == []
    assert await store.next_due(now=NOW + 9) == NOW + LATE
    assert [claim.key for claim in await store.claim_due(now=NOW + LATE, lease=60, limit=9)] == ["s:1"]


async def test_leg_that_ends_brings_the_reading_forward(store: Store) -> None:
    """The one that waits is due soon after the end, not a moment later for what comes meanwhile, and is the only one."""
    await store.accept([leg("1")])
    await store.accept([leg("2", ends=True, at=NOW + 60)])
    await store.accept([leg("3", ends=True, at=NOW + 61), leg("4", at=NOW + 62)])
    assert await states(store, "1", "2", "3", "4") == "waiting joined joined joined"
    assert (await found(store, "1")).due == NOW + 65


async def test_first_leg_waits_for_the_grace_time_only_where_it_ends(store: Store) -> None:
    """A call whose end is told of first is judged soon; what follows is left to that leg."""
    await store.accept([leg("1", ends=True), leg("2", at=NOW + 1)])
    assert await states(store, "1", "2") == "waiting joined"
    stored = await found(store, "1")
    assert (stored.due, stored.reason) == (NOW + SOON, "waits for what else is told of the call")


async def test_legs_of_one_batch_are_placed_one_after_the_other(store: Store) -> None:
    """Calls that one delivery tells of are kept apart, and a leg that is told twice in it counts once."""
    batch = [leg("1"), leg("2"), leg("2"), leg("3", call="other"), leg("4", ends=True)]
    assert await store.accept(batch) == [True, True, False, True, True]
    assert await states(store, "1", "2", "3", "4") == "waiting joined waiting joined"
    assert [(await found(store, name)).due for name in "13"] == [NOW + SOON, NOW + LATE]


async def test_repeated_leg_changes_nothing(store: Store) -> None:
    """A provider that sends again neither hurries the reading nor counts as one more leg."""
    await store.accept([leg("1")])
    assert await store.accept([leg("1", ends=True), leg("1", ends=True)]) == [False, False]
    assert (await found(store, "1")).due == NOW + LATE
    assert (await judge(store, now=NOW + 1)).is_whole


async def test_leg_waits_itself_while_the_one_that_waited_is_worked_on(store: Store) -> None:
    """That one may have read the call already; it does not matter how its attempt ends."""
    await store.accept([leg("1", ends=True)])
    claim = await claimed(store, "1", now=NOW + 5)
    await store.accept([leg("2", at=NOW + 5)])
    assert (await found(store, "2")).due == NOW + 10
    await store.settle(claim, Settlement(state="joined", ended_at=NOW + 6))
    await store.accept([leg("3", at=NOW + 7)])
    assert await states(store, "1", "2", "3") == "joined waiting joined"


async def test_leg_waits_itself_where_the_one_that_waits_has_failed(store: Store) -> None:
    """A leg that may end as dead is not relied on."""
    await store.accept([leg("1", ends=True)])
    claim = await claimed(store, "1", now=NOW + 5)
    await store.settle(claim, Settlement(state="waiting", ended_at=NOW + 6, due=NOW + 99, failed=True))
    await store.accept([leg("2", at=NOW + 7)])
    assert await states(store, "1", "2") == "waiting waiting"


@pytest.mark.parametrize("text", UNREADABLE)
async def test_leg_waits_itself_where_the_one_that_waits_cannot_be_read(store: Store, text: str) -> None:
    """What another version wrote ends as dead here, and would take the call with it."""
    await store.accept([leg("1")])
    await overwrite(store, "s:1", text)
    await store.accept([leg("2", at=NOW + 7)])
    assert await states(store, "1", "2") == "waiting waiting"


async def test_judgement_of_all_legs_ends_them_all(store: Store) -> None:
    """Those that wait and those that others hold; who holds one finds that it is not his any more."""
    await store.accept([leg("1", ends=True)])
    working = await claimed(store, "1", now=NOW + 5)
    await store.accept([leg("2", at=NOW + 5)])
    assert await judge(store, now=NOW + 6) == Judged(is_news=True, is_whole=True)
    assert not await store.settle(working, Settlement(state="waiting", ended_at=NOW + 7, due=NOW + 9))
    first, second = await found(store, "1"), await found(store, "2")
    for one in (first, second):
        assert (one.state, one.reason, one.settled_at) == ("joined", "judged as call.missed", NOW + 6)
        assert (one.rules_hash, one.lane) == ("abc", "")
    (attempt,) = first.history
    assert (attempt.result, attempt.ended_at, attempt.reason) == ("joined", NOW + 6, "judged as call.missed")
    assert (attempt.rules_hash, second.history) == ("abc", ())
    assert [claim.key for claim in await store.claim_due(now=NOW + 999, lease=60, limit=9)] == ["s:judged"]
    assert await judge(store, now=NOW + 8) == Judged(is_news=False, is_whole=True)


async def test_judgement_ends_only_what_was_open_when_it_was_read(store: Store) -> None:
    """What was redriven since is taken up again all the same."""
    await store.accept([leg("1", ends=True), leg("2")])
    await store.redrive("s:2", now=NOW + 1)
    assert (await judge(store, now=NOW + 6, open=["s:1"])).is_whole
    assert await states(store, "1", "2") == "joined waiting"


async def test_judgement_of_fewer_legs_hurries_the_one_that_reads_the_rest(store: Store) -> None:
    """A leg that came since the reading was left to one that waits, which must not be settled unread."""
    await store.accept([leg("1", ends=True)])
    working = await claimed(store, "1", now=NOW + 5)
    await store.accept([leg("2", at=NOW + 5), leg("3", at=NOW + 5)])
    assert await judge(store, now=NOW + 6, unread=1) == Judged(is_news=True, is_whole=False)
    assert await states(store, "1", "2", "3") == "working waiting joined"
    assert await store.settle(working, Settlement(state="joined", ended_at=NOW + 6))
    assert (await claimed(store, "2", now=NOW + 6)).attempt == 1


async def test_late_leg_is_read_at_once_and_for_all_that_come_with_it(store: Store) -> None:
    """After the judgement a leg is due now, but one that ends something after its grace time."""
    await store.accept([leg("1", ends=True)])
    await judge(store, now=NOW + 6)
    await store.accept([leg("2", at=NOW + 10)])
    await store.accept([leg("3", at=NOW + 11, ends=True)])
    assert await states(store, "2", "3") == "waiting joined"
    await claimed(store, "2", now=NOW + 10)
    await store.accept([leg("4", at=NOW + 12, ends=True)])
    assert (await found(store, "4")).due == NOW + 17


async def test_call_of_many_legs_is_read_at_once_and_takes_no_more_when_it_is_full(store: Store) -> None:
    """With the last leg that is looked at there is nothing to wait for; further ones cost nothing."""
    await store.accept([leg(str(number), most=3) for number in range(2)])
    assert await store.next_due(now=NOW + 1) == NOW + LATE
    await store.accept([leg("2", most=3, at=NOW + 1)])
    assert await store.next_due(now=NOW + 1) == NOW + 1
    await judge(store, now=NOW + 2, is_full=True)
    await store.accept([leg("3", most=3, at=NOW + 3, ends=True)])
    stored = await found(store, "3")
    assert (stored.state, stored.reason) == ("joined", "more legs than are looked at, judged in s:judged")


async def test_joined_leg_can_be_redriven_though_it_was_never_tried(store: Store) -> None:
    """It is taken up like any other."""
    await store.accept([leg("1"), leg("2")])
    assert await store.redrive("s:2", now=NOW + 20)
    assert (await claimed(store, "2", now=NOW + 20)).attempt == 1


async def test_leg_hurries_what_waits_by_a_clock_that_was_set_back(store: Store) -> None:
    """An end that is told of is read after its own grace time, not when the clock of before is caught up with."""
    await store.accept([leg("1", ends=True, at=NOW + 7200)])
    await store.accept([leg("2", ends=True, at=NOW)])
    assert (await found(store, "1")).due == NOW + SOON
    assert (await claimed(store, "1", now=NOW + SOON)).attempt == 1


class Breaking(list[str]):
    """Keys of which only the first can be had."""

    def __iter__(self) -> Iterator[str]:
        yield self[0]
        raise RuntimeError("broken")


async def test_judgement_that_breaks_off_in_the_middle_has_written_nothing(store: Store) -> None:
    """Neither the judgement nor the end of a leg, and the call is judged all the same by who takes it up next."""
    await store.accept([leg("1", ends=True)])
    claim = await claimed(store, "1", now=NOW + 5)
    await store.accept([leg("2", at=NOW + 5)])
    with pytest.raises(RuntimeError, match="broken"):
        await judge(store, now=NOW + 6, open=Breaking(["s:1", "s:2"]))
    assert await store.get("s:judged") is None
    assert await states(store, "1", "2") == "working waiting"
    assert (await found(store, "1")).history[0].result == "working"
    await store.accept([leg("3", ends=True, at=NOW + 7)])
    assert (await found(store, "2")).due == NOW + 10
    assert await store.settle(claim, Settlement(state="waiting", ended_at=NOW + 8, due=NOW + 8))
    assert await judge(store, now=NOW + 9) == Judged(is_news=True, is_whole=True)
    assert await states(store, "1", "2", "3") == "joined joined joined"


async def test_delivery_whose_last_leg_cannot_be_placed_has_written_nothing(tmp_path: Path) -> None:
    """No leg of it is there, the keeper of before is not hurried, and sent again it is taken as new.

    Only of the file: in memory nothing can fail between two legs.
    """
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([leg("1")])
    told = [leg("2", ends=True, at=NOW + 1), leg("3", call="other", at=NOW + 1)]
    await store._write(lambda connection: connection.execute(BREAKS))
    with pytest.raises(sqlite3.IntegrityError, match="broken"):
        await store.accept(told)
    assert (await found(store, "1")).due == NOW + LATE
    assert [one.key for one in (await store.list()).events] == ["s:1"]
    assert [one.key for one in await store.related(CALL, limit=9)] == ["s:1"]
    await store._write(lambda connection: connection.execute("DROP TRIGGER breaks"))
    assert await store.accept(told) == [True, True]
    assert await states(store, "1", "2", "3") == "waiting joined waiting"
    assert (await found(store, "1")).due == NOW + 1 + SOON
    assert await judge(store, now=NOW + 9) == Judged(is_news=True, is_whole=True)
    await store.close()
