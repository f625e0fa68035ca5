"""Making sure that a badge exists: order, races, sharing, knowing and drift."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from badge_bridge.errors import AccessRefused, CallRefused, OutcomeUnknown, PortalPaused, PortalUnreachable
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import Badge, Badges, Difference, Ensured, InboundWebhook, open_portal
from badge_bridge.portal.badges import Text, differences
from badge_bridge.store.memory import MemoryStore
from support.portals import answer_batch

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
MISSED = Badge("missedCall", {"en": "Call status", "de": "Anruf"}, {"en": "Missed", "de": "Verpasst"}, "failure")
NOT_FOUND = (400, {"error": "NOT_FOUND", "error_description": "Not found."})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Registry(httpx.AsyncBaseTransport):
    """A small portal with badges; hooks let a test come in between."""

    def __init__(self) -> None:
        self.badges: dict[str, dict[str, object]] = {}
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.instead: dict[str, list[Callable[[], tuple[int, object]]]] = {GET: [], ADD: []}
        self.gate: asyncio.Event | None = None
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        self.seen = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rsplit("/", 1)[1]
        params: dict[str, Any] = json.loads(await request.aread())
        self.sent.append((method, params))
        self.arrivals.put_nowait(None)
        if self.gate is not None:
            await self.gate.wait()
        content: Any
        if method == "batch":
            status, content = 200, {"result": answer_batch(params["cmd"], lambda *command: self.answer(*command)[1])}
        elif self.instead.get(method):
            status, content = self.instead[method].pop(0)()
        else:
            status, content = self.answer(method, params)
        return httpx.Response(status, json=content)

    def answer(self, method: str, params: dict[str, object]) -> tuple[int, Any]:
        code = str(params.get("code"))
        match method.rsplit(".", 1)[1]:
            case "get":
                return (200, {"result": {"badge": self.badges[code]}}) if code in self.badges else NOT_FOUND
            case "add":
                self.badges[code] = params
                return 200, {"result": {"badge": params}}
            case other:
                raise AssertionError(other)

    async def arrived(self, total: int) -> None:
        """Wait until so many requests have come in all."""
        while self.seen < total:
            await self.arrivals.get()
            self.seen += 1

    def methods(self) -> list[str]:
        return [method.rsplit(".", 1)[1] for method, _ in self.sent]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
async def badges(clock: Clock, registry: Registry) -> AsyncIterator[Badges]:
    store = MemoryStore()
    await store.open()
    credential = InboundWebhook("https://acme.bitrix24.com/rest/7/abc/")
    portal = open_portal("main", credential, pauses=store, clock=clock, random=lambda: 0.5, transport=registry)
    yield portal.badges
    await portal.aclose()
    await store.close()


def stored(badge: Badge = MISSED) -> dict[str, object]:
    return {"code": badge.code, "title": badge.title, "value": badge.value, "type": badge.type}


def refused(code: str, status: int = 400) -> Callable[[], tuple[int, object]]:
    return lambda: (status, {"error": code, "error_description": "No."})


def lost(error: Exception) -> Callable[[], tuple[int, object]]:
    def answer() -> tuple[int, object]:
        raise error

    return answer


async def test_a_badge_is_looked_up_before_it_is_added_when_it_is_missing(badges: Badges, registry: Registry) -> None:
    """get, NOT_FOUND, add; and what was asked is recorded."""
    asked: list[Exchange] = []
    assert await badges.ensure(MISSED, asked=asked) == Ensured("missedCall", "added")
    assert [(exchange.method, exchange.answer) for exchange in asked] == [(GET, "NOT_FOUND"), (ADD, "ok")]
    assert registry.sent == [(GET, {"code": "missedCall"}), (ADD, stored())]


async def test_a_badge_is_not_added_when_it_is_present(badges: Badges, registry: Registry) -> None:
    """One get is enough."""
    registry.badges["missedCall"] = stored()
    assert await badges.ensure(MISSED) == Ensured("missedCall", "present")
    assert registry.methods() == ["get"]


@pytest.mark.parametrize("nothing", [None, [], {}, {"badge": None}, {"badge": []}])
async def test_a_badge_is_added_when_get_answers_with_nothing(
    badges: Badges, registry: Registry, nothing: object
) -> None:
    """Null and empty lists, which the documentation also mentions, mean that it is missing."""
    registry.instead[GET] = [lambda: (200, {"result": nothing})]
    assert (await badges.ensure(MISSED)).how == "added"


async def test_texts_by_language_are_sent_as_objects_when_a_badge_is_added(badges: Badges, registry: Registry) -> None:
    """A map stays a map on the wire, and a plain text stays a text."""
    await badges.ensure(MISSED)
    await badges.ensure(Badge("plain", "Call", "Missed", "primary"))
    adds = [params for method, params in registry.sent if method == ADD]
    assert adds[0]["title"] == {"en": "Call status", "de": "Anruf"}
    assert adds[1] == {"code": "plain", "title": "Call", "value": "Missed", "type": "primary"}


async def test_a_badge_is_asked_for_again_when_ten_minutes_have_passed(
    badges: Badges, registry: Registry, clock: Clock
) -> None:
    """Known for 600 seconds without asking, then looked up again."""
    await badges.ensure(MISSED)
    registry.sent.clear()
    clock.now += 599
    assert (await badges.ensure(MISSED)).how == "known"
    assert registry.sent == []
    clock.now += 1
    assert (await badges.ensure(MISSED)).how == "present"
    assert registry.methods() == ["get"]


@pytest.mark.parametrize("code", ["ERROR_BADGE_EXISTS", "REQUIRED_ARG_MISSING", "", "The code is taken", "100"])
async def test_a_refused_add_ends_well_when_somebody_else_was_quicker(
    badges: Badges, registry: Registry, code: str
) -> None:
    """Whatever code stands for "taken", the badge is looked up again and is there."""

    def taken() -> tuple[int, object]:
        registry.badges["missedCall"] = stored()
        return refused(code)()

    registry.instead[ADD] = [taken]
    assert await badges.ensure(MISSED) == Ensured("missedCall", "present")
    assert registry.methods() == ["get", "add", "get"]


async def test_a_refused_add_is_raised_when_the_badge_is_still_missing(badges: Badges, registry: Registry) -> None:
    """The error of the add counts, not that of the second look; the next caller starts anew."""
    registry.instead[ADD] = [refused("REQUIRED_ARG_MISSING")]
    with pytest.raises(CallRefused, match="REQUIRED_ARG_MISSING"):
        await badges.ensure(MISSED)
    assert registry.methods() == ["get", "add", "get"]
    assert (await badges.ensure(MISSED)).how == "added"


async def test_the_missing_right_is_raised_when_an_add_is_denied(badges: Badges, registry: Registry) -> None:
    """ACCESS_DENIED pauses only the adding of badges; present ones are still found."""
    registry.instead[ADD] = [refused("ACCESS_DENIED")]
    with pytest.raises(PortalPaused, match="CRM administrator access") as caught:
        await badges.ensure(MISSED)
    assert caught.value.lane == f"main/{ADD}"
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert registry.methods() == ["get", "add", "get"]
    registry.badges["missedCall"] = stored()
    assert (await badges.ensure(MISSED)).how == "present"


async def test_a_denied_add_ends_well_when_an_administrator_adds_the_badge(badges: Badges, registry: Registry) -> None:
    """Access is missing, but the badge is there by the second look."""

    def denied() -> tuple[int, object]:
        registry.badges["missedCall"] = stored()
        return refused("ACCESS_DENIED")()

    registry.instead[ADD] = [denied]
    assert (await badges.ensure(MISSED)).how == "present"


async def test_nothing_is_asked_again_when_the_add_was_not_sent(badges: Badges, registry: Registry) -> None:
    """Neither a paused lane nor a missing connection can have added the badge."""
    registry.instead[ADD] = [refused("ACCESS_DENIED")]
    with pytest.raises(PortalPaused):
        await badges.ensure(MISSED)
    registry.sent.clear()
    with pytest.raises(PortalPaused):
        await badges.ensure(MISSED)
    assert registry.methods() == ["get"]
    registry.sent.clear()
    registry.instead[GET] = [lost(httpx.ConnectError("refused"))]
    with pytest.raises(PortalPaused) as caught:
        await badges.ensure(MISSED)
    assert isinstance(caught.value.__cause__, PortalUnreachable)
    assert registry.methods() == ["get"]


@pytest.mark.parametrize(
    "trouble",
    [lost(httpx.ReadTimeout("slow")), lost(httpx.ReadError("gone")), refused("INTERNAL_SERVER_ERROR", 500)],
    ids=["timeout", "broken", "500"],
)
async def test_a_lost_add_ends_well_when_it_was_carried_out(
    badges: Badges, registry: Registry, trouble: Callable[[], tuple[int, object]]
) -> None:
    """The badge is looked up at once instead of being added twice."""

    def committed() -> tuple[int, object]:
        registry.badges["missedCall"] = stored()
        return trouble()

    registry.instead[ADD] = [committed]
    assert (await badges.ensure(MISSED)).how == "present"
    assert registry.methods() == ["get", "add", "get"]


async def test_a_lost_add_is_unknown_when_the_badge_is_not_there_yet(badges: Badges, registry: Registry) -> None:
    """Nobody knows; the next attempt looks first and adds."""
    registry.instead[ADD] = [lost(httpx.ReadTimeout("slow"))]
    with pytest.raises(OutcomeUnknown) as caught:
        await badges.ensure(MISSED)
    assert caught.value.method == ADD
    assert (await badges.ensure(MISSED)).how == "added"


async def test_a_lost_add_is_unknown_when_the_second_look_is_lost_too(badges: Badges, registry: Registry) -> None:
    """The add's error is raised, whatever became of the look."""
    registry.instead[ADD] = [lost(httpx.ReadTimeout("slow"))]
    registry.instead[GET] = [lambda: NOT_FOUND, lost(httpx.ConnectError("refused"))]
    with pytest.raises(OutcomeUnknown) as caught:
        await badges.ensure(MISSED)
    assert caught.value.method == ADD


