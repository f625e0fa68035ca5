"""One call to a portal: pass the gate, wait for a turn, send, read the answer, pause what the answer tells to pause.

Any number of calls may wait for their turn, between `enter` and `set_out`: that is where calls will be counted against
the limits and gathered into one `batch`. Callers see `call` and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from badge_bridge.errors import PortalError
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.answers import Reply, read
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal.lanes import Lanes
from badge_bridge.portal.wire import CONNECTIONS, DEADLINE, Wire

__all__ = ["PortalClient"]


class PortalClient:
    """Calls the REST methods of one portal (`name` in the rules file).

    `transport` replaces the network; `deadline` is how many seconds one call may take in all; `timer` returns seconds
    and is read before and after each call.
    """

    def __init__(
        self,
        name: str,
        credential: Credential,
        *,
        lanes: Lanes,
        transport: AsyncBaseTransport | None = None,
        deadline: float = DEADLINE,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self._credential = credential
        self._lanes = lanes
        self._timer = timer
        self._wire = Wire(name, credential, transport=transport, deadline=deadline)
        # Calls wait here rather than for a connection: a wait in the connection pool would run into its timeout.
        self._admission = asyncio.Semaphore(CONNECTIONS)

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Any:
        """The `result` of one call. `params` must be what JSON can say; each exchange is appended to `asked`.

        Raises:
            PortalPaused: not carried out; the portal or this method rests until a time. Where an answer to this call
                was the reason, it is the `__cause__`.
            OutcomeUnknown: sent, but nobody knows whether it was carried out (`OutcomeUnknownAndPaused` is both).
            NotFound, CallRefused: refused; the portal itself is well.
            PortalUnreachable, LimitReached, AccessRefused: only where the pause could not be stored.
            StoreUnavailable: not sent, because nobody knows whether the portal is paused.
        """
        passage = await self._lanes.enter(method)
        async with self._admission:
            passage = await self._lanes.set_out(passage)
            try:
                reply = await self._ask(method, params or {}, asked)
            except PortalError as error:
                verdict = await self._lanes.failed(passage, error)
                if verdict is error:
                    raise
                raise verdict from error
            await self._lanes.passed(passage, reply.operating_reset_at)
            return reply.result

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _ask(self, method: str, params: Mapping[str, Any], asked: list[Exchange] | None) -> Reply:
        started = self._timer()
        said = "internal error"
        try:
            answer = await self._wire.post(method, params)
            reply = read(answer, portal=self.name, method=method, credential=self._credential)
        except PortalError as error:
            said = error.code or f"HTTP {error.status}"
            raise
        except asyncio.CancelledError:
            said = "cancelled"
            raise
        else:
            said = "ok"
            return reply
        finally:
            if asked is not None:
                milliseconds = round((self._timer() - started) * 1000, 3)
                asked.append(Exchange(method=method, answer=said, milliseconds=milliseconds))
