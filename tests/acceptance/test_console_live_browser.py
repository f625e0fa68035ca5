"""The console's pages Now, Try and Badges in Debian's chromium: what their scripts do, how they look, who can use them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from playwright.async_api import Browser, expect
from starlette.types import Receive, Scope, Send

from badge_bridge.console.stream import Streams
from badge_bridge.errors import PortalUnreachable, StoreUnavailable, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.meters import Meters
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.portal import InboundWebhook, open_portal
from badge_bridge.serving import Server, bind
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Attachment, Settlement
from badge_bridge.store.wanted import Tally
from support.browser import PICTURES, WIDTHS, Watched, chromium, look
from support.operators import RULES, Clock, Console, received, settled

pytestmark = pytest.mark.slow

NOW = 1_795_345_200.0
BADGES = RULES.replace("title: Call status\n", "title: {en: Call status, de: Anruf}\n").replace(
    "value: Missed\n", "value: {en: Missed, de: Verpasst}\n"
)
MISTAKES = BADGES.replace("type: failure", "type: failur").replace("event.caller.", "event.callr.")


@pytest.fixture
async def browser(optional_program: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(optional_program("chromium")) as browser:
        yield browser


@asynccontextmanager
async def opened(
    browser: Browser, store: MemoryStore | None = None, *, rules: str = BADGES, portal_name: str = "main"
) -> AsyncIterator[tuple[Console, Server, Watched]]:
    """The console on a socket with a short pulse, and a page with a session."""
    store, clock = store or MemoryStore(), Clock(NOW)
    await store.open()
    meters = Meters(clock)
    portal = open_portal(
        portal_name,
        InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"),
        pauses=store,
        clock=clock,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"result": {"badges": []}})),
        meters=meters,
    )
    console = Console(
        store, clock, rules=rules, portals={portal_name: portal}, meters=meters, streams=Streams(every=0.05)
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await console.app(scope, receive, send)

    async with Server(app, bind("127.0.0.1", 0)) as server:
        try:
            watched = await Watched.opened(browser, await console.link(server.url))
            await watched.enter()
            yield console, server, watched
        finally:
            console.desk.streams.end()


async def add(console: Console, number: int, state: str, reason: str = "") -> None:
    key, moment = f"pbx:{number:032x}", datetime.fromtimestamp(NOW, UTC)
    event = Event(
        id=str(number), source="pbx", provider="generic", type="call.missed", time=moment, caller="+4930901820"
    )
    await console.store.accept([Accepted(key, event, "bearer", NOW)])
    claim = await console.store.claim(key, now=NOW, lease=60)
    assert claim is not None
    await console.store.settle(claim, Settlement(state, NOW, reason=reason))  # type: ignore[arg-type]


async def test_page_draws_itself_anew_and_keeps_what_the_reader_has_opened(browser: Browser) -> None:
    """A dead letter shows while the page is open; the table that was opened stays so, and so does the focus."""
    async with opened(browser) as (console, _, watched):
        page = watched.page
        await add(console, 1, "done")
        await expect(page.locator("#live")).to_have_text("live")
        dead = page.locator(".figure", has_text="Dead letters").locator("dd")
        await expect(dead).to_have_text("0")
        summary = page.locator("details summary")
        await summary.click()
        await summary.focus()
        told = [await page.locator(at).element_handle() for at in ("#live", "[data-part=troubles]")]
        await add(console, 2, "dead", "<img src=x onerror=alert(1)>")
        await console.store.pause("main", until=NOW + 60, reason="timeout: <img src=x onerror=alert(1)>")
        await expect(dead).to_have_text("1")
        await expect(page.locator(".troubles")).to_contain_text("1 dead letter")
        await expect(page.locator("[data-part=portals]")).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(page.locator("details table td.number")).to_have_text(["1", "1"])
        await expect(page.locator("details")).to_have_attribute("open", "")
        await expect(summary).to_be_focused()
        # What is read aloud when it changes has to be the same place.
        assert [await place.evaluate("node => node.isConnected") for place in told] == [True, True]
        assert watched.complaints == []
        await look(page, "now")


async def test_page_that_nobody_looks_at_keeps_no_connection(browser: Browser) -> None:
    """A tab in the background has no stream, and one again when it is looked at."""
    async with opened(browser) as (console, _, watched):
        page = watched.page
        await expect(page.locator("#live")).to_have_text("live")
        hide = """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        await page.evaluate(hide, True)
        async with asyncio.timeout(20):
            while console.desk.streams.open_now:  # noqa: ASYNC110 - the browser tells nobody when it has closed one
                await asyncio.sleep(0.02)
        await add(console, 1, "dead")
        await page.evaluate(hide, False)
        await expect(page.locator(".troubles")).to_contain_text("1 dead letter")


async def test_page_says_so_when_it_is_not_live_any_more(browser: Browser) -> None:
    """Who looks at old figures knows it, and why: in the words in which the server refuses."""
    async with opened(browser) as (console, _, watched):
        live = watched.page.locator("#live")
        await expect(live).to_have_text("live")
        console.desk.streams.end()
        await expect(live).to_contain_text("not live any more: as many watch as can; load the page", timeout=20_000)
        await expect(watched.page.locator("#old")).to_contain_text("How it is now is not known: not live any more")


