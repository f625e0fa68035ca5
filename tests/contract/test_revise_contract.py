"""What every store does with events whose content is written anew, and with those that belong together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from badge_bridge.outcomes import Outcome
from badge_bridge.store.protocol import Accepted, Claim, LegsRead, Settlement, Store, StoredEvent
from badge_bridge.store.wanted import Wanted
from support.stores import NOW, item

LATER = NOW + 3600


def judged(kind: str = "call.unknown", *, joins: tuple[str, ...] = (), at: float = 0.0, **fields: Any) -> Accepted:
    given = item("s:1", type=kind, **fields)
    moment = given.event.time + timedelta(seconds=at)
    return replace(given, event=given.event.model_copy(update={"time": moment}), joins=joins)


async def revise(store: Store, accepted: Accepted, *, revision: int, now: float) -> bool:
    """Write it as the judgement of a call of which no leg is here; whether it is news."""
    none = LegsRead("no call", count=0, open=(), is_full=False, reason="", rules_hash="")
    return (await store.judge(accepted, revision=revision, legs=none, now=now)).is_news


async def found(store: Store, key: str = "s:1") -> StoredEvent:
    stored = await store.get(key)
    assert stored is not None
    return stored


async def claimed(store: Store, *, now: float = NOW + 10) -> Claim:
    claim = await store.claim("s:1", now=now, lease=60)
    assert claim is not None
    return claim


def ended(state: Any = "done", *, at: float = NOW + 11, **fields: Any) -> Settlement:
    return Settlement(state=state, ended_at=at, **fields)


async def test_first_revision_is_a_new_event_that_is_due(store: Store) -> None:
    """An event that is not known yet is written like one that is accepted, and its claim knows the revision."""
    assert await revise(store, judged(), revision=2, now=NOW)
    claim = await claimed(store)
    assert (claim.event.type, claim.revision, claim.attempt) == ("call.unknown", 2, 1)


async def test_accepted_event_has_no_revision(store: Store) -> None:
    """What is accepted as it is was never written anew."""
    await store.accept([item("s:1")])
    assert (await claimed(store)).revision == 0


@pytest.mark.parametrize("revision", [1, 2])
async def test_lower_or_equal_revision_changes_nothing(store: Store, revision: int) -> None:
    """Whoever judged with less knowledge, or with the same, comes too late."""
    await revise(store, judged("call.answered"), revision=2, now=NOW)
    assert not await revise(store, judged("call.missed"), revision=revision, now=NOW + 1)
    assert (await found(store)).event.type == "call.answered"


async def test_ended_event_is_taken_up_when_it_says_something_else(store: Store) -> None:
    """A new content is worked on anew: due now, without failures, without what rules had reached."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    reached = Outcome(rule="r", result="badged", activity=7)
    await store.settle(await claimed(store), ended("dead", reason="no", failed=True, outcomes=(reached,)))

    assert await revise(store, judged("call.answered"), revision=2, now=NOW + 20)

    stored = await found(store)
    assert (stored.state, stored.failures, stored.reason, stored.settled_at) == ("waiting", 0, "", None)
    assert [event.key for event in (await store.list(Wanted(type="call.answered"))).events] == ["s:1"]
    assert not (await store.list(Wanted(type="call.missed"))).events
    claim = await claimed(store, now=NOW + 20)
    assert (claim.event.type, claim.attempt, claim.outcomes, claim.revision) == ("call.answered", 2, (), 2)


async def test_same_content_is_not_worked_on_again(store: Store) -> None:
    """Another leg that changes nothing but what `data` lists costs no attempt."""
    await revise(store, judged("call.missed", data={"legs": 1}), revision=1, now=NOW)
    await store.settle(await claimed(store), ended())
    more = replace(judged("call.missed", data={"legs": 2}), verified="from 2 deliveries")
    assert not await revise(store, more, revision=2, now=NOW + 20)
    stored = await found(store)
    assert (stored.state, stored.event.data["legs"], stored.verified) == ("done", 2, "from 2 deliveries")
    assert not await revise(store, judged("call.answered"), revision=2, now=NOW + 21)


async def test_attempt_that_is_overtaken_ends_and_the_event_is_due_at_once(store: Store) -> None:
    """Nobody takes the lease away from an attempt under way; when it ends, the new content is worked on."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    claim = await claimed(store)
    assert await revise(store, judged("call.answered"), revision=2, now=NOW + 10)
    assert await store.claim("s:1", now=NOW + 10, lease=60) is None

    assert await store.settle(claim, ended(outcomes=(Outcome(rule="r", result="badged", activity=7),)))

    stored = await found(store)
    assert (stored.state, stored.settled_at, stored.outcomes[0].activity) == ("waiting", None, 7)
    again = await claimed(store, now=NOW + 11)
    assert (again.event.type, again.outcomes, again.attempt, again.failures) == ("call.answered", (), 2, 0)
    assert await store.settle(again, ended(at=NOW + 12))
    assert (await found(store)).state == "done"


async def test_overtaken_attempt_does_not_count_its_failure(store: Store) -> None:
    """What failed about a content that is no more does not bring the event nearer to dead, nor make it wait."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    claim = await claimed(store)
    await revise(store, judged("call.answered"), revision=2, now=NOW + 10)
    await store.settle(claim, ended("waiting", due=LATER, lane="main", failed=True))
    assert ((await found(store)).failures, (await claimed(store, now=NOW + 11)).lane) == (0, "")


