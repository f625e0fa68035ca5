"""What is told of the portal in the life of an event: which badge, customer and card each request was about, and what
came back. The whole bridge against the sandbox portal.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from badge_bridge.outcomes import Exchange
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.terminal_event import print_event
from badge_bridge.whole_life import whole_life
from support.company import RULES, Company, number_of, open_company
from support.operators import Clock, Console, text_of
from support.portals import run_virtually

ANNA = "+4917139200011"
README = Path(__file__).parents[2] / "README.md"
OVERLOADED = "REST API is blocked due to overload"
SECRETS = {"CLIENT_SECRET": "a-secret-0123456789", "PBX_TOKEN": "pbx-token-0123456789"}


def told(event: StoredEvent) -> list[str]:
    return [_line(one) for attempt in event.history for one in attempt.asked]


def _line(one: Exchange) -> str:
    return f"{one.method} {one.about} -> {one.answer} {one.said}".strip()


def asked_in(text: str) -> list[str]:
    """Lines of `events show`, however long the requests took."""
    return [re.sub(r"\(\d+ ms", "(0 ms", line) for line in text.splitlines() if line.startswith("  asked     ")]


async def pages(company: Company, event: StoredEvent) -> tuple[str, list[str]]:
    """What the event's page says, and the lines of its JSON."""
    console = Console(company.bridge.store, Clock(company.clock()), rules=RULES, environ=SECRETS)
    async with console.operator() as browser:
        page = await browser.get(f"/console/events/{event.key}", headers={"Accept": "text/html"})
        twin = (await browser.get(f"/console/api/v1/events/{event.key}.json")).json()
    exchanges = [Exchange.model_validate(one) for attempt in twin["history"] for one in attempt["asked"]]
    return text_of(page.text), [_line(one) for one in exchanges]


def test_life_tells_whom_the_portal_was_asked_about_and_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """In the store, on the page and in its JSON; in the terminal as the README shows it."""

    async def story() -> None:
        async with open_company() as company:
            await company.report(ANNA)
            (event,) = await company.ended()
            activity = event.outcomes[0].activity
            lines = [
                "crm.activity.badge.get of bb_missedCall -> NOT_FOUND",
                f"crm.duplicate.findbycomm of the phone {ANNA} -> ok contact 1",
                "crm.activity.badge.add of bb_missedCall -> ok",
                "crm.item.list of open deals of contact 1 -> ok deal 41",
                f"crm.activity.configurable.add on deal 41 -> ok activity {activity}",
            ]
            assert told(event) == lines
            page, twin = await pages(company, event)
            assert twin == lines
            for part in (
                "crm.activity.badge.get of bb_missedCall (with 1 other) NOT_FOUND ",
                f"crm.duplicate.findbycomm of the phone {ANNA} (with 1 other) contact 1 ",
                "crm.item.list of open deals of contact 1 (with 1 other) deal 41 ",
                f"crm.activity.configurable.add on deal 41 activity {activity} ",
            ):
                assert part in page
            print_event(await whole_life(company.bridge.store, event, "not told"), now=company.clock())

    run_virtually(story())
    printed = asked_in(capsys.readouterr().out)
    assert len(printed) == 5
    assert asked_in(README.read_text("utf-8")) == printed


def test_life_tells_a_refusal_in_the_portals_own_words() -> None:
    """Behind its code, so that nobody has to look it up in the portal's log, which has none."""

    async def story() -> None:
        async with open_company() as company:
            company.portal.faults.add(FaultOrder(method="crm.activity.badge.get", fault="OVERLOAD_LIMIT"))
            await company.report(ANNA)
            (event,) = await company.ended()
            assert told(event)[0] == "crm.activity.badge.get of bb_missedCall -> OVERLOAD_LIMIT " + OVERLOADED
            assert f"OVERLOAD_LIMIT {OVERLOADED}" in (await pages(company, event))[0]

    run_virtually(story())


def test_life_of_one_event_names_no_other_customers_number() -> None:
    """However many are asked for in one request: erasing one of them leaves no number behind, and no other event."""

    async def story() -> None:
        async with open_company(customers=20) as company:
            for customer in (*range(1, 21), 1, 2):  # the last two call again at the same time
                await company.report(number_of(customer))
            events = await company.ended()
            assert max(one.together for event in events for attempt in event.history for one in attempt.asked) > 10
            for event in events:
                numbers = set(re.findall(r"\+\d{7,}", " ".join(told(event))))
                assert numbers <= {event.event.caller}
            assert sum(event.event.caller in " ".join(told(event)) for event in events) >= 20

    run_virtually(story())


def test_activity_that_may_be_there_is_told_to_be_looked_for_when_its_answer_was_lost() -> None:
    """The second attempt says what it looked for and what it found."""

    async def story() -> None:
        async with open_company() as company:
            add = "crm.activity.configurable.add"
            company.portal.faults.add(FaultOrder(method=add, fault="timeout-after-commit"))
            await company.report(ANNA)
            (event,) = await company.ended()
            lines = told(event)
            assert [line for line in lines if line.startswith(add)] == [f"{add} on deal 41 -> timeout"]
            found = f"of the activity that may have been added before -> ok activity {event.outcomes[-1].activity}"
            assert lines[-1] == f"crm.activity.list {found}"

    run_virtually(story())


def test_activity_that_is_completed_is_told_when_a_call_is_answered() -> None:
    """Of the event that clears, not of the one that put the badge there."""

    async def story() -> None:
        async with open_company() as company:
            await company.report(ANNA)
            (missed,) = await company.ended()
            await company.report(ANNA, "answered", at=60)
            events = await company.ended()
            (answered,) = [event for event in events if event.key != missed.key]
            activity = missed.outcomes[0].activity
            assert told(answered) == [f"crm.activity.configurable.update to complete activity {activity} -> ok"]

    run_virtually(story())
