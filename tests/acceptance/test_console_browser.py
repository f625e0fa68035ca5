"""The console as an operator uses it: in Debian's chromium, against a bridge and a sandbox portal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from badge_bridge.console import redrive
from badge_bridge.demo.stage import ANNA, ANNAS_DEAL, Stage, open_stage
from badge_bridge.store.protocol import Store
from badge_bridge.store.wanted import Wanted
from support.browser import PICTURES, SCHEMES, WIDTHS, Watched, chromium, look
from support.operators import received, settled

pytestmark = pytest.mark.slow

CALL = "CA00000000000000000000000000000001"
ANNA_AS_TYPED = "0171 / 392 000-11"


@pytest.fixture
async def browser(optional_program: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(optional_program("chromium")) as browser:
        yield browser


@dataclass(frozen=True, slots=True)
class Desk:
    """A stage with its console, and how to get into it."""

    stage: Stage

    @property
    def url(self) -> str:
        return self.stage.console_url

    async def enter(self, context: Browser | BrowserContext) -> Watched:
        """A page of somebody who has followed a link."""
        watched = await Watched.opened(context, await self.stage.console_link())
        await watched.enter()
        return watched


@asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    async with open_stage() as stage:
        assert await stage.install() == 200
        yield Desk(stage)


async def ignored(store: Store, count: int) -> None:
    """So many calls that no rule is for, which the bridge has worked on."""
    for number in range(count):
        key = f"reception:{number}"
        await received(store, key, at=1_795_345_200.0 + number, type="call.busy", caller=ANNA)
    async with asyncio.timeout(60):
        while (  # noqa: ASYNC110 - a store has no event for it
            len((await store.list(Wanted(state="ignored"), limit=count)).events) < count
        ):
            await asyncio.sleep(0.05)


async def test_call_is_found_from_its_number_and_redriven(browser: Browser) -> None:
    """Anna says that her call never showed up: her number as she says it leads to the badge, and to another try."""
    async with opened() as desk:
        assert (await desk.stage.send_twilio(CALL)).status_code == 200
        watched = await desk.enter(browser)
        page = watched.page
        await expect(page.locator("body")).to_contain_text("End session")
        await page.get_by_role("link", name="Events").click()
        await page.get_by_label("Phone or e-mail").fill(ANNA_AS_TYPED)
        await page.get_by_label("Received").select_option("hour")
        await page.get_by_role("button", name="Search").click()
        assert "state=" not in page.url, "what is left empty does not stand in the address"
        await expect(page.locator("form.search")).to_contain_text(f"Events of {ANNA}")
        row = page.locator("table.events tr", has_text="call.missed")
        await expect(row).to_contain_text(f"Badge Missed is on deal {ANNAS_DEAL}.", timeout=10_000)
        await look(page, "events")
        await row.locator(".when a").click()
        line = page.locator("ol.life")
        await expect(line).to_contain_text("hmac-sha1 over url and form")
        await expect(line.locator(".card")).to_have_text(re.compile(rf"Deal {ANNAS_DEAL}\s+Call status\s+MISSED"))
        await expect(line).to_contain_text("crm.activity.configurable.add")
        await look(page, "event")
        await page.set_viewport_size({"width": 360, "height": 740})
        method = line.locator("td code", has_text="crm.activity.configurable.add")
        assert await method.evaluate("node => node.getClientRects().length") == 1, "on a phone it is on one line, too"
        await page.get_by_role("button", name="Redrive this event").click()
        await expect(page.get_by_role("status").last).to_contain_text("1 event will be tried again")
        await expect(page.locator("ol.life")).to_contain_text("Attempt 1")
        assert watched.complaints == []


async def test_redriven_event_is_shown_as_it_ends_without_loading_the_page(browser: Browser) -> None:
    """On its own page and in the list; and the list that was searched is found again from the event's page."""
    async with opened() as desk:
        assert (await desk.stage.send_twilio(CALL)).status_code == 200
        watched = await desk.enter(browser)
        page = watched.page
        search = urlencode({"phone": ANNA, "type": "call.missed"})
        async with asyncio.timeout(20):
            while not (await desk.stage.bridge.store.list(Wanted(state="done"), limit=1)).events:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await page.goto(f"{desk.url}/console/events?{search}")
        await page.locator(".when a").click()
        await page.get_by_role("button", name="Redrive this event").click()
        await page.evaluate("window.isTheSame = true")
        await expect(page.locator("ol.life")).to_contain_text("Attempt 2", timeout=20_000)
        await expect(page.locator(".lead")).to_contain_text(f"Badge Missed is on deal {ANNAS_DEAL}.")
        await expect(page.locator(".said")).to_have_text("1 event will be tried again at once.")
        await expect(page.locator("[data-part=next] *")).to_have_count(0)
        assert await page.evaluate("window.isTheSame")
        await page.get_by_role("link", name="Back to what was found").click()
        assert page.url.endswith(f"/console/events?{search}")
        row = page.locator("table.events tr", has_text="call.missed")
        await row.locator(".tick input").check()
        await page.get_by_role("button", name="Redrive what is ticked").click()
        await page.evaluate("window.isTheSame = true")
        await expect(row.locator(".what")).to_have_text(f"Badge Missed is on deal {ANNAS_DEAL}.", timeout=20_000)
        await expect(row.locator(".tick input")).to_have_count(1)
        assert await page.evaluate("window.isTheSame")
        assert watched.complaints == []


