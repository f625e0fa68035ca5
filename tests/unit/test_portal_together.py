"""What becomes of calls that share a request: each its own answer, and trouble of the request counted once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    OutcomeUnknownAndPaused,
    PortalError,
    PortalPaused,
    PortalUnreachable,
)
from badge_bridge.meters import Meters
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import InboundWebhook, Page, PortalClient, open_portal
from badge_bridge.store.memory import MemoryStore
from support.portals import BatchingPortal, Said

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
LIST = "crm.item.list"
START = 1_000_000.0


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Scene:
    """A portal, the client that calls it, and what they share."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.clock = Clock()
        self.ticks = Clock()
        self.said: dict[str, Said] = {}
        self.portal = BatchingPortal(self.answer)
        self.meters = Meters(self.clock)
        self.opened = open_portal(
            "main",
            InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"),
            pauses=store,
            clock=self.clock,
            random=lambda: 0.5,
            transport=self.portal,
            timer=self.ticks,
            meters=self.meters,
        )

    @property
    def client(self) -> PortalClient:
        return self.opened.client

    def answer(self, method: str, params: dict[str, Any]) -> Said:
        return self.said.get(str(params.get("code")), self.said.get(method, {"result": method}))

    async def together(self, *methods: str, codes: tuple[str, ...] = ()) -> list[Any]:
        """The results, or the errors, of calls that leave in one request."""
        named = codes or ("",) * len(methods)
        calls = [self.client.call(method, {"code": code}) for method, code in zip(methods, named, strict=True)]
        return await asyncio.gather(*calls, return_exceptions=True)

    async def lanes(self, *names: str) -> list[tuple[str, float, int]]:
        return [(pause.lane, pause.until - START, pause.failures) for pause in await self.store.paused(names)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    store = MemoryStore()
    await store.open()
    scene = Scene(store)
    yield scene
    await scene.opened.aclose()
    await store.close()


def refused(code: str, status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"error": code, "error_description": "No."})


async def test_each_call_gets_its_own_result_or_error_when_a_batch_partly_fails(scene: Scene) -> None:
    """HTTP 200 says nothing about the commands in it."""
    await scene.together(ADD, GET)
    scene.said = {"missing": {"error": "NOT_FOUND", "error_description": "Not found."}, "bad": {"error": ""}}
    first, second, third, fourth = await scene.together(GET, GET, ADD, GET, codes=("a", "missing", "bad", "b"))
    assert (first, fourth) == (GET, GET)
    assert isinstance(second, NotFound)
    assert isinstance(third, CallRefused)
    assert (third.method, third.status) == (ADD, 200)
    assert scene.portal.sizes == [2, 4]
    assert await scene.lanes("main", f"main/{ADD}", f"main/{GET}") == []


async def test_answer_is_told_by_its_gravest_refusal_when_a_batch_partly_fails(scene: Scene) -> None:
    """What pauses something counts more than what is about one call; that there is no such thing is no error."""
    await scene.together(ADD, GET)
    scene.said = {
        "missing": {"error": "NOT_FOUND"},
        "bad": {"error": "", "error_description": "Bad."},
        LIST: {"error": "OVERLOAD_LIMIT", "error_description": "REST API is blocked due to overload."},
    }
    await scene.together(GET, GET, codes=("a", "missing"))
    await scene.together(GET, ADD, codes=("missing", "bad"))
    await scene.together(ADD, LIST, codes=("bad", ""))
    answers = scene.meters.answers["main"]
    assert [(one.result, one.commands) for one in answers] == [
        ("ok", 2),
        ("ok", 2),
        ("call_refused", 2),
        ("limit_reached", 2),
    ]
    assert "OVERLOAD_LIMIT" in answers[-1].error
    assert scene.meters.errors["main"] == answers[-1]
    assert scene.meters.requests.values == {("main", "ok"): 4}


async def test_nothing_is_lost_when_every_command_of_a_batch_fails(scene: Scene) -> None:
    """The portal writes [] for the results then."""
    scene.said = {GET: {"error": "NOT_FOUND"}}
    assert [type(one) for one in await scene.together(GET, GET)] == [NotFound, NotFound]


