"""The way in: a provider's request is checked, read, written durably and only then answered.

It stands apart from what is done about an event afterwards, since a function that only takes deliveries starts faster
without the portals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from badge_bridge.ahead import is_noticed
from badge_bridge.calls import Calls
from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Event, call_join, event_key
from badge_bridge.meters import Meters
from badge_bridge.observability.ahead_line import log_ahead
from badge_bridge.observability.event_line import log_accept
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.base import Delivery, Reading, Reply, Source
from badge_bridge.sources.receiving import find, possible, read
from badge_bridge.store.protocol import Accepted, Store

__all__ = ["Accepting"]


class Accepting:
    """Takes deliveries; keeps no state of its own but what it counts in `meters`.

    `clock` returns unix seconds, `timer` seconds that only grow; `wake` tells the dispatcher about new keys; `notice`
    is called for each delivery, for whoever lets deliveries go first; `application_tokens` gives the tokens that events
    of a portal's application may carry (`ApplicationTokens.tokens`), and `token_refused` hears of a portal's deliveries
    that carry none of them, with the names that they give.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        sources: Mapping[str, Source[Any]],
        store: Store,
        wake: Callable[[Sequence[str]], Awaitable[None]],
        clock: Callable[[], float],
        notice: Callable[[], None] = lambda: None,
        application_tokens: Callable[..., Awaitable[Sequence[str]]] | None = None,
        token_refused: Callable[..., None] | None = None,
        meters: Meters | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.meters = meters or Meters()
        self._rules = rules
        self._sources = sources
        self._calls = Calls(rules=rules, sources=sources, store=store, clock=clock)
        self._store = store
        self._wake = wake
        self._clock = clock
        self._notice = notice
        self._application_tokens = application_tokens
        self._token_refused = token_refused
        self._timer = timer

    def source(self, name: str, method: str, path: str = "") -> Source[Any]:
        """The source behind `/hooks/{name}`, as `sources.receiving.find`."""
        return find(self._sources, name, method, path)

    async def tokens(self, source: str) -> Sequence[str]:
        """What a source may verify deliveries by beside its own secrets: what installing an application has brought.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        if self._application_tokens is None or not self._sources[source].late_secrets:
            return ()
        return await self._application_tokens(self._rules.portal_of[source])

    async def accept(self, source: Source[Any], delivery: Delivery) -> Reply:
        """Check, read and store one delivery; the reply is what its provider expects.

        Raises:
            DeliveryRefused: with the status for the sender; nothing was stored.
            StoreUnavailable: nothing was stored; a provider that hears 503 sends again.
        """
        self._notice()
        handshake = source.handshake(delivery)
        if handshake is not None:
            return handshake
        verified = await self._verify(source, delivery)
        # Those that have come together are checked one after the other, and then read one after the other: what a step
        # needs is in the processor's caches then, which saves more than the turn of the event loop costs.
        await asyncio.sleep(0)
        stored = await self._store_all(read(source, delivery), verified, delivery.received_at)
        reply = source.reply()
        for accepted, is_new in stored:
            self._tell_accepted(accepted, reply.status, is_new=is_new)
        return reply

    async def take(self, readings: Sequence[Reading], *, verified: str, at: float) -> int:
        """Store events that the bridge has fetched by itself, as those of a delivery; how many were new.

        `verified` says where they are from, `at` is when they were fetched, in unix seconds. The others came as
        deliveries, or were fetched before: which is as it should be, and is not logged.

        Raises:
            Impossible: one of them cannot be kept; none was stored.
            StoreUnavailable: nothing was stored.
        """
        stored = await self._store_all(possible(readings, at), verified, at)
        new = [accepted for accepted, is_new in stored if is_new]
        for accepted in new:
            self._tell_accepted(accepted, 0, is_new=True)
        return len(new)

    async def _store_all(
        self, readings: Sequence[Reading], verified: str, received_at: float
    ) -> Sequence[tuple[Accepted, bool]]:
        """Store events durably and wake whoever works on them; with each, whether it was new."""
        batch = [
            Accepted(
                event_key(reading.event.source, reading.identity),
                reading.event,
                verified,
                received_at,
                joins=tuple(self._joins(reading.event)),
                leg=self._calls.place(reading.event, received_at) if reading.event.leg else None,
            )
            for reading in readings
        ]
        fresh = await self._accept(batch)
        new = [accepted.key for accepted, is_new in zip(batch, fresh, strict=True) if is_new]
        if new:
            await self._wake(new)
        return list(zip(batch, fresh, strict=True))

    def _joins(self, event: Event) -> Sequence[str]:
        return self._rules.joins(event) if event.leg is None else (call_join(event),)

    async def _verify(self, source: Source[Any], delivery: Delivery) -> str:
        """How the delivery was verified. A source of an application's events learns its secret from the installation,
        which another process may have taken a moment ago.
        """
        if not source.late_secrets or self._application_tokens is None:
            return source.verify(delivery)
        portal = self._rules.portal_of[source.name]
        source.offer_secrets(await self._application_tokens(portal))
        try:
            return source.verify(delivery)
        except Unauthenticated:
            source.offer_secrets(await self._application_tokens(portal, again=True))
            try:
                return source.verify(delivery)
            except Unauthenticated:
                if self._token_refused is not None:
                    self._token_refused(portal, **source.names_itself(delivery))
                raise

    async def _accept(self, batch: Sequence[Accepted]) -> list[bool]:
        since = self._timer()
        try:
            stored = await self._store.accept(batch)
        except ValueError as error:
            raise Impossible(f"the event cannot be kept: {error}") from error
        self.meters.storing.observe(self._timer() - since)
        return stored

    def _tell_accepted(self, accepted: Accepted, status: int, *, is_new: bool) -> None:
        source, took = accepted.event.source, self._clock() - accepted.received_at
        result: Literal["accepted", "duplicate"] = "accepted" if is_new else "duplicate"
        self.meters.received.add(source, result if status else "fetched")
        if is_new and is_noticed(accepted.event, accepted.received_at):
            log_ahead(
                accepted.key, accepted.event, accepted.received_at, options=self._sources[accepted.event.source].options
            )
        if status:
            self.meters.accepting.observe(took, source)
        log_accept(
            source=source,
            result=result,
            status=status,
            provider=accepted.event.provider,
            key=accepted.key,
            type=accepted.event.type,
            verified=accepted.verified,
            took=took,
        )
