"""The console of `serve`: nobody sees it without a link, and no other page of the browser gets at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from badge_bridge.admin import Admin, create_admin_app
from badge_bridge.console import links
from badge_bridge.console.answers import HEADERS
from badge_bridge.console.forms import MAX_FORM
from badge_bridge.console.origin import Names
from badge_bridge.console.paths import API, ENTER, LEAVE, LEFT, TRY
from badge_bridge.console.sessions import CSRF_FIELD, CSRF_HEADER, LASTS, MOST, Sessions
from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.meters import Meters
from badge_bridge.metrics import Metrics
from badge_bridge.probes import Probes
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Note
from support.operators import HERE, SAME, Clock, Console, csrf, entrance

NOW = 1_795_345_200.0
LIST = "/console/api/v1/events.json"
OUTSIDE = "https://admin.acme.com"
CALLER = "+4930901820"


class Worker:
    silence = 0.0


class Admins(Console):
    """All pages of the listener for operators."""

    def __init__(self, store: MemoryStore, url: str = "") -> None:
        super().__init__(store, Clock(NOW), url=url)
        self.worker = Worker()
        metrics = Metrics(Meters(), store, str, self.clock)
        names = Names("127.0.0.1", url)
        self.app = create_admin_app(Admin(url or HERE, self.gate, Probes(self), metrics, names=names))


async def opened(url: str = "") -> Admins:
    store = MemoryStore()
    await store.open()
    event = Event(
        id="1",
        source="pbx",
        provider="generic",
        type="call.missed",
        time=datetime.fromtimestamp(NOW, UTC),
        caller=CALLER,
    )
    await store.accept([Accepted("pbx:1", event, "bearer", NOW)])
    return Admins(store, url)


@pytest.mark.parametrize(
    "path", ["/console", "/console/", LIST, "/console/api/v1/events/pbx:1.json", "/console/nothing"]
)
async def test_console_says_nothing_when_there_is_no_session(path: str) -> None:
    """Without a session each page answers 401 and what to do, and nothing about any event."""
    console = await opened()
    async with console.browser() as browser:
        answer = await browser.get(path)
    assert answer.status_code == 401
    assert "badge-bridge console" in answer.json()["error"]
    assert CALLER not in answer.text


async def test_console_is_read_when_a_link_was_followed() -> None:
    """A link begins a session, which shows what is stored."""
    console = await opened()
    async with console.operator() as browser:
        assert CALLER in (await browser.get("/console/events")).text
        listed = await browser.get(LIST)
    assert [event["caller"] for event in listed.json()["events"]] == [CALLER]


async def test_link_is_good_once_when_it_is_followed() -> None:
    """Who finds a link in a history or over a shoulder gets nothing with it."""
    console = await opened()
    link = await console.link()
    async with console.browser() as first, console.browser() as second:
        assert (await first.post(**entrance(link))).status_code == 303
        assert (await second.post(**entrance(link))).status_code == 401
        assert (await second.get(LIST)).status_code == 401


@pytest.mark.parametrize(("seconds", "status"), [(links.LIFETIME - 1, 303), (links.LIFETIME, 401), (-3600, 401)])
async def test_link_is_good_for_some_minutes_when_it_was_issued(seconds: float, status: int) -> None:
    """A link grows too old, and one of a clock that was set back since is none."""
    console = await opened()
    link = await console.link()
    console.clock.now += seconds
    async with console.browser() as browser:
        assert (await browser.post(**entrance(link))).status_code == status


@pytest.mark.parametrize("ticket", ["", "x", "\ud800", "a" * 10_000])
async def test_nonsense_is_no_ticket(ticket: str) -> None:
    """What was never issued begins no session."""
    console = await opened()
    await console.link()
    async with console.browser() as browser:
        form = {**entrance(ENTER), "data": {"ticket": ticket.encode("utf-8", "surrogatepass")}}
        answer = await browser.post(**form)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)


async def test_stored_note_gives_no_ticket_when_it_is_read() -> None:
    """A copy of the store holds hashes, which are no tickets."""
    console = await opened()
    link = await console.link()
    note = await console.store.note("console/links")
    assert note is not None
    assert link.rpartition("=")[2] not in note.text
    (stored,) = links._good(note.text, NOW)
    async with console.browser() as browser:
        assert (await browser.post(**entrance(f"{ENTER}?ticket={stored}"))).status_code == 401


async def test_oldest_link_ends_when_there_are_too_many() -> None:
    """Links that nobody follows do not gather."""
    console = await opened()
    issued = []
    for _ in range(links.MOST + 1):
        issued.append(await console.link())
        console.clock.now += 1
    async with console.browser() as browser:
        statuses = [(await browser.post(**entrance(link))).status_code for link in issued]
    assert statuses == [401] + [303] * links.MOST


class Contested(MemoryStore):
    """Another process issues a link of its own a moment before each write of ours, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.others: list[str] = []

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        if self.times:
            self.times -= 1
            self.others.append(await links.issue(self, now=NOW))
        return await super().write_note(name, text, version=version)


