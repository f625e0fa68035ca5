"""The page Now: what came in the last hour, what waits, and how portals, sources and rules are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.console.now import LONG
from badge_bridge.console.source_health import QUIET, RECENT
from badge_bridge.console.store_health import AGAIN
from badge_bridge.errors import Finding, OutcomeUnknown, StoreUnavailable, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.meters import REMEMBERED, Meters
from badge_bridge.outcomes import Outcome, Result
from badge_bridge.portal import InboundWebhook, Portal, open_portal
from badge_bridge.portal.limits import Limiter
from badge_bridge.portal.reasons import in_words
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Settlement
from badge_bridge.store.wanted import Tally
from badge_bridge.store_room import LITTLE_ROOM, UNTIL_MENDED, Room
from support.operators import Clock, Console, text_of

NOW = 1_795_345_200.0
MINUTE = 60.0
PAGE, TWIN = "/console", "/console/api/v1/now.json"
BROWSER = {"Accept": "text/html"}
EVIL = "<script>alert(1)</script>"


async def opened(store: MemoryStore | None = None, **given: Any) -> Console:
    store = store or MemoryStore()
    await store.open()
    return Console(store, Clock(NOW), **given)


async def add(
    console: Console,
    number: int,
    at: float,
    state: str = "",
    *,
    came: Result | None = None,
    source: str = "pbx",
    lane: str = "",
    due: float = 0.0,
    told: float | None = None,
) -> None:
    """An event that was received at a moment, and is in this state since; it tells that moment, or another one."""
    key, moment = f"{source}:{number:032x}", datetime.fromtimestamp(at if told is None else told, UTC)
    event = Event(id=str(number), source=source, provider="generic", type="call.missed", time=moment, caller=EVIL)
    await console.store.accept([Accepted(key, event, "bearer", at)])
    if state:
        claim = await console.store.claim(key, now=at, lease=60)
        assert claim is not None
        outcomes = () if came is None else (Outcome(rule="missed call", result=came),)
        ending = Settlement(state, at, reason=EVIL, due=due, lane=lane, outcomes=outcomes)  # type: ignore[arg-type]
        await console.store.settle(claim, ending)


async def looked(console: Console) -> tuple[str, dict[str, Any]]:
    """The page and its twin."""
    async with console.operator() as browser:
        page = await browser.get(PAGE, headers=BROWSER)
        twin = await browser.get(TWIN)
    assert (page.status_code, twin.status_code) == (200, 200), page.text + twin.text
    return page.text, twin.json()


async def test_page_says_what_to_do_when_nothing_has_ever_come() -> None:
    """A bridge that was set up a minute ago has an empty chart, and says of each source how to begin."""
    page, told = await looked(await opened())
    assert len(told["minutes"]) == 60
    assert told["hour"] == {}
    assert told["backlog"] == {
        "waiting": 0,
        "lanes": [],
        "working": 0,
        "dead": 0,
        "oldest": None,
        "oldest_seconds": None,
    }
    assert "Nothing has come in the last hour" in page
    assert page.count("enter its URL at the provider") == len(told["sources"])
    assert told["troubles"] == []
    assert "Nothing has come yet from pbx, shop" in page


async def test_events_are_counted_by_the_minute_in_which_they_came() -> None:
    """The hour that ends with the minute of now, each minute by what events came to; what is older is left out, and so
    are legs that were joined, since the call is counted.
    """
    console = await opened()
    await add(console, 1, NOW - 3600, "done")
    await add(console, 2, NOW - 59 * MINUTE, "done", came="cleared")
    await add(console, 3, NOW, "dead", came="failed")
    await add(console, 4, NOW + 1, "ignored")
    await add(console, 5, NOW + 1, "ignored", came="ignored")
    await add(console, 6, NOW + 1, "joined")
    console.clock.now = NOW + 30
    page, told = await looked(console)
    assert told["minutes"][0] == {"start": "2026-11-22T10:01:00.000Z", "events": {"cleared": 1}}
    assert told["minutes"][-1] == {"start": "2026-11-22T11:00:00.000Z", "events": {"ignored": 2, "failed": 1}}
    assert told["hour"] == {"cleared": 1, "ignored": 2, "failed": 1}
    assert "<title>11:00 UTC: 2 ignored, 1 failed</title>" in page
    assert page.count("<rect") == 3
    assert '<td class="number">2</td>' in page


async def test_page_and_twin_tell_the_same_when_there_is_trouble() -> None:
    """Dead letters, what waits for which lane, the oldest and paused lanes are in both, and hostile words are words."""
    console = await opened()
    await add(console, 1, NOW - 900, "dead")
    await add(console, 2, NOW - 900, "waiting", lane="main/crm.item.list", due=NOW)
    await add(console, 3, NOW - 400, "waiting", due=NOW + 60)
    await console.store.pause("main/crm.item.list", until=NOW + 300, reason=f"OVERLOAD_LIMIT: portal main: {EVIL}")
    await console.store.pause("main", until=NOW - 1, reason="timeout: portal main: it did not answer")
    page, told = await looked(console)
    assert told["backlog"] == {
        "waiting": 2,
        "lanes": [{"lane": "", "waiting": 1}, {"lane": "main/crm.item.list", "waiting": 1}],
        "working": 0,
        "dead": 1,
        "oldest": "2026-11-22T10:45:00.000Z",
        "oldest_seconds": 900.0,
    }
    (portal,) = told["portals"]
    assert [(one["lane"], one["is_over"], one["code"]) for one in portal["paused"]] == [
        ("main", True, "timeout"),
        ("main/crm.item.list", False, "OVERLOAD_LIMIT"),
    ]
    troubles = [trouble["text"] for trouble in told["troubles"]]
    assert troubles[:3] == [
        "1 dead letter: given up, and tried again only when redriven",
        f"portal main: crm.item.list is paused: {in_words('OVERLOAD_LIMIT')}",
        "the oldest event that waits was received 15 min ago",
    ]
    for trouble in told["troubles"]:
        assert trouble["text"][1:] in text_of(page)
        assert trouble["href"] in page
    for text in (
        "Oldest received",
        "15 min ago",
        "main/crm.item.list",
        "To be tried",
        'href="/console/events?state=dead"',
    ):
        assert text in page
    assert EVIL not in page
    assert "&lt;script&gt;" in page


async def test_all_is_well_when_nothing_is_wrong() -> None:
    """Who looks at nine in the evening and finds nothing is told so in a sentence."""
    console = await opened()
    for source in ("pbx", "shop"):
        await add(console, 1, NOW - 60, "done", source=source)
    await add(console, 2, NOW - LONG + 1)
    page, told = await looked(console)
    assert told["troubles"] == []
    assert "All is well" in page
    assert "Nothing has come yet" not in page


async def test_source_that_was_never_heard_of_is_no_trouble() -> None:
    """It may be new, or used by nobody; one whose first delivery was refused is something to look at."""
    meters = Meters(Clock(NOW))
    console = await opened(meters=meters)
    await add(console, 1, NOW - 60, "done")
    _, told = await looked(console)
    pbx, shop = told["sources"]
    assert (pbx["hint"], shop["warnings"], told["troubles"]) == ("", [], [])
    assert shop["hint"].startswith("nothing has come yet; enter its URL")
    meters.refuse("shop", Unauthenticated("the token is wrong"))
    _, told = await looked(console)
    assert told["sources"][1]["hint"] == ""
    assert [one["text"] for one in told["troubles"]] == [
        "source shop: 1 delivery was refused in the last hour, and no event has come since: the token is wrong"
    ]


async def test_source_is_warned_of_when_nothing_came_for_days() -> None:
    """The last event counts whoever took it; after some days of silence somebody should look."""
    console = await opened()
    await add(console, 1, NOW - QUIET, "done")
    await add(console, 2, NOW - QUIET - 1, "done", source="shop")
    _, told = await looked(console)
    pbx, shop = told["sources"]
    assert (pbx["last"], pbx["warnings"]) == ("2026-11-19T11:00:00.000Z", [])
    assert shop["warnings"] == ["nothing for 3 days; see whether the provider still has its URL"]


async def test_source_is_warned_of_when_its_latest_event_tells_a_time_ahead() -> None:
    """Until one comes with a time that may be right; five minutes are within what clocks differ by."""
    console = await opened()
    await add(console, 1, NOW - 60, told=NOW + 3 * 3600)
    await add(console, 2, NOW - 60, source="shop", told=NOW - 60 + 300)
    page, told = await looked(console)
    pbx, shop = told["sources"]
    words = "its latest event tells a time 3 h ahead of this machine's clock: see in which time zone the sender writes "
    words += "its times, the sender's clock, and this one's"
    assert (pbx["warnings"], shop["warnings"]) == ([words], [])
    assert words in text_of(page)
    assert any(words in trouble["text"] for trouble in told["troubles"])
    await add(console, 3, NOW)
    _, told = await looked(console)
    assert told["sources"][0]["warnings"] == []


async def test_last_refusal_is_shown_once_also_when_others_came_since() -> None:
    """It is no trouble then, but why it was refused is what somebody looks for who was told of it by a provider."""
    clock = Clock(NOW)
    meters = Meters(clock)
    console = await opened(meters=meters)
    for source, came in (("pbx", NOW + 5), ("shop", NOW - 5)):
        meters.refuse(source, Unauthenticated(f"the token of {source} is {EVIL}"))
        await add(console, 1, came, "done", source=source)
    page, told = await looked(console)
    pbx, shop = told["sources"]
    assert (pbx["warnings"], len(shop["warnings"])) == ([], 1)
    table = text_of(page.split('id="sources"')[1])
    assert f"Last refusal 2026-11-22 11:00:00 UTC: the token of pbx is {EVIL}" in table
    assert table.count("the token of shop is") == 1
    assert "nothing" not in table
    assert EVIL not in page


async def test_one_refusal_at_a_quiet_source_is_no_trouble_for_ever() -> None:
    """Anybody may send a forged delivery: after an hour it is a fact with its time, and how to begin is told again."""
    clock = Clock(NOW)
    meters = Meters(clock)
    console = await opened(meters=meters)
    await add(console, 1, NOW - 60, "done")
    for source in ("pbx", "shop"):
        meters.refuse(source, Unauthenticated(f"the token of {source} is wrong"))
    console.clock.now = NOW + RECENT - 1
    _, told = await looked(console)
    assert [one["text"].partition(":")[0] for one in told["troubles"]] == ["source pbx", "source shop"]
    console.clock.now = NOW + RECENT
    page, told = await looked(console)
    assert told["troubles"] == []
    assert "All is well" in page
    table = text_of(page.split('id="sources"')[1])
    for source in ("pbx", "shop"):
        assert f"Last refusal 2026-11-22 11:00:00 UTC: the token of {source} is wrong" in table
    assert "Nothing has come yet; enter its URL" in table


async def test_repeated_refusals_are_counted_in_words_until_an_event_comes() -> None:
    """A provider that delivers every few hours with a wrong secret is a trouble between two deliveries, too."""
    clock = Clock(NOW)
    meters = Meters(clock)
    console = await opened(meters=meters)
    for hours in range(3):
        clock.now = NOW + hours * 5 * 3600
        meters.refuse("shop", Unauthenticated("the token is wrong"))
    said = []
    for after in (1, RECENT + 1, 15 * 3600):
        console.clock.now = clock.now + after
        page, told = await looked(console)
        said.append([one["text"] for one in told["troubles"]])
        assert all(text.removeprefix("source shop: ")[1:] in text_of(page) for text in said[-1])
    since = "and no event has come since"
    assert said == [
        [f"source shop: 1 delivery was refused in the last hour, {since}: the token is wrong"],
        [f"source shop: 3 deliveries were refused in the last 24 hours, {since}: the latest: the token is wrong"],
        [],
    ]
    for _ in range(REMEMBERED + 20):
        meters.refuse("shop", Unauthenticated("the token is wrong"))
    console.clock.now = clock.now + 1
    _, told = await looked(console)
    assert told["sources"][1]["warnings"][0].startswith(
        f"{REMEMBERED} or more deliveries were refused in the last hour"
    )
    await add(console, 1, clock.now + 1, "done", source="shop")
    _, told = await looked(console)
    assert told["troubles"] == []


async def test_figures_of_the_process_are_told_when_it_does_the_work() -> None:
    """What was taken and refused, the latest refusal where nothing good has come since, and what portals answered."""
    clock = Clock(NOW)
    meters = Meters(clock)
    meters.received.add("pbx", "accepted", by=3)
    meters.received.add("pbx", "duplicate")
    meters.refuse("shop", Unauthenticated(f"the token is {EVIL}"))
    meters.refuse("", Unauthenticated("there is no such source"))
    meters.refused.add("", "not_http")
    error = OutcomeUnknown(f"portal main: {EVIL}", portal="main", method="crm.item.list", code="timeout")
    meters.answered("main", ["crm.item.list"], seconds=30.0, error=error)
    meters.answered("main", ["crm.item.list"] * 2, seconds=0.25, error=None)
    console = await opened(meters=meters)
    page, told = await looked(console)
    pbx, shop = told["sources"]
    assert (pbx["received"], pbx["refused"]) == ({"accepted": 3, "duplicate": 1}, {})
    assert shop["refusal"]["kind"] == "unauthenticated"
    assert shop["refusal"]["is_over"] is False
    assert shop["warnings"][0].endswith(f"no event has come since: the token is {EVIL}")
    assert told["strangers"]["refused"] == {"unauthenticated": 1}
    (portal,) = told["portals"]
    assert [(one["result"], one["commands"]) for one in portal["answers"]] == [("outcome_unknown", 1), ("ok", 2)]
    assert portal["error"]["error"] == f"portal main: {EVIL}"
    assert portal["results"] == {"outcome_unknown": 1, "ok": 1}
    for text in ("1 unauthenticated", "and 1 again", "1 outcome unknown", "1 request went to sources"):
        assert text in page.replace('<span class="faint">', "")
    assert EVIL not in page


def portal_of(store: MemoryStore, meters: Meters, clock: Clock) -> Portal:
    return open_portal(
        "main",
        InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"),
        pauses=store,
        limiter=Limiter("acme", store, rate=2.0, burst=48, clock=clock),
        transport=httpx.MockTransport(lambda _: httpx.Response(500)),
        clock=clock,
        meters=meters,
    )


async def test_limit_is_told_with_what_other_processes_have_counted() -> None:
    """The bucket is that of the store, and a request that found it full is counted among those that waited."""
    store, clock = MemoryStore(), Clock(NOW)
    meters = Meters(clock)
    console = await opened(store, meters=meters, portals={"main": portal_of(store, meters, clock)})
    for _ in range(6):
        await store.draw("acme", now=NOW, rate=2.0, burst=48)
    meters.waiting.observe(0.0, "main")
    meters.waiting.observe(12.0, "main")
    clock.now = console.clock.now = NOW + 1
    page, told = await looked(console)
    limit = {"requests": 4.0, "burst": 48, "rate": 2.0, "waited": 1, "waited_seconds": 12.0}
    assert told["portals"][0]["limit"] == limit
    assert "4 of 48 requests taken, 2 come free each second" in page
    assert "1 request had to wait, 12 s in all" in page
    assert "s3cr3tw0rd" not in page


@dataclass(frozen=True)
class Kept:
    at: float
    reason: str
    findings: Sequence[Finding]


async def test_newest_rules_are_told_to_be_no_good_when_they_are() -> None:
    """The mistakes of the file that was not taken up are there with their places; the hash is that of what is in use."""
    kept = Kept(NOW - 60, f"1 mistake: {EVIL}", [Finding("rules.yaml", 7, 3, f"there is no {EVIL}")])
    console = await opened(not_reloaded_of_now=lambda: kept)
    page, told = await looked(console)
    assert told["rules"]["hash"] == console.rules.hash
    assert told["rules"]["kept"]["findings"] == [{"line": 7, "column": 3, "message": f"there is no {EVIL}"}]
    assert told["troubles"][0]["href"] == "#rules"
    assert "<code>7:3</code>" in page
    assert EVIL not in page


async def test_page_shows_what_the_store_knows_when_others_do_the_work() -> None:
    """A function that only shows has no figures of a process, says so, and offers no stream."""
    console = await opened()
    async with console.operator() as browser:
        page = (await browser.get(PAGE, headers=BROWSER)).text
        told = (await browser.get(TWIN)).json()
        stream = await browser.get("/console/api/v1/now/stream")
    assert (told["live"], told["counted_since"], told["portals"][0]["answers"]) == (False, None, None)
    assert "static/now.js" not in page
    assert "data-stream" not in page
    assert stream.status_code == 404
    assert "load the page again" in stream.json()["error"]


class Away(MemoryStore):
    async def tally(self, **_: object) -> Sequence[Tally]:
        raise StoreUnavailable("the disk is full")


@pytest.mark.parametrize("path", [PAGE, TWIN])
async def test_page_says_so_when_the_store_cannot_be_read(path: str) -> None:
    """It answers 503 and does not show half of the truth."""
    console = await opened(Away())
    async with console.operator() as browser:
        assert (await browser.get(path, headers=BROWSER)).status_code == 503


async def test_chart_has_every_minute_also_over_midnight() -> None:
    """Minutes follow one another without a gap."""
    console = await opened()
    console.clock.now = datetime(2026, 11, 28, 0, 20, 30, tzinfo=UTC).timestamp()
    async with console.operator() as browser:
        told = (await browser.get(TWIN)).json()
    starts = deque(datetime.fromisoformat(minute["start"]) for minute in told["minutes"])
    assert starts[-1] == datetime(2026, 11, 28, 0, 20, tzinfo=UTC)
    first = starts[0]
    assert list(starts) == [first + number * timedelta(minutes=1) for number in range(60)]


class Full(MemoryStore):
    """Can be read, and says when it is asked that it cannot be written."""

    asked = 0
    is_full = True

    async def ping(self) -> None:
        self.asked += 1
        if self.is_full:
            raise StoreUnavailable("the store state.db: the disk is full; free some space on it")


async def test_store_that_cannot_be_written_is_the_first_trouble() -> None:
    """Deliveries are answered 503 while it lasts, whatever else is well; however many look, it is asked once."""
    store = Full()
    console = await opened(store, meters=Meters(Clock(NOW)))
    page, told = await looked(console)
    said = f"the store state.db: the disk is full; free some space on it. {UNTIL_MENDED}"
    assert told["troubles"] == [{"text": said, "href": ""}]
    assert f"The{said[3:]}" in text_of(page)
    assert "All is well" not in page
    assert store.asked == 1

    store.is_full = False
    console.clock.now += AGAIN
    page, told = await looked(console)
    assert (told["troubles"], store.asked) == ([], 2)
    assert "All is well" in page


async def test_little_room_on_the_disk_of_the_store_is_a_trouble() -> None:
    """In the words of the doctor, while there is time to make some; enough room is none."""
    room = Room(Path("/var/lib/bridge"), LITTLE_ROOM - 1_000_000)
    page, told = await looked(await opened(meters=Meters(Clock(NOW)), room_of_now=lambda: room))
    (trouble,) = told["troubles"]
    assert trouble["text"] == f"{room.found}. {room.mend}"
    assert trouble["text"].startswith(
        "999 MB free in /var/lib/bridge, where the store is: less than 1 GB. Make room on"
    )
    assert "(<code>df -h</code> names it)" in page

    _, told = await looked(await opened(meters=Meters(Clock(NOW)), room_of_now=lambda: Room(Path("/"), LITTLE_ROOM)))
    assert told["troubles"] == []


async def test_store_is_not_asked_where_others_write_to_it() -> None:
    """A function that only shows does not try to write."""
    store = Full()
    _, told = await looked(await opened(store))
    assert (told["troubles"], store.asked) == ([], 0)
