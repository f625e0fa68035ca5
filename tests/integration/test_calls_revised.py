"""A call that is judged anew after its badge was attached: what belongs on the card no more leaves it, and what does
comes to the right one. On virtual time.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.cards import Cards
from badge_bridge.events import LEG, Event, Leg, call_join
from badge_bridge.outcomes import Result
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Accepted, StoredEvent
from badge_bridge.store.wanted import Wanted
from badge_bridge.telling import came_of
from support.company import PBX_TOKEN, RULES, Company, number_of, open_company, ours
from support.portals import START, run_virtually, virtual_clock

WITH_PHONES = RULES.replace(
    "sources:\n", 'sources:\n  phones:\n    provider: zoom\n    secrets: ["${PBX_TOKEN}"]\n    longest_call: 600\n', 1
)


async def told(
    company: Company, name: str, *, caller: int, at: float = 0.0, seconds: int | None = None, line: str = "", **leg: Any
) -> None:
    """One leg comes in, of a call of customer number `caller` that began `at` seconds after the others say."""
    facts: dict[str, Any] = {"party": "agent", "state": "ended", "ends": "leg", "outcome": "no_answer", **leg}
    event = Event(
        id=name,
        source="phones",
        provider="zoom",
        type=LEG,
        time=datetime.fromtimestamp(START + at, UTC),
        direction="inbound",
        caller=number_of(caller) if caller else "",
        line=line,
        duration=seconds,
        leg=Leg(call="7", leg=name, **facts),
    )
    accepted = Accepted(f"phones:{name}", event, "", virtual_clock(), joins=(call_join(event),))
    await company.bridge.store.accept([accepted])


async def judged(company: Company) -> StoredEvent:
    (found,) = [one for one in await company.ended() if one.event.leg is None and one.event.source == "phones"]
    return found


def badges(company: Company) -> list[int]:
    """The deals that carry a badge now."""
    return sorted(one.owner_id for one in ours(company.portal) if not one.completed)


def with_rules(company: Company, rules: str) -> None:
    """Go on with another rules file, as after a restart."""
    known = {"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN}
    new, pipeline = parse(rules, "rules.yaml", providers=OPTIONS, environ=known), company.bridge.pipeline
    portals = {name: portal for name, portal in company.bridge.portals.items() if name in new.portals}
    pipeline._rules = new
    pipeline._cards = Cards(rules=new, portals=portals, store=company.bridge.store, clock=virtual_clock)


def test_badge_moves_when_a_late_leg_names_another_customer() -> None:
    """The first card loses it, the right one gets it, and the returned call to the right customer clears it."""

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            first = await judged(company)
            assert (first.event.type, badges(company)) == ("call.missed", [1001])
            await told(company, "boris", caller=2, at=-3)
            again = await judged(company)

            assert (again.state, again.event.caller, badges(company)) == ("done", number_of(2), [1002])
            withdrawn, badged = again.outcomes[-2:]
            assert (withdrawn.role, withdrawn.result, withdrawn.owner) == ("withdraw", "cleared", "deal 1001")
            assert (
                withdrawn.reason == "activity 901 on deal 1001 completed; the call turned out to be another customer's"
            )
            assert (badged.role, badged.result, badged.owner) == ("act", "badged", "deal 1002")
            assert list(company.activities().values()) == [1, 1], "two marks, so that neither is taken for the other"

            await company.report(number_of(1), "answered", at=100)
            await company.ended()
            assert badges(company) == [1002]
            await company.report(number_of(2), "answered", at=101)
            await company.ended()
            assert badges(company) == []

    run_virtually(story())


def test_badge_is_not_moved_when_the_right_customer_was_called_back_already() -> None:
    """What cleared the call before it was known whose it is counts."""

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            await company.report(number_of(2), "answered", at=100)
            await company.ended()
            await told(company, "boris", caller=2, at=-3)
            again = await judged(company)
            assert badges(company) == []
            assert (again.state, again.outcomes[-1].result) == ("done", "cleared")
            assert again.outcomes[-1].reason.startswith("never attached: call.answered")

    run_virtually(story())


def test_answered_call_clears_for_its_right_customer_only() -> None:
    """By whom it was said to be before is not what it clears by, neither then nor for what comes later."""

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1, at=50, outcome="completed", human=True)
            await told(company, "boris", caller=2, at=40, outcome="completed", human=True)
            assert (await judged(company)).event.caller == number_of(2)
            for customer in (1, 2):
                await company.report(number_of(customer), "missed", at=10)
            await company.ended()
            assert badges(company) == [1001]

    run_virtually(story())


def test_answered_call_is_not_found_by_the_customer_it_was_said_to_have() -> None:
    """It was judged once with the wrong customer; after that, it clears nothing of his."""

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1, at=50, outcome="completed", human=True)
            await judged(company)
            await told(company, "boris", caller=2, at=40, outcome="completed", human=True)
            await judged(company)
            for customer in (1, 2):
                await company.report(number_of(customer), "missed", at=10)
            await company.ended()
            assert badges(company) == [1001]

    run_virtually(story())


def test_badge_stays_when_a_late_leg_tells_only_the_duration() -> None:
    """The rules are gone through again; the card keeps its one activity."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            await told(company, "boris", caller=1, at=1, seconds=7)
            again = await judged(company)
            assert (again.event.duration, again.state, badges(company)) == (7, "done", [1001])
            assert again.outcomes[-1].reason == "it was attached before"
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_badge_is_found_by_what_the_call_says_now() -> None:
    """Where something else than the customer joins calls, the ledger follows it without another activity."""

    async def story() -> None:
        rules = WITH_PHONES.replace("clear: {on: [call.answered]}", "clear: {on: [call.answered], same: event.line}")
        async with open_company(customers=1, rules=rules) as company:
            await told(company, "anna", caller=1, line="+4930111")
            event = await judged(company)
            (before,) = await company.bridge.store.attachments(event.key)
            await told(company, "boris", caller=1, line="+4930222", at=-3)
            assert (await judged(company)).event.line == "+4930222"
            (after,) = await company.bridge.store.attachments(event.key)
            assert (after.activity, after.time) == (before.activity, before.time - 3)
            assert await company.bridge.store.open_attachments(before.join) == []
            assert await company.bridge.store.open_attachments(after.join) == [after]
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_badge_comes_back_when_a_call_is_judged_back_and_forth() -> None:
    """What was withdrawn is not taken for what was cleared, however often that changes."""

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            for number in range(5):
                await told(company, f"leg {number}", caller=1 + number % 2, at=-float(number))
                await judged(company)
                assert badges(company) == [1001 + number % 2]
            assert set(company.activities().values()) == {1}

    run_virtually(story())


