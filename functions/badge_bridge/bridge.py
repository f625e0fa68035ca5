"""Putting the parts together: rules, sources, store, portals, pipeline and worker, opened and closed as one."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

from badge_bridge import rulesfile
from badge_bridge.body_budget import BodyBudget
from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.pipeline import Pipeline
from badge_bridge.portal import AccessToken, Credential, InboundWebhook, Portal, open_portal
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources import SourceOptions, build
from badge_bridge.store import open_store
from badge_bridge.store.protocol import Store

__all__ = ["Bridge", "credential", "open_bridge"]


@dataclass(frozen=True, slots=True)
class Bridge:
    """The running parts."""

    rules: RulesFile
    store: Store
    portals: Mapping[str, Portal]
    pipeline: Pipeline
    worker: LocalWorker
    bodies: BodyBudget
    clock: Callable[[], float]


@asynccontextmanager
async def open_bridge(
    rules: RulesFile,
    *,
    state: str,
    concurrency: int,
    transport: AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
    rng: Callable[[], float] = random.random,
) -> AsyncIterator[Bridge]:
    """Open the store and start working on what it holds; on leaving, let running attempts end and close everything.

    `transport` replaces the network towards the portals.

    Raises:
        SettingsError: `state` cannot be understood.
        StoreUnavailable: the store cannot be opened.
    """
    async with AsyncExitStack() as stack:
        store = open_store(state)
        await store.open()
        stack.push_async_callback(store.close)
        portals = {}
        for name, portal in rules.portals.items():
            portals[name] = open_portal(
                name, credential(portal), pauses=store, clock=clock, random=rng, transport=transport
            )
            stack.push_async_callback(portals[name].aclose)
            await portals[name].start()
        pipeline = Pipeline(
            rules=rules,
            sources={name: build(name, cast("SourceOptions", options)) for name, options in rules.sources.items()},
            portals=portals,
            store=store,
            wake=lambda keys: worker.wake(keys),  # noqa: PLW0108 - the worker is made from this pipeline, below
            clock=clock,
            random=rng,
        )
        worker = LocalWorker(sweep=pipeline.sweep, process=pipeline.process, concurrency=concurrency)
        worker.start()
        stack.push_async_callback(worker.stop)
        yield Bridge(
            rules=rules,
            store=store,
            portals=portals,
            pipeline=pipeline,
            worker=worker,
            bodies=BodyBudget(),
            clock=clock,
        )


def credential(portal: rulesfile.Portal) -> Credential:
    """What the rules file says about a portal, as its client needs it."""
    if portal.webhook is not None:
        return InboundWebhook(portal.webhook.get_secret_value())
    assert portal.access_token is not None, "the rules file is checked for one or the other"
    return AccessToken(portal.url, portal.access_token.get_secret_value())
