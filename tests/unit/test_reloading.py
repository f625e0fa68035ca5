"""Other rules while a bridge runs: what changes in one moment, what goes on, and what stays as it was."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import pytest

from badge_bridge.archive import is_kept
from badge_bridge.bridge import Bridge
from badge_bridge.errors import Finding, RulesError, StoreUnavailable
from badge_bridge.reloading import LiveBridge, open_live
from badge_bridge.rules_watch import Looked, RulesWatch
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.server import create_app
from badge_bridge.sources import OPTIONS
from badge_bridge.store import opened_store
from badge_bridge.store.protocol import StoredEvent

TOKEN = "pbx-token-0123456789"
RULES = """
portals:
  main: {webhook: "${MAIN}"}
  other: {webhook: "${OTHER}"}
sources:
  pbx:
    provider: generic
    portal: main
    verify: {scheme: bearer}
    secrets: ["${TOKEN}"]
    event: {type: body.type, id: body.id}
badges:
  first: {title: t, value: v, type: failure}
  second: {title: t, value: v, type: warning}
rules:
  - {name: old, on: call.missed, badge: first}
"""
NEW_RULE = RULES.replace("{name: old, on: call.missed, badge: first}", "{name: new, on: call.missed, badge: second}")
SECOND_SOURCE = """
  second:
    provider: generic
    portal: main
    verify: {scheme: bearer}
    secrets: ["${TOKEN}"]
    event: {type: body.type, id: body.id}
badges:"""
T = TypeVar("T")
DEADLINE = 10.0
"""Seconds after which something does not happen any more."""


def loaded(text: str, **env: str) -> RulesFile:
    given = {"MAIN": "http://127.0.0.1:1/rest/1/mainsecret/", "OTHER": "http://127.0.0.1:2/rest/1/othersecret/"}
    return parse(text, providers=OPTIONS, environ={**given, "TOKEN": TOKEN, **env})


@dataclass
class Portals:
    """All portals: each badge is there. While the gate is closed, they answer nothing."""

    asked: list[str] = field(default_factory=list)
    """The path of each request."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    refused: str = ""
    """The secret that is not good any more."""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        await self.gate.wait()
        if self.refused and self.refused in request.url.path:
            return httpx.Response(401, json={"error": "INVALID_CREDENTIALS", "error_description": "no"})
        badge = {"title": "t", "value": "v", "type": "failure"}
        return httpx.Response(200, json={"result": {"badge": badge}, "time": {}})


@dataclass
class World:
    """A bridge whose next rules the test names: a text, or the error of reading it."""

    live: LiveBridge
    portals: Portals
    next: list[RulesFile | Exception]
    masked: set[str]
    swapped: list[Bridge]

    async def reload(self, after: RulesFile | Exception, *, asked: bool = True) -> None:
        self.next.append(after)
        await self.live.reload(asked=asked)

    async def send(self, call: str, *, source: str = "pbx") -> int:
        """Deliver a missed call; the status of the answer."""
        transport = httpx.ASGITransport(create_app(self.live))
        async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
            answer = await client.post(
                f"/hooks/{source}", json=told(call), headers={"Authorization": f"Bearer {TOKEN}"}
            )
        return answer.status_code

    async def event(self, call: str) -> StoredEvent | None:
        listed = (await self.live.store.list(limit=100)).events
        for one in listed:
            if one.event.id == call:
                return await self.live.store.get(one.key)
        return None

    async def done(self, call: str, *, state: str = "done") -> StoredEvent:
        """The event, once it has come to its end."""

        async def look() -> StoredEvent | None:
            found = await self.event(call)
            return found if found is not None and found.state == state else None

        return await until(look)

    def reloads(self) -> dict[str, int]:
        return {labels[0]: count for labels, count in self.live.meters.reloads.values.items()}


