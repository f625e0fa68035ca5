"""An event that is redriven with rules of then is judged by them, whatever the rules file says now."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport

from badge_bridge.archive import is_kept, note_of
from badge_bridge.bridge import open_bridge
from badge_bridge.pipeline import Pipeline
from badge_bridge.portal import Portal, open_portal
from badge_bridge.portal.credentials import InboundWebhook
from badge_bridge.redriving import Refusal, redrive
from badge_bridge.rulesfile import RulesFile, parse, rules_hash
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.sources import OPTIONS
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, StoredEvent
from support.bridge_by_hand import leg_event
from support.company import PBX_TOKEN, number_of, ours, portal_of
from support.company import RULES as OF_COMPANY
from support.company_by_hand import HandClock, open_by_hand, work_to_the_end
from support.deliveries import RULES as SERVED
from support.deliveries import environ, pbx
from support.every_source import source_of
from support.programs import badge_bridge, program, sandbox, send, serve, until
from support.stores import claimed, ended, item

START = 1_795_345_200.0
KEY = "s:1"
RULES = """
portals: {PORTAL: {webhook: "${HOOK}"}}
sources:
  reception: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: body.type, id: body.id}}
badges:
  then: {title: Call, value: Missed, type: failure}
  now: {title: Call, value: Lost, type: warning}
rules: [{name: r, on: call.missed, badge: BADGE}]
"""


def rules_text(badge: str, portal: str = "main") -> str:
    return RULES.replace("BADGE", badge).replace("PORTAL", portal)


THEN, NOW = rules_text("then"), rules_text("now")


@dataclass
class World:
    """One store and one portal; each `process` begins with the rules file that it is given."""

    store: MemoryStore
    sandbox: SandboxPortal
    portal: Portal
    now: float = START

    def rules(self, text: str) -> RulesFile:
        known = {"HOOK": "https://acme.bitrix24.com/rest/1/abcdefghijklmnop/", "TOKEN": "pbx-token-0123456789"}
        return parse(text, providers=OPTIONS, environ=known)

    async def process(self, text: str) -> StoredEvent:
        """A process that works by these rules does what is due; the event afterwards."""
        rules = self.rules(text)
        portals: Mapping[str, Portal] = dict.fromkeys(rules.portals, self.portal)
        pipeline = Pipeline(
            rules=rules,
            sources={"zoom": source_of("zoom")},
            portals=portals,
            store=self.store,
            wake=_nobody,
            clock=lambda: self.now,
            random=lambda: 0.5,
        )
        for claim in await pipeline.sweep(10):
            await pipeline.process(claim)
        return await self.event()

    async def event(self) -> StoredEvent:
        stored = await self.store.get(KEY)
        assert stored is not None
        return stored

    async def redrive(self, *, then: bool) -> str:
        return text_of(await redrive(self.store, KEY, now=self.now, then=then, by="command"))

    def badges(self) -> list[str]:
        return [code for code in self.sandbox.records.badges if code.startswith("bb_")]


def text_of(refusal: Refusal | None) -> str:
    return refusal.text if refusal else ""


async def _nobody(keys: Sequence[str]) -> None:
    """The test sweeps by itself."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A portal that refused the badge of then."""
    sandbox = SandboxPortal(clock=lambda: START)
    store = MemoryStore()
    await store.open()
    portal = open_portal(
        "main",
        InboundWebhook(sandbox.webhook_url("http://127.0.0.1:8090")),
        pauses=store,
        clock=lambda: START,
        random=lambda: 0.5,
        transport=ASGITransport(create_app(sandbox)),
    )
    world = World(store, sandbox, portal)
    await store.accept([item(KEY, received_at=START)])
    refuse_one(sandbox, "REQUIRED_ARG_MISSING")
    assert (await world.process(THEN)).state == "dead"
    assert world.badges() == []
    yield world
    await store.close()


def refuse_one(sandbox: SandboxPortal, fault: str) -> None:
    sandbox.faults.add(FaultOrder(method="crm.activity.badge.add", fault=fault, times=1))


