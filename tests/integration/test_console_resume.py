"""Ending a pause from the console: beside the portal on Now, by a form that needs no script, and by a program."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from badge_bridge.console.sessions import CSRF_FIELD, CSRF_HEADER
from badge_bridge.store.memory import MemoryStore
from support.operators import SAME, Clock, Console, csrf, text_of

NOW = 1_795_345_200.0
BROWSER = {"Accept": "text/html"}
DO, TWIN = "/console/resume", "/console/api/v1/resume.json"
ADD = "main/crm.activity.badge.add"


@asynccontextmanager
async def operated(**console: Any) -> AsyncIterator[tuple[Console, httpx.AsyncClient, str]]:
    """A console of a portal that is paused as a whole and in a method, a browser that was let in, and its token."""
    store = MemoryStore()
    await store.open()
    for lane in ("main", ADD):
        await store.pause(lane, until=NOW + 900, reason="OVERLOAD_LIMIT: portal main: blocked")
    one = Console(store, Clock(NOW), **console)
    async with one.operator() as browser:
        yield one, browser, await csrf(browser)


async def rests(console: Console) -> list[str]:
    return [pause.lane for pause in await console.store.paused(["main", ADD]) if pause.until > NOW]


async def test_pause_ends_when_its_button_is_pressed(caplog: pytest.LogCaptureFixture) -> None:
    """The form beside the lane ends its pause alone, the log says who did it, and the page what comes next."""
    async with operated() as (console, browser, _):
        page = (await browser.get("/console", headers=BROWSER)).text
        forms = re.findall(rf'<form[^>]* action="{DO}".*?</form>', page, re.DOTALL)
        assert [re.findall(r'name="lane" value="([^"]+)"', form) for form in forms] == [["main"], [ADD]]
        sent = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', forms[0]))
        answer = await browser.post(DO, data=sent, headers=SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console#resumed")
        assert await rests(console) == [ADD]
        after = (await browser.get(answer.headers["location"], headers=BROWSER)).text
        assert "The pause of main was ended; one event tries it now, or the next one that needs it." in text_of(after)
        assert "To be tried main" in text_of(after)
        assert after.count(f'action="{DO}"') == 1
    (line,) = [record for record in caplog.records if record.name == "badge_bridge.resuming"]
    assert line.levelno == logging.WARNING
    assert line.getMessage() == (
        "lane main: its pause for OVERLOAD_LIMIT, until 2026-11-22 11:15:00 UTC, was ended by hand, from the console"
    )


async def test_page_says_so_when_the_pause_was_over_before_its_button_was_pressed() -> None:
    """Somebody else has pressed it, or its time has come; who loads the page anew is not told once more."""
    async with operated() as (_, browser, token):
        for _ in range(2):
            answer = await browser.post(DO, data={"lane": "main", CSRF_FIELD: token}, headers=SAME)
            assert answer.headers["location"] == "/console#resumed"
        after = (await browser.get("/console", headers=BROWSER)).text
        assert "No pause was ended: it was over already." in text_of(after)
        assert 'id="resumed"' not in (await browser.get("/console", headers=BROWSER)).text


async def test_all_pauses_of_a_portal_end_when_a_program_names_it() -> None:
    """It learns what they were, and the second time that there are none."""
    async with operated() as (console, browser, token):
        headers = {**SAME, CSRF_HEADER: token}
        told = (await browser.post(TWIN, data={"portal": "main"}, headers=headers)).json()
        was = {"until": "2026-11-22T11:15:00.000Z", "code": "OVERLOAD_LIMIT", "reason": "portal main: blocked"}
        assert told == {"resumed": [{"lane": "main", **was}, {"lane": ADD, **was}]}
        assert await rests(console) == []
        assert (await browser.post(TWIN, data={"portal": "main"}, headers=headers)).json() == {"resumed": []}


async def test_pause_ends_when_a_program_names_its_lane_in_json() -> None:
    """As it may ask all else; what is no object of texts is told what to send."""
    async with operated() as (console, browser, token):
        headers = {**SAME, CSRF_HEADER: token}
        answer = await browser.post(TWIN, json=["main"], headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "send an object of texts: portal, lane")
        told = (await browser.post(TWIN, json={"lane": ADD}, headers=headers)).json()
        assert [one["lane"] for one in told["resumed"]] == [ADD]
        assert await rests(console) == ["main"]


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({}, 400, "say which portal"),
        ({"portal": "none"}, 404, "no such portal"),
        ({"lane": "none"}, 404, "such a lane"),
        ({"portal": "other", "lane": "main"}, 404, "no such portal"),
    ],
)
async def test_nothing_ends_when_no_lane_is_meant(form: dict[str, str], status: int, says: str) -> None:
    """The answer says what is missing."""
    async with operated() as (console, browser, token):
        answer = await browser.post(TWIN, data={**form, CSRF_FIELD: token}, headers=SAME)
        assert answer.status_code == status
        assert says in answer.json()["error"]
        assert await rests(console) == ["main", ADD]


async def test_nothing_ends_without_the_token_of_the_session() -> None:
    """Nor by a link, which another page could lead to."""
    async with operated() as (console, browser, _):
        assert (await browser.post(DO, data={"lane": "main"}, headers=SAME)).status_code == 403
        assert (await browser.get(f"{DO}?lane=main")).status_code == 405
        assert await rests(console) == ["main", ADD]


async def test_there_is_no_button_when_the_console_only_reads() -> None:
    """And who asks all the same is told which command does it."""
    store = MemoryStore()
    await store.open()
    await store.pause("main", until=NOW + 900, reason="OVERLOAD_LIMIT: portal main: blocked")
    console = Console(store, Clock(NOW), may_change=False)
    async with console.operator() as browser:
        token = await csrf(browser)
        assert DO not in (await browser.get("/console", headers=BROWSER)).text
        answer = await browser.post(TWIN, data={"lane": "main", CSRF_FIELD: token}, headers=SAME)
        assert (answer.status_code, "`badge-bridge resume`" in answer.json()["error"]) == (400, True)
    assert [pause.until for pause in await store.paused(["main"])] == [NOW + 900]