async def test_an_add_without_a_badge_in_its_answer_is_checked_when_it_succeeded(
    badges: Badges, registry: Registry
) -> None:
    """A strange success is believed only if the badge is there."""
    registry.instead[ADD] = [lambda: (200, {"result": None})]
    with pytest.raises(OutcomeUnknown, match="without a badge"):
        await badges.ensure(MISSED)
    assert registry.methods() == ["get", "add", "get"]


async def test_a_badge_is_added_once_when_two_hundred_ask_together(badges: Badges, registry: Registry) -> None:
    """One look for all: exactly one get and one add; the leader's list has both, the others' lists nothing."""
    lists: list[list[Exchange]] = [[] for _ in range(200)]
    results = await asyncio.gather(*(badges.ensure(MISSED, asked=asked) for asked in lists))
    assert registry.methods() == ["get", "add"]
    assert [result.how for result in results] == ["added"] + ["joined"] * 199
    assert [len(asked) for asked in lists] == [2] + [0] * 199


async def test_looks_do_not_wait_for_each_other_when_codes_differ(badges: Badges, registry: Registry) -> None:
    """Sharing is by code."""
    others = [Badge(f"code{number}", "t", "v", "primary") for number in range(3)]
    results = await asyncio.gather(*(badges.ensure(badge) for badge in others))
    assert [result.how for result in results] == ["added"] * 3


