"""Trying events again from the console: one, some, or all that a search finds, by forms that need no script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from badge_bridge.archive import note_of
from badge_bridge.console import redrive as redriving
from badge_bridge.console.sessions import CSRF_FIELD
from badge_bridge.store.memory import MemoryStore
from support.operators import SAME, Clock, Console, csrf, received, settled, text_of

NOW = 1_795_345_200.0
CALLER = "+4930901820"
BROWSER = {"Accept": "text/html"}
DO = "/console/redrive/now"


@asynccontextmanager
async def operated(**console: Any) -> AsyncIterator[tuple[Console, httpx.AsyncClient, str]]:
    """A console, the browser of somebody who was let in, and the token that his forms send."""
    store = MemoryStore()
    await store.open()
    one = Console(store, Clock(NOW + 60), **console)
    async with one.operator() as browser:
        yield one, browser, await csrf(browser)


async def ended(console: Console, key: str, state: str = "dead", **fields: Any) -> None:
    at = NOW + int(key.rpartition(":")[2])
    await received(console.store, key, at=at, caller=CALLER, **fields)
    await settled(console.store, key, at=at, state=state, rules_hash="f00d")


async def states(console: Console) -> dict[str, str]:
    return {one.key: one.state for one in (await console.store.list(limit=1000)).events}


def fields_of(page: str, action: str) -> dict[str, str]:
    """What the form with this action sends as it stands in the page, radio buttons as they are ticked."""
    (form,) = re.findall(rf'<form[^>]* action="{action}".*?</form>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    ticked = re.findall(r'<input type="radio" name="([^"]+)" value="([^"]*)" checked>', form)
    return {name: value.replace("&amp;", "&") for name, value in [*hidden, *ticked]}


async def test_event_is_tried_again_when_its_button_is_pressed() -> None:
    """The form leads back to the event, which says that it will be."""
    async with operated() as (console, browser, _):
        await ended(console, "pbx:1")
        form = fields_of((await browser.get("/console/events/pbx:1")).text, DO)
        answer = await browser.post(DO, data=form, headers=SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/events/pbx:1")
        page = await browser.get(answer.headers["location"], headers=BROWSER)
        assert "1 event will be tried again at once." in text_of(page.text)
        assert "Redriven 2026-11-22 11:01:00 UTC from the console, with the rules of now." in text_of(page.text)
        assert await states(console) == {"pbx:1": "waiting"}


async def test_what_was_done_is_told_once_and_by_the_page_it_led_to() -> None:
    """Whoever loads it anew, keeps its address or sends it to somebody is told nothing; nor is a program."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        form = {CSRF_FIELD: token, "key": "pbx:1", "back": "source=pbx"}
        location = (await browser.post(DO, data=form, headers=SAME)).headers["location"]
        assert location == "/console/events?source=pbx"
        for other in ("/console/events", "/console/events/pbx:1", "/console/api/v1/events.json?source=pbx"):
            assert "will be tried again" not in (await browser.get(other, headers=BROWSER)).text
        await browser.head(location, headers=BROWSER)
        async with console.operator() as another:
            assert "will be tried again" not in (await another.get(location, headers=BROWSER)).text
        told = [(await browser.get(location, headers=BROWSER)).text for _ in range(2)]
        assert ["1 event will be tried again" in text_of(page) for page in told] == [True, False]


