"""What rules do on cards: whose card it is, once for each event, and taken away in the order of the calls.

The whole bridge against the sandbox portal, on virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from badge_bridge.cards import Cards
from badge_bridge.doubts import CERTAIN_AFTER
from badge_bridge.on_cards import on_cards
from badge_bridge.outcomes import Asked
from badge_bridge.pipeline import LEASE
from badge_bridge.portal.commands import Command, Departure, Page
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sandbox.crm_seed import Contact
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.telling import came_of
from support.company import FIRST_ITEM, PBX_TOKEN, RULES, Company, Network, number_of, open_company
from support.portals import run_virtually, virtual_clock
from support.stores import claimed

ANNA, ANNAS_DEAL = "+4917139200011", 41
STRANGER = "+4930901820"

Story = Callable[[Company], Awaitable[None]]


def played(story: Story, **options: Any) -> None:
    async def run() -> None:
        async with open_company(**options) as company:
            await story(company)

    run_virtually(run())


def rules(*, attach: str = "{}", clear: str = "{on: [call.answered]}", more: str = "") -> str:
    """The shared rules file with other words for its one rule."""
    return (
        RULES.replace('attach: {title: "Missed call from {caller}"}', f"attach: {attach}").replace(
            "clear: {on: [call.answered]}", f"clear: {clear}" if clear else ""
        )
        + more
    )


def fault(company: Company, method: str, kind: str, **more: Any) -> None:
    company.portal.faults.add(FaultOrder(method=method, fault=kind, **more))


def ours(company: Company) -> list[Any]:
    activities = company.portal.records.crm.activities.values()
    return [one for one in activities if one.originator_id == "badge-bridge"]


def told(event: StoredEvent) -> list[tuple[str, str, str]]:
    return [(outcome.role, outcome.result, outcome.owner) for outcome in event.outcomes]


def test_returned_call_clears_the_badges_of_earlier_missed_ones() -> None:
    """Both missed calls of the customer are completed by one answered call; another customer's stays."""

    async def story(company: Company) -> None:
        await company.report(ANNA, at=0)
        await company.report(ANNA, at=100)
        await company.report("+12025550143", at=100)
        await company.ended()
        answered = await company.report(ANNA, "answered", at=200)
        await company.ended()
        event = await company.event(answered)
        assert told(event) == [("clear", "cleared", "deal 41")]
        assert sorted((one.owner_id, one.completed) for one in ours(company)) == [(41, True), (41, True), (45, False)]

    played(story)


def test_a_missed_call_that_is_worked_on_after_it_was_returned_is_never_attached() -> None:
    """Order is call time: the report of the missed call comes last, and the portal is not asked to add anything."""

    async def story(company: Company) -> None:
        answered = await company.report(ANNA, "answered", at=100)
        await company.ended()
        assert (await company.event(answered)).state == "ignored"
        missed = await company.report(ANNA, at=0)
        await company.ended()
        event = await company.event(missed)
        assert (event.state, told(event)) == ("done", [("act", "cleared", "")])
        assert answered not in event.outcomes[0].reason
        assert "call.answered" in event.outcomes[0].reason
        assert ours(company) == []

    played(story)


def test_an_answered_call_that_came_before_clears_nothing() -> None:
    """A later missed call keeps its badge, in whichever order they are reported."""

    async def story(company: Company) -> None:
        await company.report(ANNA, "answered", at=0)
        await company.report(ANNA, at=100)
        await company.ended()
        assert [one.completed for one in ours(company)] == [False]

    played(story)


