"""Stores that something has happened to: a kill, a disk that damaged the file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

__all__ = ["crash", "damage"]

_EVENTS_BY_TYPE = "events_by_type"
"""Each event that is accepted is written into it; who asks how the store is, or takes what is due, does without."""


def damage(path: Path, name: str = _EVENTS_BY_TYPE) -> None:
    """Overwrite the first page of a table or an index with what nobody has written there. Nobody may have it open."""
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


_CRASH = """
import asyncio, os, sys, threading
from badge_bridge.store.sqlite import SqliteStore
from support.stores import item
WRITER = "badge-bridge-writer"  # the check of the pages writes the lock, too, at any time
STEPS = {"_foresee_stamp", "_stamp", "expect", "renew"}
path, key, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
def look(frame, event, arg):
    global left
    if event == "c_call" and frame.f_code.co_name in STEPS and threading.current_thread().name == WRITER:
        left -= 1
        if not left:
            os._exit(3)
async def work():
    store = SqliteStore(path)
    await store.open()
    await store.accept([item(key)])
    os._exit(0)
threading.setprofile(look)
asyncio.run(work())
"""


def crash(path: Path, key: str = "s:last", *, steps: int = 0) -> bool:
    """Let a process open the store and be gone when it has taken one event, which leaves it in the log; or, where
    `steps` are given, at the step of that number in giving the file its stamp, if it comes so far. Whether the event was taken.
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _CRASH, str(path), key, str(steps)]
    done = subprocess.run(command, env=environ, check=False, timeout=60)
    assert done.returncode in {0, 3}
    return done.returncode == 0
