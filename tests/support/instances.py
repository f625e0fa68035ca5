"""Instances of the functions that receive and process, over any store and any network, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from badge_bridge.access import Access
from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.installation import handle_install
from badge_bridge.pipeline import Pipeline
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sandbox.phpform import build_form
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import CLIENT_ID
from badge_bridge.serverless.processing import Processing
from badge_bridge.sources import build_all
from badge_bridge.sources.base import Delivery
from badge_bridge.store.protocol import Store

__all__ = ["KEYS", "Instance", "install", "open_instance"]

KEYS = (new_key(),)
"""Of ENCRYPTION_KEY: all instances share what one of them has written."""

CONCURRENCY = 256
"""Attempts that one instance of `process` makes at a time where it is deployed as it comes."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What one process holds; `worker` is what its `sweep` would drain."""

    pipeline: Pipeline
    processing: Processing
    worker: LocalWorker
    access: Access


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
    """As `open_bridge` and the function `process` put it together, over a store that others have open too."""
    async with AsyncExitStack() as stack:
        access = await Access.open(
            stack, rules, store=store, keys=KEYS, clock=clock, random=random, transport=transport
        )
        pipeline = Pipeline(
            rules=rules,
            sources=build_all(rules.sources),
            portals=access.portals,
            store=store,
            wake=wake,
            application_tokens=access.tokens.tokens,
            token_refused=access.doubt,
            clock=clock,
            random=random,
        )
        processing = Processing(
            pipeline=pipeline, store=store, wake=wake, concurrency=concurrency, clock=clock, sleep=sleep
        )
        worker = LocalWorker(sweep=pipeline.sweep, process=pipeline.process, concurrency=concurrency)
        stack.push_async_callback(worker.stop)
        yield Instance(pipeline, processing, worker, access)


async def install(instance: Instance, portals: Mapping[str, SandboxPortal], clock: Callable[[], float]) -> None:
    """Let each portal, by its name in the rules file, install the application, as Bitrix24 does when it is made."""
    for name, portal in portals.items():
        event = portal.office.install(CLIENT_ID, url="http://127.0.0.1:8080/install", user_id=1)
        body = build_form({**event.fields, "ts": int(clock())}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        delivery = Delivery("POST", "", headers, body, clock())
        reply = await handle_install(delivery, [instance.access.installers[name]])
        assert reply.status == 200, reply