@pytest.mark.parametrize(
    ("paused", "said"),
    [
        (
            {"main": 900},
            ". main is paused for another 15 min: what needs it is tried when the pause ends, by itself or by",
        ),
        ({"main": 900, "main/crm.item.list": 60}, ". main is paused for another 15 min: what needs it"),
        ({"main/crm.item.list": 50}, ". main/crm.item.list is paused for another 50 s: what needs it"),
        (
            {"main/crm.item.list": 60, "main/crm.activity.badge.add": 600},
            " are paused, for another 10 min at most: what needs one of them",
        ),
        ({"main": 0}, " at once."),
    ],
)
async def test_page_says_that_a_pause_is_waited_for(paused: dict[str, float], said: str) -> None:
    """Nobody looks for what has become of an event at once, while its portal is not asked anything."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        for lane, seconds in paused.items():
            await console.store.pause(lane, until=console.clock.now + seconds, reason="OVERLOAD_LIMIT: blocked")
        answer = await browser.post(DO, data={CSRF_FIELD: token, "key": "pbx:1"}, headers=SAME)
        page = text_of((await browser.get(answer.headers["location"], headers=BROWSER)).text)
        assert re.search(rf"1 event will be tried again[^:]*{re.escape(said)}", page)


async def test_page_says_where_the_redriven_are_when_the_search_was_for_their_state() -> None:
    """They are waiting now; the list of dead letters is shorter, or empty, and leads to where they are."""
    async with operated() as (console, browser, _):
        for number in range(2):
            await ended(console, f"pbx:{number}")
        for key in ("pbx:0", "pbx:1"):
            page = (await browser.get("/console/events?state=dead&source=pbx", headers=BROWSER)).text
            answer = await browser.post(DO, data={**fields_of(page, DO), "key": key}, headers=SAME)
            after = (await browser.get(answer.headers["location"], headers=BROWSER)).text
            assert "What is tried again is not dead any more, so it is not in this list" in text_of(after)
            assert 'href="/console/events?source=pbx">show the same search in any state' in after
            assert ("No other event matches" in after) == (key == "pbx:1")
            assert "No event matches" not in after
        assert "No event matches" in (await browser.get(answer.headers["location"], headers=BROWSER)).text
        page = (await browser.get("/console/events?source=pbx", headers=BROWSER)).text
        assert "any more" not in page


async def test_ticked_events_are_tried_again_and_others_left() -> None:
    """Back on the list with the same search, which says how many there were."""
    async with operated() as (console, browser, _):
        for number, state in enumerate(("dead", "ignored", "done", "dead")):
            await ended(console, f"pbx:{number}", state)
        await received(console.store, "pbx:9", at=NOW + 9, caller=CALLER)
        page = await browser.get("/console/events?source=pbx&phone=%2B4930901820", headers=BROWSER)
        assert re.findall(r'name="key" value="([^"]+)"', page.text) == ["pbx:3", "pbx:2", "pbx:1", "pbx:0"]
        form = {**fields_of(page.text, DO), "key": ["pbx:0", "pbx:2", "pbx:9", "pbx:none"]}
        answer = await browser.post(DO, data=form, headers=SAME)
        assert answer.headers["location"] == "/console/events?phone=%2B4930901820&source=pbx"
        after = await browser.get(answer.headers["location"], headers=BROWSER)
        assert "2 events will be tried again" in text_of(after.text)
        assert "2 were left alone: 1 not in the store any more; 1 not ended yet." in text_of(after.text)
        assert await states(console) == {
            "pbx:0": "waiting", "pbx:1": "ignored", "pbx:2": "waiting", "pbx:3": "dead", "pbx:9": "waiting",
        }  # fmt: skip


async def test_search_is_there_again_when_nothing_was_ticked() -> None:
    """Whoever pressed the button without choosing anything is where he was, and told what to do."""
    async with operated() as (console, browser, _):
        await ended(console, "pbx:1")
        page = await browser.get("/console/events?source=pbx&limit=10", headers=BROWSER)
        answer = await browser.post(DO, data=fields_of(page.text, DO), headers=SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/events?source=pbx")
        after = await browser.get(answer.headers["location"], headers=BROWSER)
        assert "No event was redriven: tick some" in text_of(after.text)
        assert await states(console) == {"pbx:1": "dead"}


async def test_search_is_counted_before_anything_is_tried_again() -> None:
    """How many, and how they ended; what waits and what was joined is left alone, and nothing is done yet."""
    async with operated() as (console, browser, _):
        for number, state in enumerate(("dead", "ignored", "done", "dead", "joined")):
            await ended(console, f"pbx:{number}", state)
        await ended(console, "shop:5")
        await received(console.store, "pbx:6", at=NOW + 6)
        before = await states(console)
        page = await browser.get("/console/redrive?source=pbx&legs=1", headers=BROWSER)
        twin = (await browser.get("/console/api/v1/redrive.json?source=pbx&legs=1")).json()
        assert await states(console) == before
    assert (twin["count"], twin["is_all"]) == (4, True)
    assert twin["states"] == {"dead": 2, "ignored": 1, "done": 1}
    assert twin["left_alone"] == {"joined": 1, "waiting": 1}
    text = text_of(page.text)
    for part in ("Redrive 4 events?", "source pbx", "2 dead", "1 ignored", "1 done", "1 waiting left alone"):
        assert part in text


async def test_time_of_a_search_is_kept_as_a_moment_when_it_is_confirmed() -> None:
    """What was typed in UTC is not taken for the reader's own time, and an hour ago stays the hour of then."""
    async with operated() as (_, browser, _):
        for given in ({"since": "2026-11-22T10:01"}, {"within": "hour"}):
            told = (await browser.get("/console/api/v1/redrive.json", params=given)).json()
            assert told["search"]["since"] == "2026-11-22T10:01:00.000Z"
            assert told["search"]["until"] == "2026-11-22T11:01:00.000Z"
            assert told["search"]["within"] == ""


