"""The official client: transactions, queries, and its errors as `StoreUnavailable`.

Imported when the store does more than take events in: the client takes 0.4 s to import.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from google.api_core.exceptions import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    GoogleAPICallError,
    NotFound,
    RetryError,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import AsyncClient
from google.cloud.firestore_v1.async_document import AsyncDocumentReference
from google.cloud.firestore_v1.async_query import AsyncQuery
from google.cloud.firestore_v1.async_transaction import AsyncTransaction
from google.cloud.firestore_v1.base_document import DocumentSnapshot
from google.cloud.firestore_v1.base_query import FieldFilter

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.firestore.documents import LET_GO, PASSING

__all__ = ["AsyncQuery", "AsyncTransaction", "Database", "Reference", "each", "in_turn", "where"]

T = TypeVar("T")
Reference = AsyncDocumentReference

TIMEOUT = 10.0
"""Seconds that one operation may take, with all its tries."""

TRIES = 6
"""How often a transaction is tried that others keep aborting."""

CHANGES = 30
"""How often one document is looked at again that others keep changing."""

_LONGEST_PAUSE = 0.1
_TOGETHER = 20


class Database:
    """A Firestore database, used from one event loop."""

    def __init__(self, project: str, database: str) -> None:
        try:
            self._client = AsyncClient(project=project, database=database)
        except GoogleAuthError as error:
            raise StoreUnavailable(f"Firestore: {error}") from error
        self.has_failed = False
        """Whether something could not be done; for whoever asks how Firestore is."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """End the connection; what is under way is cut off."""
        # The library closes it only when the process ends.
        api = self._client._firestore_api_internal  # noqa: SLF001
        if api is not None:
            await api.transport.close()

    def document(self, *path: str) -> Reference:
        reference: Reference = self._client.document(*path)
        return reference

    def collection(self, name: str) -> AsyncQuery:
        # Everything that a collection's reference can do to find documents, its query can.
        return AsyncQuery(self._client.collection(name))

    async def transact(self, name: str, work: Callable[[AsyncTransaction], Awaitable[T]]) -> T:
        """Do `work` in a transaction. It must read before it writes.

        It may be done again: where others were faster, and where no answer came to the commit, so that it may find what
        it has written itself. `name` is what they would all fight over: within this process they take turns instead.
        """
        async with self._translated(), self._turn(name):
            for left in reversed(range(TRIES)):
                try:
                    return await self._try(work)
                except GoogleAPICallError as error:
                    if not left or not _passes(error):
                        raise
                await _pause()
        raise AssertionError("the last try raises")

    async def _try(self, work: Callable[[AsyncTransaction], Awaitable[T]]) -> T:
        # The library's decorator waits a minute for a rollback, and raises what that says instead of what was wrong.
        transaction = self._client.transaction(max_attempts=1)
        await transaction._begin()  # noqa: SLF001
        try:
            answer = await work(transaction)
            await transaction._commit()  # noqa: SLF001
        except BaseException:
            with contextlib.suppress(GoogleAPICallError, GoogleAuthError, RetryError, TimeoutError):
                async with asyncio.timeout(LET_GO):
                    await transaction._rollback()  # noqa: SLF001
            raise
        return answer

    async def change(
        self, reference: Reference, decide: Callable[[dict[str, Any] | None], tuple[dict[str, Any] | None, T]]
    ) -> T:
        """Replace the fields of one document by what `decide` makes of them (None: there is none), and return what else
        it says. Written only where nobody else has written since; else it is asked again.

        For what many change at once: nobody holds a lock while he thinks, and the wait for a turn has no limit.
        """
        async with self._turn(reference.path), self._translated():
            for left in reversed(range(CHANGES)):
                snapshot = await reference.get()
                before = snapshot.to_dict() if snapshot.exists else None
                after, answer = decide(before)
                if after == before:
                    return answer
                try:
                    await self._write(reference, snapshot, after)
                except (AlreadyExists, FailedPrecondition, NotFound, Aborted):
                    if not left:
                        raise
                    await _pause()
                else:
                    return answer
        raise AssertionError("the last try raises")

    async def _write(self, reference: Reference, snapshot: DocumentSnapshot[Any], after: dict[str, Any] | None) -> None:
        if not snapshot.exists:
            await reference.create(after or {})
            return
        unchanged = self._client.write_option(last_update_time=snapshot.update_time)
        if after is None:
            await reference.delete(option=unchanged)
        else:
            await reference.update(after, option=unchanged)

    def _turn(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def read(
        self, references: Sequence[Reference], transaction: AsyncTransaction | None = None
    ) -> dict[str, dict[str, Any]]:
        """The fields of those documents that there are, by path."""
        if not references:
            return {}
        async with self._translated(transaction):
            found = {}
            async for snapshot in self._client.get_all(list(references), transaction=transaction):
                if snapshot.exists:
                    found[snapshot.reference.path] = snapshot.to_dict() or {}
            return found

    async def find(
        self, query: AsyncQuery, transaction: AsyncTransaction | None = None
    ) -> list[tuple[Reference, dict[str, Any]]]:
        """What a query finds, in its order."""
        async with self._translated(transaction):
            return [_pair(snapshot) async for snapshot in query.stream(transaction=transaction)]

    async def count(self, query: AsyncQuery) -> int:
        """How many documents a query finds, without reading them."""
        async with self._translated():
            ((found,),) = await query.count().get()  # type: ignore[call-arg]  # wrongly annotated by the library
            return int(found.value)

    async def update(self, reference: Reference, fields: Mapping[str, Any]) -> bool:
        """Write fields of a document that is there; False where it is not."""
        async with self._translated():
            try:
                await reference.update(dict(fields))
            except NotFound:
                return False
            return True

    @asynccontextmanager
    async def _translated(self, transaction: AsyncTransaction | None = None) -> AsyncIterator[None]:
        if transaction is not None:
            # `transact` has the time and the tries of all that is in it, and must see what was aborted.
            yield
            return
        try:
            async with asyncio.timeout(TIMEOUT):
                yield
        except (GoogleAPICallError, RetryError, GoogleAuthError) as error:
            self.has_failed = True
            raise StoreUnavailable(f"Firestore: {error}") from error
        except TimeoutError as error:
            self.has_failed = True
            raise StoreUnavailable(f"Firestore did not answer within {TIMEOUT:g} s") from error


def where(query: AsyncQuery, **conditions: tuple[str, Any]) -> AsyncQuery:
    """The query with conditions: `where(query, state=("==", "waiting"), wake_at=("<=", now))`."""
    for name, (operator, value) in conditions.items():
        query = query.where(filter=FieldFilter(name, operator, value))
    return query


async def in_turn(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do it side by side, not all at once; an error is raised when all the others are done."""
    done: list[T] = []
    for answer in await each(work):
        if isinstance(answer, Exception):
            raise answer
        done.append(answer)
    return done


async def each(work: Iterable[Awaitable[T]]) -> list[T | Exception]:
    """What each comes to, in order, or why it does not."""
    room = asyncio.Semaphore(_TOGETHER)

    async def one(awaitable: Awaitable[T]) -> T:
        async with room:
            return await awaitable

    answers = await asyncio.gather(*map(one, work), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Exception):
            raise answer
    return cast("list[T | Exception]", answers)


async def _pause() -> None:
    """Two that were in each other's way must not meet again at once."""
    await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - no secret


def _pair(snapshot: DocumentSnapshot[Any]) -> tuple[Reference, dict[str, Any]]:
    return snapshot.reference, snapshot.to_dict() or {}


def _passes(error: GoogleAPICallError) -> bool:
    """Whether the transaction may succeed when it is tried again."""
    status = error.grpc_status_code.name if error.grpc_status_code else ""
    if status == "INVALID_ARGUMENT":
        # It is over: it took too long, or its commit was sent again after the answer to that was lost.
        return "transaction" in str(error.message).lower()
    return status in PASSING or status == "CANCELLED"