def test_a_call_back_that_arrives_while_the_badge_is_being_attached_clears_it() -> None:
    """The answered call finds no row in the ledger yet; the missed one looks once more when it has its id."""

    async def story(company: Company) -> None:
        await company.report(ANNA, at=0)
        while not any(  # noqa: ASYNC110 - the sandbox has no event for it
            "configurable.add" in str(entry.params) or entry.method.endswith("configurable.add")
            for entry in company.portal.journal.since()
        ):
            await asyncio.sleep(0.01)
        answered = await company.report(ANNA, "answered", at=100)
        await company.ended()
        assert [one.completed for one in ours(company)] == [True]
        assert (await company.event(answered)).state in {"done", "ignored"}

    played(story, latency=2.0)


def test_a_badge_that_somebody_took_away_by_hand_counts_as_cleared() -> None:
    """The activity was deleted in the portal: the call back finds it gone and is content."""

    async def story(company: Company) -> None:
        await company.report(ANNA, at=0)
        await company.ended()
        company.portal.records.crm.drop_activity(ours(company)[0].id)
        answered = await company.report(ANNA, "answered", at=100)
        await company.ended()
        event = await company.event(answered)
        assert told(event) == [("clear", "cleared", "deal 41")]
        assert "was gone already" in event.outcomes[0].reason
        again = await company.report(ANNA, "answered", at=200)
        await company.ended()
        assert (await company.event(again)).state == "ignored"

    played(story)


def test_events_without_a_phone_are_joined_by_what_clear_same_says() -> None:
    """The same order number joins them, whatever else they have."""

    async def story(company: Company) -> None:
        await company.report("", at=0, order="7")
        await company.report("", at=0, order="8")
        await company.ended()
        await company.report("", "answered", at=100, order="7")
        await company.ended()
        assert sorted((one.owner_id, one.completed) for one in ours(company)) == [(41, False), (41, True)]

    played(story, rules=rules(attach="{owner: {deal: '41'}}", clear="{same: event.data.order}"))


def test_a_rule_that_was_renamed_clears_what_it_has_attached_under_its_old_name() -> None:
    """What joins the events is the same value of the same expression, whatever the rule is called."""
    written = rules(attach="{owner: {deal: '41'}}", clear="{same: event.data.order}")

    async def story(company: Company) -> None:
        missed = await company.report("", at=0, order="7")
        await company.ended()
        environ = {"CLIENT_SECRET": "s3cr3t-s3cr3t-s3cr3t", "PBX_TOKEN": PBX_TOKEN}
        renamed = parse(written.replace("name: missed call", "name: lost"), "r", providers=OPTIONS, environ=environ)
        bridge = company.bridge
        cards = Cards(rules=renamed, portals=bridge.portals, store=bridge.store, clock=bridge.clock)
        call = (await company.event(missed)).event
        answered = call.model_copy(update={"type": "call.answered", "time": call.time + timedelta(seconds=60)})
        (rule,) = renamed.clearing(answered)
        reached = await cards.clear(rule, answered, Asked())
        assert reached is not None
        assert reached.result == "cleared"
        assert [one.completed for one in ours(company)] == [True]

    played(story, rules=written)


def test_the_card_that_the_event_names_is_taken_and_one_that_is_not_there_is_explained() -> None:
    """No search for the customer; a deal that does not exist ignores the event with the reason."""

    async def story(company: Company) -> None:
        await company.report(STRANGER, call="42")
        await company.report(STRANGER, call="4711")
        await company.ended()
        assert [one.owner_id for one in ours(company)] == [42]
        assert not any("findbycomm" in str(entry.params) for entry in company.portal.journal.since())
        lost = await company.event("4711")
        assert lost.state == "ignored"
        assert "deal 4711" in lost.reason

    played(story, rules=rules(attach="{owner: {deal: event.id}}"))


def test_the_badge_is_put_on_the_deal_of_the_company_that_the_customer_works_for() -> None:
    """Where the contact has no open deal and nobody has the company's number."""

    async def story(company: Company) -> None:
        crm = company.portal.records.crm
        crm.put(crm.contacts[FIRST_ITEM + 1].model_copy(update={"company_id": 1}))
        crm.put(crm.deals[FIRST_ITEM + 1].model_copy(update={"contact_ids": (), "company_id": 1}))
        missed = await company.report(number_of(1))
        await company.ended()
        (outcome,) = (await company.event(missed)).outcomes
        assert outcome.owner == f"deal {FIRST_ITEM + 1}"
        assert outcome.reason.endswith("of company 1, where the contact works, found by phone")

    played(story, customers=1)


