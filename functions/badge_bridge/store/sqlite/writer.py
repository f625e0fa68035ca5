"""The one thread that writes: it commits together whatever has gathered while the last commit was on its way to disk.

There is no lingering: a single operation on an idle store is committed at once, and under load one sync to disk serves
up to 256 operations. What one turn of the event loop brings is handed over together, and all answers of a group come
back in one call: the thread and the loop share one lock, and each time it changes hands costs more than an insert.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite.file import code_of

__all__ = ["PATIENCE", "Writer"]

Work = TypeVar("Work")
Done = tuple[Any, BaseException | None]

_GROUP = 256
_MOST_WAITING = 10_000
_MOST_WAITING_BYTES = 64 * 1024 * 1024

PATIENCE = 10.0
"""Seconds that a disk may take for a group of operations. One that hangs raises no error, and whoever sent the delivery
has given up by then, or soon will."""

_LOOKS = 4
"""Within that time. Counting them instead of the seconds passes over those in which the process itself stood still."""

_Queue = queue.SimpleQueue["list[_Waiting[Work]] | None"]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting(Generic[Work]):
    work: Work
    size: int
    answer: asyncio.Future[Any]


class Writer(Generic[Work]):
    """Carries out operations in a thread of its own, in groups, each group in one transaction.

    `carry_out(connection, works)` does them inside the open transaction and returns their results in order; it raises
    if any of them cannot be done. None is opened for a group of which `in_one_statement` says that one statement does
    it all. `connect` makes the connection (again, if it was lost), `unavailable` says which errors mean that the file
    is the trouble and no operation can succeed now. In the writer's thread `before_commit` raises where what is
    committed would be lost, and `committed` is told how many rows a commit has changed.

    Where a group takes longer than `patience` seconds, whatever waits is told that the store is unavailable, and so is
    who comes until the group has ended. It may be carried out yet.
    """

    def __init__(
        self,
        *,
        carry_out: Callable[[sqlite3.Connection, Sequence[Work]], Sequence[Any]],
        in_one_statement: Callable[[Sequence[Work]], bool] = lambda _works: False,
        connect: Callable[[], sqlite3.Connection],
        unavailable: Callable[[BaseException], StoreUnavailable | None],
        before_commit: Callable[[], object] = lambda: None,
        committed: Callable[[int], object] = lambda _rows: None,
        most_waiting: int = _MOST_WAITING,
        most_waiting_bytes: int = _MOST_WAITING_BYTES,
        patience: float = PATIENCE,
    ) -> None:
        self._carry_out = carry_out
        self._in_one_statement = in_one_statement
        self._connect = connect
        self._unavailable = unavailable
        self._before_commit = before_commit
        self._committed = committed
        self._most_waiting = most_waiting
        self._most_waiting_bytes = most_waiting_bytes
        self._queue: _Queue[Work] = queue.SimpleQueue()
        self._gathered: list[_Waiting[Work]] = []
        self._connection: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._process = 0
        self._waiting: deque[_Waiting[Work]] = deque()
        """All that was not answered yet, in the order in which it is."""
        self._waiting_bytes = 0
        self._patience = patience
        self._watch: asyncio.TimerHandle | None = None
        self._still = 0
        """Looks since a group last ended, or since one began after nothing had waited."""
        self.hangs = ""
        """Why nothing is taken: a group has been under way for too long. Empty where none has."""
        self.commits = 0
        """Transactions committed so far."""
        self.failing = False
        """Whether the file was the trouble when something was last written; a commit that wrote nothing is no sign."""

    async def open(self, prepare: Callable[[], sqlite3.Connection]) -> None:
        """Start the thread; `prepare` makes its first connection there, and its error is raised here."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        stopped: asyncio.Future[None] = loop.create_future()
        self._queue = queue.SimpleQueue()
        # Daemon: a process that ends without close() must not hang. Whatever was answered is on disk by then.
        threading.Thread(
            target=self._run,
            args=(prepare, self._queue, loop, ready, stopped),
            name="badge-bridge-writer",
            daemon=True,
        ).start()
        try:
            await asyncio.shield(ready)
        except asyncio.CancelledError:
            self._queue.put(None)
            raise
        self._loop, self._stopped, self._process = loop, stopped, os.getpid()

    async def close(self) -> None:
        """Carry out what is waiting, then end the thread and its connection. Nothing more is taken from now on."""
        stopped, self._loop, self._stopped = self._stopped, None, None
        if stopped is not None:
            self._hand_over()
            self._queue.put(None)
            await asyncio.shield(stopped)

    def submit(self, work: Work, *, size: int = 0) -> asyncio.Future[Any]:
        """Queue one operation; `size` is roughly its bytes.

        Raises:
            StoreUnavailable: not open, or so much is waiting that another operation would wait too long.
        """
        if self._loop is None:
            raise StoreUnavailable("the store is not open")
        if self._process != os.getpid():
            raise StoreUnavailable("the store was opened before a fork; open it in the process that uses it")
        if self.hangs:
            raise StoreUnavailable(self.hangs)
        if len(self._waiting) >= self._most_waiting or self._waiting_bytes > self._most_waiting_bytes:
            raise StoreUnavailable(
                f"the store is too slow for what arrives: {len(self._waiting)} operations wait for its disk; "
                "send less, or put the file on a faster disk"
            )
        answer: asyncio.Future[Any] = self._loop.create_future()
        waiting = _Waiting(work, size, answer)
        if not self._waiting:
            self._still = 0
        self._waiting.append(waiting)
        self._waiting_bytes += size
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(waiting)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience / _LOOKS, self._look)
        return answer

    # In the loop's thread

    def _hand_over(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._queue.put(gathered)

    def _answer(self, group: Sequence[_Waiting[Work]], done: Sequence[Done]) -> None:
        self._still = 0
        if self.hangs:
            self.hangs = ""
            _log.warning("the store's disk answers again")
        for waiting, (result, error) in zip(group, done, strict=True):
            self._waiting.popleft()
            self._waiting_bytes -= waiting.size
            if waiting.answer.done():  # its caller was cancelled, or has heard that the disk hangs
                continue
            if error is None:
                waiting.answer.set_result(result)
            else:
                waiting.answer.set_exception(error)

    def _look(self) -> None:
        self._watch = None
        if not self._waiting or self._loop is None:
            return
        self._watch = self._loop.call_later(self._patience / _LOOKS, self._look)
        self._still += 1
        if self._still < _LOOKS:
            return
        if not self.hangs:
            self.hangs = f"the store's disk has not answered for {self._patience:g} s; see that it is there and works"
            _log.error("%s; %d operations wait for it", self.hangs, len(self._waiting))
        for waiting in self._waiting:
            if not waiting.answer.done():
                waiting.answer.set_exception(StoreUnavailable(self.hangs))

    # In the writer's thread

    def _run(
        self,
        prepare: Callable[[], sqlite3.Connection],
        waiting: _Queue[Work],
        loop: asyncio.AbstractEventLoop,
        ready: asyncio.Future[None],
        stopped: asyncio.Future[None],
    ) -> None:
        try:
            self._connection = prepare()
        except BaseException as error:  # noqa: BLE001 - raised where open() is awaited
            _call(loop, _set_exception, ready, self._unavailable(error) or error)
            return
        _call(loop, _set_result, ready)
        last = False
        while not last:
            gathered, last = _gather(waiting)
            for start in range(0, len(gathered), _GROUP):
                group = gathered[start : start + _GROUP]
                _call(loop, self._answer, group, self._do(group))
        self._disconnect()
        _call(loop, _set_result, stopped)

    def _do(self, group: Sequence[_Waiting[Work]]) -> list[Done]:
        try:
            return [(result, None) for result in self._transaction([waiting.work for waiting in group])]
        except Exception as error:  # noqa: BLE001 - each caller gets it
            trouble = self._unavailable(error)
            self.failing = self.failing or trouble is not None
            if trouble is not None and not _is_full(error):
                # One error object each: raising one object in many tasks would mix up their tracebacks.
                return [(None, _caused(StoreUnavailable(str(trouble)), error)) for _ in group]
            if len(group) == 1:
                return [(None, _caused(trouble, error) if trouble else error)]
        # One of them cannot be done (or is too large for what is left of the disk); its neighbours can.
        return [done for waiting in group for done in self._do([waiting])]

    def _transaction(self, works: Sequence[Work]) -> Sequence[Any]:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        changes = connection.total_changes
        try:
            if self._in_one_statement(works):
                self._before_commit()
                results = self._carry_out(connection, works)
            else:
                connection.execute("BEGIN IMMEDIATE")
                results = self._carry_out(connection, works)
                self._before_commit()
                connection.execute("COMMIT")
        except BaseException as error:
            self._roll_back(connection)
            if self._unavailable(error) and not _is_passing(error):
                # A new connection starts with a new view of the file, whatever happened to it.
                self._disconnect()
            raise
        self.commits += 1
        if connection.total_changes != changes:
            self.failing = False
            self._committed(connection.total_changes - changes)
        return results

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            _log.warning("the store's connection is lost and will be made again", exc_info=True)
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                _log.warning("the store's connection could not be closed", exc_info=True)


def _gather(source: _Queue[Work]) -> tuple[list[_Waiting[Work]], bool]:
    """What waits now, at least one operation and not much more than a group; and whether it is the last."""
    gathered: list[_Waiting[Work]] = []
    waiting = source.get()
    while waiting is not None:
        gathered += waiting
        if len(gathered) >= _GROUP or source.empty():
            return gathered, False
        waiting = source.get()
    return gathered, True


def _is_full(error: BaseException) -> bool:
    return code_of(error) == sqlite3.SQLITE_FULL


def _is_passing(error: BaseException) -> bool:
    return code_of(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _caused(error: StoreUnavailable, cause: BaseException) -> StoreUnavailable:
    if error is not cause:
        error.__cause__ = cause
    return error


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop was closed first; nobody waits any more
        _log.debug("the event loop ended before the store")


def _set_result(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _set_exception(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
