"""What Firestore is asked and bills, counted where it leaves: the official client's API and the REST calls.

Billed are documents (Firestore docs, "Pricing"): each one that a read or a query returns, a look for one that is not
there, one for a query that finds nothing, and each one that a commit writes or deletes. A commit that is refused is
counted apart: the documentation does not say that it is billed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import astuple, dataclass
from typing import Any, cast

import httpx

from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.protocol import Store

__all__ = ["Bill", "Cost", "billed"]

_method: ContextVar[str] = ContextVar("method", default="")


@dataclass(slots=True)
class Cost:
    """`calls` are round trips, `refused` those commits among them that were not carried out."""

    reads: float = 0
    writes: float = 0
    deletes: float = 0
    calls: float = 0
    refused: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __truediv__(self, number: float) -> Cost:
        return Cost(*(one / number for one in astuple(self)))

    def __mul__(self, number: float) -> Cost:
        return Cost(*(one * number for one in astuple(self)))


class Bill:
    """The costs by method of the store, and how often each was called, since it was last `taken`."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = defaultdict(Cost)
        self.uses: dict[str, int] = defaultdict(int)

    def add(self, **counts: int) -> None:
        self.costs[_method.get() or "by itself"] += Cost(**counts)

    def taken(self) -> tuple[Mapping[str, Cost], Mapping[str, int]]:
        costs, uses = dict(self.costs), dict(self.uses)
        self.costs.clear()
        self.uses.clear()
        return costs, uses


class _Billed:
    """The store with a name on each call: what it asks Firestore meanwhile goes under that name."""

    restored_at = None

    def __init__(self, store: FirestoreStore, bill: Bill) -> None:
        self._store = store
        self._bill = bill

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def named(*given: Any, **options: Any) -> Any:
            token = _method.set(name)
            self._bill.uses[name] += 1
            try:
                return await method(*given, **options)
            finally:
                _method.reset(token)

        return named


async def billed(store: FirestoreStore, bill: Bill) -> Store:
    """An open store that nobody has used yet, with everything that it asks from now on on the bill."""
    api = store._api
    assert api is not None
    assert api._client is None, "it has been used"
    api._transport = _CountedRest(bill)
    client: Any = (await store._loaded()).database._client
    client._firestore_api_internal = _CountedApi(client._firestore_api, bill)
    return cast("Store", _Billed(store, bill))


class _CountedRest(httpx.AsyncHTTPTransport):
    """Counts what a `GoogleApi` asks of Firestore."""

    def __init__(self, bill: Bill) -> None:
        super().__init__()
        self._bill = bill

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        await response.aread()
        method = request.url.path.rpartition(":")[2]
        if method == "commit":
            writes = json.loads(request.content)["writes"]
            _count_commit(self._bill, ["delete" in write for write in writes], done=response.is_success)
        elif method == "batchGet":
            read = [one for one in response.json() if "found" in one or "missing" in one] if response.is_success else []
            self._bill.add(calls=1, reads=len(read))
        else:
            self._bill.add(calls=1)
        return response


def _count_commit(bill: Bill, deletes: list[bool], *, done: bool) -> None:
    if done:
        bill.add(calls=1, writes=deletes.count(False), deletes=deletes.count(True))
    else:
        bill.add(calls=1, refused=1)


class _CountedApi:
    """The official client's API. What this store does not use is not there, so nothing passes by uncounted."""

    def __init__(self, api: Any, bill: Bill) -> None:
        self._api = api
        self._bill = bill
        self.transport = api.transport

    async def batch_get_documents(self, **given: Any) -> AsyncIterator[Any]:
        self._bill.add(calls=1)
        answers = await self._api.batch_get_documents(**given)
        return self._each(answers, lambda answer: "found" in answer or "missing" in answer)

    async def run_query(self, **given: Any) -> AsyncIterator[Any]:
        self._bill.add(calls=1)
        answers = await self._api.run_query(**given)
        return self._each(answers, lambda answer: "document" in answer, least=1)

    async def _each(self, answers: Any, is_read: Callable[[Any], bool], *, least: int = 0) -> AsyncIterator[Any]:
        # One by one: who reads a single document leaves after the first answer.
        reads = 0
        async for answer in answers:
            if is_read(answer):
                reads += 1
                self._bill.add(reads=1)
            yield answer
        self._bill.add(reads=max(least - reads, 0))

    async def commit(self, **given: Any) -> Any:
        deletes = ["delete" in write for write in given["request"]["writes"]]
        try:
            answer = await self._api.commit(**given)
        except Exception:
            _count_commit(self._bill, deletes, done=False)
            raise
        _count_commit(self._bill, deletes, done=True)
        return answer

    async def begin_transaction(self, **given: Any) -> Any:
        self._bill.add(calls=1)
        return await self._api.begin_transaction(**given)

    async def rollback(self, **given: Any) -> Any:
        self._bill.add(calls=1)
        return await self._api.rollback(**given)