def test_a_stranger_is_ignored_or_gets_a_lead_as_the_rule_says() -> None:
    """One lead for a customer, however often he calls."""

    async def ignoring(company: Company) -> None:
        missed = await company.report(STRANGER)
        await company.ended()
        event = await company.event(missed)
        assert event.state == "ignored"
        assert "nobody found by phone" in event.reason
        assert STRANGER not in event.reason

    async def making(company: Company) -> None:
        before = set(company.portal.records.crm.leads)
        await company.report(STRANGER, at=0)
        await company.report(STRANGER, at=10)
        await company.ended()
        (lead,) = set(company.portal.records.crm.leads) - before
        assert [(one.owner_type_id, one.owner_id) for one in ours(company)] == [(1, lead)] * 2

    played(ignoring)
    played(making, rules=rules(attach="{on_missing: lead}"))


def test_a_stranger_is_told_of_when_another_rule_does_not_match() -> None:
    """That nobody was found is why nothing was done; a condition that is not true beside it is not."""

    async def story(company: Company) -> None:
        missed = await company.report(STRANGER)
        await company.ended()
        assert "nobody found by phone" in (await company.event(missed)).reason
        assert "condition" not in (await company.event(missed)).reason

    played(story, rules=rules(more="  - {name: never, on: call.missed, when: 'false', badge: missedCall}\n"))


@pytest.mark.parametrize("lost", ["timeout-after-commit", "drop-after-commit"])
def test_an_activity_whose_answer_was_lost_is_found_and_not_added_again(lost: str) -> None:
    """It is adopted at the next try; the outcome says that an earlier attempt had added it."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", lost)
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert (event.state, event.attempts) == ("done", 2)
        assert event.outcomes[0].reason == "an earlier attempt had added it"
        assert len(ours(company)) == 1

    played(story)


def test_an_add_that_got_lost_is_sent_again_only_when_the_portal_cannot_be_working_on_it() -> None:
    """Nothing is found 5 s later, which proves nothing: the portal may take 60 s for a request."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "drop-before")
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert event.state == "done"
        assert event.settled_at is not None
        assert event.settled_at - event.received_at > CERTAIN_AFTER
        assert event.failures == 1, "waiting for certainty is not the event's failure"
        assert len(ours(company)) == 1

    played(story)


def test_an_add_that_was_answered_with_a_failure_is_tried_again_without_that_wait() -> None:
    """An answer of the portal, whatever it says, ends its work."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "http-500")
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert event.settled_at is not None
        assert event.settled_at - event.received_at < 20
        assert len(ours(company)) == 1

    played(story)


class SlowAdds(Network):
    """A portal that works on adds for `seconds`, and goes on working when whoever asked has left."""

    method = "crm.activity.configurable.add"
    seconds = 45.0
    gateway: float | None = None
    """Seconds after which a gateway in front of it loses patience, once."""

    async def arrive(self, request: httpx.Request) -> httpx.Response:
        if self.method not in f"{request.url} {(await request.aread()).decode()}":
            return await super().arrive(request)
        working = asyncio.create_task(self.work(request))
        if self.gateway is None:
            return await asyncio.shield(working)
        seconds, self.gateway = self.gateway, None
        self.unheard = working
        await asyncio.sleep(seconds)
        return httpx.Response(504, html="<h1>504 Gateway Time-out</h1>", request=request)

    async def work(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self.seconds)
        return await super().arrive(request)


class PutForward:
    """A clock that is put forward by an hour at `when`, seconds of the running loop."""

    def __init__(self, when: float) -> None:
        self.when = when

    def __call__(self) -> float:
        return virtual_clock() + (3600 if asyncio.get_running_loop().time() >= self.when else 0)


def test_an_add_that_got_lost_stays_in_doubt_when_the_clock_is_put_forward() -> None:
    """An hour by the wall clock is no hour of the portal's, which carries the add out 40 s after the connection broke."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "commit-late")
        missed = await company.report(ANNA)
        await company.ended()
        assert (await company.event(missed)).outcomes[-1].reason == "an earlier attempt had added it"
        assert len(ours(company)) == 1

    played(story, clock=PutForward(3.0))