async def test_the_others_get_their_badge_when_the_first_caller_is_cancelled(
    badges: Badges, registry: Registry
) -> None:
    """The look belongs to nobody, so a caller can leave."""
    registry.gate = asyncio.Event()
    leader = asyncio.create_task(badges.ensure(MISSED))
    await asyncio.sleep(0)
    follower = asyncio.create_task(badges.ensure(MISSED))
    await registry.arrived(1)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    registry.gate.set()
    assert (await follower).how == "joined"
    assert registry.methods() == ["get", "add"]


async def test_the_first_caller_gets_its_badge_when_another_is_cancelled(badges: Badges, registry: Registry) -> None:
    """Nor does one who joined end the look for the others by leaving."""
    registry.gate = asyncio.Event()
    leader = asyncio.create_task(badges.ensure(MISSED))
    await registry.arrived(1)
    follower = asyncio.create_task(badges.ensure(MISSED))
    await asyncio.sleep(0)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    registry.gate.set()
    assert (await leader).how == "added"


async def test_nothing_is_left_behind_when_every_caller_is_cancelled_and_the_look_fails(
    badges: Badges, registry: Registry
) -> None:
    """A failure that nobody waits for is not reported as lost, and the next caller starts anew."""
    registry.gate = asyncio.Event()
    registry.instead[GET] = [refused("REQUIRED_ARG_MISSING")]
    alone = asyncio.create_task(badges.ensure(MISSED))
    await registry.arrived(1)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    registry.gate.set()
    (flight,) = badges._flights.under_way.values()
    await asyncio.wait([flight])
    assert badges._flights.under_way == {}
    assert (await badges.ensure(MISSED)).how == "added"