def told(call: str) -> dict[str, str]:
    return {"type": "call.missed", "id": call}


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(DEADLINE):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(rules: RulesFile) -> AsyncIterator[World]:
    portals, coming = Portals(), list[RulesFile | Exception]()
    portals.gate.set()
    masked, swapped = set[str](), list[Bridge]()

    async def load() -> RulesFile:
        found = coming.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async with (
        opened_store("memory:") as store,
        open_live(
            rules,
            store,
            load=load,
            mask=masked.update,
            swapped=swapped.append,
            concurrency=8,
            transport=httpx.MockTransport(portals.answer),
        ) as live,
    ):
        try:
            yield World(live, portals, coming, masked, swapped)
        finally:
            portals.gate.set()


async def test_next_event_meets_the_new_rules_when_they_were_reloaded() -> None:
    """And is told with their hash; the one before had met the old ones."""
    async with running(loaded(RULES)) as world:
        assert await world.send("1") == 204
        before = await world.done("1")
        await world.reload(loaded(NEW_RULE))
        assert await world.send("2") == 204
        after = await world.done("2")
    assert [one.rule for one in before.outcomes] == ["old"]
    assert [one.rule for one in after.outcomes] == ["new"]
    assert (before.rules_hash, after.rules_hash) == (loaded(RULES).hash, loaded(NEW_RULE).hash)
    assert world.reloads() == {"reloaded": 1, "unchanged": 0, "refused": 0}


async def test_rules_are_kept_for_those_who_redrive_when_they_come_into_use() -> None:
    """Those of the start and those of each reload, before an event has met them."""
    async with running(loaded(RULES)) as world:
        assert await is_kept(world.live.store, loaded(RULES).hash)
        await world.reload(loaded(NEW_RULE))
        assert await is_kept(world.live.store, loaded(NEW_RULE).hash)


async def test_attempt_ends_with_the_rules_that_it_began_with() -> None:
    """A portal may take long. Meanwhile other events are worked on by the new rules."""
    async with running(loaded(RULES)) as world:
        world.portals.gate.clear()
        await world.send("1")
        await until(lambda: asked(world, 1))
        await world.reload(loaded(NEW_RULE))
        await world.send("2")
        await until(lambda: asked(world, 1))
        still = await world.event("1")
        assert still is not None
        assert still.state == "working"
        world.portals.gate.set()
        first, second = await world.done("1"), await world.done("2")
    assert [(one.rule, one.badge) for one in first.outcomes] == [("old", "bb_first")]
    assert first.attempts == 1
    assert [(one.rule, one.badge) for one in second.outcomes] == [("new", "bb_second")]


async def asked(world: World, least: int) -> bool:
    return len(world.portals.asked) >= least


async def test_delivery_keeps_its_source_when_that_is_removed_while_its_body_arrives() -> None:
    """It began before the reload, so it is taken; the next one to that source is answered with 404."""
    with_second = RULES.replace("\nbadges:", SECOND_SOURCE)
    async with running(loaded(with_second)) as world:
        arrives = asyncio.Event()
        waits = asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            waits.set()
            await arrives.wait()
            return {"type": "http.request", "body": json.dumps(told("1")).encode(), "more_body": False}

        sent: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {TOKEN}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/hooks/second", "query_string": b"", "headers": headers}
        app: Any = create_app(world.live)
        delivery: asyncio.Task[None] = asyncio.create_task(app(scope, receive, send))
        await waits.wait()
        await world.reload(loaded(RULES))
        assert await world.send("2", source="second") == 404
        arrives.set()
        await delivery
        assert sent[0]["status"] == 204
        assert (await world.done("1", state="ignored")).event.source == "second"


async def test_source_takes_deliveries_when_it_was_added() -> None:
    """From the reload on."""
    async with running(loaded(RULES)) as world:
        assert await world.send("1", source="second") == 404
        await world.reload(loaded(RULES.replace("\nbadges:", SECOND_SOURCE)))
        assert await world.send("1", source="second") == 204
        assert (await world.done("1")).attempts == 1