async def test_attempt_is_not_overtaken_when_only_data_changed(store: Store) -> None:
    """Another leg that changes nothing that is acted upon neither drops a failure nor hurries a retry."""
    await revise(store, judged("call.missed", data={"legs": 1}), revision=1, now=NOW)
    claim = await claimed(store)
    assert not await revise(store, judged("call.missed", data={"legs": 2}), revision=2, now=NOW + 10)
    assert await store.settle(claim, ended("waiting", due=LATER, failed=True, reason="no"))
    stored = await found(store)
    assert (stored.state, stored.failures, stored.due, stored.reason) == ("waiting", 1, LATER, "no")
    assert stored.event.data == {"legs": 2}


@pytest.mark.parametrize("changed", [{"caller": "+4930999"}, {"duration": 12}, {"subject": "+4930999"}])
async def test_attempt_is_overtaken_when_the_customer_or_the_duration_changed(store: Store, changed: Any) -> None:
    """The type need not change for an attempt to have been about something else."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    claim = await claimed(store)
    assert await revise(store, judged("call.missed", **changed), revision=2, now=NOW + 10)
    await store.settle(claim, ended(outcomes=(Outcome(rule="r", result="badged", activity=7),)))
    again = await claimed(store, now=NOW + 11)
    assert (again.attempt, again.outcomes, again.event.type) == (2, (), "call.missed")
    assert {name: getattr(again.event, name) for name in changed} == changed


async def test_lost_lease_of_an_overtaken_attempt_leaves_the_new_content(store: Store) -> None:
    """Whose holder vanished is worked on with what it says now."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    await claimed(store)
    await revise(store, judged("call.answered"), revision=2, now=NOW + 10)
    claim = await claimed(store, now=NOW + 1000)
    assert (claim.event.type, claim.outcomes) == ("call.answered", ())


async def test_waiting_event_keeps_waiting_for_its_lane(store: Store) -> None:
    """A portal that is paused is not asked sooner because a call is judged anew."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    await store.pause("main", until=LATER, reason="limit")
    await store.settle(await claimed(store), ended("waiting", due=NOW, lane="main"))
    assert await revise(store, judged("call.answered"), revision=2, now=NOW + 20)
    assert (await found(store)).lane == "main"
    assert await store.claim("s:1", now=NOW + 20, lease=60) is None


async def test_revised_event_is_found_once_by_its_time_of_now(store: Store) -> None:
    """Where the time or the customer was learned later, joining finds the event by that."""
    await revise(store, judged(joins=("a",)), revision=1, now=NOW)
    start = (await found(store)).event.time.timestamp()
    await revise(store, judged(joins=("a", "b"), at=-30.0), revision=2, now=NOW)
    assert [key for key, _ in await store.joined("a", after=start - 60)] == ["s:1"]
    assert [key for key, _ in await store.joined("b", after=start - 60)] == ["s:1"]
    assert not await store.joined("a", after=start - 10)


async def test_related_events_are_found_with_their_state(store: Store) -> None:
    """Legs find each other whatever their time, those that have ended too, and not more than asked for."""
    await store.accept([replace(item(f"s:{number}"), joins=("call",)) for number in (1, 2, 3)])
    await store.accept([replace(item("s:9"), joins=("other",))])
    await store.settle(await claimed(store), ended("joined"))
    related = await store.related("call", limit=10)
    assert [(one.key, one.state) for one in related] == [("s:1", "joined"), ("s:2", "waiting"), ("s:3", "waiting")]
    assert len(await store.related("call", limit=2)) == 2
    assert not await store.related("nothing", limit=10)


async def test_joined_event_can_be_redriven(store: Store) -> None:
    """A joined leg is terminal like any other ending, and can be tried again."""
    await store.accept([item("s:1")])
    await store.settle(await claimed(store), ended("joined", reason="judged"))
    assert (await found(store)).reason == "judged"
    assert await store.redrive("s:1", now=NOW + 20)
    assert (await claimed(store, now=NOW + 20)).attempt == 2


@pytest.mark.parametrize(("kind", "rules"), [("call.unknown", "then"), ("call.missed", "")])
async def test_revised_event_is_judged_by_the_rules_of_now_when_it_says_something_else(
    store: Store, kind: str, rules: str
) -> None:
    """Whoever redrove it with rules of before knew nothing of the new content; the same content keeps to them."""
    await revise(store, judged("call.unknown"), revision=1, now=NOW)
    await store.settle(await claimed(store), ended("dead"))
    await store.redrive("s:1", now=NOW + 20, rules="then")

    await revise(store, judged(kind), revision=2, now=NOW + 21)

    assert (await found(store)).redriven_with == rules
    assert (await claimed(store, now=NOW + 21)).rules == rules


async def test_event_that_was_accepted_as_it_is_is_not_revised(store: Store) -> None:
    """What one delivery said for good is not argued away by others."""
    await store.accept([item("s:1", type="call.missed")])
    assert not await revise(store, judged("call.unknown"), revision=3, now=NOW)
    assert (await found(store)).event.type == "call.missed"


async def test_event_that_waits_for_a_retry_is_due_when_it_says_something_else(store: Store) -> None:
    """What has to be taken back is not kept on a card until a retry of hours is due."""
    await revise(store, judged("call.missed"), revision=1, now=NOW)
    await store.settle(await claimed(store), ended("waiting", due=NOW + 36_000, failed=True))
    assert await revise(store, judged("call.answered"), revision=2, now=NOW + 20)
    assert (await claimed(store, now=NOW + 20)).event.type == "call.answered"