async def test_no_link_is_lost_when_several_are_issued_and_followed_at_once() -> None:
    """Two processes that write at once do not take each other's links away."""
    store = Contested(2)
    console = Admins(store)
    await store.open()
    link = await console.link()
    store.times = 1
    async with console.browser() as browser:
        assert (await browser.post(**entrance(link))).status_code == 303
        assert len(store.others) == 3
        for ticket in store.others:
            assert (await browser.post(**entrance(f"{ENTER}?ticket={ticket}"))).status_code == 303


async def test_link_is_refused_to_the_slower_when_two_follow_it_at_once() -> None:
    """Taking a ticket out of the store is what uses it up."""

    class Overtaken(MemoryStore):
        async def write_note(self, name: str, text: str, *, version: int) -> bool:
            done = await super().write_note(name, text, version=version)
            return done and text != "{}"  # somebody else has taken it out

    console = Admins(Overtaken())
    await console.store.open()
    async with console.browser() as browser:
        assert (await browser.post(**entrance(await console.link()))).status_code == 401


async def test_console_answers_503_when_the_store_is_away() -> None:
    """A link that cannot be checked begins nothing, and can be followed later."""

    class Away(MemoryStore):
        async def note(self, name: str) -> Note | None:
            raise StoreUnavailable("the store /var/secret/state.db: the disk is full")

    console = Admins(Away())
    async with console.browser() as browser:
        answer = await browser.post(**entrance(f"{ENTER}?ticket=x"))
    assert answer.status_code == 503
    assert "secret" not in answer.text


async def test_session_ends_when_its_time_is_over() -> None:
    """A browser that is left open is let in for a working day."""
    console = await opened()
    async with console.operator() as browser:
        console.clock.now += LASTS - 1
        assert (await browser.get(LIST)).status_code == 200
        console.clock.now += 1
        browser.cookies = httpx.Cookies({"badge_bridge_8081": next(iter(browser.cookies.values()), "")})
        assert (await browser.get(LIST)).status_code == 401


def test_oldest_session_ends_when_there_are_too_many() -> None:
    """Sessions do not gather."""
    sessions = Sessions(lambda: 1.0)
    tokens = [sessions.begin() for _ in range(MOST + 1)]
    assert [sessions.find(token) is not None for token in tokens] == [False] + [True] * MOST


