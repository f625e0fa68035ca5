"""The console in process, with rules of its own, and the browser of an operator who was let in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

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
from badge_bridge.portal.portal import Portal
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Store

__all__ = ["HERE", "RULES", "SAME", "Clock", "Console", "csrf", "read_rules"]

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


def read_rules(text: str = RULES) -> RulesFile:
    return parse(text, "rules.yaml", providers=OPTIONS, environ=None)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Console:
    """The console of `serve` around this store. `rules` may be replaced, as a reload does it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        url: str = "",
        rules: str = RULES,
        portals: Mapping[str, Portal] | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rules = read_rules(rules)
        self.desk = Desk(store, rules_of_now=lambda: self.rules, portals_of_now=lambda: portals, clock=clock)
        self.gate = Gate(
            store,
            Pages(self.desk).answer,
            names=Names("127.0.0.1", url),
            port=8081,
            clock=clock,
            sessions=Sessions(clock),
        )
        self.app: ASGIApp = self._answer

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
            answer = await client.get(await self.link(url))
            assert (answer.status_code, answer.headers["location"]) == (303, "/console")
            yield client


async def csrf(browser: httpx.AsyncClient, path: str = "/console") -> str:
    """The token that the forms of a page send."""
    found = re.search(rf'name="{CSRF_FIELD}" value="([^"]+)"', (await browser.get(path)).text)
    assert found
    return found[1]
