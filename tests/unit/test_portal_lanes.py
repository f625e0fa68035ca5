"""The gate before a portal: pauses, probes, and how they end."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    OutcomeUnknownAndPaused,
    PortalPaused,
    StoreUnavailable,
)
from badge_bridge.portal import AccessToken, Credential, InboundWebhook, Portal, PortalClient, open_portal
from badge_bridge.portal.lanes import PROBE_HOLD
from badge_bridge.portal.wire import CONNECTIONS, DEADLINE
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Pause

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
START = 1_000_000.0
WEBHOOK = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Scripted(httpx.AsyncBaseTransport):
    """Answers each method as its script says: an error code with its status, an exception, or success."""

    def __init__(self) -> None:
        self.script: dict[str, tuple[int, str] | Exception] = {}
        self.time: dict[str, object] = {}
        self.sent: list[str] = []
        self.gate: asyncio.Event | None = None
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        self.seen = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rsplit("/", 1)[1]
        self.sent.append(method)
        self.arrivals.put_nowait(None)
        if self.gate is not None:
            await self.gate.wait()
        said = self.script.get(method)
        if isinstance(said, Exception):
            raise said
        if said is not None:
            return httpx.Response(said[0], json={"error": said[1], "error_description": "So it is."})
        return httpx.Response(200, json={"result": True, "time": self.time})

    async def arrived(self, total: int) -> None:
        """Wait until so many requests have come in all."""
        while self.seen < total:
            await self.arrivals.get()
            self.seen += 1


class WritesCounted(MemoryStore):
    """Counts what is written about lanes, and can stop writing: all of it, or only what `failing` names."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.broken = False
        self.failing = ""

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        self._note(f"pause {lane}")
        return await super().pause(lane, until=until, reason=reason)

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        found = await super().paused(lanes)
        await asyncio.sleep(0)  # others get their turn, as with a store on disk
        return found

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        self._note(f"probe {lane}")
        return await super().probe(lane, now=now, hold=hold)

    async def resume(self, lane: str) -> bool:
        self._note(f"resume {lane}")
        return await super().resume(lane)

    def _note(self, what: str) -> None:
        if self.broken or what == self.failing:
            raise StoreUnavailable("the disk is full")
        self.writes.append(what)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire() -> Scripted:
    return Scripted()


@pytest.fixture
async def store() -> AsyncIterator[WritesCounted]:
    store = WritesCounted()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def client(store: WritesCounted, clock: Clock, wire: Scripted) -> PortalClient:
    return another(store, clock, wire)


def opened(
    store: MemoryStore, clock: Clock, wire: Scripted, credential: Credential = WEBHOOK, name: str = "main"
) -> Portal:
    """The portal as another process opens it that shares the store. Each call is a request of its own."""
    return open_portal(name, credential, pauses=store, clock=clock, random=lambda: 0.5, transport=wire, largest_batch=1)


def another(store: MemoryStore, clock: Clock, wire: Scripted) -> PortalClient:
    """A client in another process that shares the store."""
    return opened(store, clock, wire).client


async def paused(client: PortalClient, method: str = GET) -> PortalPaused:
    with pytest.raises(PortalPaused) as caught:
        async with asyncio.timeout(5):  # a call that is let through by mistake may meet a closed gate
            await client.call(method)
    return caught.value


async def lanes(store: MemoryStore, *names: str) -> Sequence[tuple[str, float, int]]:
    return [(pause.lane, pause.until - START, pause.failures) for pause in await store.paused(names)]