class Troubled(MemoryStore):
    """Cannot be read, or gives no answer, as long as somebody wants it so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_gone = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        await self.answers.wait()
        if self.is_gone:
            raise StoreUnavailable("the disk is full")
        return await super().tally(since=since, until=until, width=width)


async def test_page_says_so_when_the_store_cannot_be_read(browser: Browser) -> None:
    """It is not live then, although the server speaks; and is again when the store is."""
    store = Troubled()
    async with opened(browser, store) as (_, _, watched):
        live = watched.page.locator("#live")
        await expect(live).to_have_text("live")
        store.is_gone = True
        await expect(live).to_contain_text("the store cannot be read now: the disk is full; this is from before")
        await expect(live).to_have_attribute("data-state", "off")
        old, well = watched.page.locator("#old"), watched.page.locator(".well")
        await expect(old).to_contain_text(re.compile(r"This is how it was at 20\d\d-.* the disk is full"))
        await expect(well).to_be_hidden()
        store.is_gone = False
        await expect(live).to_have_text("live")
        await expect(old).to_be_hidden()
        await expect(well).to_be_visible()
        assert watched.complaints == []


async def test_page_says_when_it_last_heard_of_a_server_that_hangs(browser: Browser) -> None:
    """No connection is lost then, so that the page looks at the time by itself."""
    store = Troubled()
    async with opened(browser, store) as (_, _, watched):
        live, heard = watched.page.locator("#live"), watched.page.locator("#heard")
        await expect(live).to_have_text("live")
        store.answers.clear()
        await expect(heard).to_have_text(re.compile(r"last heard \d+ s ago"), timeout=20_000)
        await expect(live).to_have_text("nothing is heard: this may be old")
        await expect(watched.page.locator(".well")).to_be_hidden()
        store.answers.set()
        await expect(live).to_have_text("live")
        await expect(heard).to_have_text("")


async def test_mistake_leads_to_its_place_in_the_text(browser: Browser) -> None:
    """The caret stands at the first mistake, at another one where that is chosen, and says where it is."""
    async with opened(browser) as (_, server, watched):
        page = watched.page
        await page.goto(f"{server.url}/console/try")
        rules = page.get_by_label("Their text")
        await expect(rules).to_have_value(BADGES)
        await rules.fill(MISTAKES)
        await page.get_by_label("Of one of your sources").select_option("missed pbx")
        await page.get_by_role("button", name="Judge").click()
        links, numbers = page.locator("a[data-line]"), page.locator("#numbers")
        await expect(links).to_have_count(2)
        for number, word in ((0, "failur"), (1, "callr")):
            if number:
                await links.nth(number).click()
            await expect(rules).to_be_focused()
            at = int(await rules.evaluate("area => area.selectionStart"))
            assert MISTAKES[at:].startswith(word)
            line, column = MISTAKES.count("\n", 0, at) + 1, at - MISTAKES.rfind("\n", 0, at)
            await expect(page.locator("#where")).to_have_text(f"line {line}, column {column}")
            await expect(numbers).to_contain_text(str(line))
        await rules.press("Control+End")
        for _ in range(20):
            await rules.press("Enter")
        lines = (await rules.input_value()).count("\n") + 1
        assert lines <= int(await rules.get_attribute("rows") or 0)
        assert len((await numbers.inner_text()).split()) == int(await rules.get_attribute("rows") or 0)
        assert watched.complaints == []
        await look(page, "try-mistakes")


async def test_judgement_is_read_without_a_script(browser: Browser) -> None:
    """Forms, mistakes with their carets, and the judgement need none."""
    async with opened(browser) as (console, server, _):
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(await console.link(server.url))
        await page.get_by_role("button", name="Open the console").click()
        await expect(page.get_by_role("link", name="Refresh")).to_be_visible()
        await page.goto(f"{server.url}/console/try")
        await page.get_by_label("A curl command").fill('{"id": 7, "from": "+4930901820"}')
        await page.get_by_label("Source of a body alone").select_option("pbx")
        await page.get_by_role("button", name="Judge").click()
        await expect(page.locator("#judgement")).to_be_visible()
        await expect(page.locator("main")).to_contain_text("1 of 1 rule matched")
        await page.get_by_label("Their text").fill(MISTAKES)
        await page.get_by_role("button", name="Judge").click()
        await expect(page.locator("pre.line").first).to_have_text("    type: failur\n          ^^^^^^")


async def test_pages_can_be_used_by_everybody_on_every_screen(browser: Browser) -> None:
    """Try with a judgement, and Badges with what a portal lacks: light and dark, on a desk and on a phone."""
    async with opened(browser) as (_, server, watched):
        page = watched.page
        await page.goto(f"{server.url}/console/try?sample=missed+pbx")
        await expect(page.get_by_label("A made-up call")).to_be_checked()
        await page.get_by_label("A curl command").fill('{"id": 7, "from": "+4930901820"}')
        await expect(page.get_by_label("A delivery", exact=True)).to_be_checked()
        await page.get_by_label("Source of a body alone").select_option("pbx")
        await page.get_by_role("button", name="Judge").click()
        await expect(page.locator("#judgement")).to_be_visible()
        await expect(page.get_by_label("Of one of your sources")).to_have_value("missed pbx")
        await look(page, "try")
        await page.goto(f"{server.url}/console/badges")
        await page.get_by_role("button", name="Compare with the portals").click()
        await expect(page.locator("main")).to_contain_text("1 badge differs or is missing")
        await look(page, "badges")
        assert watched.complaints == []


WORD = "sankt_veit_an_der_glan_zentrale_nachmittags_und_am_wochenende"
"""Longer than a phone is wide, without a place to break, and as long as a name may be."""

LONG = (
    RULES.replace("  main:", f"  {WORD}:")
    .replace("acme.bitrix24.com", f"{WORD.replace('_', '-')}.bitrix24.com")
    .replace("  pbx:", f"  {WORD}:")
    .replace("missedCall", WORD[:27])
    .replace("name: missed call", f"name: {WORD}")
    .replace("value: Missed", f"value: {WORD}")
    .replace("title: Call status", f"title: {WORD}")
)
ERROR = (
    f"no answer from https://acme.bitrix24.com/rest/{WORD}/{WORD}/crm.activity.configurable.add.json within 60 s. " * 3
)

STICKS_OUT = """() => [...document.querySelectorAll("main *")].filter(node => {
  // Code may be scrolled; so may a table of the last hour, but not one with sentences in it.
  if (node.closest("pre, textarea, .editor, .unseen, thead, .scroll table:not(.stacked, .asked)")) return false;
  const box = node.closest(".panel, .said, .card, li, td, dd")?.getBoundingClientRect();
  const right = node.getBoundingClientRect().right;
  return right > document.documentElement.clientWidth + 1 || (box && box.width && right > box.right + 1);
}).map(node => node.outerHTML.slice(0, 160))"""
"""Elements that are wider than the window or than what they stand in, and that nothing scrolls."""


async def test_long_names_and_errors_fit_into_every_page(browser: Browser) -> None:
    """On a phone, too, names of rules, badges, sources and portals, addresses and reasons break instead of sticking out."""
    async with opened(browser, rules=LONG, portal_name=WORD) as (console, server, watched):
        key, store = f"{WORD}:{1:032x}", console.store
        data = {"note": WORD * 4}
        await received(store, key, at=NOW, id=WORD, caller="+4930901820", email=f"{WORD}@example.com", data=data)
        asked = Exchange(
            method="crm.activity.configurable.add",
            about=f"on deal {WORD}",
            answer=WORD,
            said=ERROR,
            milliseconds=60_000,
        )
        outcome = Outcome(
            rule=WORD, result="failed", badge=f"bb_{WORD[:27]}", portal=WORD, owner="deal 41", reason=ERROR
        )
        ending = {"state": "dead", "reason": f"portal {WORD}: {ERROR}", "outcomes": (outcome,), "asked": (asked,)}
        await settled(store, key, at=NOW, **ending, rules_hash=console.rules.hash)
        await received(store, f"{WORD}:{2:032x}", at=NOW, type=WORD, subject=f"{WORD}@example.com")
        for number, rule in enumerate((WORD, f"{WORD}2")):
            row = Attachment(key, rule, WORD, f"bb_{WORD[:27]}", 2, 10**15, NOW, "", "{}", activity=10**15 + number)
            await store.attach(row)
        await store.pause(WORD, until=NOW + 60, reason=f"OVERLOAD_LIMIT: portal {WORD}: {ERROR}")
        await store.pause(f"{WORD}/crm.activity.configurable.add", until=NOW + 60, reason=f"{WORD}: {ERROR}")
        meters = console.desk.meters
        assert meters is not None
        meters.refuse("shop", Unauthenticated(ERROR))
        unreachable = PortalUnreachable(ERROR, portal=WORD, method="crm.item.list")
        meters.answered(WORD, ["crm.item.list"], seconds=30.0, error=unreachable)
        console.clock.now = NOW + 30
        page, sticking = watched.page, {}
        for name, path in {
            "now": "",
            "events": f"/events?rule={WORD}",
            "all-events": "/events",
            "none": f"/events?phone={WORD}",
            "event": f"/events/{key}",
            "redrive": f"/redrive?rule={WORD}&source={WORD}",
            "try": f"/try?event={key}",
            "badges": "/badges?check=1",
            "words": "/words",
            "nothing": f"/{WORD}",
        }.items():
            await page.goto(f"{server.url}/console{path}")
            for summary in await page.locator("main summary").all():
                await summary.click()
            for device, (width, height) in WIDTHS.items():
                await page.set_viewport_size({"width": width, "height": height})
                await page.screenshot(path=PICTURES / f"long-{name}-{device}.png", full_page=True)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                found = await page.evaluate(STICKS_OUT)
                if found or wide > width:
                    sticking[f"{name}, {device}"] = [f"{wide} px", *found]
        assert sticking == {}
