"""The pages of `serve` that are for whoever runs it, on a listener of their own unless set otherwise.

`GET /metrics`              what was counted and how things stand (`metrics.py`); with METRICS_TOKEN, to who sends it
`/console` and below        what is stored, with a session (`console/gate.py`)
`GET /livez` and others     how the process is, with the reasons (`probes.py`)
`GET /`                     leads to the console, on a listener of their own

Sent to a name that is none of this listener's (`console/origin.py`), the first two answer 421, since a page in the
operator's browser may have such a name lead here; who has METRICS_TOKEN is no such page. Probes give no reasons then,
as beside the deliveries; their status stands, so that nothing is restarted over a name.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from badge_bridge.accepting import Accepting
from badge_bridge.console.desk import Desk
from badge_bridge.console.gate import Gate
from badge_bridge.console.origin import Names
from badge_bridge.console.pages import Pages
from badge_bridge.console.paths import HOME
from badge_bridge.console.stream import Streams
from badge_bridge.door import ConnectionLimits
from badge_bridge.meters import Meters
from badge_bridge.metrics import Metrics
from badge_bridge.portal.portal import Portal, lanes_of
from badge_bridge.probes import PROBES, Probed, Probes
from badge_bridge.reading import refused_unless_read
from badge_bridge.reloading import NotReloaded
from badge_bridge.rulesfile import RulesFile
from badge_bridge.serving import Server
from badge_bridge.settings import Address, Settings
from badge_bridge.store.protocol import Store
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store_room import Room, room_in
from badge_bridge.whereabouts import CONSOLE, announced

__all__ = ["METRICS", "Admin", "Run", "create_admin_app", "opened_admin"]

METRICS = "/metrics"

LIMITS = ConnectionLimits(connections=64)
"""Of the listener of their own: a few people, a scraper and some probes."""


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens there for that


class Run(Probed, Protocol):
    """What these pages need of a bridge; they ask for it each time, for its rules may be others by then."""

    @property
    def portals(self) -> Mapping[str, Portal]: ...
    @property
    def rules(self) -> RulesFile: ...
    @property
    def accepting(self) -> Accepting: ...
    @property
    def meters(self) -> Meters: ...
    @property
    def not_reloaded(self) -> NotReloaded | None: ...
    @property
    def clock(self) -> Callable[[], float]: ...


class Admin:
    """Answers these pages. `url` is where operators find them, without a slash at the end; metrics are told to who
    sends `token`; where it is empty, to everybody who uses one of the listener's `names`. `streams` are answers
    that have no end of their own.
    """

    def __init__(
        self,
        url: str,
        gate: Gate,
        probes: Probes,
        metrics: Metrics,
        *,
        names: Names,
        token: str = "",
        streams: Streams | None = None,
    ) -> None:
        self.url = url
        self.probes = probes
        self._gate = gate
        self._metrics = metrics
        self._names = names
        self._token = token
        self._streams = streams or Streams()

    def stop(self) -> None:
        """Say that the process is stopping: probes tell it, and no answer keeps the listener open."""
        self.probes.stopping = True
        self._streams.end()

    def serves(self, path: str) -> bool:
        """Whether there is a page at this path, probes aside."""
        return path in {HOME, METRICS} or path.startswith(f"{HOME}/")

    async def handle(self, request: Request) -> Response:
        """Answer a request to a path that it serves."""
        return await (self._measured if request.scope["path"] == METRICS else self._gate.handle)(request)

    async def probed(self, request: Request) -> Response:
        """Answer a request to one of `PROBES`, with the reasons where it was sent to a name of the listener."""
        return await self.probes.answer(request, bare=not self._names.own(request.headers))

    async def _measured(self, request: Request) -> Response:
        if (refusal := refused_unless_read(request)) is not None:
            return refusal
        sent = request.headers.get("authorization", "").encode("latin-1")
        if self._token and not secrets.compare_digest(sent, f"Bearer {self._token}".encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        if not self._token and not self._names.own(request.headers):
            error = "this is not a name of this listener; ask by its IP address, set ADMIN_URL or use METRICS_TOKEN"
            return JSONResponse({"error": error}, status_code=421)
        page, content_type = await self._metrics.page(request.headers.get("accept", ""))
        return Response(page, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def create_admin_app(admin: Admin) -> ASGIApp:
    """The ASGI application of the listener of their own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"] in PROBES:
            response = await admin.probed(request)
        elif admin.serves(scope["path"]):
            response = await admin.handle(request)
        elif scope["path"] == "/" and request.method in {"GET", "HEAD"}:
            response = RedirectResponse(HOME, 303)
        else:
            response = JSONResponse({"error": "there is nothing at this path"}, status_code=404)
        await response(scope, receive, send)

    return app


@asynccontextmanager
async def opened_admin(
    bridge: Run, settings: Settings, listener: socket.socket, *, host: str
) -> AsyncIterator[Admin | None]:
    """The pages on `listener`, served while the block runs where `settings` give them one of their own; None where they
    are off. `host` is what the listener of the deliveries was told to listen on.

    Raises:
        StoreUnavailable: where the console is cannot be written.
    """
    if settings.admin is None:
        yield None
        return
    own = settings.admin if isinstance(settings.admin, Address) else None
    names = Names(own.host if own else host, settings.admin_url)
    port = listener.getsockname()[1]
    url = settings.admin_url or _local_url(names.host, port)

    def lanes() -> Sequence[str]:
        return [lane for name in bridge.portals for lane in lanes_of(name)]

    def notes() -> Sequence[str]:
        kept = bridge.not_reloaded
        return [f"rules of before in use: {why}" for why in kept.said] if kept is not None else []

    desk = _desk(bridge)
    admin = Admin(
        url,
        Gate(bridge.store, Pages(desk).answer, names=names, port=port),
        Probes(bridge, lanes=lanes, notes=notes),
        Metrics(bridge.meters, bridge.store, lambda: bridge.rules.hash, bridge.clock, lanes),
        names=names,
        token=settings.metrics_token,
        streams=desk.streams,
    )
    async with announced(bridge.store, url, of=CONSOLE):
        if own is None:
            yield admin
            return
        async with Server(create_admin_app(admin), listener, limits=LIMITS, whose="operators"):
            try:
                yield admin
            finally:
                admin.stop()


def _desk(bridge: Run) -> Desk:
    return Desk(
        bridge.store,
        rules_of_now=lambda: bridge.rules,
        portals_of_now=lambda: bridge.portals,
        meters=bridge.meters,
        clock=bridge.clock,
        not_reloaded_of_now=lambda: bridge.not_reloaded,
        room_of_now=lambda: _room(bridge.store),
        tokens=lambda source: bridge.accepting.tokens(source),  # noqa: PLW0108 - it may be another one by then
    )


def _room(store: Store) -> Room | None:
    return room_in(Path(store.path).parent) if isinstance(store, SqliteStore) else None


def _local_url(host: str, port: int) -> str:
    """How the listener is reached on this machine. Every address of it is none to write into a browser."""
    host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