async def test_cookie_is_kept_from_scripts_and_other_sites_when_it_is_set() -> None:
    """No script reads it, no other site's request carries it, and it ends by itself."""
    console = await opened()
    async with console.browser() as browser:
        cookie = (await browser.post(**entrance(await console.link()))).headers["set-cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("badge_bridge_8081=")
    assert {one.lower() for one in attributes} == {"httponly", f"max-age={LASTS}", "path=/console", "samesite=strict"}


async def test_cookie_is_bound_to_the_host_when_it_came_by_https() -> None:
    """Behind a TLS proxy no other host and no plain connection can set it or gets it."""
    console = await opened(OUTSIDE)
    async with console.browser(OUTSIDE) as browser:
        cookie = (await browser.post(**entrance(await console.link(OUTSIDE)))).headers["set-cookie"]
        assert (await browser.get(LIST)).status_code == 200
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-badge_bridge_8081=")
    assert {one.lower() for one in attributes} == {
        "httponly", f"max-age={LASTS}", "path=/", "samesite=strict", "secure"
    }  # fmt: skip


async def test_cookie_of_a_plain_connection_is_none_when_it_comes_by_https() -> None:
    """What somebody could set from a plain page of the same host is not believed."""
    console = await opened(OUTSIDE)
    async with console.operator() as browser:
        token = next(iter(browser.cookies.values()))
    async with console.browser(OUTSIDE) as other:
        answer = await other.get(LIST, headers={"Cookie": f"badge_bridge_8081={token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize("path", ["/console", LIST, ENTER])
async def test_method_of_no_page_is_refused_when_there_is_a_session(method: str, path: str) -> None:
    """What no page takes is refused before anything is looked at."""
    console = await opened()
    async with console.operator() as browser:
        answer = await browser.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_link_stays_good_when_its_page_is_only_read(method: str) -> None:
    """A program that previews links uses none up and gets no session: the button on the page does."""
    console = await opened()
    link = await console.link()
    async with console.browser() as browser:
        for _ in range(2):
            answer = await browser.request(method, link)
            assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
        assert (await browser.post(**entrance(link))).status_code == 303
        assert (await browser.post(**entrance(link))).status_code == 401


async def test_page_of_a_link_is_a_form_that_needs_no_script() -> None:
    """Its one button posts the ticket to where a session begins; the ticket is text, whatever is in it."""
    console = await opened()
    link = await console.link()
    ticket = link.partition("=")[2]
    async with console.browser() as browser:
        page = (await browser.get(link)).text
        assert f'<form method="post" action="{ENTER}">\n<input type="hidden" name="ticket" value="{ticket}">' in page
        assert page.count("<button") == 1
        strange = (await browser.get(ENTER, params={"ticket": '"><script>'})).text
    assert '"><script>' not in strange


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://evil.example"}])
async def test_session_begins_from_the_page_of_the_link_only(headers: dict[str, str]) -> None:
    """A page elsewhere cannot have the browser take a session of its own choice, with a link that it has got hold of."""
    console = await opened()
    link = await console.link()
    async with console.browser() as browser:
        answer = await browser.post(**{**entrance(link), "headers": headers})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert (await browser.post(**entrance(link))).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8081"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
@pytest.mark.parametrize("path", ["/console", LIST, ENTER])
async def test_other_page_is_refused_when_it_makes_the_browser_ask(headers: dict[str, str], path: str) -> None:
    """A page elsewhere, on another port of this machine too, reads nothing and begins no session."""
    console = await opened()
    async with console.operator() as browser:
        link = await console.link() if path == ENTER else path
        answer = await browser.get(link, headers=headers)
        assert answer.status_code == 403
        assert CALLER not in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8081"}]
)
async def test_own_page_and_address_bar_are_served_when_there_is_a_session(headers: dict[str, str]) -> None:
    """Who enters the address, or is on the console already, is served."""
    console = await opened()
    async with console.operator() as browser:
        assert (await browser.get(LIST, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8081",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[broken",
        "1.2.3",
        "evil@127.0.0.1",
    ],
)
async def test_other_name_is_refused_when_it_leads_here(host: str) -> None:
    """A name of somebody else's that resolves to this machine reads nothing, even with the cookie."""
    console = await opened()
    async with console.operator() as browser:
        answer = await browser.get(LIST, headers={"Host": host})
    assert answer.status_code == 421
    assert CALLER not in answer.text


async def test_other_name_reads_neither_metrics_nor_reasons_when_it_leads_here() -> None:
    """A page that had its name lead here learns whether the bridge is well, as everybody may, and nothing else."""
    console = await opened("http://host.docker.internal:8081")
    async with console.browser() as browser:
        for host in ("evil.example:8081", ""):
            assert (await browser.get("/metrics", headers={"Host": host})).status_code == 421
            for path in ("/livez", "/readyz", "/healthz", "/health"):
                answer = await browser.get(path, headers={"Host": host})
                assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        for host in ("10.0.0.7:8081", "localhost:8081", "host.docker.internal:8081"):
            assert (await browser.get("/metrics", headers={"Host": host})).status_code == 200
            assert "checks" in (await browser.get("/readyz", headers={"Host": host})).json()


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "LOCALHOST", "[::1]:18081", "10.0.0.7"])
async def test_own_name_is_served_when_it_is_used(host: str) -> None:
    """An address in figures and `localhost` lead here and nowhere else, forwarded by ssh too."""
    console = await opened()
    async with console.operator() as browser:
        assert (await browser.get(LIST, headers={"Host": host})).status_code == 200