async def test_a_page_says_where_the_next_begins_when_it_is_asked_alone_or_in_a_batch(scene: Scene) -> None:
    """Both places of next and total read the same; the last page has no next."""
    scene.said = {
        "first": {"result": [1], "next": 50, "total": 51, "time": {}},
        "last": {"result": [2], "total": 51, "time": {}},
    }
    calls = [scene.client.call_page(LIST, {"code": code}) for code in ("first", "last")]
    together = await asyncio.gather(*calls)
    alone = [await scene.client.call_page(LIST, {"code": code}) for code in ("first", "last")]
    assert together == alone == [Page([1], next=50, total=51), Page([2], next=None, total=51)]
    assert scene.portal.sizes == [2, 1, 1]


async def test_exchanges_say_how_many_left_together_when_calls_are_recorded(scene: Scene) -> None:
    """Each call has its own method, what it asked and what came back, and the request's time."""
    scene.said = {GET: {"error": "NOT_FOUND", "error_description": "No badge."}}
    scene.portal.gate = asyncio.Event()
    lists: list[list[Exchange]] = [[], [], []]
    calls = [
        asyncio.create_task(scene.client.call(method, {"code": code}, asked=asked))
        for method, code, asked in zip((ADD, GET, ADD), "abc", lists, strict=True)
    ]
    await scene.portal.arrivals.get()
    scene.ticks.now += 0.25
    scene.portal.gate.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert lists == [
        [Exchange(method=ADD, about="of a", answer="ok", milliseconds=250, together=3)],
        [Exchange(method=GET, about="of b", answer="NOT_FOUND", said="No badge.", milliseconds=250, together=3)],
        [Exchange(method=ADD, about="of c", answer="ok", milliseconds=250, together=3)],
    ]


async def test_a_command_alone_is_unknown_when_the_batch_says_nothing_about_it(scene: Scene) -> None:
    """The others have their results, and it is not sent again."""
    content = {"result": {"result": {"c0": 1, "c2": 3}, "result_error": [], "result_total": []}}
    scene.portal.instead = [httpx.Response(200, json=content)]
    first, second, third = await scene.together(GET, ADD, GET)
    assert (first, third) == (1, 3)
    assert type(second) is OutcomeUnknown
    assert (second.method, second.code) == (ADD, "no answer in batch")
    assert scene.portal.sizes == [3]


@pytest.mark.parametrize(
    ("trouble", "kind", "code"),
    [
        (httpx.ReadError("reset"), OutcomeUnknown, "broken connection"),
        (httpx.ReadTimeout("slow"), OutcomeUnknown, "timeout"),
        (refused("INTERNAL_SERVER_ERROR", 500), OutcomeUnknown, "INTERNAL_SERVER_ERROR"),
        (httpx.Response(502, text="<html>"), OutcomeUnknown, "HTTP 502"),
        (httpx.Response(200, json={"result": []}), OutcomeUnknown, "no answer in batch"),
        (
            httpx.Response(200, json={"result": {"result": [], "result_error": []}}),
            OutcomeUnknown,
            "no answer in batch",
        ),
        (refused("What is this?", 400), OutcomeUnknown, "no answer in batch"),
    ],
    ids=["broken", "timeout", "500", "html", "empty", "empty parts", "unknown code"],
)
async def test_a_lost_batch_counts_once_when_nobody_knows_its_outcome(
    scene: Scene, trouble: httpx.Response | Exception, kind: type[PortalError], code: str
) -> None:
    """Fifty commands in one lost request do not pause the portal; each has an error of its own, none is sent again."""
    scene.portal.instead = [trouble]
    errors = await scene.together(*[ADD, GET] * 25)
    assert {type(error) for error in errors} == {kind}
    assert {error.code for error in errors} == {code}
    assert len({id(error) for error in errors}) == 50
    assert [error.method for error in errors] == [ADD, GET] * 25
    assert all(f"portal main: {error.method}" in str(error) for error in errors)
    assert scene.portal.sizes == [50]
    assert await scene.lanes("main") == []


async def test_the_portal_is_paused_when_three_batches_in_a_row_are_lost(scene: Scene) -> None:
    """Three requests without an answer are the portal's trouble, however many commands they had."""
    scene.portal.instead = [httpx.ReadError("reset")] * 3
    for _ in range(2):
        assert {type(error) for error in await scene.together(GET, ADD)} == {OutcomeUnknown}
    errors = await scene.together(GET, ADD)
    assert {type(error) for error in errors} == {OutcomeUnknownAndPaused}
    assert [error.__cause__.method for error in errors] == [GET, ADD]
    assert await scene.lanes("main") == [("main", 5, 1)]