async def test_what_asks_for_a_redrive_leads_to_it_on_a_phone(browser: Browser) -> None:
    """The button stands above the life of the event, and the sentence that names it leads there."""
    async with opened() as desk:
        key = "reception:1"
        await received(desk.stage.bridge.store, key, at=1_795_345_200.0, caller=ANNA)
        await settled(desk.stage.bridge.store, key, at=1_795_345_200.0, state="dead", reason="refused")
        page = (await desk.enter(browser)).page
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.goto(f"{desk.url}/console/events/{key}")
        button = page.get_by_role("button", name="Redrive this event")
        over, life = await button.bounding_box(), await page.locator("ol.life").bounding_box()
        assert over is not None
        assert life is not None
        assert over["y"] + over["height"] < life["y"]
        await page.get_by_role("link", name="Redrive it").click()
        await expect(button).to_be_in_viewport()


async def test_times_are_the_readers_own_and_what_he_types_too(browser: Browser) -> None:
    """Shown where he is, sent as the moment that he means, and shown again as he typed it."""
    async with opened() as desk:
        await received(desk.stage.bridge.store, "reception:1", at=1_795_345_200.0, caller=ANNA)
        context = await browser.new_context(timezone_id="Asia/Tokyo")
        page = (await desk.enter(context)).page
        await page.goto(f"{desk.url}/console/events")
        await expect(page.locator("td.when")).to_have_text("2026-11-22 20:00:00")
        assert await page.locator("td.when time").get_attribute("title") == "2026-11-22 11:00:00 UTC"
        await expect(page.locator("#zone")).to_have_text("Times are in Asia/Tokyo")
        await expect(page.locator("label[for=since]")).to_have_text("From (Asia/Tokyo)")
        await page.get_by_label("From").fill("2026-11-22T19:59:30")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("td.when")).to_have_count(1)
        assert "since=2026-11-22T10%3A59%3A30.000Z" in page.url
        await expect(page.get_by_label("From")).to_have_value("2026-11-22T19:59:30")
        await page.get_by_label("From").fill("2026-11-22T20:00:01")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("main")).to_contain_text("No event matches")
        await context.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_search_on_a_phone_begins_with_number_and_time(browser: Browser, script: bool) -> None:
    """The rest is there when it is asked for, or was filled in; on a desk all is there."""
    async with opened() as desk:
        context = await browser.new_context(java_script_enabled=script, viewport={"width": 360, "height": 740})
        page = (await desk.enter(context)).page
        await page.goto(f"{desk.url}/console/events")
        await expect(page.get_by_label("Phone or e-mail")).to_be_visible()
        await expect(page.get_by_label("Received")).to_be_visible()
        state, legs, more = page.get_by_label("State"), page.get_by_label("Legs too"), page.get_by_label("More to look")
        await expect(state).to_be_hidden()
        await expect(legs).to_be_hidden()
        await more.check()
        await expect(state).to_be_visible()
        await expect(legs).to_be_visible()
        await more.uncheck()
        await page.get_by_role("button", name="Search").click()
        assert "more" not in page.url
        await page.goto(f"{desk.url}/console/events?state=dead")
        await expect(state).to_be_visible()
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.goto(f"{desk.url}/console/events")
        await expect(state).to_be_visible()
        await expect(more).to_be_hidden()
        await context.close()