async def test_request_with_two_names_is_refused() -> None:
    """What a proxy and this listener may read in two ways is read in none."""
    console = await opened()
    async with console.operator() as browser:
        hosts = [(b"Host", b"127.0.0.1:8081"), (b"Host", b"evil.example")]
        assert (await browser.get(LIST, headers=hosts)).status_code == 421


async def test_own_page_is_served_when_it_came_by_https() -> None:
    """Behind a TLS proxy, the console's own pages come from https, and the same name without it is elsewhere."""
    console = await opened(OUTSIDE)
    async with console.operator(OUTSIDE) as browser:
        assert (await browser.get(LIST, headers={"Origin": OUTSIDE})).status_code == 200
        assert (await browser.get(LIST, headers={"Origin": OUTSIDE.replace("https", "http")})).status_code == 403


async def test_name_of_the_settings_is_served_when_it_is_used() -> None:
    """ADMIN_URL adds its own name and no other."""
    console = await opened(OUTSIDE)
    async with console.operator(OUTSIDE) as browser:
        assert (await browser.get(LIST)).status_code == 200
        assert (await browser.get(LIST, headers={"Host": "www.acme.com"})).status_code == 421


@pytest.mark.parametrize("path", ["/console", LIST, ENTER, "/console/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_answers_forbid_everything_that_they_do_not_need(path: str, method: str) -> None:
    """Every answer, a refusal too, is kept by nobody, framed by nobody, and loads nothing."""
    console = await opened()
    async with console.operator() as browser:
        for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}, {"Cookie": ""}):
            answer = await browser.request(method, path, headers=headers)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/hooks/pbx", "/install", "/consoles", "/console.html", "/metrics/x"])
async def test_listener_has_nothing_else(path: str) -> None:
    """Deliveries are not taken where the console is."""
    console = await opened()
    async with console.browser() as browser:
        assert (await browser.post(path)).status_code == 404


SESSION = f"{API}/session.json"
CHANGING = ["POST", "PUT", "PATCH", "DELETE"]


async def is_let_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get(LIST)).status_code == 200


async def test_session_ends_when_its_form_is_sent() -> None:
    """The console's own form changes something: the session is over, on the server too."""
    console = await opened()
    async with console.operator() as browser:
        cookie = dict(browser.cookies)
        answer = await browser.post(LEAVE, headers=SAME, data={CSRF_FIELD: await csrf(browser)})
        assert (answer.status_code, answer.headers["location"]) == (303, LEFT)
        assert "Max-Age=0" in answer.headers["set-cookie"]
        left = await browser.get(LEFT, headers={"Accept": "text/html"})
        assert (left.status_code, "Your session has ended" in left.text) == (200, True)
        assert "End session" not in left.text
        browser.cookies = httpx.Cookies(cookie)
        assert not await is_let_in(browser)


async def test_script_of_the_console_changes_something_when_it_sends_the_token_in_a_header() -> None:
    """A request without a form brings the token in a header."""
    console = await opened()
    async with console.operator() as browser:
        headers = {"Sec-Fetch-Site": "same-origin", CSRF_HEADER: await csrf(browser)}
        assert (await browser.post(LEAVE, headers=headers)).status_code == 303
        assert not await is_let_in(browser)


