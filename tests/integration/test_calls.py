"""Calls of which several deliveries tell, from signed legs to the badge on the card, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from badge_bridge.bridge import Bridge
from badge_bridge.events import call_join
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.twilio import sign
from badge_bridge.sources.zoom import Zoom
from badge_bridge.store.protocol import Accepted, StoredEvent
from support.company import PBX_TOKEN, RULES, Company, number_of, open_company, ours
from support.portals import START, run_virtually, virtual_clock

LINE = "+4989654321"
WITH_PHONES = RULES.replace(
    "sources:\n", 'sources:\n  phones:\n    provider: zoom\n    secrets: ["${PBX_TOKEN}"]\n    longest_call: 600\n', 1
)


def zoom(bridge: Bridge) -> Zoom:
    source = bridge.pipeline.source("phones", "POST")
    assert isinstance(source, Zoom)
    return source


def leg(
    company: Company, name: str, *, user: str, call: str = "7", caller: str = "", at: float = 0.0, result: str = ""
) -> Delivery:
    """One event of Zoom about one handset; `at` is in seconds from the beginning of the call."""
    began = datetime.fromtimestamp(START, UTC).isoformat().replace("+00:00", "Z")
    told: dict[str, Any] = {
        "call_id": call,
        "caller": {"extension_type": "pstn", "phone_number": caller or number_of(1)},
        "callee": {"extension_type": "user", "user_id": user, "phone_number": LINE},
        "ringing_start_time": began,
        **({"handup_result": result} if result else {}),
    }
    signed = zoom(company.bridge)._signed(name, told, START + at)
    # Signed when it happened and received now: what is late has waited on its way inside the window.
    return Delivery(signed.method, "", signed.headers, signed.body, virtual_clock())


async def deliver(company: Company, delivery: Delivery) -> None:
    await company.bridge.pipeline.accept(zoom(company.bridge), delivery)


def split(events: Sequence[StoredEvent]) -> tuple[list[StoredEvent], list[StoredEvent]]:
    """Legs, and what is none."""
    legs = [event for event in events if event.event.leg is not None]
    return legs, [event for event in events if event.event.leg is None]


def open_activities(company: Company) -> int:
    return sum(not one.completed for one in ours(company.portal))


@pytest.mark.parametrize(("result", "seconds"), [("Call Cancel", 5), ("No Answer", 30)])
def test_unanswered_call_gets_its_badge_once_its_grace_time_is_over(result: str, seconds: float) -> None:
    """Legs settle as joined; the judgement is one event with one activity, five seconds after the caller gave up, and
    later where it may ring at a colleague next.
    """

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_ringing", user="anna"))
            await asyncio.sleep(20)
            assert not company.activities()
            await deliver(company, leg(company, "phone.callee_missed", user="anna", at=20, result=result))
            ended = virtual_clock()
            legs, (judged,) = split(await company.ended())
            assert {one.state for one in legs} == {"joined"}
            assert (judged.event.type, judged.state, judged.event.caller) == ("call.missed", "done", number_of(1))
            assert seconds <= judged.received_at - ended <= seconds + 1.5
            assert list(company.activities().values()) == [1]
            assert judged.outcomes[0].owner == "deal 1001"

    run_virtually(story())


def test_group_call_that_a_colleague_answers_gets_no_badge() -> None:
    """One handset after the other gives up while another one picks up: nobody is told of a missed call."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            for user in ("anna", "boris", "clara"):
                await deliver(company, leg(company, "phone.callee_ringing", user=user))
            for user in ("anna", "clara"):
                await deliver(company, leg(company, "phone.callee_missed", user=user, at=9, result="No Answer"))
            await asyncio.sleep(10)
            await deliver(company, leg(company, "phone.callee_answered", user="boris", at=10))
            await asyncio.sleep(60)
            await deliver(company, leg(company, "phone.callee_ended", user="boris", at=70, result="Call connected"))
            legs, (judged,) = split(await company.ended())
            assert len(legs) == 7
            assert (judged.event.type, judged.state) == ("call.answered", "ignored")
            assert not company.activities()

    run_virtually(story())


