"""The frame of the console's pages: what a browser is told, what it loads, and what a refusal looks like."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx
import pytest

from badge_bridge.console.answers import HEADERS
from badge_bridge.store.memory import MemoryStore
from support.operators import Clock, Console, received, text_of

NOW = 1_795_345_200.0
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def opened() -> Console:
    store = MemoryStore()
    await store.open()
    return Console(store, Clock(NOW))


class Loaded(HTMLParser):
    """What a page loads, and what a content policy would refuse in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        found = values.get("src") or (values.get("href") if tag == "link" else None)
        self.loads += [found] if found else []
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in values) else []


@pytest.mark.parametrize("path", ["/console", "/console/events", "/console/nothing"])
async def test_page_loads_only_files_of_its_own_when_it_is_shown(path: str) -> None:
    """Nothing comes from another host, and no style or script stands in a page; so the policy need not allow it."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get(path, headers=BROWSER)
        loaded = Loaded(page.text)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert loaded.loads
        assert not loaded.inline
        for address in loaded.loads:
            assert address.startswith("/console/static/")
            assert (await browser.get(address)).status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]


async def test_file_is_kept_for_ever_when_its_address_has_its_hash() -> None:
    """A browser asks once for each version of a file, and keeps nothing under an address that will say something else."""
    console = await opened()
    async with console.browser() as browser:
        page = await browser.get("/console", headers=BROWSER)
        (address,) = [one for one in Loaded(page.text).loads if "console.css" in one]
        kept = await browser.get(address)
        for other in (address.partition("?")[0], f"{address}x"):
            assert (await browser.get(other)).headers["cache-control"] == "no-cache"
    assert page.status_code == 401
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"].startswith("text/css")
    assert {name: kept.headers[name] for name in HEADERS if name != "Cache-Control"} == {
        name: value for name, value in HEADERS.items() if name != "Cache-Control"
    }


@pytest.mark.parametrize("name", ["nothing.css", "../desk.py", "..%2fdesk.py", "console.css/", "", "console.html"])
async def test_file_is_not_found_when_it_is_none_of_the_pages(name: str) -> None:
    """Only what lies in the folder is served, by its name; of anything else, nobody without a session hears a word."""
    console = await opened()
    async with console.browser() as browser:
        assert (await browser.get(f"/console/static/{name}")).status_code == 401
    async with console.operator() as browser:
        assert (await browser.get(f"/console/static/{name}")).status_code in {404, 405}


@pytest.mark.parametrize("path", ["/console/events", "/console/redrive"])
@pytest.mark.parametrize("name", ["phone", "source", "type", "rule", "since", "state", "before"])
async def test_what_an_address_says_is_text_when_it_looks_like_html(path: str, name: str) -> None:
    """A link cannot put tags into a page, nor can an answer that refuses it."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get(path, params={name: '"><script>alert(1)</script>'}, headers=BROWSER)
    assert page.status_code in {200, 400}
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/console/nothing", 404), ("/console/events/no:body", 404), ("/console/events?colour=red", 400)],
)
async def test_refusal_is_a_page_when_a_browser_asks(path: str, status: int) -> None:
    """A person reads a page with a way back; a program that asks for the same gets JSON."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get(path, headers=BROWSER)
        told = await browser.get(path, headers={"Accept": "*/*"})
    assert (page.status_code, told.status_code) == (status, status)
    assert page.headers["content-type"].startswith("text/html")
    assert 'href="/console"' in page.text
    assert told.json()["error"]


async def test_refusal_is_json_when_the_path_is_that_of_a_twin() -> None:
    """What is below the API is JSON for everybody, a browser too."""
    console = await opened()
    async with console.operator() as browser:
        told = await browser.get("/console/api/v1/events/no:body.json", headers=BROWSER)
    assert told.status_code == 404
    assert told.json()["error"].startswith("there is no such event")


async def test_refusal_says_how_to_get_in_when_a_browser_has_no_session() -> None:
    """What is to be typed is shown as such."""
    console = await opened()
    async with console.browser() as browser:
        page = await browser.get("/console", headers=BROWSER)
    assert page.status_code == 401
    assert "<code>badge-bridge console</code>" in page.text
    assert "End session" not in page.text


@pytest.mark.parametrize(
    ("query", "label"), [("until=soon", "Until"), ("since=soon", "From"), ("phone=1", "Phone or e-mail")]
)
async def test_field_is_named_as_the_form_does_when_it_makes_no_sense(query: str, label: str) -> None:
    """Who filled it in looks for what stands above it, and not for its name in the address."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get(f"/console/events?{query}", headers=BROWSER)
    assert page.status_code == 400
    assert f"<strong>{label}</strong>: " in page.text


async def test_page_names_its_twin_when_it_is_shown() -> None:
    """The same question is asked of the JSON, and its data are what the page shows."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get("/console/events?state=dead&source=pbx", headers=BROWSER)
        address = re.search(r'<a href="(/console/api/[^"]+)"', page.text)
        assert address
        twin = await browser.get(address[1].replace("&amp;", "&"))
    assert isinstance(twin, httpx.Response)
    assert twin.status_code == 200
    assert address[1] == "/console/api/v1/events.json?state=dead&amp;source=pbx"


@pytest.mark.parametrize("path", ["/console/events/pbx:1", "/console/redrive?state=dead"])
async def test_page_says_to_which_it_belongs_when_it_is_not_in_the_navigation(path: str) -> None:
    """An event and a redrive are parts of Events."""
    console = await opened()
    await received(console.store, "pbx:1", at=NOW)
    async with console.operator() as browser:
        page = await browser.get(path, headers=BROWSER)
    assert page.status_code == 200
    assert re.findall(r'<a href="([^"]+)" aria-current="true"', page.text) == ["/console/events"]


async def test_page_says_where_one_is_when_it_is_in_the_navigation() -> None:
    """A screen reader hears which page is shown."""
    console = await opened()
    async with console.operator() as browser:
        page = await browser.get("/console/events", headers=BROWSER)
    assert re.findall(r'<a href="([^"]+)" aria-current="page"', page.text) == ["/console/events"]


async def test_list_says_what_may_be_mistyped_when_nothing_matches() -> None:
    """Beside that nothing was found; and where there is nothing at all, that is said once."""
    console = await opened()
    async with console.operator() as browser:
        assert text_of((await browser.get("/console/events")).text).count("Nothing was received yet") == 1
        await received(console.store, "pbx:1", at=NOW, caller="+4930901820")
        page = text_of((await browser.get("/console/events?source=pxb&type=call.mised")).text)
    assert "No event matches The rules file has no source 'pxb'; known are pbx, shop. No rule is for events" in page
    assert "did you mean 'call.missed'? A number counts" in page


async def test_words_are_explained_when_somebody_follows_the_last_line_of_a_page() -> None:
    """Each with an anchor of its own, so that it can be led to; the twin has the same."""
    store = MemoryStore()
    await store.open()
    async with Console(store, Clock(NOW)).operator() as browser:
        front = (await browser.get("/console/badges", headers=BROWSER)).text
        assert '<a href="/console/words">' in front
        page = (await browser.get("/console/words", headers=BROWSER)).text
        told = (await browser.get("/console/api/v1/words.json")).json()["words"]
    assert {"lane", "leg", "pause", "redrive"} <= {one["word"] for one in told}
    for one in told:
        assert f'<dt id="{one["word"].replace(" ", "-")}">{one["word"]}</dt>' in page
        assert one["meaning"].replace("`", "") in text_of(page)
