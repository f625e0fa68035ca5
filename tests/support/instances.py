"""Instances of the functions that receive and process, over any store and any network, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.installation import handle_install
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sandbox.phpform import build_form
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import CLIENT_ID
from badge_bridge.serverless.processing import Processing
from badge_bridge.sources.base import Delivery
from badge_bridge.store.protocol import Store

__all__ = ["KEYS", "Instance", "install", "open_instance"]

KEYS = (new_key(),)
"""Of ENCRYPTION_KEY: all instances share what one of them has written."""

CONCURRENCY = 256
"""Attempts that one instance of `process` makes at a time where it is deployed as it comes."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What one process of `process`, and one of `sweep`, holds."""

    bridge: Bridge
    processing: Processing


@asynccontextmanager
async def open_instance(
    rules: RulesFile,
    *,
    store: Store,
    transport: httpx.AsyncBaseTransport,
    clock: Callable[[], float],
    wake: Callable[[Sequence[str]], Awaitable[None]],
    random: Callable[[], float] = lambda: 0.5,
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    concurrency: int = CONCURRENCY,
) -> AsyncIterator[Instance]:
    """As the function `process` puts it together, over a store that others have open too."""
    given: dict[str, Any] = {"concurrency": concurrency, "clock": clock, "wake": wake}
    async with open_bridge(rules, store, keys=KEYS, transport=transport, rng=random, at_work=False, **given) as bridge:
        yield Instance(bridge, Processing(pipeline=bridge.pipeline, store=store, sleep=sleep, **given))


async def install(instance: Instance, portals: Mapping[str, SandboxPortal], clock: Callable[[], float]) -> None:
    """Let each portal, by its name in the rules file, install the application, as Bitrix24 does when it is made."""
    for name, portal in portals.items():
        event = portal.office.install(CLIENT_ID, url="http://127.0.0.1:8080/install", user_id=1)
        body = build_form({**event.fields, "ts": int(clock())}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        delivery = Delivery("POST", "", headers, body, clock())
        reply = await handle_install(delivery, [instance.bridge.installers[name]])
        assert reply.status == 200, reply