@pytest.mark.parametrize(
    ("trouble", "cause", "seconds"),
    [
        (refused("QUERY_LIMIT_EXCEEDED", 503), LimitReached, 1),
        (refused("NO_AUTH_FOUND", 401), AccessRefused, 30),
        (httpx.ConnectError("refused"), PortalUnreachable, 5),
    ],
    ids=["limit", "credential", "unreachable"],
)
async def test_the_portal_is_paused_once_when_a_batch_is_refused(
    scene: Scene, trouble: httpx.Response | Exception, cause: type[PortalError], seconds: float
) -> None:
    """One failure is counted on the lane, and every call waits for it with its own error."""
    scene.portal.instead = [trouble]
    errors = await scene.together(*[GET] * 20)
    assert {type(error) for error in errors} == {PortalPaused}
    assert {type(error.__cause__) for error in errors} == {cause}
    assert len({id(error.__cause__) for error in errors}) == 20
    assert await scene.lanes("main") == [("main", seconds, 1)]


async def test_the_mend_is_that_of_each_method_when_access_is_refused_to_a_batch(scene: Scene) -> None:
    """`batch` needs no scope of its own, the commands in it do."""
    scene.portal.instead = [refused("insufficient_scope", 403)]
    crm, telephony = await scene.together(GET, "voximplant.statistic.get")
    assert "permission crm" in str(crm)
    assert "permission telephony" in str(telephony)
    assert (crm.lane, telephony.lane) == (f"main/{GET}", "main/voximplant.statistic.get")


async def test_one_method_rests_and_the_others_go_on_when_a_command_is_refused_for_a_limit(scene: Scene) -> None:
    """A method's run time is counted in a batch as well; its reset comes from its own last success."""
    scene.said = {ADD: {"result": 1, "time": {"operating_reset_at": START + 200}}}
    await scene.together(ADD, GET)
    scene.said = {ADD: {"error": "OPERATION_TIME_LIMIT"}}
    add, get, again = await scene.together(ADD, GET, ADD)
    assert get == GET
    assert (add.lane, add.until, again.until) == (f"main/{ADD}", START + 205, START + 205)
    assert await scene.lanes("main", f"main/{ADD}") == [(f"main/{ADD}", 205, 1)]


async def test_one_call_goes_and_the_others_wait_when_the_pause_of_the_portal_is_over(scene: Scene) -> None:
    """Of those that gathered, the probe leaves alone; the rest is not sent and knows for what it waits."""
    scene.portal.instead = [httpx.ConnectError("refused")]
    await scene.together(GET)
    scene.clock.now += 5
    results = await scene.together(*[GET] * 10)
    assert results[0] == GET
    assert all(type(error) is PortalPaused and error.__cause__ is None for error in results[1:])
    assert scene.portal.sizes == [1, 1]
    assert await scene.lanes("main") == []


