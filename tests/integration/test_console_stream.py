"""The stream of the page Now: what it sends over a real socket, and that it ends when it should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from badge_bridge.console.stream import EVERY, MOST, Streams
from badge_bridge.errors import StoreUnavailable
from badge_bridge.meters import Meters
from badge_bridge.serving import Server, bind
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.wanted import Tally
from support.operators import Clock, Console, csrf, entrance
from support.programs import ROOT, Program, badge_bridge, serve, serving_environ, until

NOW = 1_795_345_200.0
STREAM, TWIN = "/console/api/v1/now/stream", "/console/api/v1/now.json"
LIVE_PAGE = "/console/now/stream"
LONG = 60.0
"""Seconds after which a test gives up; none waits for them."""


class Served:
    """The console on a socket, and an operator's browser."""

    def __init__(self, console: Console, server: Server, browser: httpx.AsyncClient) -> None:
        self.console = console
        self.server = server
        self.browser = browser


@asynccontextmanager
async def served(store: MemoryStore | None = None, *, every: float = 0.01) -> AsyncIterator[Served]:
    store = store or MemoryStore()
    await store.open()
    clock = Clock(NOW)
    console = Console(store, clock, meters=Meters(clock), streams=Streams(every=every))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await console.app(scope, receive, send)

    async with (
        Server(app, bind("127.0.0.1", 0)) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=LONG) as browser,
        asyncio.timeout(LONG),
    ):
        assert (await browser.post(**entrance(await console.link(server.url)))).status_code == 303
        try:
            yield Served(console, server, browser)
        finally:
            console.desk.streams.end()


async def messages(answer: httpx.Response) -> AsyncIterator[str]:
    """What comes between empty lines."""
    lines: list[str] = []
    async for line in answer.aiter_lines():
        if line:
            lines.append(line)
        else:
            yield "\n".join(lines)
            lines.clear()


async def test_stream_sends_what_the_twin_tells_again_and_again() -> None:
    """Each event has the whole data, as they are then, in the form that every browser reads."""
    async with served() as one:
        twin = (await one.browser.get(TWIN)).json()
        async with one.browser.stream("GET", STREAM) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            told = messages(answer)
            assert (await anext(told)).startswith("retry: ")
            assert json.loads((await anext(told)).removeprefix("data: ")) == twin
            await one.console.store.pause("main", until=NOW + 60, reason="timeout: a\n\ndata: forged")
            async for message in told:
                data: dict[str, Any] = json.loads(message.removeprefix("data: "))
                if data["portals"][0]["paused"]:
                    break
            assert data["portals"][0]["paused"][0]["reason"] == "a\n\ndata: forged"


async def test_stream_is_not_of_before_when_something_was_changed_in_the_console() -> None:
    """Who has pressed a button sees what came of it, also where another stream has looked a moment ago."""
    store = MemoryStore()
    await store.open()
    await store.pause("main", until=NOW + 60, reason="timeout: it did not answer")
    async with served(store, every=LONG) as one, one.browser.stream("GET", STREAM) as first:
        told = messages(first)
        await anext(told)
        before = json.loads((await anext(told)).removeprefix("data: "))
        assert [pause["is_over"] for pause in before["portals"][0]["paused"]] == [False]
        form = {"lane": "main", "csrf_token": await csrf(one.browser)}
        pressed = await one.browser.post("/console/resume", data=form, headers={"Origin": one.server.url})
        assert pressed.status_code == 303
        async with one.browser.stream("GET", STREAM) as second:
            told = messages(second)
            await anext(told)
            after = json.loads((await anext(told)).removeprefix("data: "))
        assert [pause["is_over"] for pause in after["portals"][0]["paused"]] == [True]


async def test_stream_ends_when_the_session_ends() -> None:
    """Who ends his session in one window sees nothing more in the other."""
    async with served() as one, one.browser.stream("GET", STREAM) as answer:
        told = messages(answer)
        await anext(told)
        token = await csrf(one.browser)
        left = await one.browser.post("/console/leave", data={"csrf_token": token}, headers={"Origin": one.server.url})
        assert left.status_code == 303
        async for _ in told:
            continue
        assert (await one.browser.get(STREAM)).status_code == 401


async def test_stream_ends_of_itself_when_the_process_stops() -> None:
    """It is told to end and is not cut off: whoever waits for open answers need not wait for it."""
    async with served(every=LONG) as one, one.browser.stream("GET", STREAM) as answer:
        told = messages(answer)
        await anext(told)
        await anext(told)
        one.console.desk.streams.end()
        with pytest.raises(StopAsyncIteration):
            await anext(told)
        assert (await one.browser.get(STREAM)).status_code == 503


async def test_stream_is_refused_when_there_are_as_many_as_can_be() -> None:
    """There is room for so many and no more, and again when somebody has gone."""
    async with served() as one:
        streams = [one.browser.stream("GET", STREAM) for _ in range(MOST)]
        answers = [await stream.__aenter__() for stream in streams]
        for answer in answers:
            assert await anext(answer.aiter_lines())
        refused = await one.browser.get(STREAM)
        assert refused.status_code == 503
        assert "load the page again" in refused.json()["error"]
        for stream in streams:
            await stream.__aexit__(None, None, None)
        while True:  # until the server has seen one of them go; `served` gives up in the end
            async with one.browser.stream("GET", STREAM) as answer:
                if answer.status_code == 200:
                    break


class Counting(MemoryStore):
    """Counts how often it was asked for the chart."""

    asked = 0

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        self.asked += 1
        return await super().tally(since=since, until=until, width=width)


