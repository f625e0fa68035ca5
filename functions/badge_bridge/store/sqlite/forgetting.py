"""Deleting events whose time is over, a little at a time, so that deliveries never wait for long.

What is to go is looked for where others read. Whoever writes only deletes by ids and looks once more whether that is
still so.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from badge_bridge.events import LEG, call_join
from badge_bridge.store.forgetting import Forgotten, Trace
from badge_bridge.store.records import Unreadable, read_event
from badge_bridge.store.sqlite import outcomes, sql
from badge_bridge.store.sqlite.remembered import mark_of, remember

__all__ = ["Doing", "Forgetter"]

T = TypeVar("T")

_JOINS = 2_000
"""Rows of `joins` that one call looks at: they are found by what they join, not by their events."""
_ERASED = 200
"""Traces of one transaction."""
_START: tuple[float, str, float, str] = (-math.inf, "", -math.inf, "")


class Doing(Protocol):
    """Carries out work on a connection, in a transaction of its own."""

    def __call__(self, work: Callable[[sqlite3.Connection], T], /) -> Awaitable[T]: ...


class _Over(NamedTuple):
    """An event that may go."""

    id: int
    call: str
    """By what the legs of its call find each other, where it is one."""


class Forgetter:
    """`secret` is the key of the hashes. Where in `joins` it has come to is known to this object only: a new process
    looks through all of them once.
    """

    def __init__(self, read: Doing, write: Doing, secret: bytes) -> None:
        self._read = read
        self._write = write
        self._secret = secret
        self._joins: tuple[float, str, float, str] | None = _START

    async def forget(self, before: float, limit: int) -> Forgotten:
        """As `Store.forget`."""
        over = await self._read(lambda connection: _ended(connection, before, limit))
        deleted = 0
        if over:
            deleted = await self._write(lambda connection: _forget(connection, over, before, self._secret))
            self._joins = _START
            if len(over) == limit:
                return Forgotten(deleted, more=True)
        closed = await self._read(lambda connection: _closed(connection, before, limit))
        if closed:
            await self._write(lambda connection: connection.executemany(sql.FORGET_ATTACHMENT, closed).rowcount)
        return Forgotten(deleted, more=await self._forget_joins() or len(closed) == limit)

    async def erase(self, traces: Collection[Trace]) -> None:
        """As `Store.erase`."""
        every = list(traces)
        for start in range(0, len(every), _ERASED):
            await self._write(partial(_erase, traces=every[start : start + _ERASED], secret=self._secret))
        self._joins = _START
        while await self._forget_joins():
            pass

    async def _forget_joins(self) -> bool:
        """Delete some of what joins events that are gone; whether there are joins that were not looked at since."""
        if self._joins is None:
            return False
        start = (*self._joins, _JOINS)
        rows = await self._read(lambda connection: connection.execute(sql.JOINS_ON, start).fetchall())
        gone = [row[:4] for row in rows if not row[4]]
        if gone:
            await self._write(lambda connection: connection.executemany(sql.FORGET_JOIN, gone).rowcount)
        self._joins = rows[-1][:4] if len(rows) == _JOINS else None
        return self._joins is not None


def _ended(connection: sqlite3.Connection, before: float, limit: int) -> Sequence[_Over]:
    """Those that ended before then, the first first."""
    values = {"before": before, "leg": LEG, "most": max(limit, 0)}
    return [_Over(event, _call_of(text)) for event, text in connection.execute(sql.ENDED_BEFORE, values).fetchall()]


def _closed(connection: sqlite3.Connection, before: float, limit: int) -> Sequence[Any]:
    return connection.execute(sql.CLOSED_BEFORE, {"before": before, "most": limit}).fetchall()


def _call_of(text: str | None) -> str:
    """The call of a leg; empty for any other event, and where this version cannot read it."""
    if text is None:
        return ""
    try:
        event = read_event(text)
    except Unreadable:
        return ""
    return call_join(event) if event.leg is not None else ""


def _forget(connection: sqlite3.Connection, over: Sequence[_Over], before: float, secret: bytes) -> int:
    keys = []
    for one in over:
        reached = outcomes.reached(connection, one.id)
        values = {"id": one.id, "before": before}
        for key, received_at in connection.execute(sql.FORGET_EVENT, values).fetchall():
            keys.append(key)
            outcomes.forget(connection, reached, received_at=received_at, key=key)
            _leg_less(connection, one.call)
    remember(connection, [mark_of(secret, key) for key in keys])
    connection.executemany(sql.FORGET_ATTACHMENTS, ((key,) for key in keys))
    return len(keys)


def _leg_less(connection: sqlite3.Connection, call: str) -> None:
    """A leg of the call is gone: whoever reads the others must not wait for it."""
    if call:
        connection.execute(sql.LEG_LESS, (call,))
        connection.execute(sql.NO_CALL, (call, 0))


def _erase(connection: sqlite3.Connection, traces: Collection[Trace], secret: bytes) -> None:
    """But for the joins, which nobody finds any more once their events are gone."""
    for trace in traces:
        if trace.place == "event":
            reached = _reached(connection, trace.name)
            rows = connection.execute(sql.ERASE_EVENT, {"key": trace.name, "leg": LEG}).fetchall()
            for text, received_at in rows:
                outcomes.forget(connection, reached, received_at=received_at, key=trace.name)
                remember(connection, [mark_of(secret, trace.name)])
                _leg_less(connection, _call_of(text))
        if trace.place in ("event", "ledger"):
            connection.execute(sql.ERASE_ATTACHMENTS, (trace.name,))
        if trace.place == "call":
            connection.execute(sql.NO_CALL, (trace.name, math.inf))
        if trace.place == "pause":
            connection.execute(sql.ERASE_REASON, (trace.name,))


def _reached(connection: sqlite3.Connection, key: str) -> outcomes.Reached:
    row = connection.execute(sql.PEEK, (key,)).fetchone()
    return outcomes.reached(connection, row[0]) if row is not None else ()
