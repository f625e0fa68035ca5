"""One look for all who ask the same thing at the same time.

A look runs in a task of its own. So a caller that is cancelled leaves alone, and the others get their answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Flights"]

K = TypeVar("K")
V = TypeVar("V")


class Flights(Generic[K, V]):
    """Looks that are under way, by what they look for.

    `what` names their tasks; `landed` is called with the key and the value of each that succeeded, before any caller
    goes on, and also where every caller has left meanwhile.
    """

    def __init__(self, what: str, *, landed: Callable[[K, V], None] = lambda _key, _value: None) -> None:
        self._what = what
        self._landed = landed
        self.under_way: dict[K, asyncio.Task[V]] = {}

    async def share(self, key: K, look: Callable[[], Coroutine[Any, Any, V]]) -> tuple[V, bool]:
        """The value of the look that is under way for `key`, else of a new one; True where another had begun it.

        What a look raises, every caller that shares it gets; the next one looks anew.
        """
        flight = self.under_way.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._depart(key, look)
        return await asyncio.shield(flight), joined

    async def aclose(self) -> None:
        """Stop what is under way."""
        flights = list(self.under_way.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _depart(self, key: K, look: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        def landed(flight: asyncio.Task[V]) -> None:
            del self.under_way[key]
            # Asking for the exception marks it as seen, for the case that every caller has left meanwhile.
            if not flight.cancelled() and flight.exception() is None:
                self._landed(key, flight.result())

        flight = asyncio.create_task(look(), name=self._what)
        self.under_way[key] = flight
        flight.add_done_callback(landed)
        return flight
