"""The portals of a rules file as a command sees them that runs beside a `serve`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Store

__all__ = ["opened_subjects"]


@asynccontextmanager
async def opened_subjects(
    rules: RulesFile, names: Sequence[str], settings: Settings
) -> AsyncIterator[Mapping[str, Subject]]:
    from badge_bridge.access import open_beside
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.store import open_store
    from badge_bridge.store.memory import MemoryStore
    from badge_bridge.store.sqlite import SqliteStore

    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        store: Store = open_store(settings.state)
        if isinstance(store, SqliteStore) and not store.exists():
            store = pauses  # opening it would make it, perhaps in a wrong place; there is nothing in it to know
        for one in {pauses, store}:
            await one.open()
            stack.push_async_callback(one.close)
        subjects = {}
        for name in names:
            entry = rules.portals[name]
            portal = await open_beside(stack, entry, store=store, keys=settings.encryption_keys, pauses=pauses)
            subjects[name] = Subject(
                portal.client,
                portal.keyring,
                entry.url,
                application=entry.webhook is None,
                trusted_hosts=entry.trusted_hosts,
            )
        yield subjects