async def test_event_gets_the_badge_of_then_when_it_is_redriven_with_then(world: World) -> None:
    """Though the process works by other rules; what it was judged by is told of the event and of the attempt."""
    assert await world.redrive(then=True) == ""

    event = await world.process(NOW)

    then = world.rules(THEN).hash
    assert (event.state, event.redriven_with, event.rules_hash) == ("done", then, then)
    assert (event.outcomes[-1].badge, event.outcomes[-1].result) == ("bb_then", "ensured")
    assert [attempt.rules_hash for attempt in event.history] == [then, then]
    assert world.badges() == ["bb_then"]


async def test_event_gets_the_badge_of_now_when_it_is_redriven_with_now(world: World) -> None:
    """Also where it was redriven with rules of then before: each redrive decides anew."""
    for then in (True, False):
        assert await world.redrive(then=then) == ""
        event = await world.process(NOW)

    assert (event.state, event.redriven_with, event.rules_hash) == ("done", "", world.rules(NOW).hash)
    assert event.outcomes[-1].badge == "bb_now"
    assert world.badges() == ["bb_then", "bb_now"]


async def test_retries_keep_to_the_rules_of_then(world: World) -> None:
    """In another process, too."""
    await world.redrive(then=True)
    refuse_one(world.sandbox, "http-500")
    waiting = await world.process(NOW)
    assert (waiting.state, waiting.failures) == ("waiting", 1)
    world.now = waiting.due

    event = await world.process(NOW)

    assert (event.state, event.attempts, event.rules_hash) == ("done", 3, world.rules(THEN).hash)
    assert world.badges() == ["bb_then"]


async def test_event_is_dead_when_the_portal_of_then_is_gone(world: World) -> None:
    """Nothing is done elsewhere instead; the reason says what to do, and the rules of now can be used."""
    await world.redrive(then=True)

    event = await world.process(rules_text("now", portal="other"))

    assert (event.state, event.outcomes[-1].result) == ("dead", "failed")
    assert event.reason == (
        "portal main: the rules file does not have it any more, and the rule of then acts in it; name it again, or "
        "redrive the event with the rules of now"
    )
    assert world.badges() == []
    await world.redrive(then=False)
    assert (await world.process(rules_text("now", portal="other"))).state == "done"
    assert world.badges() == ["bb_now"]


async def test_event_is_dead_when_its_rules_of_then_are_gone_meanwhile(world: World) -> None:
    """They were erased between the redrive and the attempt."""
    await world.redrive(then=True)
    then = world.rules(THEN).hash
    await world.store.write_note(note_of(then), "", version=1)

    event = await world.process(NOW)

    said = f"the rules of then (hash {then}) are not kept; redrive the event with the rules of now"
    assert (event.state, event.reason, event.rules_hash) == ("dead", said, then)
    assert (
        await world.redrive(then=True) == f"its rules of then (hash {then}) are not kept; redrive it with those of now"
    )
    assert (await world.event()).state == "dead"


async def test_event_is_dead_when_its_rules_of_then_have_mistakes_by_now(world: World) -> None:
    """What an earlier version took this one may not: it says where, and the rules of now can be used."""
    text = THEN.replace("badge: then", "badge: then, sound: loud").replace("provider: generic", "provider: gone")
    hash_ = rules_hash(text.encode())
    await world.store.write_note(note_of(hash_), text, version=0)
    await world.store.redrive(KEY, now=world.now, rules=hash_)

    event = await world.process(NOW)

    assert event.state == "dead"
    assert event.reason.startswith(f"the rules of then (hash {hash_}) cannot be used by this version: line 4, ")
    assert event.reason.endswith(", and 1 more mistake; redrive the event with the rules of now")
    await world.redrive(then=False)
    assert (await world.process(NOW)).state == "done"


async def test_leg_of_a_call_is_not_redriven_with_then(world: World) -> None:
    """No rules judge it: it is joined with the others, whatever they say."""
    leg = Accepted("s:leg", leg_event(1), "bearer token", START)
    await world.store.accept([leg])
    await world.store.settle(await claimed(world.store, "s:leg", now=START), ended("dead", rules_hash="then"))

    said = text_of(await redrive(world.store, "s:leg", now=START, then=True, by="command"))

    assert said == "it is one leg of a call, and no rules judge it; redrive the call's event, which its reason names"