async def test_store_is_read_once_when_many_watch() -> None:
    """All streams of a beat, those for programs and those of the page, show what was found for one of them."""
    store = Counting()
    async with served(store, every=LONG) as one, AsyncExitStack() as streams:
        store.asked = 0
        told = []
        for path in (STREAM, STREAM, LIVE_PAGE, LIVE_PAGE):
            answer = await streams.enter_async_context(one.browser.stream("GET", path))
            listened = messages(answer)
            assert (await anext(listened)).startswith("retry: ")
            told.append(json.loads((await anext(listened)).removeprefix("data: ")))
        assert store.asked == 1
        assert told[0] == told[1]
        assert told[2] == told[3]


async def test_stream_of_the_page_sends_what_the_page_shows() -> None:
    """Every part that the script replaces is in it, as the page itself has it."""
    async with served() as one:
        await one.console.store.pause("main", until=NOW + 60, reason="timeout: a\n\ndata: <b>\r\rforged")
        page = (await one.browser.get("/console", headers={"Accept": "text/html"})).text
        async with one.browser.stream("GET", LIVE_PAGE) as answer:
            told = messages(answer)
            await anext(told)
            drawn = json.loads((await anext(told)).removeprefix("data: "))
    assert drawn in page
    assert "&lt;b&gt;" in drawn
    assert drawn.count("data-part=") == page.count("data-part=") > 5


def test_page_says_that_nothing_is_heard_after_three_beats() -> None:
    """The script knows how often the server sends."""
    script = resources.files("badge_bridge.console").joinpath("static/now.js").read_text("utf-8")
    assert f"const LATE = {3 * EVERY * 1000:.0f};" in script


class Failing(MemoryStore):
    """Cannot be read now and then."""

    failing = True

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        if self.failing:
            raise StoreUnavailable("the disk\n\ndata: {}\n\nis full")
        return await super().tally(since=since, until=until, width=width)


async def test_stream_goes_on_when_the_store_cannot_be_read_for_a_while() -> None:
    """Meanwhile an event of another type says so; nothing in it can be taken for one that shows how things stand."""
    store = Failing()
    async with served(store) as one, one.browser.stream("GET", STREAM) as answer:
        told = messages(answer)
        await anext(told)
        kind, _, data = (await anext(told)).partition("\n")
        assert kind == "event: trouble"
        assert json.loads(data.removeprefix("data: ")) == {
            "error": "the store cannot be read now: the disk data: {} is full"
        }
        store.failing = False
        async for message in told:
            if message.startswith("data: "):
                break


async def test_stream_is_for_reading_alone() -> None:
    """It takes GET, needs a session, and is none of a page's twins."""
    async with served() as one:
        assert (await one.browser.head(STREAM)).status_code == 405
        async with httpx.AsyncClient(base_url=one.server.url, trust_env=False) as stranger:
            assert (await stranger.get(STREAM)).status_code == 401


@contextmanager
def let_in(folder: Path, *options: str) -> Iterator[tuple[Program, httpx.Client]]:
    """A `serve`, and a browser that has followed a link into its console."""
    portal = "http://127.0.0.1:9/rest/1/secretsecret/"
    with serve(folder, portal, options=options) as (running, _), httpx.Client(trust_env=False, timeout=LONG) as browser:
        printed = subprocess.run(
            badge_bridge("console"),
            env={**os.environ, **serving_environ(folder, portal)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=True,
        )
        link = printed.stdout.strip()
        browser.base_url = httpx.URL(link.partition("/console")[0])
        assert browser.post(**entrance(link)).status_code == 303
        yield running, browser


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--admin", "same")], ids=["listener of its own", "same listener"])
def test_serve_ends_an_open_stream_itself_when_it_is_stopped(tmp_path: Path, options: tuple[str, ...]) -> None:
    """With a console open in somebody's browser a process that is stopped ends well, and the stream with a last chunk
    instead of a broken connection.
    """
    with let_in(tmp_path, *options) as (running, browser):
        with browser.stream("GET", STREAM) as answer:
            lines = answer.iter_lines()
            while not next(lines).startswith("data: "):
                continue
            running.process.send_signal(signal.SIGTERM)
            for _ in lines:
                continue  # what ends before its last chunk raises
        assert running.process.wait(LONG) == 0


@pytest.mark.slow
def test_page_tells_of_the_newest_rules_while_they_are_no_good(tmp_path: Path) -> None:
    """A serve that keeps its rules of before says on the page why, and Try begins with the rules that are in use."""
    with let_in(tmp_path) as (_, browser):
        file = tmp_path / "rules.yaml"
        good = file.read_text("utf-8")
        assert browser.get(TWIN).json()["rules"]["kept"] is None
        file.write_text(good.replace("badges:", "bages:"), "utf-8")
        kept = until(lambda: browser.get(TWIN).json()["rules"]["kept"], what="the mistakes on the page")
        assert any("bages" in finding["message"] for finding in kept["findings"])
        assert "rules of before are at work" in browser.get("/console", headers={"Accept": "text/html"}).text
        assert browser.get("/console/api/v1/try.json").json()["rules"]["text"] == good
        file.write_text(f"# mended\n{good}", "utf-8")
        until(lambda: browser.get(TWIN).json()["rules"]["kept"] is None, what="the mended rules")
        assert browser.get("/console/api/v1/try.json").json()["rules"]["text"] == f"# mended\n{good}"