@pytest.mark.parametrize("fault", ["drop-before", "drop-after-commit", "timeout-after-commit"])
@pytest.mark.parametrize("method", ["crm.activity.configurable.update", "crm.activity.configurable.add"])
@pytest.mark.parametrize("customer", [1, 2])
def test_badge_moves_once_whatever_is_lost_on_the_way(method: str, fault: str, customer: int) -> None:
    """Neither the first card keeps it nor does the right one get two, where answers are lost while it moves; so too
    where the second number is one more of the same customer.
    """

    async def story() -> None:
        async with open_company(customers=2, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            company.portal.faults.add(FaultOrder(method=method, fault=fault, times=2))
            await told(company, "boris", caller=2, at=-3)
            await told(company, "clara", caller=customer, at=-4)
            again = await judged(company)
            assert (again.state, badges(company)) == ("done", [1000 + customer])
            assert set(company.activities().values()) == {1}

    run_virtually(story())


RENAMED = WITH_PHONES.replace("name: missed call", "name: missed calls")
FOR_ANOTHER_LINE = WITH_PHONES.replace("on: call.missed\n", "on: call.missed\n    when: event.line == '9'\n")
ANOTHER_PORTAL = WITH_PHONES.replace("  main:", "  other:")


def test_badge_of_a_renamed_rule_comes_off_when_the_call_was_answered() -> None:
    """The ledger knows the activity by the name of then, and the outcome says whose it was."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            with_rules(company, RENAMED)
            await told(company, "boris", caller=1, outcome="completed", human=True)
            again = await judged(company)
            assert (again.event.type, again.state, badges(company)) == ("call.answered", "done", [])
            withdrawn = again.outcomes[-1]
            assert (withdrawn.rule, withdrawn.role, withdrawn.result) == ("missed call", "withdraw", "cleared")
            assert withdrawn.reason == (
                "activity 901 on deal 1001 completed; rule 'missed call' is not in the rules file any more"
            )

    run_virtually(story())


def test_event_says_that_its_badge_is_on_the_card_when_the_rules_are_back() -> None:
    """What was said of taking it off is over, in what is told of the event and in what it is found by."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            key = (await judged(company)).key
            store = company.bridge.store

            async def redriven(rules: str) -> tuple[str, dict[Result, bool]]:
                with_rules(company, rules)
                await store.redrive(key, now=virtual_clock())
                again = await judged(company)
                results: tuple[Result, ...] = ("badged", "cleared")
                found = {one: bool((await store.list(Wanted(result=one))).events) for one in results}
                return came_of(again, await store.attachments(key), {}, now=virtual_clock()), found

            off = "activity 901 on deal 1001 completed; rule 'missed call' does not match this event any more."
            assert await redriven(FOR_ANOTHER_LINE) == (
                f"Badge bb_missedCall: {off}",
                {"badged": False, "cleared": True},
            )
            assert badges(company) == []
            for _ in range(2):
                assert await redriven(WITH_PHONES) == (
                    "Badge bb_missedCall is on deal 1001.",
                    {"badged": True, "cleared": False},
                )
                assert badges(company) == [1001]

    run_virtually(story())


def test_badge_goes_from_the_old_rule_to_the_renamed_one_when_the_call_is_judged_anew() -> None:
    """The card carries one badge, and it is the one of a rule that is there."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            with_rules(company, RENAMED)
            await told(company, "boris", caller=1, at=1, seconds=7)
            again = await judged(company)
            assert [(one.rule, one.role, one.result) for one in again.outcomes[-2:]] == [
                ("missed call", "withdraw", "cleared"),
                ("missed calls", "act", "badged"),
            ]
            assert (again.state, badges(company)) == ("done", [1001])

    run_virtually(story())


def test_badge_that_cannot_come_off_is_told_of_when_its_portal_is_not_in_the_file() -> None:
    """Nobody is let in there any more: the event is dead and says what to do, and a redrive does it."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            with_rules(company, ANOTHER_PORTAL)
            await told(company, "boris", caller=1, outcome="completed", human=True)
            again = await judged(company)
            assert (again.state, again.outcomes[-1].role, again.outcomes[-1].result) == ("dead", "withdraw", "failed")
            assert "portal main: it is not in the rules file any more" in again.reason
            assert badges(company) == [1001]

            with_rules(company, WITH_PHONES)
            await company.bridge.store.redrive(again.key, now=virtual_clock())
            assert (await judged(company)).state == "done"
            assert badges(company) == []

    run_virtually(story())


def test_taking_back_counts_for_nothing_while_the_portal_never_comes_to_its_turn() -> None:
    """A queue inside the process is not the event's failure: the badge comes off whenever it is this event's turn."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await told(company, "anna", caller=1)
            await judged(company)
            budget, company.bridge.pipeline._budget = company.bridge.pipeline._budget, -1.0
            await told(company, "boris", caller=1, outcome="completed", human=True)
            await asyncio.sleep(3_600)
            (waiting,) = (await company.bridge.store.list(Wanted(state="waiting"), limit=5)).events
            assert (waiting.event.type, waiting.failures) == ("call.answered", 0)
            company.bridge.pipeline._budget = budget
            assert (await judged(company)).state == "done"
            assert badges(company) == []

    run_virtually(story())