async def test_portal_stays_open_when_its_entry_is_the_same() -> None:
    """With its connections, its queue and what it knows; one whose entry is another is opened anew."""
    async with running(loaded(RULES)) as world:
        main, other = world.live.portals["main"], world.live.portals["other"]
        await world.reload(loaded(NEW_RULE, OTHER="http://127.0.0.1:2/rest/1/newersecret/"))
        assert world.live.portals["main"] is main
        assert world.live.portals["other"] is not other
        await world.send("1")
        await world.done("1")
        assert world.portals.asked == ["/rest/1/mainsecret/crm.activity.badge.get"]


async def test_attempt_goes_on_with_the_portal_that_it_began_with() -> None:
    """The client of before is closed when the last attempt that uses it has ended, and not earlier."""
    async with running(loaded(RULES)) as world:
        world.portals.gate.clear()
        await world.send("1")
        await until(lambda: asked(world, 1))
        await world.reload(loaded(RULES, MAIN="http://127.0.0.1:1/rest/1/newersecret/"))
        world.portals.gate.set()
        assert (await world.done("1")).attempts == 1
        await world.send("2")
        await world.done("2")
    assert world.portals.asked == [f"/rest/1/{which}secret/crm.activity.badge.get" for which in ("main", "newer")]


async def test_new_credential_is_not_paused_for_what_the_old_one_was_refused() -> None:
    """The last attempts with the old one may pause the portal after the new one has opened it."""
    async with running(loaded(RULES)) as world:
        world.portals.refused = "mainsecret"
        world.portals.gate.clear()
        await world.send("1")
        await until(lambda: asked(world, 1))
        await world.reload(loaded(RULES, MAIN="http://127.0.0.1:1/rest/1/newersecret/"))
        world.portals.gate.set()
        await asyncio.gather(*world.live._retiring)
        await world.send("2")
        assert (await world.done("2")).attempts == 1