@pytest.mark.parametrize(
    ("said", "kind", "lane", "seconds"),
    [
        (httpx.ConnectError("refused"), None, "main", 5),
        ((503, "QUERY_LIMIT_EXCEEDED"), LimitReached, "main", 1),
        ((503, "OVERLOAD_LIMIT"), LimitReached, "main", 900),
        ((429, "OPERATION_TIME_LIMIT"), LimitReached, f"main/{ADD}", 605),
        ((400, "ACCESS_DENIED"), AccessRefused, f"main/{ADD}", 30),
        ((403, "insufficient_scope"), AccessRefused, f"main/{ADD}", 30),
        ((401, "NO_AUTH_FOUND"), AccessRefused, "main", 30),
        ((401, "expired_token"), AccessRefused, "main", 30),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
async def test_a_lane_is_paused_when_a_call_tells_that_it_is_unusable(
    client: PortalClient,
    store: WritesCounted,
    wire: Scripted,
    *,
    said: tuple[int, str] | Exception,
    kind: type[Exception] | None,
    lane: str,
    seconds: float,
) -> None:
    """The caller learns which lane it waits for and until when, and why; the original error is the cause."""
    wire.script[ADD] = said
    error = await paused(client, ADD)
    assert (error.lane, error.until) == (lane, START + seconds)
    assert await lanes(store, lane) == [(lane, seconds, 1)]
    assert str(error) == str(error.__cause__)
    if kind is not None and isinstance(said, tuple):
        assert isinstance(error.__cause__, kind)
        assert (error.status, error.code) == said


async def test_nothing_is_sent_when_the_portal_is_paused(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """Every method of a paused portal waits, and so does another process; the reason is said in a word."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client, GET)
    clock.now += 29
    for waiting in (client, another(store, clock, wire)):
        error = await paused(waiting, "profile")
        assert error.__cause__ is None
        assert (error.lane, error.until) == ("main", START + 30)
        assert str(error) == "portal main: profile waits for lane main: NO_AUTH_FOUND"
    assert wire.sent == [GET]


async def test_other_methods_go_on_when_one_method_is_paused(client: PortalClient, wire: Scripted) -> None:
    """Without the right to add badges, badges can still be looked up."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    await client.call(GET)
    await paused(client, ADD)
    assert wire.sent == [ADD, GET]


@pytest.mark.parametrize("code", ["NOT_FOUND", "REQUIRED_ARG_MISSING"])
async def test_nothing_is_paused_when_only_the_call_itself_was_refused(
    client: PortalClient, store: WritesCounted, wire: Scripted, code: str
) -> None:
    """A refused call says nothing about later ones, and its error comes as it is."""
    wire.script[GET] = (400, code)
    with pytest.raises((NotFound, CallRefused)):
        await client.call(GET)
    assert store.writes == []


async def test_nothing_is_written_when_calls_succeed(client: PortalClient, store: WritesCounted) -> None:
    """The store is not bothered while all goes well."""
    for _ in range(3):
        await client.call(GET)
    assert store.writes == []


async def test_one_caller_probes_when_a_pause_is_over(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """Of many callers one is let through; the others wait until its success resumes the lane for all."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client)
    clock.now += 30
    wire.script.clear()
    wire.sent.clear()
    wire.gate = asyncio.Event()
    probe = asyncio.create_task(client.call(GET))
    await wire.arrived(2)
    for waiting in (client, another(store, clock, wire)):
        error = await paused(waiting)
        assert (error.lane, error.until) == ("main", clock.now + PROBE_HOLD)
        assert str(error).endswith("another call tries whether it is usable again after NO_AUTH_FOUND")
    wire.gate.set()
    assert await probe is True
    assert await lanes(store, "main") == []
    await client.call(GET)
    assert wire.sent == [GET, GET]


async def test_the_pause_grows_when_probes_fail(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """5 s, then 10, then 20 while the portal stays unreachable."""
    wire.script[GET] = httpx.ConnectError("refused")
    for failures, length in enumerate([5, 10, 20, 40], start=1):
        error = await paused(client)
        assert error.until == clock.now + length
        assert (await store.paused(["main"]))[0].failures == failures
        clock.now = error.until


async def test_a_second_caller_waits_when_the_probe_takes_as_long_as_a_call_may(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A probe that has not vanished is alone until its end, however slow the portal is."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client)
    clock.now += 30
    wire.script.clear()
    wire.gate = asyncio.Event()
    probe = asyncio.create_task(client.call(GET))
    await wire.arrived(2)
    clock.now += DEADLINE
    await paused(another(store, clock, wire))
    wire.gate.set()
    assert await probe is True
    assert wire.sent == [GET, GET]


async def test_the_probe_may_be_taken_over_when_its_holder_vanished(
    client: PortalClient, clock: Clock, wire: Scripted
) -> None:
    """A probe whose process died blocks the lane for the time of a call and no longer."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client)
    clock.now += 30
    wire.script.clear()
    wire.gate = asyncio.Event()
    probe = asyncio.create_task(client.call(GET))
    await wire.arrived(2)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    wire.gate.set()
    await paused(client)
    clock.now += PROBE_HOLD
    assert await client.call(GET) is True


@pytest.mark.parametrize("code", ["NOT_FOUND", "REQUIRED_ARG_MISSING"])
async def test_the_lane_is_resumed_when_the_probe_is_refused_for_its_own_sake(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted, code: str
) -> None:
    """A portal that answers is usable, whatever it thinks of the call."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client)
    clock.now += 30
    wire.script[GET] = (400, code)
    with pytest.raises((NotFound, CallRefused)):
        await client.call(GET)
    assert await lanes(store, "main") == []


async def test_the_portal_is_resumed_when_its_probe_lacks_a_right_of_the_method(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """The method is paused instead."""
    wire.script[ADD] = httpx.ConnectError("refused")
    await paused(client, ADD)
    clock.now += 5
    wire.script[ADD] = (400, "ACCESS_DENIED")
    error = await paused(client, ADD)
    assert error.lane == f"main/{ADD}"
    assert await lanes(store, "main", f"main/{ADD}") == [(f"main/{ADD}", 35, 1)]


async def test_a_method_stays_paused_when_its_probe_meets_an_unusable_portal(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """An unreachable portal has not proven that the right is there."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    clock.now += 30
    wire.script[ADD] = httpx.ConnectError("refused")
    assert (await paused(client, ADD)).lane == "main"
    assert [lane for lane, *_ in await lanes(store, "main", f"main/{ADD}")] == ["main", f"main/{ADD}"]


async def test_both_lanes_are_resumed_when_one_probe_proves_both(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A success of the method proves the portal as well."""
    wire.script = {ADD: (400, "ACCESS_DENIED"), GET: httpx.ConnectError("refused")}
    await paused(client, ADD)
    await paused(client, GET)
    clock.now += 30
    wire.script.clear()
    await client.call(ADD)
    assert await lanes(store, "main", f"main/{ADD}") == []


async def both_half_open(client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted) -> None:
    """The pauses of the portal and of ADD are over, and nobody has proven either."""
    wire.script = {ADD: (400, "ACCESS_DENIED"), GET: httpx.ConnectError("refused")}
    await paused(client, ADD)
    await paused(client, GET)
    clock.now += 30
    wire.script.clear()
    wire.sent.clear()
    store.writes.clear()


async def test_only_the_portal_is_held_when_both_lanes_are_half_open(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """Every call passes the portal's lane, so its probe is enough to be alone, and proves both."""
    await both_half_open(client, clock, wire, store)
    await client.call(ADD)
    assert [write for write in store.writes if write.startswith("probe")] == ["probe main"]
    assert sorted(write for write in store.writes if write.startswith("resume")) == [
        "resume main",
        f"resume main/{ADD}",
    ]


async def test_the_method_is_not_held_when_another_call_probes_the_portal(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """As soon as the portal is proven, the refused caller may probe its method."""
    await both_half_open(client, clock, wire, store)
    wire.gate = asyncio.Event()
    probe = asyncio.create_task(client.call(GET))
    await wire.arrived(3)
    assert (await paused(client, ADD)).lane == "main"
    wire.gate.set()
    await probe
    assert await client.call(ADD) is True


async def test_the_method_is_not_held_when_the_store_fails_at_the_portals_probe(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A call that did not set out leaves nothing behind."""
    await both_half_open(client, clock, wire, store)
    store.failing = "probe main"
    with pytest.raises(StoreUnavailable):
        await client.call(ADD)
    store.failing = ""
    assert wire.sent == []
    await client.call(GET)
    assert await client.call(ADD) is True


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(httpx.ConnectError("refused"), 5), ((503, "QUERY_LIMIT_EXCEEDED"), 1), ((401, "NO_AUTH_FOUND"), 30)],
    ids=["unreachable", "limit", "credential"],
)
async def test_the_method_rests_as_long_as_the_portal_when_its_probe_pauses_that(
    client: PortalClient,
    clock: Clock,
    wire: Scripted,
    store: WritesCounted,
    *,
    said: tuple[int, str] | Exception,
    seconds: float,
) -> None:
    """The failed probe is counted and over: nobody waits for it once the portal is proven by another call."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    (before,) = await store.paused([f"main/{ADD}"])
    clock.now += 30
    wire.script[ADD] = said
    assert (await paused(client, ADD)).lane == "main"
    assert await lanes(store, "main", f"main/{ADD}") == [("main", 30 + seconds, 1), (f"main/{ADD}", 30 + seconds, 2)]
    assert (await store.paused([f"main/{ADD}"]))[0].reason == before.reason
    clock.now += seconds
    wire.script.clear()
    await client.call(GET)
    assert await client.call(ADD) is True


async def test_a_pause_stands_as_it_is_when_it_began_while_a_probe_was_under_way(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A method that was paused anew is not held, so the probe that pauses the portal adds nothing to it."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    clock.now += 30
    wire.script[ADD] = httpx.ConnectError("refused")
    wire.gate = asyncio.Event()
    probe = asyncio.create_task(paused(client, ADD))
    await wire.arrived(2)
    await store.pause(f"main/{ADD}", until=clock.now + 60, reason="by another process")
    wire.gate.set()
    assert (await probe).lane == "main"
    assert await lanes(store, f"main/{ADD}") == [(f"main/{ADD}", 30 + 60, 2)]


async def test_a_probe_ends_by_itself_when_its_end_cannot_be_stored(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted, caplog: pytest.LogCaptureFixture
) -> None:
    """The pause of the portal stands; the method is held no longer than for a probe that vanished."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    clock.now += 30
    held_until = clock.now + PROBE_HOLD
    wire.script[ADD] = httpx.ConnectError("refused")
    store.failing = f"pause main/{ADD}"
    assert (await paused(client, ADD)).lane == "main"
    assert caplog.records[-1].getMessage() == (
        f"portal main: the end of a probe of main/{ADD} could not be stored: the disk is full"
    )
    clock.now += 5
    wire.script.clear()
    await client.call(GET)
    assert (await paused(client, ADD)).lane == f"main/{ADD}"
    clock.now = held_until
    assert await client.call(ADD) is True


async def test_a_call_waits_for_its_method_when_both_lanes_are_paused(
    client: PortalClient, clock: Clock, wire: Scripted
) -> None:
    """An event that waited for the portal would be woken by it only to wait again."""
    wire.script = {ADD: (400, "ACCESS_DENIED"), GET: httpx.ConnectError("refused")}
    await paused(client, ADD)
    await paused(client, GET)
    assert (await paused(client, ADD)).lane == f"main/{ADD}"
    clock.now += 4
    assert (await paused(client, "profile")).lane == "main"


async def test_the_portal_is_not_held_when_the_method_of_the_call_is_still_paused(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A call that cannot go keeps no other from probing the portal."""
    wire.script = {ADD: (400, "ACCESS_DENIED"), GET: httpx.ConnectError("refused")}
    await paused(client, ADD)
    await paused(client, GET)
    clock.now += 5
    wire.script.clear()
    assert (await paused(client, ADD)).lane == f"main/{ADD}"
    assert await client.call(GET) is True


async def test_a_pause_counts_once_when_calls_under_way_together_fail(
    client: PortalClient, wire: Scripted, store: WritesCounted
) -> None:
    """Eight calls that meet the same trouble are one trouble."""
    wire.script[GET] = (503, "QUERY_LIMIT_EXCEEDED")
    wire.gate = asyncio.Event()
    calls = [asyncio.create_task(client.call(GET)) for _ in range(8)]
    await wire.arrived(8)
    wire.gate.set()
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {PortalPaused}
    assert await lanes(store, "main") == [("main", 1, 1)]


async def test_a_running_pause_is_lengthened_when_worse_is_learned(
    client: PortalClient, wire: Scripted, store: WritesCounted
) -> None:
    """A block by hand outlasts the second that a rate limit asks for."""
    wire.script = {GET: (503, "QUERY_LIMIT_EXCEEDED"), ADD: (503, "OVERLOAD_LIMIT")}
    wire.gate = asyncio.Event()
    calls = [asyncio.create_task(client.call(method)) for method in (GET, ADD)]
    await wire.arrived(2)
    wire.gate.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert [(lane, seconds) for lane, seconds, _ in await lanes(store, "main")] == [("main", 900)]


async def test_the_portal_is_paused_when_three_calls_in_a_row_are_lost(client: PortalClient, wire: Scripted) -> None:
    """The first two are unknown outcomes; the third is one as well and also waits for the portal."""
    wire.script[GET] = httpx.ReadTimeout("slow")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await client.call(GET)
        assert not isinstance(caught.value, PortalPaused)
    with pytest.raises(OutcomeUnknownAndPaused) as third:
        await client.call(GET)
    assert isinstance(third.value, PortalPaused)
    assert isinstance(third.value, OutcomeUnknown)
    assert (third.value.lane, third.value.until, third.value.code) == ("main", START + 5, "timeout")
    assert isinstance(third.value.__cause__, OutcomeUnknown)


@pytest.mark.parametrize("between", [None, (400, "NOT_FOUND")], ids=["success", "refusal"])
async def test_lost_calls_are_forgotten_when_an_answer_comes_between(
    client: PortalClient, wire: Scripted, store: WritesCounted, between: tuple[int, str] | None
) -> None:
    """Any answer shows that the portal works."""
    for _ in range(3):
        wire.script[GET] = (500, "INTERNAL_SERVER_ERROR")
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await client.call(GET)
        if between is None:
            del wire.script[GET]
            await client.call(GET)
        else:
            wire.script[GET] = between
            with pytest.raises(NotFound):
                await client.call(GET)
    assert store.writes == []


async def test_the_pause_grows_when_a_probe_is_lost(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """A lost probe uses up no attempt of its event and lengthens the pause."""
    wire.script[GET] = (503, "QUERY_LIMIT_EXCEEDED")
    await paused(client)
    clock.now += 1
    wire.script[GET] = httpx.ReadTimeout("slow")
    error = await paused(client)
    assert isinstance(error, OutcomeUnknownAndPaused)
    assert await lanes(store, "main") == [("main", 1 + 10, 2)]


async def test_a_method_rests_until_its_known_reset_when_it_used_up_its_time(
    client: PortalClient, wire: Scripted
) -> None:
    """The reset is remembered from the method's last successful answer."""
    wire.time = {"operating_reset_at": int(START) + 200, "operating": 480}
    await client.call(GET)
    wire.script[GET] = (429, "OPERATION_TIME_LIMIT")
    error = await paused(client)
    assert (error.lane, error.until) == (f"main/{GET}", START + 205)


async def test_the_log_says_what_is_missing_when_a_lane_is_paused(
    client: PortalClient, clock: Clock, wire: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning with the right and who grants it; one line when the lane is open again."""
    caplog.set_level(logging.INFO, logger="badge_bridge.portal")
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    await paused(client, ADD)
    clock.now += 30
    wire.script.clear()
    await client.call(ADD)
    (warning, info) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "CRM administrator access" in warning.getMessage()
    assert f"lane main/{ADD} is paused for 30 s, until 1970-01-12 13:47:10 UTC: " in warning.getMessage()
    assert info.getMessage() == f"portal main: lane main/{ADD} is open again"


async def test_the_log_says_so_when_a_lane_is_tried_before_its_time(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has ended the pause by hand, perhaps in another process, and the log had said until when it lasts."""
    caplog.set_level(logging.INFO, logger="badge_bridge.portal")
    wire.script[GET] = (503, "OVERLOAD_LIMIT")
    await paused(client)
    clock.now += 100
    await store.shorten("main", until=clock.now)
    wire.script.clear()
    caplog.clear()
    await client.call(GET)
    await client.call(GET)
    assert [record.getMessage() for record in caplog.records] == [
        "portal main: lane main is tried 800 s early: its pause was ended by hand, or the clock was set back",
        "portal main: lane main is open again",
    ]


async def test_a_block_by_hand_is_logged_as_an_error_when_it_is_met(
    client: PortalClient, wire: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """OVERLOAD_LIMIT needs a person."""
    wire.script[GET] = (503, "OVERLOAD_LIMIT")
    await paused(client)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_the_error_comes_as_it_is_when_its_pause_cannot_be_stored(
    client: PortalClient, wire: Scripted, store: WritesCounted
) -> None:
    """A store that fails does not hide what the portal said."""
    store.broken = True
    wire.script[ADD] = (400, "ACCESS_DENIED")
    with pytest.raises(AccessRefused):
        await client.call(ADD)


async def test_the_result_is_kept_when_the_end_of_a_pause_cannot_be_stored(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """What the portal has carried out must not look like a failure."""
    wire.script[ADD] = httpx.ConnectError("refused")
    await paused(client, ADD)
    clock.now += 5
    wire.script.clear()
    wire.gate = asyncio.Event()
    call = asyncio.create_task(client.call(ADD))
    await wire.arrived(2)
    store.broken = True
    wire.gate.set()
    assert await call is True


async def test_nothing_is_sent_when_nobody_knows_whether_the_portal_is_paused(
    client: PortalClient, wire: Scripted, store: WritesCounted
) -> None:
    """A store that cannot be read stops calls rather than letting them through."""
    await store.close()
    with pytest.raises(StoreUnavailable):
        await client.call(GET)
    assert wire.sent == []


@pytest.mark.parametrize(
    ("said", "lane"),
    [((401, "NO_AUTH_FOUND"), "main"), ((403, "insufficient_scope"), f"main/{GET}"), ((302, ""), "main")],
    ids=["unknown", "scope", "redirected"],
)
@pytest.mark.parametrize(
    "credential",
    [
        InboundWebhook("https://acme.bitrix24.com/rest/7/an0ther/"),
        InboundWebhook("https://acme.bitrix24.com/rest/8/s3cr3tw0rd/"),
        InboundWebhook("https://renamed.bitrix24.com/rest/7/s3cr3tw0rd/"),
        AccessToken("https://acme.bitrix24.com", "s3cr3tw0rd"),
    ],
    ids=["secret", "user", "address", "kind"],
)
async def test_a_lane_is_open_at_the_start_when_another_credential_was_refused(
    client: PortalClient,
    store: WritesCounted,
    clock: Clock,
    wire: Scripted,
    caplog: pytest.LogCaptureFixture,
    *,
    said: tuple[int, str],
    lane: str,
    credential: Credential,
) -> None:
    """What the operator has mended is used at once, and the log says why."""
    wire.script[GET] = said
    assert (await paused(client)).lane == lane
    caplog.clear()
    caplog.set_level(logging.INFO, logger="badge_bridge.portal")
    mended = opened(store, clock, wire, credential)
    await mended.start()
    assert [record.getMessage() for record in caplog.records] == [
        f"portal main: lane {lane} is open again: the credential has changed since it was refused"
    ]
    wire.script.clear()
    assert await mended.client.call(GET) is True
    assert await lanes(store, lane) == []


async def test_a_lane_stays_paused_at_the_start_when_its_credential_is_the_same(
    client: PortalClient, store: WritesCounted, clock: Clock, wire: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart alone mends nothing; one warning says until when the lane is paused and why."""
    wire.script[ADD] = (400, "ACCESS_DENIED")
    await paused(client, ADD)
    caplog.clear()
    restarted = opened(store, clock, wire)
    await restarted.start()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert said.startswith(f"portal main: lane main/{ADD} is still paused until 1970-01-12 13:47:10 UTC: portal main: ")
    assert said.endswith("under CRM > Settings > Access permissions.")
    await paused(restarted.client, ADD)
    assert wire.sent == [ADD]


@pytest.mark.parametrize(
    "said", [httpx.ConnectError("refused"), (503, "OVERLOAD_LIMIT")], ids=["unreachable", "overloaded"]
)
async def test_a_lane_stays_paused_at_the_start_when_it_is_not_the_credential_that_was_refused(
    client: PortalClient, store: WritesCounted, clock: Clock, wire: Scripted, said: tuple[int, str] | Exception
) -> None:
    """A new credential makes no portal reachable and lifts no limit."""
    wire.script[GET] = said
    await paused(client)
    mended = opened(store, clock, wire, InboundWebhook("https://acme.bitrix24.com/rest/7/an0ther/"))
    await mended.start()
    await paused(mended.client)
    assert wire.sent == [GET]


async def test_nothing_is_said_at_the_start_when_a_pause_is_over(
    client: PortalClient, store: WritesCounted, clock: Clock, wire: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """The next call is the probe, whoever makes it."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client)
    clock.now += 30
    caplog.clear()
    await opened(store, clock, wire).start()
    assert caplog.records == []
    assert await lanes(store, "main") == [("main", 30, 1)]


async def test_the_store_holds_no_secret_when_a_credential_was_refused(
    client: PortalClient, store: WritesCounted, wire: Scripted
) -> None:
    """What is kept tells credentials apart and gives none away."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    error = await paused(client)
    (pause,) = await store.paused(["main"])
    assert re.fullmatch(r"NO_AUTH_FOUND: .* \[refused credential [0-9a-f]{8}\]", pause.reason)
    assert "s3cr3tw0rd" not in pause.reason
    assert "refused credential" not in str(error)


async def test_calls_that_wait_for_their_turn_are_not_sent_when_the_portal_is_paused_meanwhile(
    client: PortalClient, wire: Scripted
) -> None:
    """Hundreds may queue up; a limit that the first ones meet holds back all the others."""
    wire.script[GET] = (503, "QUERY_LIMIT_EXCEEDED")
    wire.gate = asyncio.Event()
    calls = [asyncio.create_task(client.call(GET)) for _ in range(300)]
    await wire.arrived(CONNECTIONS)
    wire.gate.set()
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert len(wire.sent) == CONNECTIONS
    assert {type(error) for error in errors} == {PortalPaused}
    assert len([error for error in errors if isinstance(error, PortalPaused) and error.__cause__]) == CONNECTIONS


async def waiting_to_probe(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted, *, others: tuple[int, str] | Exception
) -> tuple[asyncio.Task[object], list[asyncio.Task[object]]]:
    """A call of ADD, half open, that waits for its turn behind calls of GET, which will be answered with `others`."""
    wire.script = {ADD: (400, "ACCESS_DENIED"), GET: others}
    await paused(client, ADD)
    clock.now += 30
    del wire.script[ADD]
    wire.gate = asyncio.Event()
    before_it = [asyncio.create_task(client.call(GET)) for _ in range(CONNECTIONS)]
    await wire.arrived(1 + CONNECTIONS)
    waiting = asyncio.create_task(client.call(ADD))
    for _ in range(20):
        await asyncio.sleep(0)
    assert f"probe main/{ADD}" not in store.writes
    return waiting, before_it


async def test_a_probe_that_waits_for_its_turn_is_sent_when_another_lane_is_paused_meanwhile(
    client: PortalClient, store: WritesCounted, clock: Clock, wire: Scripted
) -> None:
    """A probe is held from its turn on, and goes although a pause began somewhere else."""
    probe, others = await waiting_to_probe(client, clock, wire, store, others=(400, "ACCESS_DENIED"))
    assert wire.gate is not None
    wire.gate.set()
    assert await probe is True
    await asyncio.gather(*others, return_exceptions=True)
    assert f"probe main/{ADD}" in store.writes
    assert [lane for lane, *_ in await lanes(store, "main", f"main/{ADD}", f"main/{GET}")] == [f"main/{GET}"]


async def test_the_method_is_not_held_when_the_portal_is_paused_before_the_probes_turn(
    client: PortalClient, store: WritesCounted, clock: Clock, wire: Scripted
) -> None:
    """What was never sent is no probe: as soon as the portal is proven, the method may be probed."""
    probe, others = await waiting_to_probe(client, clock, wire, store, others=httpx.ConnectError("refused"))
    assert wire.gate is not None
    wire.gate.set()
    with pytest.raises(PortalPaused) as caught:
        await probe
    assert caught.value.lane == "main"
    await asyncio.gather(*others, return_exceptions=True)
    clock.now += 5
    wire.script.clear()
    await client.call(GET)
    assert await client.call(ADD) is True