async def test_redrive_of_many_goes_on_by_itself_when_it_was_begun(browser: Browser) -> None:
    """One press of the button, and not since an address says that some were done."""
    count = redrive.AT_ONCE + 5
    async with opened() as desk:
        await ignored(desk.stage.bridge.store, count)
        watched = await desk.enter(browser)
        page = watched.page
        await page.goto(f"{desk.url}/console/events?state=ignored&type=call.busy")
        await page.get_by_role("link", name="Redrive all that match").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(rf"Redrive {count:,} events\?"))
        await look(page, "redrive")
        await page.goto(f"{page.url}&so_far=5")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("more?")
        await page.get_by_role("button", name="Redrive the next").click()
        await expect(page.get_by_role("status")).to_contain_text(
            f"{count + 5:,} events will be tried again", timeout=60_000
        )
        assert watched.complaints == []


async def test_events_are_searched_ticked_and_redriven_without_a_script(browser: Browser) -> None:
    """All that is read, and all that is changed, works by links and forms."""
    async with opened() as desk:
        store = desk.stage.bridge.store
        for number in range(3):
            key = f"reception:{number}"
            await received(store, key, at=1_795_345_200.0 + number, caller="+4930999")
            await settled(store, key, at=1_795_345_200.0 + number, state="dead", reason="refused")
        context = await browser.new_context(java_script_enabled=False)
        page = (await desk.enter(context)).page
        await page.goto(f"{desk.url}/console/events?state=dead")
        await expect(page.locator("label[for=since]")).to_contain_text("(UTC)")
        await expect(page.locator("#zone")).to_have_text("Times are in UTC")
        boxes = page.get_by_role("table").get_by_role("checkbox")
        await expect(boxes).to_have_count(3)
        await boxes.nth(0).check()
        await boxes.nth(2).check()
        await page.get_by_role("button", name="Redrive what is ticked").click()
        await expect(page.get_by_role("status")).to_contain_text("2 events will be tried again")
        await page.goto(f"{desk.url}/console/events?phone=1")
        await expect(page.get_by_role("alert")).to_contain_text("is no telephone number")
        await context.close()


async def test_all_on_a_page_are_ticked_at_once_with_the_keyboard(browser: Browser) -> None:
    """The script adds one box for all."""
    async with opened() as desk:
        store = desk.stage.bridge.store
        for number in range(3):
            key = f"reception:{number}"
            await received(store, key, at=1_795_345_200.0 + number, caller="+4930999")
            await settled(store, key, at=1_795_345_200.0 + number, state="dead", reason="refused")
        page = (await desk.enter(browser)).page
        await page.goto(f"{desk.url}/console/events?state=dead")
        await page.get_by_label("Tick all on this page").press("Space")
        await expect(page.locator("td.tick input:checked")).to_have_count(3)


async def test_who_ticks_the_first_of_many_rows_sees_what_to_press(browser: Browser) -> None:
    """The bar with the buttons stays in the window, without a script, and lies over nothing that has the focus."""
    async with opened() as desk:
        await ignored(desk.stage.bridge.store, 50)
        context = await browser.new_context(java_script_enabled=False)
        page = (await desk.enter(context)).page
        button = page.get_by_role("button", name="Redrive what is ticked")
        boxes = page.locator("td.tick input")
        for (device, (width, height)), scheme in product(WIDTHS.items(), SCHEMES):
            await page.set_viewport_size({"width": width, "height": height})
            await page.emulate_media(color_scheme=scheme)
            await page.goto(f"{desk.url}/console/events?state=ignored")
            if device == "phone":  # a quarter of the window would be gone for nothing
                await expect(button).not_to_be_in_viewport()
            else:
                await expect(button).to_be_in_viewport(ratio=1)
            await boxes.first.check()
            await expect(button).to_be_in_viewport(ratio=1)
            await expect(page.get_by_role("link", name="Redrive all that match")).to_be_in_viewport(ratio=1)
            await page.screenshot(path=PICTURES / f"ticked-{device}-{scheme}.png")
            beneath = await boxes.evaluate_all(
                "nodes => nodes.filter(node => (node.focus(), node.getBoundingClientRect().bottom"
                " > document.querySelector('.bar').getBoundingClientRect().top)).length"
            )
            assert beneath == 0, "what has the focus is in sight"
        await context.close()


@pytest.mark.parametrize(
    "path", ["/console/events?phone=1", "/console/events?phone=%2B4930", "/console/nothing", "/console/words"]
)
async def test_page_with_nothing_to_show_is_no_obstacle(browser: Browser, path: str) -> None:
    """What went wrong is told to everybody, too."""
    async with opened() as desk:
        page = (await desk.enter(browser)).page
        await page.goto(f"{desk.url}{path}")
        await look(page, re.sub(r"\W+", "-", path.removeprefix("/console/")))
