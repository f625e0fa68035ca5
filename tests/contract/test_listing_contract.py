"""What an operator finds in every store, and what is counted for him."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from badge_bridge.events import LEG, Leg, call_join, customer_join
from badge_bridge.outcomes import Outcome, Result, Role
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.protocol import Attachment, LegPlace, LegsRead, Settlement, Store
from badge_bridge.store.wanted import MOST_STRETCHES, Tally, Uses, Wanted
from support.stores import NOW, claimed, ended, item

ANN, BOB = "+4930111", "+4930222"
DAY = 86_400.0


async def keys(store: Store, limit: int = 50, before: tuple[float, str] | None = None, **said: Any) -> list[str]:
    return [event.key for event in (await store.list(Wanted(**said), limit=limit, before=before)).events]


async def paged(store: Store, limit: int, **said: Any) -> list[str]:
    found: list[str] = []
    page = await store.list(Wanted(**said), limit=limit)
    for _ in range(50):
        found += [event.key for event in page.events]
        if page.more is None:
            return found
        page = await store.list(Wanted(**said), limit=limit, before=page.more)
    raise AssertionError("there is no end of pages")


async def receive(store: Store, key: str, *, at: float = 0.0, customer: str = "", **fields: Any) -> None:
    joins = (customer_join(customer),) if customer else ()
    await store.accept([item(key, received_at=NOW + at, joins=joins, caller=customer, **fields)])


async def end(store: Store, key: str, *outcomes: Outcome, state: Any = "done") -> None:
    claim = await claimed(store, key, now=NOW + 9 * DAY)
    assert await store.settle(claim, ended(state, ended_at=NOW + 9 * DAY, outcomes=outcomes))


def came(rule: str, result: Result, role: Role = "act") -> Outcome:
    return Outcome(rule=rule, result=result, role=role)


async def test_list_filters_when_state_source_or_type_is_given(store: Store) -> None:
    """Filters may be combined; each keeps only what matches exactly."""
    await receive(store, "s:1", source="a", type="call.missed")
    await receive(store, "s:2", source="a", type="call.answered")
    await receive(store, "s:3", source="b", type="call.missed")
    await end(store, "s:1", state="dead")

    assert await keys(store, state="waiting") == ["s:3", "s:2"]
    assert await keys(store, source="a") == ["s:2", "s:1"]
    assert await keys(store, type="call.missed") == ["s:3", "s:1"]
    assert await keys(store, state="dead", source="a", type="call.missed") == ["s:1"]
    assert await keys(store, state="dead", source="b") == []
    assert await keys(store, source="a", type="call.missed", before=(NOW, "s:1")) == []


async def test_list_keeps_a_span_of_time_when_it_is_given(store: Store) -> None:
    """From its first moment to right before its last, and pages within it."""
    for number in range(6):
        await receive(store, f"s:{number}", at=number // 2, source="a")

    assert await keys(store, since=NOW + 1) == ["s:5", "s:4", "s:3", "s:2"]
    assert await keys(store, until=NOW + 1) == ["s:1", "s:0"]
    assert await keys(store, since=NOW + 1, until=NOW + 2, source="a") == ["s:3", "s:2"]
    assert await paged(store, 1, since=NOW + 1, until=NOW + 2, source="a") == ["s:3", "s:2"]
    assert await keys(store, until=NOW + 9, before=(NOW + 1, "s:2")) == ["s:1", "s:0"]
    assert await keys(store, until=NOW + 1, before=(NOW + 9, "s:9")) == ["s:1", "s:0"]


async def test_list_finds_a_customers_events_whenever_they_were(store: Store) -> None:
    """By when they were received, whatever day they happened on, and page by page."""
    long_ago = "2025-03-01T12:00:00Z"
    await receive(store, "s:1", at=1 * DAY, customer=ANN)
    await receive(store, "s:2", at=2 * DAY, customer=BOB)
    await receive(store, "s:3", at=3 * DAY, customer=ANN, time=long_ago)
    await receive(store, "s:4", at=4 * DAY, customer=ANN, time="2026-02-01T12:00:00Z", type="call.answered")

    assert await keys(store, customer=ANN) == ["s:4", "s:3", "s:1"]
    assert await paged(store, 1, customer=ANN) == ["s:4", "s:3", "s:1"]
    assert await keys(store, customer=ANN, type="call.missed", until=NOW + 3 * DAY) == ["s:1"]
    assert await keys(store, customer="+4930") == []
    assert await keys(store, customer="") == []


async def test_list_finds_ignored_event_by_its_customer_when_no_rule_is_for_it(store: Store) -> None:
    """Nobody has let it be found as it came, and rules do not meet it later either."""
    await receive(store, "s:1", customer=ANN)
    await store.accept([item("s:2", caller=ANN), item("s:3", caller=BOB)])
    await end(store, "s:2", state="ignored")
    await end(store, "s:3", state="ignored")

    assert await keys(store, customer=ANN) == ["s:2", "s:1"]
    assert [key for key, _ in await store.joined(customer_join(ANN), after=0)] == ["s:1"]
    await store.erase([Trace("event", "s:2")])
    assert await keys(store, customer=ANN) == ["s:1"]


async def test_list_finds_events_by_rule_and_result(store: Store) -> None:
    """By a rule, by what any rule came to, or by what this one did; each event once."""
    await receive(store, "s:1", at=1)
    await receive(store, "s:2", at=2)
    await receive(store, "s:3", at=3, source="other")
    await receive(store, "s:4", at=4)
    await end(store, "s:1", came("missed", "badged"), came("lost", "failed"))
    await end(store, "s:2", came("missed", "failed"), came("lost", "failed"))
    await end(store, "s:3", came("missed", "badged"), came("missed", "cleared", "clear"))
    await end(store, "s:4")

    assert await keys(store, rule="missed") == ["s:3", "s:2", "s:1"]
    assert await paged(store, 1, rule="missed") == ["s:3", "s:2", "s:1"]
    assert await keys(store, result="failed") == ["s:2", "s:1"]
    assert await paged(store, 1, result="failed") == ["s:2", "s:1"]
    assert await keys(store, rule="missed", result="badged") == ["s:3", "s:1"]
    assert await keys(store, rule="missed", result="cleared") == ["s:3"]
    assert await keys(store, rule="missed", result="badged", source="reception", state="done") == ["s:1"]
    assert await keys(store, rule="other") == []


async def test_list_goes_by_the_latest_outcome_when_a_rule_was_tried_again(store: Store) -> None:
    """What failed at first and is well now is not found as failed; what was not tried again stays as it was."""
    await receive(store, "s:1", customer=ANN)
    claim = await claimed(store)
    outcomes = (came("missed", "failed"), came("lost", "failed"), came("done", "ensured"))
    await store.settle(claim, replace(ended("dead"), outcomes=outcomes))
    assert await keys(store, rule="missed", result="failed") == ["s:1"]

    assert await store.redrive("s:1", now=NOW + 5)
    assert await keys(store, rule="missed", result="failed", state="waiting") == ["s:1"]
    await end(store, "s:1", came("missed", "badged"), came("done", "ensured"))

    assert await keys(store, rule="missed", result="failed") == []
    assert await keys(store, rule="missed", result="badged", customer=ANN) == ["s:1"]
    assert await keys(store, rule="lost", result="failed") == ["s:1"]
    assert await keys(store, rule="done") == ["s:1"]


async def test_badge_that_was_taken_back_counts_until_it_is_put_on_anew(store: Store) -> None:
    """An event is found and counted by what its rule did last, and never by both; a rule that found no card has put
    nothing on.
    """

    async def again(*outcomes: Outcome) -> list[set[str]]:
        if (await store.get("s:1")).state != "waiting":  # type: ignore[union-attr]
            assert await store.redrive("s:1", now=NOW + 9 * DAY)
        await end(store, "s:1", *outcomes)
        counted = (await store.census(since=NOW, until=NOW + 1)).reached
        found = {result for result in ("badged", "cleared", "ignored") if await keys(store, result=result)}
        return [found, {result for _, result in counted}]

    await receive(store, "s:1")
    back = came("missed", "cleared", "withdraw")
    assert await again(came("missed", "badged")) == [{"badged"}] * 2
    assert await again(back) == [{"cleared"}] * 2
    assert await again(came("missed", "ignored")) == [{"cleared", "ignored"}] * 2
    assert await again(came("missed", "badged")) == [{"badged"}] * 2
    assert await again() == [{"badged"}] * 2
    assert await again(back, came("missed", "badged")) == [{"badged", "cleared"}] * 2, "it went to another card"
    assert await again(came("missed", "badged")) == [{"badged"}] * 2


@pytest.mark.parametrize("way", ["forget", "erase"])
async def test_list_does_not_find_events_that_are_gone(store: Store, way: str) -> None:
    """Nor one that comes after it and has the same rule and moment."""
    await receive(store, "s:1", customer=ANN)
    await receive(store, "s:2", customer=ANN)
    await end(store, "s:1", came("missed", "failed"))
    if way == "forget":
        await store.forget(before=NOW + 10 * DAY, limit=5)
    else:
        await store.erase([Trace("event", "s:1")])
    await end(store, "s:2", came("missed", "failed"))

    for wanted in (Wanted(customer=ANN), Wanted(rule="missed"), Wanted(result="failed")):
        assert [event.key for event in (await store.list(wanted)).events] == ["s:2"]


async def test_list_finds_a_judged_call_by_its_customer_of_now(store: Store) -> None:
    """And by the customer of before, whom somebody may ask for who has seen it then."""
    leg = item("s:leg", type=LEG, leg=Leg(call="1"))
    await store.accept([replace(leg, joins=(call_join(leg.event),))])
    legs = LegsRead(call_join(leg.event), count=1, open=["s:leg"], is_full=False, reason="judged", rules_hash="")
    for revision, customer in enumerate((ANN, BOB), 1):
        judged = item("s:call", caller=customer, joins=(customer_join(customer),))
        await store.judge(judged, revision=revision, legs=replace(legs, count=9), now=NOW)

    assert await keys(store, customer=BOB) == ["s:call"]
    assert await keys(store, customer=ANN) == ["s:call"]
    assert await keys(store, state="joined") == ["s:leg"]


async def test_list_leaves_out_joined_legs_when_they_are_not_asked_for(store: Store) -> None:
    """They bury their calls. The leg that waits is the only one that tells of its call so far."""
    for number, state in enumerate(("joined", "done", "joined", "ignored", "")):
        await receive(store, f"s:{number}", at=number, type=LEG if state in ("joined", "") else "call.missed")
        if state:
            await end(store, f"s:{number}", state=state)

    assert await keys(store, legs=False) == ["s:4", "s:3", "s:1"]
    assert await paged(store, 1, legs=False) == ["s:4", "s:3", "s:1"]
    assert await keys(store, legs=False, source="reception") == await keys(store, legs=False)
    assert await keys(store, legs=True) == ["s:4", "s:3", "s:2", "s:1", "s:0"]
    assert await keys(store, legs=False, type=LEG) == ["s:4", "s:2", "s:0"]
    assert await keys(store, legs=False, state="joined") == ["s:2", "s:0"]


async def test_list_finds_leg_by_its_customer_while_it_waits_for_the_end_of_its_call(store: Store) -> None:
    """Nothing else tells of the call so far. Once it is judged, its own event does."""
    leg = item("s:leg", received_at=NOW + 1, type=LEG, caller=ANN, leg=Leg(call="1"))
    place = LegPlace(call_join(leg.event), "s:call", ends=False, soon=NOW + 5, late=NOW + 900, most=9)
    await receive(store, "s:1", at=0, customer=ANN)
    await receive(store, "s:2", at=2, customer=ANN)
    await store.accept([replace(leg, joins=(place.call,), leg=place)])

    assert await keys(store, customer=ANN) == ["s:2", "s:leg", "s:1"]
    assert await paged(store, 1, customer=ANN) == ["s:2", "s:leg", "s:1"]
    assert await keys(store, customer=ANN, type=LEG) == ["s:leg"]
    assert await keys(store, customer=ANN, type="call.missed") == ["s:2", "s:1"]
    assert await keys(store, customer=BOB) == []
    legs = LegsRead(place.call, count=1, open=["s:leg"], is_full=False, reason="judged", rules_hash="")
    judged = item("s:call", received_at=NOW + 3, caller=ANN, joins=(customer_join(ANN),))
    await store.judge(judged, revision=1, legs=legs, now=NOW + 3)
    assert await keys(store, customer=ANN) == ["s:call", "s:2", "s:1"]


async def test_tally_counts_events_by_state_when_they_were_received(store: Store) -> None:
    """In stretches from the first moment to right before the last; the last stretch may be shorter."""
    for number, at in enumerate((0, 9, 10, 10, 24, 25)):
        await receive(store, f"s:{number}", at=at)
    await end(store, "s:1", came("r", "badged"))
    await end(store, "s:2", state="dead")

    assert list(await store.tally(since=NOW, until=NOW + 25, width=10)) == [
        Tally(NOW, "done", 1, "badged"),
        Tally(NOW, "waiting", 1),
        Tally(NOW + 10, "dead", 1),
        Tally(NOW + 10, "waiting", 1),
        Tally(NOW + 20, "waiting", 1),
    ]
    assert list(await store.tally(since=NOW + 100, until=NOW + 200, width=10)) == []
    assert list(await store.tally(since=NOW, until=NOW, width=10)) == []


async def test_tally_tells_what_events_came_to_that_are_done(store: Store) -> None:
    """Each counts once, as the first of what its rules came to: however many rules there were, and whatever others came
    to that have not ended. Where nothing can be read of its outcomes, nothing is told.
    """
    for number, at in enumerate((0, 1, 2, 3, 4, 10, 11, 20, 21, 30)):
        await receive(store, f"s:{number}", at=at)
    await end(store, "s:0", came("r", "cleared"), came("q", "badged"), came("p", "ignored"))
    await end(store, "s:1", came("r", "cleared"))
    await end(store, "s:2", came("r", "ensured"), came("q", "failed"), state="dead")
    await end(store, "s:3", came("r", "badged"))
    assert await store.redrive("s:3", now=NOW + 9 * DAY)
    await end(store, "s:4")
    await end(store, "s:5", came("r", "badged"))
    await end(store, "s:6", came("r", "cleared"))
    for key in ("s:7", "s:8"):
        await end(store, key, came("r", "ensured"), came("q", "ensured"))
    await end(store, "s:9", came("r", "ignored"), state="ignored")

    assert list(await store.tally(since=NOW, until=NOW + 40, width=10)) == [
        Tally(NOW, "dead", 1),
        Tally(NOW, "done", 1, "badged"),
        Tally(NOW, "done", 1, "cleared"),
        Tally(NOW, "done", 1),
        Tally(NOW, "waiting", 1),
        Tally(NOW + 10, "done", 1, "badged"),
        Tally(NOW + 10, "done", 1, "cleared"),
        Tally(NOW + 20, "done", 2, "ensured"),
        Tally(NOW + 30, "ignored", 1),
    ]


async def test_tally_tells_nothing_of_what_is_done_when_no_outcome_is_there(store: Store) -> None:
    """Nor does it keep an event back for that."""
    await receive(store, "s:1")
    await end(store, "s:1")
    assert list(await store.tally(since=NOW, until=NOW + 1, width=1)) == [Tally(NOW, "done", 1)]


async def test_tally_refuses_what_would_take_long(store: Store) -> None:
    """So many stretches at once, or stretches without a length."""
    with pytest.raises(ValueError, match="more than the 1500"):
        await store.tally(since=0, until=MOST_STRETCHES + 1, width=1)
    with pytest.raises(ValueError, match="must have a length"):
        await store.tally(since=0, until=10, width=0)


async def test_uses_counts_badges_that_were_put_on_cards(store: Store) -> None:
    """Since when they happened, by portal and badge, those that were taken off again included, and no others."""

    async def attach(number: int, portal: str, badge: str, time: float, activity: int | None = 1) -> None:
        key = f"s:{number}"
        await store.attach(Attachment(key, "r", portal, badge, 2, 41, NOW + time, "", "{}", sent_at=NOW + time))
        if activity is not None:
            await store.attach(Attachment(key, "r", portal, badge, 2, 41, NOW + time, "", "{}", activity=activity))

    await attach(1, "main", "missed", 1)
    await attach(2, "main", "missed", 3)
    await attach(3, "main", "missed", 2)
    await attach(4, "main", "lost", 2)
    await attach(5, "berlin", "missed", 2)
    await attach(6, "main", "missed", 4, activity=None)
    await store.close_attachment("s:3", "r", now=NOW + 9)

    assert list(await store.uses(since=NOW + 2)) == [
        Uses("berlin", "missed", 1, NOW + 2),
        Uses("main", "lost", 1, NOW + 2),
        Uses("main", "missed", 2, NOW + 3),
    ]
    assert list(await store.uses(since=NOW + 3)) == [Uses("main", "missed", 1, NOW + 3)]
    assert list(await store.uses(since=NOW + 4)) == []


async def test_settling_twice_is_found_once(store: Store) -> None:
    """The same rule with the same result in two attempts."""
    await receive(store, "s:1")
    claim = await claimed(store)
    waiting = Settlement("waiting", ended_at=NOW, due=NOW + 1, outcomes=(came("missed", "ensured"),))
    await store.settle(claim, waiting)
    await end(store, "s:1", came("missed", "ensured"), came("lost", "failed"))

    assert await keys(store, rule="missed") == ["s:1"]
    await store.erase([Trace("event", "s:1")])
    assert await keys(store, rule="missed") == []