async def test_program_reads_what_a_change_needs_when_it_has_a_session() -> None:
    """It need not look for a hidden field in a page; without a session there is nothing to read."""
    console = await opened()
    async with console.operator() as browser, console.browser() as stranger:
        told = (await browser.get(SESSION)).json()
        assert told == {"header": CSRF_HEADER, "token": await csrf(browser)}
        assert (await stranger.get(SESSION)).status_code == 401
        assert (await browser.post(LEAVE, headers={**SAME, told["header"]: told["token"]})).status_code == 303


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", **SAME},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
async def test_change_is_refused_when_no_page_of_the_console_asks(method: str, headers: dict[str, str]) -> None:
    """Even with the right token: a change comes from the console's own page, and the browser says so."""
    console = await opened()
    async with console.operator() as browser:
        token = await csrf(browser)
        answer = await browser.request(method, LEAVE, headers={**headers, CSRF_HEADER: token})
        assert answer.status_code == 403
        assert await is_let_in(browser)


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize("token", [None, "", "x", "of another session", "of the cookie", "\udcff", "ü"])
async def test_change_is_refused_when_the_token_is_not_that_of_the_session(method: str, token: str | None) -> None:
    """A page that cannot read the console does not know the token, and its own session's is none here."""
    console = await opened()
    async with console.operator() as browser, console.operator() as other:
        known = {"of another session": await csrf(other), "of the cookie": next(iter(browser.cookies.values()))}
        sent = None if token is None else known.get(token, token).encode("utf-8", "surrogateescape")
        here = [(b"Origin", HERE.encode())]
        by_header = here if sent is None else [*here, (CSRF_HEADER.encode(), sent)]
        form = b"" if sent is None else f"{CSRF_FIELD}=".encode() + sent
        for headers, body in ((by_header, b""), (here, form)):
            answer = await browser.request(method, LEAVE, headers=headers, content=body)
            assert answer.status_code == 403
        assert await is_let_in(browser)


@pytest.mark.parametrize("is_over", [True, False], ids=["session over", "another session"])
async def test_what_was_written_is_kept_when_the_session_has_ended_meanwhile(is_over: bool) -> None:
    """Rules that somebody has worked on stand on the page that refuses them, as text; those of nobody else do."""
    console = await opened()
    async with console.operator() as browser:
        form = {CSRF_FIELD: "old", "rules": "a: 1\n</textarea><script>alert(1)</script>", "delivery": "", "at": "x"}
        if is_over:
            browser.cookies.clear()
        refused = await browser.post(TRY, headers={**SAME, "Accept": "text/html"}, data=form)
        assert refused.status_code == (401 if is_over else 403)
        assert "a: 1\n&lt;/textarea&gt;&lt;script&gt;" in refused.text
        assert refused.text.count("<textarea") == 1
        elsewhere = {"Origin": "https://evil.example", "Accept": "text/html"}
        assert "a: 1" not in (await browser.post(TRY, headers=elsewhere, data=form)).text
        assert "a: 1" not in (await browser.post(LEAVE, headers={**SAME, "Accept": "text/html"}, data=form)).text


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize("path", [LEAVE, "/console", LIST])
async def test_change_is_refused_when_there_is_no_session(method: str, path: str) -> None:
    """Without a session nothing is changed and nothing is said, whatever token comes along."""
    console = await opened()
    async with console.operator() as browser, console.browser() as other:
        token = await csrf(browser)
        answer = await other.request(method, path, headers={**SAME, CSRF_HEADER: token})
        assert answer.status_code == 401
        assert await is_let_in(browser)


@pytest.mark.parametrize("path", ["/console", LIST, ENTER, LEAVE])
async def test_page_takes_no_other_method_when_the_session_is_proven(path: str) -> None:
    """A page that is read takes no changes, and ending a session takes no reading."""
    console = await opened()
    async with console.operator() as browser:
        method = "PUT" if path in {ENTER, LEAVE} else "POST"
        answer = await browser.request(method, path, headers={**SAME, CSRF_HEADER: await csrf(browser)})
        assert (answer.status_code, await is_let_in(browser)) == (405, True)
    async with console.operator() as browser:
        assert ((await browser.get(LEAVE)).status_code, await is_let_in(browser)) == (405, True)


@pytest.mark.parametrize("length", [str(MAX_FORM + 1), "9" * 30, "-1", "x", "٣", None])
async def test_form_is_refused_when_it_is_too_large(length: str | None) -> None:
    """A form says how large it is, and none of ours is large."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b"x" * 8

    console = await opened()
    async with console.operator() as browser:
        headers = [(b"Origin", HERE.encode())]
        if length is not None:
            headers.append((b"Content-Length", length.encode()))
        answer = await browser.post(LEAVE, headers=headers, content=nothing())
        assert (answer.status_code, await is_let_in(browser)) == (413, True)


async def test_cookie_is_not_in_a_page_when_it_is_shown() -> None:
    """What a page shows does not let anybody in elsewhere."""
    console = await opened()
    async with console.operator() as browser:
        token = next(iter(browser.cookies.values()))
        for path in ("/console", LIST):
            assert token not in (await browser.get(path)).text