async def test_a_method_is_sent_alone_from_then_on_when_the_portal_refuses_it_in_a_batch(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The refused command was not carried out, so it is sent again by itself; the log says so once."""
    alone = {"error": "ERROR_BATCH_METHOD_NOT_ALLOWED", "error_description": "No."}
    plain: list[str] = []

    def answer(method: str, params: dict[str, Any]) -> Said:
        if method == ADD and len(scene.portal.requests[-1]) > 1:
            return alone
        plain.append(method)
        return {"result": method}

    scene.portal.answer = answer
    asked: list[Exchange] = []
    calls = [scene.client.call(method, {"code": "x"}, asked=asked) for method in (GET, ADD, GET, ADD)]
    assert await asyncio.gather(*calls) == [GET, ADD, GET, ADD]
    assert scene.portal.sizes == [4, 1, 1]
    assert plain == [GET, GET, ADD, ADD]
    said = [(exchange.method, exchange.answer, exchange.together) for exchange in asked]
    assert sorted(said) == sorted(
        [(GET, "ok", 4)] * 2 + [(ADD, "ERROR_BATCH_METHOD_NOT_ALLOWED", 4)] * 2 + [(ADD, "ok", 1)] * 2
    )
    await scene.together(GET, ADD, GET)
    assert scene.portal.sizes == [4, 1, 1, 2, 1]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"it does not take {ADD} in a batch" in caplog.text


@pytest.mark.parametrize("code", ["FIELD_IS_REQUIRED", "WRONG_FIELD_VALUE", "100", "", "ERROR_METHOD_NOT_FOUND"])
async def test_a_method_is_sent_alone_when_it_succeeds_so_and_not_in_a_batch(scene: Scene, code: str) -> None:
    """Whatever the portal calls it: values are texts in a batch, and not every method may like that."""

    def answer(method: str, params: dict[str, Any]) -> Said:
        many = len(scene.portal.requests[-1]) > 1
        return {"error": code} if method == ADD and many else {"result": method}

    scene.portal.answer = answer
    assert await scene.together(GET, ADD, GET, ADD) == [GET, ADD, GET, ADD]
    assert scene.portal.sizes == [4, 1, 1]
    assert await scene.together(GET, ADD, GET) == [GET, ADD, GET]
    assert scene.portal.sizes == [4, 1, 1, 2, 1]


async def test_one_call_is_tried_alone_for_all_that_were_refused(scene: Scene) -> None:
    """The others wait for how that ends, and are not sent again where it was refused as well."""
    scene.said = {ADD: {"error": "FIELD_IS_REQUIRED"}}
    answers = await scene.together(*[ADD] * 20, GET)
    assert [type(one) for one in answers[:-1]] == [CallRefused] * 20
    assert scene.portal.sizes == [21, 1]
    await scene.together(ADD, ADD)
    assert scene.portal.sizes == [21, 1, 2]
    scene.said = {ADD: {"error": "WRONG_FIELD_VALUE"}}
    await scene.together(ADD, ADD)
    assert scene.portal.sizes == [21, 1, 2, 2, 1], "another code may have another reason"


async def test_those_that_wait_for_a_trial_leave_again_when_it_is_lost(scene: Scene) -> None:
    """Nobody knows then whether it was the batch."""

    def answer(method: str, params: dict[str, Any]) -> Said:
        if len(scene.portal.requests) == 1 and method == ADD:
            scene.portal.instead = [httpx.ReadError("broken")]
            return {"error": "FIELD_IS_REQUIRED"}
        return {"result": method}

    scene.portal.answer = answer
    first, second, third = await scene.together(ADD, GET, ADD)
    assert isinstance(first, OutcomeUnknown)
    assert (second, third) == (GET, ADD)


@pytest.mark.parametrize("leaves", [True, False], ids=["its caller leaves", "the client is closed"])
async def test_nobody_waits_for_a_trial_for_ever(scene: Scene, *, leaves: bool) -> None:
    """Its caller may leave before it ends, and so may the client."""

    def answer(method: str, params: dict[str, Any]) -> Said:
        if len(scene.portal.requests) == 1 and method == ADD:
            scene.portal.gate = asyncio.Event()
            return {"error": "FIELD_IS_REQUIRED"}
        return {"result": method}

    scene.portal.answer = answer
    calls = [asyncio.create_task(scene.client.call(method, {})) for method in (ADD, ADD, GET)]
    await asyncio.wait(calls[2:])
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.portal.gate is not None
    if leaves:
        calls[0].cancel()
        scene.portal.gate.set()
        assert await calls[1] == ADD
    else:
        await scene.client.aclose()
        assert {type(one) for one in await asyncio.gather(*calls[:2], return_exceptions=True)} == {
            OutcomeUnknown,
            PortalUnreachable,
        }


async def test_a_refusal_is_the_calls_own_when_it_is_refused_alone_as_well(scene: Scene) -> None:
    """Tried alone once, and the method stays in batches."""
    scene.said = {"bad": {"error": "FIELD_IS_REQUIRED"}}
    first, second = await scene.together(ADD, GET, codes=("bad", "good"))
    assert isinstance(first, CallRefused)
    assert second == GET
    assert scene.portal.sizes == [2, 1]
    assert await scene.together(ADD, GET) == [ADD, GET]
    first, second = await scene.together(ADD, GET, codes=("bad", "good"))
    assert isinstance(first, CallRefused)
    assert scene.portal.sizes == [2, 1, 2, 2]


async def test_a_probe_goes_once_more_when_its_method_is_refused_in_a_batch(scene: Scene) -> None:
    """It holds its lane already and does not wait for itself."""
    scene.said = {ADD: {"error": "ACCESS_DENIED"}}
    await scene.together(ADD)
    scene.clock.now += 30

    def answer(method: str, params: dict[str, Any]) -> Said:
        many = len(scene.portal.requests[-1]) > 1
        return {"error": "ERROR_BATCH_METHOD_NOT_ALLOWED"} if method == ADD and many else {"result": method}

    scene.portal.answer = answer
    assert await scene.together(GET, ADD) == [GET, ADD]
    assert await scene.lanes(f"main/{ADD}") == []


@pytest.mark.parametrize("outer", [True, False], ids=["the batch", "its commands"])
async def test_batches_become_smaller_when_the_portal_finds_them_too_long(scene: Scene, *, outer: bool) -> None:
    """Only what was refused is sent again, in halves, and each command is carried out once."""
    done: list[str] = []

    def answer(method: str, params: dict[str, Any]) -> Said:
        batch = scene.portal.requests[-1]
        if not outer and batch.index((method, params)) >= 10:
            return {"error": "ERROR_BATCH_LENGTH_EXCEEDED"}
        done.append(params["code"])
        return {"result": params["code"]}

    if outer:
        scene.portal.instead = [refused("ERROR_BATCH_LENGTH_EXCEEDED")] * 2
    scene.portal.answer = answer
    codes = tuple(str(number) for number in range(40))
    assert await scene.together(*[GET] * 40, codes=codes) == list(codes)
    assert sorted(done, key=int) == list(codes)
    assert scene.portal.sizes[0] == 40
    assert max(scene.portal.sizes[1:]) == 20
    assert await scene.lanes("main", f"main/{GET}") == []


async def test_what_was_refused_for_its_length_goes_before_those_who_came_later(scene: Scene) -> None:
    """Nobody loses his place because the portal did not take the batch that he was in."""
    scene.portal.instead = [refused("ERROR_BATCH_LENGTH_EXCEEDED")]
    scene.portal.gate = asyncio.Event()
    early = asyncio.create_task(scene.together(*[GET] * 4, codes=("a", "b", "c", "d")))
    await scene.portal.arrivals.get()
    late = asyncio.create_task(scene.together(GET, codes=("e",)))
    await asyncio.sleep(0)
    scene.portal.gate.set()
    await asyncio.gather(early, late)
    assert [[params["code"] for _, params in commands] for commands in scene.portal.requests[1:]] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


async def test_calls_are_sent_one_by_one_when_the_portal_has_no_batch(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch was refused, not the calls; later ones are tried together again."""
    scene.portal.instead = [refused("ERROR_METHOD_NOT_FOUND", 404)]
    assert await scene.together(GET, ADD, GET) == [GET, ADD, GET]
    assert scene.portal.sizes == [3, 1, 1, 1]
    assert "refused a batch with ERROR_METHOD_NOT_FOUND" in caplog.text
    await scene.together(GET, ADD)
    assert scene.portal.sizes[4:] == [2]


async def test_batches_are_halved_when_one_got_no_answer_in_time(scene: Scene) -> None:
    """A batch that is cut off is too large; its commands are not sent again."""
    scene.portal.instead = [httpx.ReadTimeout("slow")]
    assert {type(error) for error in await scene.together(*[GET] * 50)} == {OutcomeUnknown}
    await scene.together(*[GET] * 50)
    assert scene.portal.sizes == [50, 25, 25]


async def test_batches_are_halved_when_one_took_long(scene: Scene) -> None:
    """Long before the portal would cut it off."""
    scene.portal.gate = asyncio.Event()
    first = asyncio.create_task(scene.together(*[GET] * 50))
    await scene.portal.arrivals.get()
    scene.ticks.now += 21
    scene.portal.gate.set()
    assert await first == [GET] * 50
    await scene.together(*[GET] * 50)
    assert scene.portal.sizes == [50, 25, 25]


async def test_a_batch_may_take_as_long_as_the_portal_allows_when_a_single_call_may_not(scene: Scene) -> None:
    """Fifty outcomes that nobody knows cost more than the wait."""
    await scene.together(GET, GET)
    await scene.together(GET)
    assert [request.extensions["timeout"]["read"] for request in scene.portal.received] == [60, 30]


async def test_calls_under_way_are_unknown_when_the_portal_is_closed(scene: Scene) -> None:
    """They may have been carried out, and nobody waits for ever."""
    scene.portal.gate = asyncio.Event()
    calls = asyncio.create_task(scene.together(GET, ADD))
    await scene.portal.arrivals.get()
    await scene.client.aclose()
    assert {type(error) for error in await calls} == {OutcomeUnknown}


async def test_nothing_of_a_text_leaves_its_command_when_it_is_sent_in_a_batch(scene: Scene) -> None:
    """A caller's text cannot become another parameter or another command."""
    evil = "x&code=other&halt=1]\"},{'cmd': $"
    codes = (evil, "b")
    await scene.together(GET, ADD, codes=codes)
    assert scene.portal.requests == [[(GET, {"code": evil}), (ADD, {"code": "b"})]]
