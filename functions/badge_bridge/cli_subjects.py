"""The portals of a rules file as a command sees them that runs beside a `serve`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from badge_bridge.cli_options import missing_store, no_store

if TYPE_CHECKING:
    from badge_bridge.portal import Portal
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Store

__all__ = ["opened_portals", "opened_subjects"]


@asynccontextmanager
async def opened_portals(
    rules: RulesFile, names: Iterable[str], settings: Settings, store: Store
) -> AsyncIterator[Mapping[str, Portal]]:
    """The named portals, open, with their tokens and their count of requests in this open store.

    Raises:
        SettingsError, StoreUnavailable: as `open_beside`.
    """
    from badge_bridge.access import open_beside
    from badge_bridge.store.memory import MemoryStore

    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        await pauses.open()
        stack.push_async_callback(pauses.close)
        yield {
            name: await open_beside(
                stack, rules.portals[name], rules, store=store, keys=settings.encryption_keys, pauses=pauses
            )
            for name in names
        }


@asynccontextmanager
async def opened_subjects(
    rules: RulesFile, names: Sequence[str], settings: Settings, *, must_exist: bool
) -> AsyncIterator[Mapping[str, Subject]]:
    """The named portals, open. Where there is no store yet, those that need nothing from it are open all the same.

    Raises:
        SettingsError: an application's tokens would be in a store that is not there, and `must_exist` is set.
    """
    from badge_bridge.access import limiter_of, open_beside, subscriptions_beside
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.store import open_store
    from badge_bridge.store.memory import MemoryStore

    absent = missing_store(settings)
    if absent and must_exist and any(rules.portals[name].app is not None for name in names):
        raise no_store(absent)
    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        # Opening a store that is not there would make it, perhaps in a wrong place.
        store: Store = pauses if absent else open_store(settings.state)
        for one in {pauses, store}:
            await one.open()
            stack.push_async_callback(one.close)
        subjects = {}
        for name in names:
            entry = rules.portals[name]
            portal = await open_beside(stack, entry, rules, store=store, keys=settings.encryption_keys, pauses=pauses)
            subjects[name] = Subject(
                portal.client,
                portal.keyring,
                entry.url,
                application=entry.webhook is None,
                trusted_hosts=entry.trusted_hosts,
                # The same bucket as that of the portal's own client.
                admitted=limiter_of(entry, store, clock=time.time).admitted,
                subscribed=subscriptions_beside(entry, portal, rules, store=store, keys=settings.encryption_keys),
            )
        yield subjects