def test_an_attempt_that_outlives_its_lease_as_the_clock_is_put_forward_is_not_doubled() -> None:
    """The portal is at work on its add when the event is claimed again, and whoever asked may not write down its id."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert (event.state, event.attempts) == ("done", 2)
        assert event.outcomes[-1].reason == "an earlier attempt had added it"
        assert len(ours(company)) == 1

    played(story, network=SlowAdds, clock=PutForward(10.0))


class SlowToFind(SlowAdds):
    method = "crm.item.list"
    seconds = 15.0


def test_an_attempt_that_has_lost_its_lease_before_it_adds_adds_nothing() -> None:
    """It looks for the card when another process, whose clock is ahead, takes the event over and finds no row."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await asyncio.sleep(5)
        store, key = company.bridge.store, (await company.event(missed)).key
        other = await claimed(store, key, now=virtual_clock() + LEASE)
        await asyncio.sleep(60)
        assert ours(company) == []
        assert await store.attachments(key) == []
        await store.give_back(other)
        await company.ended()
        event = await company.event(missed)
        assert [attempt.result for attempt in event.history] == ["lost", "given back", "done"]
        assert len(ours(company)) == 1

    played(story, network=SlowToFind)


class ImpatientGateway(SlowAdds):
    gateway = 20.0


class ImpatientAboutLeads(ImpatientGateway):
    method = "crm.item.add"


def test_an_add_that_a_gateway_gave_up_is_not_sent_again_while_the_portal_works_on_it() -> None:
    """504 is no answer of the portal: 25 s later it has added the activity, and that one is found."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        await asyncio.sleep(120)
        assert (await company.event(missed)).outcomes[-1].reason == "an earlier attempt had added it"
        assert len(ours(company)) == 1

    played(story, network=ImpatientGateway)


def test_one_lead_is_made_when_a_gateway_gave_up_while_the_portal_was_making_it() -> None:
    """The same for a customer's new lead."""

    async def story(company: Company) -> None:
        before = len(company.portal.records.crm.leads)
        missed = await company.report(STRANGER)
        await company.ended()
        await asyncio.sleep(120)
        assert (await company.event(missed)).state == "done"
        assert len(company.portal.records.crm.leads) == before + 1
        assert len(ours(company)) == 1

    played(story, network=ImpatientAboutLeads, rules=rules(attach="{on_missing: lead}"))


def test_adds_are_not_doubled_when_they_wait_in_our_queue_and_then_in_the_portal() -> None:
    """Adds sent singly to a slow portal leave long after their rows were written; the last ones are cut off with it."""

    async def story(company: Company) -> None:
        for customer in range(1, 41):
            await company.report(number_of(customer))
        events = await company.ended()
        await asyncio.sleep(120)
        assert {event.state for event in events} == {"done"}
        assert set(company.activities().values()) == {1}
        assert len(company.activities()) == 40

    played(story, customers=40, network=SlowAdds, variants={"configurable_in_batch": "refused"})


