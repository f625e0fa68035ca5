"""What every store forgets, what it keeps, and what it remembers of what is gone.

Where the protocol leaves a choice, the choice is a test here:

- An event that ended at the very moment stays.
- Which of those whose time is over go first is not promised.
- An event that was forgotten cannot be redriven, judged again, or put back by whoever still works on it.
- What was forgotten is not found by what joins it any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from badge_bridge.events import Leg
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.protocol import Accepted, Attachment, LegPlace, LegsRead, Settlement, Store
from support.stores import NOW, claimed, item

CUSTOMER = "customer\n+4930123456"
CALL = "call\ns\n7"
DAY = 86_400.0


def row(key: str, **fields: Any) -> Attachment:
    known: dict[str, Any] = {
        "rule": "missed call",
        "portal": "main",
        "badge": "missedCall",
        "owner_type": 2,
        "owner_id": 17,
        "time": NOW,
        "join": CUSTOMER,
        "content": '{"layout": {"title": "from +49 30 123456"}}',
        "activity": 900,
    }
    return Attachment(key=key, **{**known, **fields})


def leg(name: str, at: float = NOW) -> Accepted:
    place = LegPlace(CALL, "s:judged", ends=True, soon=at + 5, late=at + 600, most=500)
    told = item(f"s:{name}", type="call.leg", source="s", leg=Leg(call="7"), received_at=at, joins=(CALL,))
    return replace(told, leg=place)


def holds(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.search(pattern, text) is not None


async def end(store: Store, key: str, *, at: float, **fields: Any) -> None:
    settlement = {"state": "done", "ended_at": at, **fields}
    assert await store.settle(await claimed(store, key, now=max(at, NOW)), Settlement(**settlement))


async def forget_all(store: Store, before: float, limit: int = 100) -> int:
    """Until there is no more; how many events went."""
    gone = 0
    for _ in range(50):
        forgotten = await store.forget(before=before, limit=limit)
        gone += forgotten.events
        if not forgotten.more:
            return gone
    raise AssertionError("there is always more")


async def test_forget_deletes_what_ended_before_when_its_time_is_over(store: Store) -> None:
    """What ended before the time goes; what ended then or later, and what has not ended, stays."""
    await store.accept([item(f"s:{name}") for name in ("old", "at", "new", "waiting", "working")])
    await end(store, "s:old", at=NOW + 9)
    await end(store, "s:at", at=NOW + 10)
    await end(store, "s:new", at=NOW + 11)
    await claimed(store, "s:working")

    assert await forget_all(store, before=NOW + 10) == 1

    assert {one.key for one in (await store.list()).events} == {"s:at", "s:new", "s:waiting", "s:working"}
    assert await store.get("s:old") is None


@pytest.mark.parametrize("state", ["done", "ignored", "joined", "dead"])
async def test_forget_deletes_event_when_it_ended_in_any_way(store: Store, state: str) -> None:
    """However an event ended, a dead letter too, its time is over like that of any other."""
    await store.accept([item("s:1", joins=(CUSTOMER,))])
    await end(store, "s:1", at=NOW, state=state)

    assert await forget_all(store, before=NOW + DAY) == 1
    assert await store.joined(CUSTOMER, after=float("-inf")) == []
    assert not await store.redrive("s:1", now=NOW + DAY)


async def test_forget_takes_no_more_than_asked_when_much_is_over(store: Store) -> None:
    """So many and no more are deleted, and it is said that there is more."""
    await store.accept([item(f"s:{number}", received_at=NOW - 10 + number) for number in range(5)])
    for number in range(5):
        await end(store, f"s:{number}", at=NOW + 10 - number)

    first = await store.forget(before=NOW + DAY, limit=2)

    assert (first.events, first.more) == (2, True)
    assert len((await store.list()).events) == 3
    assert await forget_all(store, before=NOW + DAY, limit=2) == 3


async def test_delivery_is_a_duplicate_when_its_event_was_forgotten(store: Store) -> None:
    """An old capture that is sent again after retention is known, alone and among others."""
    await store.accept([item("s:1")])
    await end(store, "s:1", at=NOW)
    await forget_all(store, before=NOW + DAY)

    assert await store.accept([item("s:1")]) == [False]
    assert await store.accept([item("s:2"), item("s:1"), item("t:1")]) == [True, False, True]
    assert await store.get("s:1") is None


async def test_leg_is_a_duplicate_when_it_was_forgotten(store: Store) -> None:
    """A leg of a call that is sent again after retention does not open its call again."""
    await store.accept([leg("a")])
    await end(store, "s:a", at=NOW + 10, state="joined")
    await forget_all(store, before=NOW + DAY)

    assert await store.accept([leg("a", at=NOW + 2 * DAY)]) == [False]
    assert await store.claim_due(now=NOW + 3 * DAY, lease=60, limit=9) == []


async def test_event_is_taken_again_when_its_source_was_dropped(store: Store) -> None:
    """Hashes are kept by source, and go with it, a portion at a time."""
    await store.accept([item("s:1"), item("s:2"), item("t:1")])
    for key in ("s:1", "s:2", "t:1"):
        await end(store, key, at=NOW)
    await forget_all(store, before=NOW + DAY)
    assert list(await store.remembered()) == ["s", "t"]

    assert [await store.drop("s", limit=1) for _ in range(3)] == [1, 1, 0]

    assert list(await store.remembered()) == ["t"]
    assert await store.accept([item("s:1"), item("t:1")]) == [True, False]


async def test_ledger_keeps_badge_when_it_is_still_on_its_card(store: Store) -> None:
    """A later call takes it off although its event is gone; so long after that as events are kept, the row goes too."""
    await store.accept([item("s:1", joins=(CUSTOMER,))])
    await store.attach(row("s:1"))
    await store.attach(row("s:1", rule="closed", closed_at=NOW))
    await store.attach(row("s:1", rule="never added", activity=None))
    await store.attach(row("s:1", rule="nothing clears it", join=""))
    await end(store, "s:1", at=NOW)

    await forget_all(store, before=NOW + DAY)
    assert [one.rule for one in await store.open_attachments(CUSTOMER)] == ["missed call"]
    assert [one.rule for one in await store.attachments("s:1")] == ["missed call"]

    assert await store.close_attachment("s:1", "missed call", now=NOW + 5 * DAY)
    await forget_all(store, before=NOW + 5 * DAY)
    assert len(await store.attachments("s:1")) == 1
    await forget_all(store, before=NOW + 6 * DAY)
    assert await store.attachments("s:1") == []


async def test_ledger_keeps_closed_badge_when_its_event_is_there(store: Store) -> None:
    """An event that is taken up again must know that its badge was attached and cleared before."""
    await store.accept([item("s:1")])
    await store.attach(row("s:1", closed_at=NOW))

    await forget_all(store, before=NOW + DAY)

    assert len(await store.attachments("s:1")) == 1


async def test_call_is_judged_whole_when_one_of_its_legs_was_forgotten(store: Store) -> None:
    """Whoever reads the legs that are left must not wait for one that is gone."""
    await store.accept([leg("a")])
    await end(store, "s:a", at=NOW + 9, state="joined")
    await store.accept([leg("b", at=NOW + DAY)])
    await forget_all(store, before=NOW + 10)

    legs = await store.related(CALL, limit=9)
    read = LegsRead(CALL, len(legs), [one.key for one in legs], is_full=False, reason="judged", rules_hash="abc")
    judged = await store.judge(item("s:judged"), revision=1, legs=read, now=NOW + DAY)

    assert [one.key for one in legs] == ["s:b"]
    assert (judged.is_news, judged.is_whole) == (True, True)


async def test_judgement_is_no_news_when_it_was_forgotten(store: Store) -> None:
    """A late leg does not bring back what a call came to before; the leg itself ends."""
    await store.accept([leg("a")])
    read = LegsRead(CALL, 1, ["s:a"], is_full=False, reason="judged", rules_hash="abc")
    await store.judge(item("s:judged"), revision=1, legs=read, now=NOW)
    await end(store, "s:judged", at=NOW)
    await forget_all(store, before=NOW + DAY)

    await store.accept([leg("b", at=NOW + 2 * DAY)])
    again = LegsRead(CALL, 1, ["s:b"], is_full=False, reason="judged", rules_hash="abc")
    judged = await store.judge(item("s:judged"), revision=2, legs=again, now=NOW + 2 * DAY)

    assert (judged.is_news, judged.is_whole) == (False, True)
    assert await store.get("s:judged") is None


PERSON = holds(r"30.?123456")


async def everywhere(store: Store) -> None:
    """A person's number in every place that a store has."""
    await store.accept([item("s:caller", caller="+4930123456"), item("s:data", data={"who": "030 123456"})])
    await store.accept([item("s:joins", joins=(CUSTOMER,)), item("s:reason"), item("s:outcome")])
    await store.accept([item("s:other", caller="+4930999999", joins=("customer\n+4930999999",))])
    for part in ("answer", "about", "said"):
        asked = {"method": "crm.lead.add", "answer": "ok", "milliseconds": 1, part: "of the phone 030/123456"}
        await store.accept([item(f"s:asked {part}")])
        await end(store, f"s:asked {part}", at=NOW, asked=(Exchange.model_validate(asked),))
    await end(store, "s:reason", at=NOW, reason="nobody with +4930123456")
    outcome = Outcome(rule="r", result="ignored", reason="no card of +4930123456")
    await end(store, "s:outcome", at=NOW, outcomes=(outcome,))
    await store.attach(row("s:gone"))
    await store.attach(row("s:customer", join="", content="{}", customer="+4930123456"))
    await store.attach(row("s:other", join="customer\n+4930999999", content="{}"))