def test_late_answer_takes_the_badge_back() -> None:
    """A missed call that turns out as answered is judged again, and the badge leaves the card."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_missed", user="anna", result="No Answer"))
            _, (judged,) = split(await company.ended())
            assert (judged.event.type, open_activities(company)) == ("call.missed", 1)

            await deliver(company, leg(company, "phone.callee_ended", user="boris", at=9, result="Call connected"))
            await deliver(company, leg(company, "phone.callee_answered", user="boris", at=2))
            legs, (again,) = split(await company.ended())

            assert again.key == judged.key
            assert (again.event.type, again.state) == ("call.answered", "done")
            assert open_activities(company) == 0
            withdrawn = again.outcomes[-1]
            assert (withdrawn.role, withdrawn.result, withdrawn.rule) == ("withdraw", "cleared", "missed call")
            assert withdrawn.reason == (
                f"activity {withdrawn.activity} on {withdrawn.owner} completed; "
                "rule 'missed call' does not match this event any more"
            )
            assert {one.state for one in legs} == {"joined"}
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_answer_that_comes_while_the_badge_is_being_attached_takes_it_back() -> None:
    """Whatever moment of the attempt the late leg meets, the card ends without a badge and with one activity at most."""

    async def story(delay: float) -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_missed", user="anna", result="No Answer"))
            await asyncio.sleep(5 + delay)
            await deliver(company, leg(company, "phone.callee_answered", user="boris", at=2))
            await deliver(company, leg(company, "phone.callee_ended", user="boris", at=4, result="Call connected"))
            _, (judged,) = split(await company.ended())
            assert judged.event.type == "call.answered"
            assert judged.state in ("done", "ignored")
            assert open_activities(company) == 0
            assert sum(company.activities().values()) <= 1

    for tenths in range(12):
        run_virtually(story(tenths / 10))


def test_call_that_never_ends_is_judged_as_unknown() -> None:
    """After the longest time that a call of this source may take; no badge, and the end that comes later counts."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_ringing", user="anna"))
            began = virtual_clock()
            _, (judged,) = split(await company.ended())
            assert judged.event.type == "call.unknown"
            assert judged.event.reason == "its end is not known"
            assert 600 <= virtual_clock() - began <= 602
            assert not company.activities()

    run_virtually(story())


def test_repeated_delivery_of_a_leg_is_one_leg() -> None:
    """A provider that sends again joins nothing new."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            missed = leg(company, "phone.callee_missed", user="anna", result="No Answer")
            for _ in range(3):
                await deliver(company, missed)
            legs, (judged,) = split(await company.ended())
            await deliver(company, missed)
            assert len(legs) == 1
            assert split(await company.ended()) == (legs, [judged])

    run_virtually(story())


@pytest.mark.parametrize("late", [0, 3])
def test_handset_of_a_queue_that_rings_again_is_not_missed_meanwhile(late: int) -> None:
    """The queue goes round: the same handset rings again after it was missed, and is picked up; whichever comes first."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_ringing", user="anna"))
            await asyncio.sleep(20)
            steps = [("phone.callee_missed", 20, "No Answer"), ("phone.callee_ringing", 22, "")]
            for name, at, result in steps[::-1] if late else steps:
                await deliver(company, leg(company, name, user="anna", at=at, result=result))
                await asyncio.sleep(late)
            await asyncio.sleep(40)
            _, judged = split(await company.events())
            assert not judged
            await deliver(company, leg(company, "phone.callee_answered", user="anna", at=62))
            await deliver(company, leg(company, "phone.callee_ended", user="anna", at=64, result="Call connected"))
            _, (judgement,) = split(await company.ended())
            assert judgement.event.type == "call.answered"
            assert not company.activities()

    run_virtually(story())