@pytest.mark.parametrize("first", ["the answer", "the end"])
def test_an_answer_that_comes_when_the_attempt_is_cut_off_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The attempt's time ends in the very turn of the event loop in which the activity's id arrives."""
    cut_off: list[str] = []
    ends = Departure.ends
    succeed = Command.succeed

    def end_the_attempt(command: Command) -> None:
        if command.method == "crm.activity.configurable.add" and not cut_off:
            cut_off.append(command.method)
            for task in asyncio.all_tasks():
                if task.get_name().startswith("process "):
                    task.cancel()

    def succeed_and_end(self: Command, page: Page) -> None:
        succeed(self, page)
        end_the_attempt(self)

    def end_and_answer(self: Departure) -> None:
        end_the_attempt(self.commands[0])
        ends(self)

    if first == "the answer":
        monkeypatch.setattr(Command, "succeed", succeed_and_end)
    else:
        monkeypatch.setattr(Departure, "ends", end_and_answer)

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        assert cut_off
        event = await company.event(missed)
        assert event.outcomes[-1].reason == "an earlier attempt had added it"
        assert len(ours(company)) == 1

    played(story)


def test_an_event_comes_again_when_somebody_else_adds_its_badge_and_that_cannot_be_seen_at_once() -> None:
    """The portal refuses the code for good, since it is taken; that it is, the failing second look does not show."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.badge.add", "race-add")
        fault(company, "crm.activity.badge.get", "http-500", after=1)
        missed = await company.report(ANNA)
        await company.ended()
        assert told(await company.event(missed)) == [("act", "badged", "deal 41")]

    played(story)


def test_a_badge_taken_away_by_hand_counts_as_cleared_where_the_portal_refuses_to_complete_twice() -> None:
    """Whatever it says to that, the activity is read, and it is over."""

    async def story(company: Company) -> None:
        await company.report(ANNA)
        await company.ended()
        (activity,) = ours(company)
        crm = company.portal.records.crm
        crm.put_activity(activity.model_copy(update={"completed": True}))
        answered = await company.report(ANNA, "answered", at=600)
        await company.ended()
        event = await company.event(answered)
        assert (event.state, told(event)) == ("done", [("clear", "cleared", "deal 41")])

    for code in ("WRONG_FIELD_VALUE", "NOT_FOUND"):
        played(story, variants={"completing_twice": code})


@pytest.mark.parametrize(
    "variants",
    [{"tel_links": "refused"}, {"contact_ids_filter": "refused"}, {"configurable_in_batch": "refused"}, {}],
    ids=lambda variants: next(iter(variants), "none"),
)
def test_a_refusal_that_all_events_meet_is_learnt_from_one_of_them(variants: dict[str, str]) -> None:
    """Two hundred at once: what the portal does not take is found out by a single trial, and not by one for each."""

    async def story(company: Company) -> None:
        for customer in range(1, 201):
            await company.report(number_of(customer))
        events = await company.ended(every=5)
        assert {event.state for event in events} == {"done"}
        assert set(company.activities().values()) == {1}
        alone = 200 if "configurable_in_batch" in variants else 0
        assert company.requests < 60 + alone

    played(story, customers=200, variants=variants)


def test_a_rule_with_a_picture_that_the_portal_lacks_does_not_hold_up_others() -> None:
    """Its events are dead soon, one trial for all of them, and a returned call is cleared meanwhile."""
    icon = rules() + RULES[RULES.index("  - name: missed call") :].replace("missed call", "no icon").replace(
        'title: "Missed call from {caller}"', "title: x, icon: no-such-icon"
    ).replace("on: call.missed", "on: call.busy")

    async def story(company: Company) -> None:
        await company.report(ANNA)
        await company.ended()
        for customer in range(1, 201):
            await company.report(number_of(customer), "busy", at=10)
        answered = await company.report(ANNA, "answered", at=20)
        events = await company.ended(every=5)
        assert (await company.event(answered)).state == "done"
        dead = [event for event in events if event.state == "dead"]
        assert len(dead) == 200
        assert company.requests < 60
        loop = asyncio.get_running_loop()
        assert loop.time() < 120

    played(story, customers=200, rules=icon)


