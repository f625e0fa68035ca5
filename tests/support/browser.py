"""Debian's chromium, driven from here: what a page complains of, how it looks, and what keeps people from using it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from support.programs import ROOT

__all__ = ["PICTURES", "SCHEMES", "WIDTHS", "Watched", "chromium", "look", "obstacles"]

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = ROOT / ".artifacts" / "console"
"""Where pictures of pages are kept after a run of the tests."""

WIDTHS = {"desktop": (1280, 800), "phone": (360, 740)}
SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """The browser at this path of the machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """A page, and what the browser's console says against it: errors of scripts, and what a policy has blocked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @classmethod
    async def opened(cls, context: Browser | BrowserContext, url: str) -> Watched:
        watched = cls(await context.new_page())
        await watched.page.goto(url)
        return watched

    async def enter(self) -> None:
        """Press the button of a link into the console."""
        await self.page.get_by_role("button", name="Open the console").click()
        await self.page.get_by_role("button", name="End session").wait_for()


async def look(page: Page, name: str, *, folder: Path = PICTURES) -> None:
    """Keep pictures of the page as it is: light and dark, as wide as a desk's and a phone's; see that it fits, and that
    nothing keeps anybody from using it.

    Raises:
        AssertionError: something sticks out to the side, or is an obstacle (`obstacles`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for (device, (width, height)), scheme in product(WIDTHS.items(), SCHEMES):
        await page.set_viewport_size({"width": width, "height": height})
        # Without motion: a colour on its way to another one is neither.
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.screenshot(path=folder / f"{name}-{device}-{scheme}.png", full_page=True)
        wide: int = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide on a screen of {width} px"
        found = await obstacles(page)
        assert found == [], f"{name}, {device}, {scheme}: {found}"


async def obstacles(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practices: each rule, with the elements that break it."""
    found = await Axe().run(page, options={"runOnly": {"type": "tag", "values": _RULES}, "resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes']][:3]}"
        for violation in found.response["violations"]
    ]
