"""The deal cards as a person sees them: in Debian's chromium, driven from here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Browser, expect

from badge_bridge.demo.stage import ANNAS_DEAL, GRACES_DEAL, open_stage
from support.browser import Watched, chromium

pytestmark = pytest.mark.slow


@pytest.fixture
async def browser(optional_program: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(optional_program("chromium")) as browser:
        yield browser


async def test_card_shows_the_red_badge_and_loses_it_when_the_call_is_returned(browser: Browser) -> None:
    """A missed call puts MISSED on the deal's card while the page is open, and a returned call takes it away."""
    async with open_stage() as stage:
        assert await stage.install() == 200
        seen = await Watched.opened(browser, f"{stage.sandbox_url}/kanban")
        page = seen.page
        card = page.locator(f'[data-deal="{ANNAS_DEAL}"]')
        badge = card.locator(".badge")
        await expect(card).to_contain_text("Anna Berger")
        await expect(badge).to_have_count(0)
        assert (await stage.send_twilio("CA00000000000000000000000000000001")).status_code == 200
        await expect(badge).to_have_text(re.compile("Call status.*MISSED", re.DOTALL), timeout=10_000)
        await expect(badge.locator("b")).to_have_css("background-color", "rgb(217, 56, 50)")
        await stage.call_anna_back()
        await expect(badge).to_have_count(0, timeout=10_000)
        await expect(page.locator(f'[data-deal="{GRACES_DEAL}"]')).to_contain_text("Grace Miller")
        assert seen.complaints == []


async def test_badge_is_in_the_language_of_the_reader_when_it_has_texts_by_language(browser: Browser) -> None:
    """The same badge says VERPASST to whoever reads German, and MISSED to whoever reads a language it has not."""
    async with open_stage() as stage:
        assert await stage.install() == 200
        await stage.portal_missed_call()
        page = (await Watched.opened(browser, f"{stage.sandbox_url}/kanban?lang=de")).page
        badge = page.locator(f'[data-deal="{GRACES_DEAL}"] .badge b')
        await expect(badge).to_have_text("VERPASST", timeout=10_000)
        await page.goto(f"{stage.sandbox_url}/kanban?lang=fr")
        await expect(badge).to_have_text("MISSED")