async def test_all_that_a_search_finds_are_tried_again_when_it_is_confirmed() -> None:
    """And none that came in after it was counted."""
    async with operated() as (console, browser, _):
        for number, state in enumerate(("dead", "ignored", "dead")):
            await ended(console, f"pbx:{number}", state)
        await ended(console, "shop:3")
        form = fields_of((await browser.get("/console/redrive?source=pbx", headers=BROWSER)).text, DO)
        await ended(console, "pbx:100")
        answer = await browser.post(DO, data=form, headers=SAME)
        assert httpx.URL(answer.headers["location"]).path == "/console/events"
        assert "3 events will be tried again" in (await browser.get(answer.headers["location"], headers=BROWSER)).text
        found = await states(console)
    assert {key for key, state in found.items() if state == "waiting"} == {"pbx:0", "pbx:1", "pbx:2"}


async def test_redrive_of_all_dead_letters_leads_to_those_that_are_dead_of_just_them() -> None:
    """As Now leads to them: the list has what is dead again of what was counted, nothing that came since, and a way to
    the others in whatever state they are.
    """
    async with operated() as (console, browser, _):
        for number, state in enumerate(("dead", "dead", "ignored")):
            await ended(console, f"pbx:{number}", state)
        trouble, *_ = (await browser.get("/console/api/v1/now.json")).json()["troubles"]
        listed = (await browser.get(trouble["href"], headers=BROWSER)).text
        (address,) = re.findall(r'href="(/console/redrive\?[^"]*)"', listed)
        page = await browser.get(address, headers=BROWSER)
        assert "Redrive 2 events?" in text_of(page.text)
        location = (await browser.post(DO, data=fields_of(page.text, DO), headers=SAME)).headers["location"]
        assert dict(httpx.URL(location).params) == {"state": "dead", "until": "2026-11-22T11:01:00.000Z"}
        await settled(console.store, "pbx:1", at=console.clock.now, state="dead", reason="refused again")
        await ended(console, "pbx:90")
        after = (await browser.get(location, headers=BROWSER)).text
        assert re.findall(r'name="key" value="([^"]+)"', after) == ["pbx:1"]
        assert "2 events will be tried again" in text_of(after)
        (others,) = re.findall(r'href="([^"]+)">show the same search in any state', after)
        found = (await browser.get(others.replace("&amp;", "&"), headers=BROWSER)).text
        assert len(re.findall(r'<td class="when">', found)) == 3


async def test_search_is_tried_again_in_portions_when_it_finds_very_many() -> None:
    """Each press of the button does some, newest first, and the page counts them until none is left."""
    count = redriving.AT_ONCE + 405
    async with operated() as (console, browser, _):
        for number in range(count):
            await ended(console, f"pbx:{number}")
        address, told = "/console/redrive?type=call.missed", []
        console.clock.now = NOW + count
        for _ in range(2):
            page = await browser.get(address, headers=BROWSER)
            told.append(re.findall(r"Redrive ([\d,]+) events?(?: more)?\?", text_of(page.text)))
            answer = await browser.post(DO, data=fields_of(page.text, DO), headers=SAME)
            address = answer.headers["location"]
        assert told == [[f"{count:,}"], ["405"]]
        assert httpx.URL(address).path == "/console/events"
        assert f"{count:,} events will be tried again" in (await browser.get(address, headers=BROWSER)).text
        assert set((await states(console)).values()) == {"waiting"}


async def test_reasons_are_told_while_a_search_is_redriven() -> None:
    """Between two presses of the button, too: the address carries which kinds there were, and the form sends them on."""
    async with operated() as (console, browser, _):
        await ended(console, "pbx:1")
        page = await browser.get("/console/redrive?so_far=3&left=leg.1_unkept.2", headers=BROWSER)
        assert "3 were left alone (2 judged by rules of then that are not kept" in text_of(page.text)
        assert fields_of(page.text, DO)["left"] == "leg.1_unkept.2"
        answer = await browser.post(DO, data=fields_of(page.text, DO), headers=SAME)
        after = text_of((await browser.get(answer.headers["location"], headers=BROWSER)).text)
        assert "4 events will be tried again" in after
        assert "3 were left alone: 2 judged by rules of then that are not kept" in after


async def test_counting_ends_when_a_search_finds_more_than_a_page_may_look_at() -> None:
    """The page says that there are more, and works on what is left once that is done."""
    async with operated() as (console, browser, _):
        for number in range(redriving.MOST_COUNTED + 1):
            await ended(console, f"pbx:{number}")
        console.clock.now = NOW + redriving.MOST_COUNTED + 2
        page = await browser.get("/console/redrive", headers=BROWSER)
        assert f"Redrive more than {redriving.MOST_COUNTED:,} events?" in text_of(page.text)


