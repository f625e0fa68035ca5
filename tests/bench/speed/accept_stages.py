"""What an accept is made of: microseconds of processor time, without sockets, a client or a wait for the disk.

    python -m bench.speed.accept_stages RUNS

uvicorn's protocol gets the bytes of new, signed deliveries from 25 connections at a time, and answers into memory. So
this tells what the interpreter itself takes, on one core: for a request to an empty function, for one whose signature
is checked and nothing else, and for one that `serve` accepts, the part of each step of it. Prints JSON.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import functions_framework.aio
import uvicorn
import uvloop
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.connections import guarded
from badge_bridge.door import ConnectionLimits
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import parse
from badge_bridge.server import create_app
from badge_bridge.serving import HttpProtocol
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery, Reply, Source
from badge_bridge.sources.receiving import read
from badge_bridge.store import opened_store
from bench.speed.contenders import EMPTY_FUNCTION, rules
from bench.speed.deliveries import KEY, SECRET, write_requests
from bench.speed.processes import printed

__all__ = ["measured"]

CONNECTIONS = 25
PART = 40 * CONNECTIONS
"""Requests of which a figure is the mean; of several such the smallest counts, which others on the machine disturbed
least."""

Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


def measured(runs: int) -> dict[str, float]:
    """The stages by name, measured in a process of its own."""
    said = json.loads(printed("accept_stages", runs, seconds=300))
    return {str(name): float(microseconds) for name, microseconds in said.items()}


class _Wire(asyncio.Transport):
    """A connection whose answers are counted."""

    def __init__(self, answered: Callable[[], None]) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self._answered = answered
        self._text = b""

    def write(self, data: Any) -> None:
        self._text += data
        if self._text.endswith(b"\r\n\r\n"):
            assert self._text.startswith(b"HTTP/1.1 204"), self._text
            self._text = b""
            self._answered()

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _Line:
    """All connections of a server."""

    def __init__(self, connect: Callable[[], asyncio.Protocol]) -> None:
        self._missing = 0
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocols = [connect() for _ in range(CONNECTIONS)]
        for protocol in self._protocols:
            protocol.connection_made(_Wire(self._answered))

    def _answered(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._all.set_result(None)

    async def send(self, requests: Sequence[bytes]) -> None:
        for start in range(0, len(requests), CONNECTIONS):
            some = requests[start : start + CONNECTIONS]
            self._missing, self._all = len(some), asyncio.get_running_loop().create_future()
            for protocol, request in zip(self._protocols, some, strict=False):
                protocol.data_received(request)
            await self._all


async def _measure(connect: Callable[[], asyncio.Protocol], runs: int, folder: Path) -> tuple[float, float]:
    """Of the thread of the event loop, and of all others."""
    line = _Line(connect)
    loop, others = [], []
    for _ in range(runs + 1):
        written = write_requests(folder, PART)
        data = written.path.read_bytes()
        requests = [data[start : start + written.size] for start in range(0, len(data), written.size)]
        thread, process = time.thread_time(), time.process_time()
        await line.send(requests)
        thread, process = time.thread_time() - thread, time.process_time() - process
        loop.append(thread / PART * 1e6)
        others.append((process - thread) / PART * 1e6)
    return min(loop[1:]), min(others[1:])


def _plain(app: Any) -> Callable[[], asyncio.Protocol]:
    """As uvicorn's worker serves an application under gunicorn."""
    return _server(app, HttpToolsProtocol)


def _server(app: Any, protocol: Any, **beside: bool) -> Callable[[], asyncio.Protocol]:
    options: dict[str, Any] = {"ws": "none", "lifespan": "off", "access_log": False, "log_config": None, **beside}
    config = uvicorn.Config(app, http=protocol, timeout_keep_alive=3600, **options)
    config.load()
    state = ServerState()
    return lambda: protocol(config=config, server_state=state, app_state={})


async def _checks_only(scope: Scope, receive: Receive, send: Send) -> None:
    headers = dict(scope["headers"])
    body = (await receive())["body"]
    signed = b".".join((headers[b"webhook-id"], headers[b"webhook-timestamp"], body))
    expected = b"v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256"))
    right = hmac.compare_digest(expected, headers[b"webhook-signature"])
    await Response(status_code=204 if right else 401)(scope, receive, send)


class _Begun:
    """The front of a bridge that takes only the first steps of an accept, and then answers."""

    def __init__(self, bridge: Bridge, *steps: Callable[[Source[Any], Delivery], object]) -> None:
        self.accepting = self
        self.source = bridge.accepting.source
        self.bodies, self.clock, self.installers = bridge.bodies, bridge.clock, bridge.installers
        self._steps = steps

    async def accept(self, source: Source[Any], delivery: Delivery) -> Reply:
        for step in self._steps:
            step(source, delivery)
        return source.reply()


def _verify(source: Source[Any], delivery: Delivery) -> object:
    return source.verify(delivery)


async def _serve(runs: int, folder: Path) -> dict[str, float]:
    environ = {"PORTAL_URL": "http://127.0.0.1:9", "CLIENT_SECRET": "no portal is asked", "PBX_SECRET": SECRET}
    parsed = parse(rules(), "rules.yaml", providers=OPTIONS, environ=environ)
    state = f"sqlite:///{folder / 'stages.db'}"
    async with (
        opened_store(state) as store,
        open_bridge(parsed, store, concurrency=1, keys=(new_key(),), at_work=False) as bridge,
    ):

        async def measure(front: Any) -> tuple[float, float]:
            server = _server(create_app(front), guarded(ConnectionLimits(), HttpProtocol), proxy_headers=False)
            return await _measure(server, runs, folder)

        answered, _ = await measure(_Begun(bridge))
        verified, _ = await measure(_Begun(bridge, _verify))
        understood, _ = await measure(_Begun(bridge, _verify, read))
        loop, writer = await measure(bridge)
    return {
        "serve's HTTP": answered,
        "its signature check": verified - answered,
        "reading the event": understood - verified,
        "its key, rules and row": loop - understood,
        "the thread that writes": writer,
    }


async def _stages(runs: int, folder: Path) -> dict[str, float]:
    source = folder / "empty.py"
    source.write_text(EMPTY_FUNCTION, "utf-8")
    function = functions_framework.aio.create_asgi_app("empty", str(source), "http")  # type: ignore[no-untyped-call]
    empty, _ = await _measure(_plain(function), runs, folder)
    checked, _ = await _measure(_plain(_checks_only), runs, folder)
    return {
        "an empty function": empty,
        "uvicorn and a signature check": checked,
        **await _serve(runs, folder),
    }


def main() -> None:
    logging.disable(logging.ERROR)  # that the application is not installed in any portal
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(uvloop.run(_stages(int(sys.argv[1]), Path(folder)))))


if __name__ == "__main__":
    main()
