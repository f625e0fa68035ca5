"""The pages of the console, and the way from a request to the one that it names.

`GET /console`, `/console/events`, ...             for a person: HTML, read without a script
`GET /console/api/v1/now.json`, `events.json`, ... the same data for a program (`paths.API`)
`GET /console/static/...`                          the style sheet and the script, for everybody

A page is a function from the desk, the request and the session to its data, and a template that shows them; the data
are the JSON twin.

400  a parameter makes no sense             404  no such event or page
405  the page takes other methods           503  the store cannot be read
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from badge_bridge.console.answers import NotThere, Senseless, Shown, refused, shielded
from badge_bridge.console.assets import serve_asset
from badge_bridge.console.badges import badges
from badge_bridge.console.desk import Desk
from badge_bridge.console.done import done_before
from badge_bridge.console.event import event
from badge_bridge.console.events import events
from badge_bridge.console.glossary import words
from badge_bridge.console.now import live, live_page, now
from badge_bridge.console.paths import API, HOME, STATIC
from badge_bridge.console.redrive import confirm, redrive
from badge_bridge.console.rendering import render
from badge_bridge.console.resume import resume
from badge_bridge.console.searching import list_query
from badge_bridge.console.sessions import CSRF_HEADER, Session
from badge_bridge.console.trying import try_rules
from badge_bridge.errors import SettingsError, StoreUnavailable

__all__ = ["PAGES", "Page", "Pages"]

logger = logging.getLogger("badge_bridge.console")


Data = Callable[[Desk, Request, Session | None], Awaitable[Mapping[str, Any] | Shown | Response]]
"""The session is None behind the access control of Google Cloud. What is a response already is sent as it is."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page at `/console` + `at`, and its twin at `API` + `twin`; `{key}` in both is what comes there. Where one of
    them is None, there is only the other.
    """

    at: str | None
    twin: str | None
    data: Data
    template: str = ""
    """Not needed where `data` gives responses."""
    name: str = ""
    """In the navigation; empty where it is not there."""
    part_of: str = ""
    """The `at` of the page in the navigation that it belongs to, where its own does not begin with that."""
    methods: tuple[str, ...] = ("GET", "HEAD")

    @property
    def href(self) -> str:
        return HOME + (self.at or "")

    def routes(self) -> Iterator[tuple[re.Pattern[str], bool]]:
        """The paths that lead here, each with whether it is the twin's."""
        if self.at is not None:
            yield _pattern(self.href), False
        if self.twin is not None:
            yield _pattern(API + self.twin), True


async def _session(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """What a program sends with whatever it changes; null where the platform lets requests in."""
    return {"header": CSRF_HEADER, "token": None if session is None else session.csrf}


PAGES: Sequence[Page] = (
    Page("", "/now.json", now, "now.html", "Now"),
    Page("/events", "/events.json", events, "events.html", "Events"),
    Page("/events/{key}", "/events/{key}.json", event, "event.html"),
    Page("/redrive", "/redrive.json", confirm, "redrive.html", part_of="/events"),
    Page("/redrive/now", None, redrive, methods=("POST",)),
    Page(None, "/session.json", _session),
    Page(None, "/now/stream", live, methods=("GET",)),
    Page("/now/stream", None, live_page, methods=("GET",)),
    Page("/resume", "/resume.json", resume, methods=("POST",)),
    Page("/try", "/try.json", try_rules, "try.html", "Try", methods=("GET", "HEAD", "POST")),
    Page("/badges", "/badges.json", badges, "badges.html", "Badges"),
    Page("/words", "/words.json", words, "words.html"),
)
"""The first that fits is the one."""


class Pages:
    """Answers what the gate lets through, and what the platform lets through where that is the gate."""

    def __init__(self, desk: Desk, pages: Sequence[Page] = PAGES) -> None:
        self._desk = desk
        self._nav = [page for page in pages if page.name]
        self._routes = [(pattern, page, is_twin) for page in pages for pattern, is_twin in page.routes()]

    async def answer(self, request: Request, session: Session | None) -> Response:
        """Answer one request of any method and path."""
        return shielded(await self._answer(request, session))

    async def _answer(self, request: Request, session: Session | None) -> Response:
        path = request.scope["path"]
        if path.startswith(STATIC) and (file := serve_asset(request)) is not None:
            return file
        for pattern, page, is_twin in self._routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if request.method not in page.methods:
                takes = "GET" if page.methods == ("GET", "HEAD") else " and ".join(page.methods)
                return refused(request, 405, f"this page takes {takes}", allow=", ".join(page.methods))
            request.scope["path_params"] = found.groupdict()
            return await self._page(page, request, session, is_twin=is_twin)
        return refused(request, 404, "there is nothing at this path")

    async def _page(self, page: Page, request: Request, session: Session | None, *, is_twin: bool) -> Response:
        try:
            told = await page.data(self._desk, request, session)
        except (Senseless, SettingsError, NotThere, StoreUnavailable) as error:
            return _failed(request, error)
        if isinstance(told, Response):
            return told
        shown = told if isinstance(told, Shown) else Shown(told)
        if is_twin:
            return JSONResponse(shown.data, shown.status)
        values = {
            "data": shown.data,
            "session": session,
            "may_change": self._desk.may_change,
            "nav": self._nav,
            "here": page.href,
            "part_of": HOME + page.part_of,
            "twin": _twin_of(page, request),
            "done": done_before(session, request),
            "before": request.query_params.get("before", ""),
            "search": list_query(request.query_params.get("search", "")),
        }
        return HTMLResponse(render(page.template, values), shown.status)


def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, StoreUnavailable):
        logger.warning("the console answers 503: %s", error)
        return refused(request, 503, "the store cannot be read now")
    field = error.field if isinstance(error, Senseless) else ""
    status = 404 if isinstance(error, NotThere) else 400
    return refused(request, status, str(error), details={"field": field} if field else None)


def _pattern(path: str) -> re.Pattern[str]:
    pattern = re.escape(path).replace(r"\{key\}", "(?P<key>.+)")
    return re.compile(f"{pattern}/?" if path == HOME else pattern, re.DOTALL)


def _twin_of(page: Page, request: Request) -> str:
    """The address of the same data as JSON."""
    if page.twin is None:
        return ""
    path = page.twin.replace("{key}", quote(request.path_params.get("key", ""), safe=":"))
    query = request.url.query
    return f"{API}{path}{'?' + query if query else ''}"