async def test_search_finds_text_wherever_it_is_stored(store: Store) -> None:
    """In events, their data, joins, attempts and outcomes, and in the ledger; and nothing of anybody else."""
    await everywhere(store)

    found = set(await store.search(PERSON))

    events = {"s:caller", "s:data", "s:joins", "s:reason", "s:outcome"}
    events |= {f"s:asked {part}" for part in ("answer", "about", "said")}
    assert found == {Trace("event", key) for key in events} | {Trace("ledger", key) for key in ("s:gone", "s:customer")}


async def test_erase_leaves_nothing_but_others_when_it_was_given_all(store: Store) -> None:
    """Whatever its state, all that was found is gone; what is another's stays, and is worked on."""
    await everywhere(store)

    await store.erase(await store.search(PERSON))

    assert list(await store.search(PERSON)) == []
    assert list(await store.remains(lambda _: None)) == []
    assert [one.key for one in (await store.list()).events] == ["s:other"]
    assert [one.key for one in await store.attachments("s:other")] == ["s:other"]
    assert [one.key for one in await store.claim_due(now=NOW, lease=60, limit=9)] == ["s:other"]


async def test_delivery_is_a_duplicate_when_its_event_was_erased(store: Store) -> None:
    """Who sends an old delivery again does not bring the person back."""
    await store.accept([item("s:1", caller="+4930123456")])
    await store.erase([Trace("event", "s:1")])

    assert await store.accept([item("s:1", caller="+4930123456")]) == [False]
    assert list(await store.search(PERSON)) == []


