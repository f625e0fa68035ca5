"""The gate before a portal: pauses, probes, and how they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalPaused,
    StoreUnavailable,
)
from badge_bridge.portal import InboundWebhook, PortalClient, open_portal
from badge_bridge.portal.lanes import PROBE_HOLD, OutcomeUnknownAndPaused
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Pause

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
START = 1_000_000.0


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
    """Counts what is written about lanes, and can stop writing."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.broken = False

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
        if self.broken:
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


def another(store: MemoryStore, clock: Clock, wire: Scripted) -> PortalClient:
    """A client in another process that shares the store."""
    credential = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
    return open_portal("main", credential, pauses=store, clock=clock, random=lambda: 0.5, transport=wire).client


async def paused(client: PortalClient, method: str = GET) -> PortalPaused:
    with pytest.raises(PortalPaused) as caught:
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
    assert str(error.__cause__) in str(error)
    if kind is not None and isinstance(said, tuple):
        assert isinstance(error.__cause__, kind)
        assert (error.status, error.code) == said


async def test_nothing_is_sent_when_the_portal_is_paused(
    client: PortalClient, clock: Clock, wire: Scripted, store: WritesCounted
) -> None:
    """Every method of a paused portal waits, and so does another process; the reason is said again."""
    wire.script[GET] = (401, "NO_AUTH_FOUND")
    await paused(client, GET)
    clock.now += 29
    for waiting in (client, another(store, clock, wire)):
        error = await paused(waiting, "profile")
        assert error.__cause__ is None
        assert (error.lane, error.until) == ("main", START + 30)
        assert "NO_AUTH_FOUND" in str(error)
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
    assert f"lane main/{ADD} is paused for 30 s" in warning.getMessage()
    assert info.getMessage() == f"portal main: lane main/{ADD} is open again"


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
