"""The person on call answers for a call that never showed up: real programs, and the console in Debian's chromium.

Its pictures of each page that he comes to are kept below `.artifacts/console`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from badge_bridge.demo.stage import ANNA, ANNAS_DEAL, OUR_LINE
from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from support.browser import Watched, chromium, look
from support.programs import badge_bridge, free_port, program, sandbox

# Twenty pictures are taken, each of them looked through by axe-core.
pytestmark = pytest.mark.slow

RULES = "functions/badge_bridge/demo/rules.yaml"
"""From where the programs run; pictures show it."""
AS_HE_SAYS_IT = "0171 / 392 000-11"
PUTS_ON_CARDS = "crm.activity.configurable.add"
PATIENCE = 30_000
"""Milliseconds that a page gets to show what the programs do; the end of a call is waited for 5 s."""


@dataclass(frozen=True, slots=True)
class Office:
    """The programs that run, and the commands that are typed beside them."""

    portal: str
    console: str
    environ: dict[str, str]

    def install(self) -> None:
        """Let the portal install the application."""
        order = {"url": f"{self.environ['BRIDGE_URL']}/install"}
        answer = httpx.post(f"{self.portal}/_sandbox/install", json=order, trust_env=False)
        assert answer.json()["status"] == 200

    def rings_in_vain(self) -> str:
        """Let Anna's missed call be reported, signed; what the command says."""
        options = ("--caller", ANNA, "--line", OUR_LINE, "--to", self.environ["BRIDGE_URL"], "--send")
        return self._typed("sign", "reception", *options)

    def link(self) -> str:
        """A link into the console."""
        return self._typed("console").strip()

    def break_cards(self) -> None:
        """From now on the portal has no method that puts anything on a card."""
        order = {"method": PUTS_ON_CARDS, "fault": "ERROR_METHOD_NOT_FOUND", "times": 1_000}
        httpx.post(f"{self.portal}/_sandbox/faults", json=order, trust_env=False).raise_for_status()

    def mend(self) -> None:
        httpx.delete(f"{self.portal}/_sandbox/faults", trust_env=False).raise_for_status()

    def _typed(self, *command: str) -> str:
        with program(badge_bridge(*command), env=self.environ) as running:
            assert running.process.wait(30) == 0, running.drain()
            return running.drain()


@contextmanager
def serving(folder: Path) -> Iterator[Office]:
    """A sandbox and a bridge by the demo's rules."""
    port = free_port()
    with sandbox() as (portal, _):
        environ = {
            "RULES": RULES,
            "STATE": f"sqlite:///{folder / 'state.db'}",
            "PORTAL_URL": portal,
            "BRIDGE_URL": f"http://127.0.0.1:{port}",
            "B24_CLIENT_SECRET": APPLICATION_SECRET,
            "TWILIO_AUTH_TOKEN": "twilio-token-0123456789",
            "ENCRYPTION_KEY": new_key(),
            "LOG_FORMAT": "json",
        }
        with program(badge_bridge("serve", "--port", str(port)), env=environ) as running:
            yield Office(portal, running.find(r"/console at (http://127\.0\.0\.1:\d+)")[1], environ)


@pytest.fixture
async def browser(optional_program: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(optional_program("chromium")) as browser:
        yield browser


async def search(page: Page) -> None:
    """Look for what he told of, from any page of the console."""
    await page.get_by_role("link", name="Events", exact=True).first.click()
    await page.get_by_label("Phone or e-mail").fill(AS_HE_SAYS_IT)
    await page.get_by_label("Received").select_option("hour")
    await page.get_by_role("button", name="Search").click()


async def find_dead(page: Page) -> None:
    """From what Now tells by itself, and from his number, to the event."""
    await expect(dead_letters(page)).to_have_text("1", timeout=PATIENCE)
    await expect(page.locator(".troubles")).to_contain_text("1 dead letter")
    await look(page, "story-now")
    await search(page)
    await expect(page.locator("form.search")).to_contain_text(f"Events of {ANNA}")
    row = page.locator("table.events tr", has_text="call.missed").filter(has_text="dead")
    await expect(row).to_contain_text("the portal has no such method")
    await look(page, "story-events")
    await row.locator(".when a").click()


async def read_why(page: Page) -> None:
    """The event's page says why it is given up and what to do."""
    life = page.locator("ol.life")
    await expect(page.locator(".said.bad")).to_contain_text("It is not tried again by itself")
    await expect(life).to_contain_text("hmac-sha1 over url and form")
    await expect(life.locator("tr", has_text=PUTS_ON_CARDS)).to_contain_text("ERROR_METHOD_NOT_FOUND")
    await expect(life.locator("li", has_text="Now: dead")).to_have_count(1)
    await expect(life.locator(".card")).to_have_count(0)
    await look(page, "story-event")


async def rule_out(page: Page) -> None:
    """It is neither the rules nor the badge."""
    await page.get_by_role("link", name="Try other rules on this event").click()
    assert "/console/try?event=" in page.url
    await expect(page.locator(".judgement")).to_contain_text("1 of 1 rule matched")
    await look(page, "story-try")
    await page.get_by_role("link", name="Badges").click()
    await page.get_by_role("button", name="Compare with the portals").click()
    await expect(page.locator("main")).to_contain_text("it has the badges that its rules use")
    await look(page, "story-badges")


async def see_mended(page: Page, event: str) -> None:
    """Nothing is given up any more, and his number leads to the badge."""
    await page.get_by_role("link", name="Now", exact=True).click()
    await expect(page.locator(".legend .badged")).to_have_text("badged 1", timeout=PATIENCE)
    await expect(dead_letters(page)).to_have_text("0")
    await search(page)
    row = page.locator("table.events tr", has_text="call.missed").filter(has_text="done")
    await expect(row).to_contain_text(f"Badge Missed is on deal {ANNAS_DEAL}.")
    await row.locator(".when a").click()
    assert page.url == event
    card = page.locator("ol.life .card")
    await expect(card).to_have_text(re.compile(rf"Deal {ANNAS_DEAL}\s+Call status\s+MISSED"))


def dead_letters(page: Page) -> Locator:
    return page.locator(".figure", has_text="Dead letters").locator("dd")


async def test_call_that_never_showed_up_is_found_explained_and_put_right(browser: Browser, tmp_path: Path) -> None:
    """From the number as the customer says it to why his call is a dead letter, and from there to the badge on his card;
    on the way each page that he comes to is looked at.
    """
    with serving(tmp_path) as office:
        office.install()
        office.break_cards()
        assert "200" in office.rings_in_vain()
        link = office.link()
        assert link.startswith(f"{office.console}/console/")
        console = await Watched.opened(browser, link)
        page = console.page
        await look(page, "link")
        await console.enter()
        await find_dead(page)
        event = page.url
        await read_why(page)
        await rule_out(page)

        kanban = await Watched.opened(browser, f"{office.portal}/kanban")
        card = kanban.page.locator(f'[data-deal="{ANNAS_DEAL}"]')
        await expect(card).to_contain_text("Anna Berger")
        await expect(card.locator(".badge")).to_have_count(0)
        office.mend()
        await page.goto(event)
        await page.get_by_role("button", name="Redrive this event").click()
        await expect(page.get_by_role("status").last).to_contain_text("1 event will be tried again")
        on_card = re.compile("Call status.*MISSED", re.DOTALL)
        await expect(card.locator(".badge")).to_have_text(on_card, timeout=PATIENCE)
        await see_mended(page, event)
        assert [*console.complaints, *kanban.complaints] == []