async def test_delivery_is_taken_by_one_and_the_same_rules() -> None:
    """What takes deliveries is asked for once for each, since it may be another one a moment later."""
    async with running(loaded(RULES)) as world:
        reads: list[str] = []

        class Watched:
            """The bridge, and what is asked of it."""

            def __getattr__(self, name: str) -> Any:
                reads.append(name)
                return getattr(world.live, name)

        front: Any = Watched()
        transport = httpx.ASGITransport(create_app(front))
        async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
            answer = await client.post("/hooks/pbx", json=told("1"), headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    assert reads.count("accepting") == 1


async def test_what_was_begun_is_given_back_when_the_process_stops_soon_after_a_reload() -> None:
    """It has the time of a process that stops, and not that of a reload."""
    async with opened_store("memory:") as store:
        portals = Portals()

        async def load() -> RulesFile:
            return loaded(NEW_RULE)

        transport = httpx.MockTransport(portals.answer)
        async with open_live(loaded(RULES), store, load=load, concurrency=8, transport=transport) as live:
            world = World(live, portals, [], set(), [])
            await world.send("1")
            await until(lambda: asked(world, 1))
            await live.reload()
        left = await world.event("1")
        assert left is not None
        assert (left.state, [one.result for one in left.history]) == ("waiting", ["given back"])


@pytest.mark.parametrize(
    "error",
    [
        RulesError([Finding("rules.yaml", 3, 5, "there is no badge"), Finding("rules.yaml", 9, 1, "no portal")]),
        StoreUnavailable("nobody can say whether a portal is paused"),
        RuntimeError("nobody has foreseen this"),
    ],
)
async def test_old_rules_stay_when_the_new_ones_cannot_be_had(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """All mistakes are told in one line, counted and kept for the operators' pages, and deliveries go on."""
    async with running(loaded(RULES)) as world:
        bridge = world.live.now
        await world.reload(error)
        assert world.live.now is bridge
        assert world.reloads() == {"reloaded": 0, "unchanged": 0, "refused": 1}
        kept = world.live.not_reloaded
        assert kept is not None
        (line,) = [one for one in caplog.records if one.name == "badge_bridge.start"]
        assert vars(line)["json_fields"]["findings"] == kept.said
        assert "badge-bridge check rules.yaml" in line.getMessage()
        if isinstance(error, RulesError):
            assert kept.said == ["rules.yaml:3:5: there is no badge", "rules.yaml:9:1: no portal"]
            assert (kept.reason, kept.findings) == ("2 mistakes", tuple(error.findings))
        await world.send("1")
        assert [one.rule for one in (await world.done("1")).outcomes] == ["old"]
        await world.reload(loaded(NEW_RULE))
        assert world.live.not_reloaded is None


async def test_old_rules_stay_when_a_new_application_has_no_key() -> None:
    """What only shows when a portal is opened leaves everything as it was."""
    application = '{url: https://a.bitrix24.com, oauth: {client_id: local.1, client_secret: "${TOKEN}"}}'
    async with running(loaded(RULES)) as world:
        await world.reload(loaded(RULES.replace('other: {webhook: "${OTHER}"}', f"other: {application}")))
        assert world.live.not_reloaded is not None
        assert "ENCRYPTION_KEY" in world.live.not_reloaded.reason
        await world.send("1")
        assert (await world.done("1")).attempts == 1


async def test_nothing_is_swapped_when_the_file_says_what_is_in_use(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks is answered, and a file that was only touched is not worth a line."""
    caplog.set_level(logging.INFO)
    async with running(loaded(RULES)) as world:
        bridge = world.live.now
        await world.reload(loaded(RULES), asked=False)
        assert [one for one in caplog.records if one.name == "badge_bridge.serve"] == []
        await world.reload(loaded(RULES))
        assert world.live.now is bridge
        assert world.reloads() == {"reloaded": 0, "unchanged": 1, "refused": 0}
        (line,) = [one for one in caplog.records if one.name == "badge_bridge.serve"]
        assert "are those that are in use" in line.getMessage()
        assert world.swapped == []


async def test_reload_is_told_with_what_it_has_changed(caplog: pytest.LogCaptureFixture) -> None:
    """In words and in fields; secrets are masked before anything is done with them, and who depends on rules is told."""
    caplog.set_level(logging.INFO)
    async with running(loaded(RULES)) as world:
        await world.reload(loaded(NEW_RULE))
        (line,) = [one for one in caplog.records if "reloaded" in one.getMessage()]
        assert line.getMessage().endswith("added rule new; removed rule old")
        assert vars(line)["json_fields"]["added"] == {"rule": ["new"]}
        assert "mainsecret" in world.masked
        assert world.swapped == [world.live.now]


async def test_only_the_bridge_of_now_looks_after_what_is_for_one_at_a_time() -> None:
    """What fetches lost calls, deletes and looks after applications runs once, however often rules were reloaded."""
    async with running(loaded(RULES)) as world:
        for text in (NEW_RULE, RULES, NEW_RULE):
            await world.reload(loaded(text))
        names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
        assert names.count("delete what is over") == 1
        assert names.count("badge-bridge worker") <= 4


async def test_file_is_followed_until_it_is_asked_for_and_when_it_changes() -> None:
    """A signal needs no change, and a change no signal."""

    def seen(number: int) -> Looked:
        return "rules.yaml", 1, number, 10, number, number

    looks = iter([seen(1), seen(2)])
    watch = RulesWatch("rules.yaml", look=lambda path: next(looks, seen(2)))
    async with running(loaded(RULES)) as world:
        signalled = asyncio.Event()
        world.next += [loaded(NEW_RULE), loaded(RULES)]
        following = asyncio.create_task(world.live.follow(watch, signalled, every=0.01))

        async def count(least: int) -> bool:
            return world.reloads()["reloaded"] >= least

        await until(lambda: count(1))
        assert world.live.rules.hash == loaded(NEW_RULE).hash
        signalled.set()
        await until(lambda: count(2))
        assert world.live.rules.hash == loaded(RULES).hash
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