def test_leg_of_a_call_is_no_event_for_rules() -> None:
    """Not even a rule for every call event meets a leg."""

    async def story() -> None:
        rules = WITH_PHONES.replace("on: call.missed", 'on: "call.*"')
        async with open_company(customers=1, rules=rules) as company:
            await deliver(company, leg(company, "phone.callee_ringing", user="anna"))
            await deliver(company, leg(company, "phone.callee_missed", user="anna", at=3, result="No Answer"))
            await company.ended()
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_badge_stays_when_a_later_leg_never_ends() -> None:
    """What was missed is not taken back because a further leg leaves the end open; it is when somebody answers."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await deliver(company, leg(company, "phone.callee_missed", user="anna", result="No Answer"))
            await company.ended()
            await deliver(company, leg(company, "phone.callee_ringing", user="boris", at=9))
            await company.ended()
            assert open_activities(company) == 1
            at = virtual_clock() - START
            await deliver(company, leg(company, "phone.callee_ended", user="boris", at=at, result="Call connected"))
            await deliver(company, leg(company, "phone.callee_answered", user="boris", at=at))
            _, (judged,) = split(await company.ended())
            assert (judged.event.type, open_activities(company)) == ("call.answered", 0)

    run_virtually(story())


TWILIO = RULES.replace(
    "sources:\n",
    "sources:\n  tw: {provider: twilio, secrets: ['${PBX_TOKEN}'], public_url: 'https://b.example.com/hooks/tw'}\n",
    1,
)


async def tell(company: Company, **fields: str) -> None:
    """Deliver a signed form of Twilio about one call."""
    url = "https://b.example.com/hooks/tw"
    form = {"CallSid": "CA" + "1" * 32, "Direction": "inbound", "From": number_of(1), "To": LINE, **fields}
    headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", sign(url, list(form.items()), PBX_TOKEN)),
    ]
    delivery = Delivery("POST", "", headers, urlencode(form).encode(), virtual_clock())
    await company.bridge.pipeline.accept(company.bridge.pipeline.source("tw", "POST"), delivery)


def test_what_is_said_for_good_overrules_what_was_judged_from_legs() -> None:
    """The caller gives up while a second phone rings, after the first was busy: a missed call, once, and no more."""

    async def story() -> None:
        async with open_company(customers=1, rules=TWILIO) as company:
            await tell(company, CallStatus="in-progress", DialCallStatus="busy", DialCallSid="CA" + "2" * 32)
            _, (judged,) = split(await company.ended())
            assert judged.event.type == "call.busy"
            for _ in range(2):
                await tell(company, CallStatus="canceled")
            _, (judged,) = split(await company.ended())
            assert (judged.event.type, judged.state) == ("call.missed", "done")
            await tell(company, CallStatus="in-progress", DialCallStatus="no-answer", DialCallSid="CA" + "3" * 32)
            _, (again,) = split(await company.ended())
            assert (again.event.type, again.state, again.outcomes) == ("call.missed", "done", judged.outcomes)
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_second_dial_that_is_answered_decides_the_call() -> None:
    """The first phone does not pick up, the second one does within the grace time or after it: no badge is left."""

    async def story(wait: float) -> None:
        async with open_company(customers=1, rules=TWILIO) as company:
            await tell(company, CallStatus="in-progress", DialCallStatus="no-answer", DialCallSid="CA" + "2" * 32)
            await asyncio.sleep(wait)
            await tell(company, CallStatus="in-progress", DialCallStatus="completed", DialCallSid="CA" + "3" * 32)
            _, (judged,) = split(await company.ended())
            assert judged.event.type == "call.answered"
            assert open_activities(company) == 0

    for wait in (1, 30):
        run_virtually(story(wait))


def test_leg_of_a_clock_that_was_set_back_is_judged_at_once() -> None:
    """What was received years ahead does not go round until then."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            missed = leg(company, "phone.callee_missed", user="anna", result="No Answer")
            (reading,) = zoom(company.bridge).read(missed)
            ahead = Accepted("phones:1", reading.event, "", virtual_clock() + 1e8, joins=(call_join(reading.event),))
            await company.bridge.store.accept([ahead])
            _, (judged,) = split(await company.ended(patience=60))
            assert judged.event.type == "call.missed"

    run_virtually(story())


STEPS = [
    ("phone.callee_ringing", "anna", 0, ""),
    ("phone.callee_ringing", "boris", 0, ""),
    ("phone.callee_missed", "anna", 8, "No Answer"),
    ("phone.callee_answered", "boris", 9, ""),
    ("phone.callee_ended", "boris", 40, "Call connected"),
]


@pytest.mark.parametrize("seed", range(40))
def test_any_interleaving_with_repeats_gives_the_same_judgement(seed: int) -> None:
    """Ten calls at once, their legs mixed, repeated and with pauses between: answered calls carry no badge, and those
    whose answering legs are lost are judged by what is left; each call is one event with one activity at most.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret

    async def story() -> None:
        async with open_company(customers=10, rules=WITH_PHONES) as company:
            answered = {str(number): rng.random() < 0.5 for number in range(1, 11)}
            sent = [
                (name, user, call, at, result)
                for (name, user, at, result), call in itertools.product(STEPS, answered)
                if answered[call] or user == "anna"
            ]
            sent += rng.sample(sent, len(sent) // 3)
            rng.shuffle(sent)
            for name, user, call, at, result in sent:
                delivery = leg(company, name, user=user, call=call, caller=number_of(int(call)), at=at, result=result)
                await deliver(company, delivery)
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.choice((0.05, 0.3, 7)))
            _, judged = split(await company.ended())
            assert len(judged) == 10
            for event in judged:
                wanted = "call.answered" if answered[event.event.id] else "call.missed"
                assert event.event.type == wanted, event.event.data["legs"]
            assert open_activities(company) == list(answered.values()).count(False)
            assert set(company.activities().values()) <= {1}

    run_virtually(story())