async def test_event_that_was_never_judged_has_no_rules_of_then(world: World) -> None:
    """An earlier version could not read it, say, and set it aside."""
    await world.store.accept([item("s:2", received_at=START)])
    await world.store.settle(await claimed(world.store, "s:2", now=START), ended("dead"))

    said = text_of(await redrive(world.store, "s:2", now=START, then=True, by="command"))

    assert said == "no attempt at it was judged by rules, so there are none of then; redrive it with those of now"


@pytest.mark.parametrize("then", [True, False])
async def test_event_that_has_not_ended_is_not_redriven(world: World, then: bool) -> None:
    """Nor is one that is not there."""
    await world.redrive(then=then)
    assert await world.redrive(then=then) == "it has not ended, it is waiting"
    assert text_of(await redrive(world.store, "s:9", now=START, then=then, by="command")) == "there is no such event"


@pytest.mark.parametrize("at_work", [True, False])
async def test_rules_file_is_kept_at_the_start_by_a_bridge_that_works(at_work: bool) -> None:
    """Before there is anything to judge by it; one that works when it is told to keeps it with its first event."""
    rules = parse(SERVED, providers=OPTIONS, environ=environ("https://acme.bitrix24.com/rest/1/abcdefghijklmnop/"))
    store = MemoryStore()
    await store.open()
    async with open_bridge(rules, store, concurrency=1, at_work=at_work):
        assert await is_kept(store, rules.hash) is at_work
    await store.close()


async def test_badge_of_then_is_on_the_card_until_a_later_call_takes_it_off(tmp_path: Path) -> None:
    """The rules that judge that call are those of now, which do not know the rule of then."""
    clock = HandClock()
    text = OF_COMPANY.replace("name: missed call", "name: lost").replace("missedCall", "lostCall")
    then = parse(text, providers=OPTIONS, environ={"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN})
    portal = portal_of(1, clock=clock)
    async with open_by_hand(tmp_path / "state.db", portal, clock) as company:
        await company.install()
        missed = await company.report(number_of(1))
        await work_to_the_end(company, clock)
        await company.bridge.pipeline.archive.keep(then)
        await company.bridge.store.redrive((await company.event(missed)).key, now=clock(), rules=then.hash)
        await work_to_the_end(company, clock)
        assert [(one.badge_code, one.completed) for one in ours(portal)] == [
            ("bb_missedCall", False),
            ("bb_lostCall", False),
        ]

        await company.report(number_of(1), "answered", at=60)
        await work_to_the_end(company, clock)
        assert [one.completed for one in ours(portal)] == [True, True]


def command(folder: Path, *arguments: str) -> str:
    """What `events` with these arguments says beside the running server."""
    with program(badge_bridge("events", *arguments), env={"STATE": f"sqlite:///{folder / 'state.db'}"}) as running:
        assert running.process.wait(30) == 0
        return running.drain()


@pytest.mark.slow
def test_serve_judges_by_the_rules_that_an_operator_chooses(tmp_path: Path) -> None:
    """It keeps the rules file that it starts with; under the next one an event is judged by either."""

    def life(attempts: int) -> Any:
        def look() -> Any:
            shown = json.loads(command(tmp_path, "show", key, "--json"))
            return shown if (shown["attempts"], shown["state"]) == (attempts, "done") else None

        return until(look, what=f"the end of attempt {attempts}")

    with sandbox() as (_, webhook):
        with serve(tmp_path, webhook) as (_, url):
            assert send(url, pbx(b'{"type": "call.missed", "id": "1"}')).status_code == 204
            ((key,),) = [[row["key"] for row in json.loads(command(tmp_path, "list", "--json"))]]
            then = life(1)["rules_hash"]
        changed = SERVED.replace("badge: missedCall", "badge: paid", 1)
        with serve(tmp_path, webhook, rules=changed):
            assert command(tmp_path, "redrive", key, "--with", "then").endswith("with the rules of then\n")
            judged = life(2)
            assert (judged["redriven_with"], judged["rules_hash"]) == (then, then)
            assert judged["outcomes"][-1]["badge"] == "bb_missedCall"

            assert command(tmp_path, "redrive", key).endswith("with the rules of now\n")
            judged = life(3)
            assert (judged["redriven_with"], judged["rules_hash"] == then) == ("", False)
            assert judged["outcomes"][-1]["badge"] == "bb_paid"