async def test_every_caller_gets_the_error_when_the_shared_look_fails(badges: Badges, registry: Registry) -> None:
    """All that share a look share its failure; the next call starts anew."""
    registry.instead[GET] = [refused("REQUIRED_ARG_MISSING")]
    results = await asyncio.gather(*(badges.ensure(MISSED) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {CallRefused}
    assert registry.methods() == ["get"]
    assert (await badges.ensure(MISSED)).how == "added"


async def test_a_look_is_stopped_when_the_portal_is_closed(badges: Badges, registry: Registry) -> None:
    """Closing waits for nothing that hangs."""
    registry.gate = asyncio.Event()
    waiting = asyncio.create_task(badges.ensure(MISSED))
    await registry.arrived(1)
    await badges.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_drift_is_reported_each_time_and_logged_once_when_the_portal_differs(
    badges: Badges, registry: Registry, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """What differs is said; nothing is repaired."""
    registry.badges["missedCall"] = {**stored(), "type": "warning", "title": "Phone"}
    expected = (Difference("title", MISSED.title, "Phone"), Difference("type", "failure", "warning"))
    with caplog.at_level(logging.WARNING, logger="badge_bridge.portal"):
        assert await badges.ensure(MISSED) == Ensured("missedCall", "present", expected)
        assert await badges.ensure(MISSED) == Ensured("missedCall", "known", expected)
        clock.now += 601
        assert await badges.ensure(MISSED) == Ensured("missedCall", "present", expected)
    (record,) = caplog.records
    assert "missedCall" in record.getMessage()
    assert "title" in record.getMessage()
    assert "type" in record.getMessage()
    assert registry.methods() == ["get", "get"]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Call", "Call", True),
        ("Call", "call", False),
        ("Call", {"en": "Call", "de": "Call"}, True),
        ("Call", {"en": "Call", "de": "Anruf"}, False),
        ("Call", {}, False),
        ({"en": "Call", "de": "Anruf"}, {"de": "Anruf", "en": "Call"}, True),
        ({"en": "Call", "de": "Anruf"}, {"en": "Call"}, False),
        ({"en": "Call", "de": "Anruf"}, "Anruf", True),
        ({"en": "Call", "de": "Anruf"}, "Appel", False),
    ],
)
def test_texts_agree_when_the_portal_gives_all_languages_or_one(ours: Text, theirs: Text, same: bool) -> None:
    """Whether the portal gives back the map or the one text that its user reads is not documented: both are fine."""
    found = differences(Badge("c", ours, "v", "primary"), Badge("c", theirs, "v", "primary"))
    assert found == (() if same else (Difference("title", ours, theirs),))