async def test_nothing_is_written_back_when_event_was_erased_under_its_holder(store: Store) -> None:
    """Who works on an event while it is erased settles nothing, gives nothing back and attaches nothing."""
    await store.accept([item("s:1"), item("s:2")])
    claim, other = await claimed(store, "s:1"), await claimed(store, "s:2")
    await store.attach(row("s:1", activity=None))

    await store.erase([Trace("event", "s:1"), Trace("event", "s:2")])

    assert not await store.settle(claim, Settlement(state="done", ended_at=NOW))
    assert not await store.give_back(other)
    await store.attach(row("s:1"))
    assert await store.attachments("s:1") == []
    assert (await store.list()).events == ()
    assert await store.claim_due(now=NOW + DAY, lease=60, limit=9) == []
    assert await store.next_due(now=NOW + DAY) is None


async def test_call_goes_on_when_a_leg_of_it_was_erased(store: Store) -> None:
    """The legs that are left are read without it; the call's own row goes where the person is named in it."""
    await store.accept([leg("a")])
    await store.accept([leg("b")])
    await store.erase([Trace("event", "s:a")])
    legs = await store.related(CALL, limit=9)
    read = LegsRead(CALL, len(legs), [one.key for one in legs], is_full=False, reason="judged", rules_hash="abc")

    judged = await store.judge(item("s:judged"), revision=1, legs=read, now=NOW)

    assert [one.key for one in legs] == ["s:b"]
    assert judged.is_whole
    assert Trace("call", CALL) in await store.search(holds(r"\n7$"))
    await store.erase([Trace("call", CALL)])
    assert Trace("call", CALL) not in await store.search(holds(r"\n7$"))


async def test_pause_loses_its_reason_and_stays_when_the_reason_names_the_person(store: Store) -> None:
    """A portal's own words may quote whom it was asked about; that it rests is true all the same."""
    await store.pause("main", until=NOW + 60, reason="nobody has +49 30 123456")
    found = await store.search(PERSON)
    assert list(found) == [Trace("pause", "main")]

    await store.erase(found)

    assert list(await store.search(PERSON)) == []
    assert [(one.until, one.failures, one.reason) for one in await store.paused(["main"])] == [(NOW + 60, 1, "")]
