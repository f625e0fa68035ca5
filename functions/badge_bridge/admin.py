"""The pages of `serve` that are for whoever runs it, on a listener of their own unless set otherwise.

`/console` and below        what is stored, with a session (`console/gate.py`)
`GET /livez` and others     how the process is, with the reasons (`probes.py`)

Beside the deliveries, the probes say no more than to everybody.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from badge_bridge.connections import ConnectionLimits
from badge_bridge.console.gate import Gate
from badge_bridge.console.links import announce
from badge_bridge.console.origin import Names
from badge_bridge.console.pages import HOME
from badge_bridge.portal.lanes import lane_of
from badge_bridge.portal.portal import METHODS, Portal
from badge_bridge.probes import PROBES, Probed, Probes
from badge_bridge.serving import Server
from badge_bridge.settings import Address, Settings

__all__ = ["Admin", "Run", "create_admin_app", "opened_admin"]

LIMITS = ConnectionLimits(connections=64)
"""Of the listener of their own: a few people, a scraper and some probes."""


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens there for that


class Run(Probed, Protocol):
    """What these pages need of a bridge."""

    @property
    def portals(self) -> Mapping[str, Portal]: ...


class Admin:
    """Answers these pages. `url` is where operators find them, without a slash at the end."""

    def __init__(self, url: str, gate: Gate, probes: Probes) -> None:
        self.url = url
        self.probes = probes
        self._gate = gate

    def serves(self, path: str) -> bool:
        """Whether there is a page at this path, probes aside."""
        return path == HOME or path.startswith(f"{HOME}/")

    async def handle(self, request: Request) -> Response:
        """Answer a request to a path that it serves."""
        return await self._gate.handle(request)


def create_admin_app(admin: Admin) -> ASGIApp:
    """The ASGI application of the listener of their own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"] in PROBES:
            response = await admin.probes.answer(request)
        elif admin.serves(scope["path"]):
            response = await admin.handle(request)
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
        await announce(bridge.store, "")
        yield None
        return
    own = settings.admin if isinstance(settings.admin, Address) else None
    names = Names(own.host if own else host, settings.admin_url)
    port = listener.getsockname()[1]
    url = settings.admin_url or _local_url(names.host, port)
    probes = Probes(bridge, lanes=[lane for name in bridge.portals for lane in _lanes(name)])
    admin = Admin(url, Gate(bridge.store, names=names, port=port), probes)
    await announce(bridge.store, url)
    if own is None:
        yield admin
        return
    async with Server(create_admin_app(admin), listener, limits=LIMITS):
        yield admin


def _local_url(host: str, port: int) -> str:
    """How the listener is reached on this machine. Every address of it is none to write into a browser."""
    host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _lanes(portal: str) -> list[str]:
    """What of a portal may be paused."""
    return [lane_of(portal, "", "portal"), *(lane_of(portal, method, "method") for method in METHODS)]