def test_a_card_that_may_not_be_written_to_stops_no_other() -> None:
    """The right to one card is refused: the event comes again later, and nothing is paused meanwhile."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "ACCESS_DENIED", times=1000)
        denied = await company.report(ANNA)
        await asyncio.sleep(3)
        assert (await company.event(denied)).failures == 1
        company.portal.faults.clear()
        other = await company.report(number_of(1), at=3)
        await asyncio.sleep(1)
        assert (await company.event(other)).state == "done"
        await company.ended()
        assert (await company.event(denied)).state == "done"

    played(story, customers=1)


def test_a_card_that_is_refused_for_good_makes_the_event_dead_and_names_the_mend() -> None:
    """After nine attempts, with the right that is missing; until then somebody can give it."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "ACCESS_DENIED", times=1000)
        denied = await company.report(ANNA)
        await company.ended()
        event = await company.event(denied)
        assert (event.state, event.failures) == ("dead", 9)
        assert "Access permissions" in event.reason

    played(story)


def test_an_activity_is_looked_up_later_when_the_portal_refuses_to_list_activities_now() -> None:
    """Its add brought no answer, and giving up would leave a badge that nobody takes away."""

    async def story(company: Company) -> None:
        fault(company, "crm.activity.configurable.add", "drop-after-commit")
        fault(company, "crm.activity.list", "empty-error", times=4)
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert (event.state, event.outcomes[-1].reason) == ("done", "an earlier attempt had added it")
        assert len(ours(company)) == 1

    played(story)


def test_the_next_owner_is_taken_when_the_one_that_was_kept_is_gone() -> None:
    """The deal was found a moment ago and deleted since: the card is looked for once more."""

    async def story(company: Company) -> None:
        await company.report(number_of(1))
        await company.ended()
        crm = company.portal.records.crm
        del crm.deals[FIRST_ITEM + 1]
        await company.report(number_of(1), at=1)
        await company.ended()
        assert [(one.owner_type_id, one.owner_id) for one in ours(company)] == [
            (2, FIRST_ITEM + 1),
            (3, FIRST_ITEM + 1),
        ]

    played(story, customers=1)


def test_an_event_that_is_redriven_is_not_attached_twice() -> None:
    """The ledger knows its activity, and the portal is asked whether it is there still."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        before = company.requests
        assert await company.bridge.store.redrive(event.key, now=company.bridge.clock())
        await company.ended()
        event = await company.event(missed)
        assert (event.state, event.outcomes[-1].reason) == ("done", "it was attached before")
        assert company.requests == before + 1
        assert len(ours(company)) == 1

    played(story)


@pytest.mark.parametrize("how", ["completed", "deleted"])
def test_badge_that_somebody_took_off_in_the_portal_is_known_to_be_off_once_its_event_is_redriven(how: str) -> None:
    """What he has decided stays: no badge is put there again, and the ledger and the event say that it is off."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        key = (await company.event(missed)).key
        (activity,) = ours(company)
        activities = company.portal.records.crm.activities
        if how == "deleted":
            del activities[activity.id]
        else:
            activities[activity.id] = activity.model_copy(update={"completed": True})
        assert [card.state for card in await on_cards(company.bridge.store, key)] == ["there"]
        assert await company.bridge.store.redrive(key, now=company.bridge.clock())
        await company.ended()
        event = await company.event(missed)
        said = f"somebody has taken it off in the portal: activity {activity.id} is completed or deleted"
        assert (event.state, event.outcomes[-1].result, event.outcomes[-1].reason) == ("done", "cleared", said)
        assert [card.state for card in await on_cards(company.bridge.store, key)] == ["taken off"]
        assert len(ours(company)) == (how == "completed")

    played(story)


