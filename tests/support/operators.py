"""The console in process, with rules of its own, and the browser of an operator who was let in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from badge_bridge.console import links
from badge_bridge.console.desk import Desk
from badge_bridge.console.gate import Gate
from badge_bridge.console.origin import Names
from badge_bridge.console.pages import Pages
from badge_bridge.console.paths import ENTER
from badge_bridge.console.sessions import CSRF_FIELD, Sessions
from badge_bridge.events import Event, customer_join
from badge_bridge.portal.portal import Portal
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Accepted, Settlement, Store

__all__ = ["HERE", "RULES", "SAME", "Clock", "Console", "csrf", "read_rules", "received", "settled", "text_of"]

HERE = "http://127.0.0.1:8081"
SAME = {"Origin": HERE}
"""What a browser says of a form of this console."""

RULES = """
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: "${CLIENT_ID}", client_secret: "${CLIENT_SECRET}"}
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${SECRET}"]
    event: {type: "'call.missed'", id: body.id, caller: body.from}
    country: DE
  shop:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${SECRET}"]
    event: {type: "'order.paid'", id: body.id}
badges:
  missedCall:
    title: Call status
    value: Missed
    type: failure
rules:
  - name: missed call
    on: call.missed
    when: "event.caller.startsWith('+4930')"
    badge: missedCall
    attach:
      to: [deal, contact]
      title: Missed call from {caller}
    clear:
      on: [call.answered]
"""


def read_rules(text: str = RULES, environ: Mapping[str, str] | None = None) -> RulesFile:
    return parse(text, "rules.yaml", providers=OPTIONS, environ=environ)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Console:
    """The console of `serve` around this store. `rules` may be replaced, as a reload does it; `environ` has its secrets,
    and `others` are further fields of the desk.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        url: str = "",
        rules: str = RULES,
        environ: Mapping[str, str] | None = None,
        portals: Mapping[str, Portal] | None = None,
        **others: Any,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rules = read_rules(rules, environ)
        self.desk = Desk(store, rules_of_now=lambda: self.rules, portals_of_now=lambda: portals, clock=clock, **others)
        self.gate = Gate(
            store,
            Pages(self.desk).answer,
            names=Names("127.0.0.1", url),
            port=8081,
            clock=clock,
            sessions=Sessions(clock),
        )
        self.app: ASGIApp = self._answer

    def take(self, rules: str) -> None:
        """Work by other rules from now on."""
        self.rules = read_rules(rules)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self.gate.handle(Request(scope, receive)))(scope, receive, send)

    async def link(self, url: str = HERE) -> str:
        return f"{url}{ENTER}?ticket={await links.issue(self.store, now=self.clock.now)}"

    @asynccontextmanager
    async def browser(self, url: str = HERE) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=url) as client:
            yield client

    @asynccontextmanager
    async def operator(self, url: str = HERE) -> AsyncIterator[httpx.AsyncClient]:
        """A browser that has followed a link."""
        async with self.browser(url) as client:
            answer = await client.post(**entrance(await self.link(url)))
            assert (answer.status_code, answer.headers["location"]) == (303, "/console")
            yield client


def entrance(link: str) -> dict[str, Any]:
    """What a browser posts when the button on the page of this link is pressed."""
    url, _, ticket = link.partition("?ticket=")
    return {"url": url, "data": {"ticket": ticket}, "headers": {"Sec-Fetch-Site": "same-origin"}}


async def received(
    store: Store, key: str, *, at: float, joins: tuple[str, ...] = (), verified: str = "bearer", **fields: Any
) -> Event:
    """Let the store accept an event; `at` is when it happened and when it was received."""
    given = {"id": key, "source": key.partition(":")[0], "provider": "generic", "type": "call.missed"}
    event = Event.model_validate({**given, "time": datetime.fromtimestamp(at, UTC), **fields})
    joins = (*joins, customer_join(event.customer)) if event.customer else joins
    assert await store.accept([Accepted(key, event, verified, at, joins)]) == [True]
    return event


async def settled(store: Store, key: str, *, at: float, **settlement: Any) -> None:
    """Let an attempt at it end."""
    claim = await store.claim(key, now=at, lease=60)
    assert claim is not None
    given = {"state": "done", "ended_at": at + 0.25, **settlement}
    assert await store.settle(claim, Settlement(**given))


_BLOCKS = frozenset({"button", "dd", "div", "dt", "h1", "h2", "li", "option", "p", "summary", "td", "th", "tr"})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(page: str) -> str:
    """What a reader of the page sees, with single spaces."""
    parser = _Text()
    parser.feed(page)
    return " ".join("".join(parser.parts).split())


async def csrf(browser: httpx.AsyncClient, path: str = "/console") -> str:
    """The token that the forms of a page send."""
    found = re.search(rf'name="{CSRF_FIELD}" value="([^"]+)"', (await browser.get(path)).text)
    assert found
    return found[1]
