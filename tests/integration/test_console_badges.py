"""The page Badges: what they look like, what uses them, and whether the portals agree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from badge_bridge.console.registry import FRESH, PATIENCE, Registry
from badge_bridge.portal import InboundWebhook, Portal, open_portal
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Attachment
from support.operators import RULES, Clock, Console, read_rules

NOW = 1_795_345_200.0
DAY = 86_400.0
PAGE, TWIN = "/console/badges", "/console/api/v1/badges.json"
BROWSER = {"Accept": "text/html"}
EVIL = "<script>alert(1)</script>"
BADGES = RULES.replace(
    """    title: Call status
    value: Missed
    type: failure
""",
    """    title: {en: Call status, de: Anruf}
    value: {en: Missed, de: Verpasst}
    type: failure
  spare:
    title: Nobody
    value: uses it
    type: secondary
""",
)
MISSED = {
    "code": "bb_missedCall",
    "title": {"en": "Call status", "de": "Anruf"},
    "value": {"en": "Missed", "de": "Verpasst"},
    "type": "failure",
}


class Portals(httpx.AsyncBaseTransport):
    """A portal that has these badges, and counts how often it is asked."""

    def __init__(self, *badges: Mapping[str, Any], status: int = 200) -> None:
        self.badges: Sequence[Mapping[str, Any]] = badges
        self.status = status
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked += 1
        await self.answers.wait()
        assert request.url.path.endswith("crm.activity.badge.list")
        if self.status != 200:
            return httpx.Response(self.status, json={"error": "ACCESS_DENIED", "error_description": EVIL})
        return httpx.Response(200, json={"result": {"badges": self.badges}})


async def opened(portals: Portals | None = None, *, prompt: float = PATIENCE) -> Console:
    store, clock = MemoryStore(), Clock(NOW)
    await store.open()
    opened_portals: Mapping[str, Portal] | None = None
    if portals is not None:
        webhook = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
        opened_portals = {"main": open_portal("main", webhook, pauses=store, clock=clock, transport=portals)}
    return Console(store, clock, rules=BADGES, portals=opened_portals, registry=Registry(prompt=prompt))


async def looked(console: Console, query: str = "") -> tuple[str, dict[str, Any]]:
    """The page and its twin."""
    async with console.operator() as browser:
        page = await browser.get(PAGE + query, headers=BROWSER)
        twin = await browser.get(TWIN + query)
    assert (page.status_code, twin.status_code) == (200, 200), page.text + twin.text
    return page.text, twin.json()


async def test_badge_is_shown_in_each_of_its_languages() -> None:
    """Caption and pill as their readers see them, in the colour of the type, with the code and the rules that use it."""
    page, told = await looked(await opened())
    missed, spare = told["badges"]
    assert missed["texts"] == [
        {"language": "en", "title": "Call status", "value": "Missed"},
        {"language": "de", "title": "Anruf", "value": "Verpasst"},
    ]
    assert missed["rules"] == [{"rule": "missed call", "line": 28, "attaches": True, "clears": True}]
    assert (spare["rules"], spare["portals"]) == ([], [])
    assert '<b class="failure">VERPASST</b>' in page
    assert "no rule; it is put nowhere" in page


async def test_page_shows_at_once_how_badges_stand_in_the_portal() -> None:
    """Whoever looks need not press anything; views of a minute share one request, and so do those of a moment who press
    the button all the same.
    """
    portals = Portals(MISSED)
    console = await opened(portals)
    page, told = await looked(console)
    assert (portals.asked, told["badges"][0]["portals"][0]["state"], told["asking"]) == (1, "same", False)
    assert "it has the badges that its rules use" in page
    console.clock.now += FRESH - 1
    await looked(console)
    assert portals.asked == 1
    async with console.operator() as browser:
        await asyncio.gather(*(browser.get(f"{TWIN}?check=1") for _ in range(5)))
    assert portals.asked == 2
    console.clock.now += FRESH
    await looked(console)
    assert portals.asked == 3


async def test_page_does_not_wait_for_a_portal_that_is_slow() -> None:
    """It shows what is known and that there will be more, and one request is all there is however often it is loaded."""
    portals = Portals(MISSED)
    portals.answers.clear()
    console = await opened(portals, prompt=0.0)
    for _ in range(2):
        page, told = await looked(console)
        assert (told["asking"], told["looks"], told["badges"][0]["portals"][0]["state"]) == (True, {}, "not asked")
        assert "The portals are being asked" in page
    portals.answers.set()
    _, told = await looked(console, "?check=1")
    assert (portals.asked, told["asking"], told["badges"][0]["portals"][0]["state"]) == (1, False, "same")


async def test_difference_is_told_when_the_portal_has_another_badge() -> None:
    """What differs stands beside what the file says, what is ours and not in the file is named, and how to mend it."""
    other = {**MISSED, "title": EVIL, "type": "success"}
    console = await opened(Portals(other, {**MISSED, "code": "bb_old"}, {**MISSED, "code": "another_application"}))
    page, told = await looked(console, "?check=1")
    (portal,) = told["badges"][0]["portals"]
    assert portal["state"] == "different"
    assert portal["differences"] == [
        {"field": "title", "wanted": MISSED["title"], "found": EVIL},
        {"field": "type", "wanted": "failure", "found": "success"},
    ]
    assert told["looks"]["main"] == {
        "at": "2026-11-22T11:00:00.000Z",
        "error": "",
        "differs": 1,
        "unused": ["bb_old"],
    }
    for text in ("badge-bridge sync --portal main", "bb_old", "en: Call status, de: Anruf", "&lt;script&gt;"):
        assert text in page
    assert EVIL not in page


async def test_badge_is_missing_when_the_portal_lacks_it() -> None:
    """A badge that a rule uses and the portal lacks is told to be missing; one that no rule uses is not looked for."""
    page, told = await looked(await opened(Portals()), "?check=1")
    assert told["badges"][0]["portals"] == [{"portal": "main", "uses": None, "state": "missing", "differences": []}]
    assert told["badges"][1]["portals"] == []
    assert "1 badge differs or is missing" in page


async def test_page_says_so_when_the_portal_cannot_be_asked() -> None:
    """What the portal answered is told as it was, and nothing is concluded from it."""
    page, told = await looked(await opened(Portals(status=403)), "?check=1")
    assert told["badges"][0]["portals"][0]["state"] == "unknown"
    assert "ACCESS_DENIED" in told["looks"]["main"]["error"]
    assert "could not be asked" in page
    assert "badge-bridge doctor --portal main" in page
    assert "s3cr3tw0rd" not in page + json.dumps(told)
    assert EVIL not in page


async def test_look_is_forgotten_when_the_rules_are_others() -> None:
    """What was compared with the file of before says nothing of the one of now."""
    console = await opened(Portals(MISSED))
    await looked(console, "?check=1")
    console.rules = read_rules(BADGES.replace("Verpasst", "Versäumt"))
    _, told = await looked(console)
    assert told["badges"][0]["portals"][0]["state"] == "different"


async def used(console: Console, number: int, badge: str, days_ago: float) -> None:
    """A badge that was put on a card then."""
    row = Attachment(
        key=f"pbx:{number}",
        rule="missed call",
        portal="main",
        badge=badge,
        owner_type=2,
        owner_id=number,
        time=NOW - days_ago * DAY,
        join="",
        content="{}",
        activity=number,
    )
    await console.store.attach(row)


async def test_uses_of_the_last_days_are_counted_by_portal() -> None:
    """Badges that were put on cards in thirty days, those of a badge that the file has no longer apart."""
    console = await opened()
    ages = [("bb_missedCall", 1), ("bb_missedCall", 29), ("bb_missedCall", 31), ("bb_gone", 2)]
    for number, (badge, age) in enumerate(ages):
        await used(console, number, badge, age)
    page, told = await looked(console)
    missed = told["badges"][0]
    assert missed["uses"] == 2
    assert missed["portals"][0]["uses"] == {"count": 2, "latest": "2026-11-21T11:00:00.000Z"}
    assert told["others"] == [{"code": "bb_gone", "uses": {"main": {"count": 1, "latest": "2026-11-20T11:00:00.000Z"}}}]
    assert "2 in 30 days" in page
    assert "Not in the file any more" in page


async def test_uses_are_counted_anew_after_a_minute() -> None:
    """Views within a minute share one count, which says when it was made."""
    console = await opened()
    _, before = await looked(console)
    await used(console, 1, "bb_missedCall", 0)
    console.clock.now += 59
    _, told = await looked(console)
    assert (told["badges"][0]["uses"], told["counted"]) == (0, before["at"])
    console.clock.now += 1
    _, told = await looked(console)
    assert (told["badges"][0]["uses"], told["counted"]) == (1, told["at"])


async def test_page_says_where_to_compare_when_the_process_speaks_to_no_portal() -> None:
    """A function that only shows offers no button that would do nothing, and asks nobody however it is asked."""
    page, told = await looked(await opened(), "?check=1")
    assert told["can_check"] is False
    assert "Compare with the portals" not in page
    assert "badge-bridge sync" in page