def test_event_that_is_redriven_after_it_was_cleared_says_on_which_card_its_badge_was() -> None:
    """Whoever looks at the missed call a week later still finds the deal, and no badge is put there again."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA, at=0)
        await company.ended()
        await company.report(ANNA, "answered", at=100)
        await company.ended()
        key = (await company.event(missed)).key
        assert await company.bridge.store.redrive(key, now=company.bridge.clock())
        await company.ended()
        event = await company.event(missed)
        rows = await company.bridge.store.attachments(key)
        said = came_of(event, rows, {}, now=company.bridge.clock())
        assert said == f"Badge bb_missedCall on deal {ANNAS_DEAL}: it was attached and cleared before."
        assert [one.completed for one in ours(company)] == [True]

    played(story)


def test_customer_who_was_entered_meanwhile_is_found_when_the_event_is_redriven() -> None:
    """At once, though that there was nobody is otherwise believed for some seconds."""

    async def story(company: Company) -> None:
        missed = await company.report(STRANGER)
        await company.ended()
        event = await company.event(missed)
        assert event.state == "ignored"
        company.portal.records.crm.put(Contact(id=FIRST_ITEM + 99, name="Newcomer", phones=(STRANGER,)))
        assert await company.bridge.store.redrive(event.key, now=company.bridge.clock())
        await company.ended()
        assert told(await company.event(missed))[-1] == ("act", "badged", f"contact {FIRST_ITEM + 99}")

    played(story)


def of_then() -> RulesFile:
    """The same file, when its rule and its badge had other names."""
    environ = {"CLIENT_SECRET": "s3cr3t-s3cr3t-s3cr3t", "PBX_TOKEN": PBX_TOKEN}
    written = rules().replace("name: missed call", "name: lost").replace("missedCall", "lostCall")
    return parse(written, "r", providers=OPTIONS, environ=environ)


def test_call_that_is_redriven_with_rules_of_then_leaves_the_badges_of_rules_of_now() -> None:
    """Their own rules take them off, though those of then do not know them."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA)
        await company.ended()
        bridge = company.bridge
        cards = Cards(rules=bridge.rules, portals=bridge.portals, store=bridge.store, clock=bridge.clock).by(of_then())
        call = (await company.event(missed)).event
        answered = call.model_copy(update={"type": "call.answered", "time": call.time + timedelta(seconds=60)})
        (rule,) = of_then().clearing(answered)
        assert await cards.clear(rule, answered, Asked()) is None
        assert [one.completed for one in ours(company)] == [False]

    played(story)


def test_two_rules_put_two_badges_on_the_card_and_each_is_cleared() -> None:
    """Each event and rule has an activity of its own."""
    more = """
  - name: first call of a day
    on: call.missed
    badge: missedCall
    attach: {to: [contact]}
    clear: {}
"""

    async def story(company: Company) -> None:
        await company.report(ANNA, at=0)
        await company.ended()
        assert sorted((one.owner_type_id, one.owner_id) for one in ours(company)) == [(2, 41), (3, 1)]
        await company.report(ANNA, "answered", at=10)
        await company.ended()
        assert all(one.completed for one in ours(company))

    played(story, rules=rules(more=more))


def test_a_token_that_expires_costs_no_attempt() -> None:
    """It is renewed and the call is sent again, all in one attempt."""

    async def story(company: Company) -> None:
        fault(company, "crm.duplicate.findbycomm", "expired_token")
        missed = await company.report(ANNA)
        await company.ended()
        event = await company.event(missed)
        assert (event.state, event.attempts) == ("done", 1)

    played(story)


def test_an_orders_number_is_not_looked_up_as_a_telephones() -> None:
    """A subject of digits is the rule's matter; who called is looked for by the number that he called from."""

    async def story(company: Company) -> None:
        missed = await company.report(ANNA, order="1234567")
        await company.ended()
        assert told(await company.event(missed)) == [("act", "badged", "deal 41")]

    played(story, rules=rules().replace("caller: body.from", "subject: body.order, caller: body.from"))
