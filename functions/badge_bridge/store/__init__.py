"""Where events are kept: the `Store` protocol and what implements it.

`open_store` turns the setting (`--state`, `sqlite:///PATH`, `firestore://PROJECT/DATABASE`) into a store;
`await store.open()` makes it ready, and `opened_store` both. Only the one that is named is imported: a first delivery
waits for it.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from badge_bridge.errors import SettingsError
from badge_bridge.misplaced import repeated
from badge_bridge.store.protocol import Store

__all__ = ["Store", "open_store", "opened_store"]

_KNOWN = (
    "`sqlite:///state.db` (relative), `sqlite:////var/lib/badge-bridge/state.db` (absolute), "
    "`firestore://PROJECT/DATABASE` or `memory:` (for trials)"
)


def open_store(url: str) -> Store:
    """The store that a URL names, not opened yet: `await open()` it in the process and event loop that uses it.

    `sqlite:///PATH`: a SQLite file; everything after the three slashes is its path, taken literally, so that a fourth
    slash makes it absolute. `firestore://PROJECT/DATABASE`: a Firestore database in native mode, by default the one
    named `(default)`. `memory:`: nothing is kept beyond the process.

    Raises:
        SettingsError: another scheme, or no path.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest.strip("/"):
        from badge_bridge.store.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        from badge_bridge.store.sqlite import SqliteStore

        return SqliteStore(_path(url, rest))
    if scheme == "firestore":
        from badge_bridge.store.firestore import FirestoreStore

        return FirestoreStore(*_project_and_database(url, rest))
    raise SettingsError(f"the store {repeated(url)} is not known; write {_KNOWN}")


@asynccontextmanager
async def opened_store(url: str) -> AsyncIterator[Store]:
    """What `open_store` gives, opened, and closed on leaving.

    Raises:
        SettingsError: the URL cannot be understood.
        StoreUnavailable: the store cannot be opened.
    """
    store = open_store(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _path(url: str, rest: str) -> str:
    path = rest.removeprefix("///")
    if path == rest or not path or path.endswith("/"):
        raise SettingsError(f"the store {repeated(url)} names no file; write {_KNOWN}")
    if "?" in path or "\0" in path:
        raise SettingsError(f"the store {repeated(url)}: options after a question mark are not known; write {_KNOWN}")
    return path


def _project_and_database(url: str, rest: str) -> tuple[str, str]:
    # What Google allows as their names: Resource Manager docs, "Creating projects"; Firestore docs, "Manage databases".
    match = re.fullmatch(r"//([a-z][a-z0-9.:-]{4,}[a-z0-9])(?:/([a-z][a-z0-9-]{2,61}[a-z0-9]|\(default\)))?/?", rest)
    if match is None:
        raise SettingsError(
            f"the store {repeated(url)} names no project, or a database with a name that none can have; write {_KNOWN}"
        )
    return match[1], match[2] or "(default)"