async def test_rules_of_then_judge_when_they_are_chosen() -> None:
    """Where they are kept; an event of which they are not is left alone."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        form = {CSRF_FIELD: token, "key": "pbx:1", "with": "then", "back": ""}
        answer = await browser.post(DO, data=form, headers=SAME)
        refused = text_of((await browser.get(answer.headers["location"], headers=BROWSER)).text)
        assert "0 events will be tried again. 1 was left alone: 1 judged by rules of then that are not kept" in refused
        assert await console.store.write_note(note_of("f00d"), "rules: []", version=0)
        answer = await browser.post(DO, data=form, headers=SAME)
        after = await browser.get(answer.headers["location"], headers=BROWSER)
        assert "1 event will be tried again at once." in text_of(after.text)
        stored = await console.store.get("pbx:1")
        assert stored is not None
        assert stored.redriven_with == "f00d"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "no event was chosen"),
        ({"all": "1"}, "until when"),
        ({"all": "1", "until": "soon"}, "'soon' is no time"),
        ({"all": "1", "until": "2026-11-27", "state": "lost"}, "there is no state"),
        ({"all": "1", "until": "2026-11-27", "before": "x"}, "before must be"),
        ({"all": "1", "until": "2026-11-27", "so_far": "-1"}, "so_far must be"),
        ({"all": "1", "until": "2026-11-27", "left": "pages.3"}, "left must be"),
        ({"key": [str(number) for number in range(redriving.MOST_PICKED + 1)]}, "at most 1,000"),
        ({"x": [str(number) for number in range(2001)]}, "at most 2,000 fields"),
        ({"key": "pbx:1", "with": "before"}, "there are rules of now and of then, and none of 'before'"),
    ],
    ids=[
        "nothing",
        "no end",
        "no time",
        "no state",
        "no place",
        "no number",
        "no reason",
        "too many",
        "far too many",
        "no rules",
    ],
)
async def test_form_is_refused_when_it_makes_no_sense(form: dict[str, Any], said: str) -> None:
    """400 with what is wrong, and nothing is done."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        answer = await browser.post(DO, data={CSRF_FIELD: token, **form}, headers=SAME)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
        assert await states(console) == {"pbx:1": "dead"}


@pytest.mark.parametrize("sent", [{}, {CSRF_FIELD: "x"}])
async def test_nothing_is_tried_again_when_another_page_asks(sent: dict[str, str]) -> None:
    """Without the session's token, and from elsewhere even with it."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        answer = await browser.post(DO, data={**sent, "key": "pbx:1"}, headers=SAME)
        assert answer.status_code == 403
        elsewhere = {"Origin": "https://evil.example"}
        assert (await browser.post(DO, data={CSRF_FIELD: token, "key": "pbx:1"}, headers=elsewhere)).status_code == 403
        assert await states(console) == {"pbx:1": "dead"}


@pytest.mark.parametrize("path", [f"{DO}?key=pbx:1", "/console/redrive?all=1&so_far=5"])
async def test_nothing_is_tried_again_when_an_address_is_opened(path: str) -> None:
    """A link that somebody sends changes nothing, whatever it says."""
    async with operated() as (console, browser, _):
        await ended(console, "pbx:1")
        assert (await browser.get(path, headers=BROWSER)).status_code in {200, 405}
        assert await states(console) == {"pbx:1": "dead"}


async def test_form_leads_nowhere_else_when_it_says_where_to_go_back_to() -> None:
    """Only a search of the console is kept of it."""
    async with operated() as (console, browser, token):
        await ended(console, "pbx:1")
        form = {CSRF_FIELD: token, "key": "pbx:1", "back": "//evil.example?source=pbx&x=1\r\nSet-Cookie: a=b"}
        answer = await browser.post(DO, data=form, headers=SAME)
        assert answer.headers["location"] == "/console/events"


async def test_console_of_a_function_tries_nothing_again() -> None:
    """It may only read; the page counts and says which command does it."""
    async with operated(may_change=False) as (console, browser, token):
        await ended(console, "pbx:1")
        page = await browser.get("/console/redrive", headers=BROWSER)
        assert "badge-bridge events redrive" in text_of(page.text)
        answer = await browser.post(DO, data={CSRF_FIELD: token, "key": "pbx:1"}, headers=SAME)
        assert answer.status_code == 400
        assert await states(console) == {"pbx:1": "dead"}


async def test_nothing_is_offered_when_a_search_finds_nothing_that_ended() -> None:
    """The page says so, and has no button."""
    async with operated() as (console, browser, _):
        await received(console.store, "pbx:1", at=NOW)
        page = await browser.get("/console/redrive", headers=BROWSER)
    assert "Nothing to redrive" in text_of(page.text)
    assert f'action="{DO}"' not in page.text
