"""Carries one request to the portal, and once more where the portal says that it went wrong before it was read.

Two answers mean that nothing was carried out and that the same request may be sent again: `expired_token`, with another
credential, and a redirect of a portal that was renamed, to its new host. Each is followed once. Whatever is sent again
is counted again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import AccessRefused, PortalError, PortalUnreachable, StoreUnavailable
from badge_bridge.meters import Answer as Counted
from badge_bridge.meters import Meters
from badge_bridge.portal.answers import Reply, read
from badge_bridge.portal.commands import Departure
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal.keyring import Keyring, NoCredential
from badge_bridge.portal.redirects import new_origin
from badge_bridge.portal.wire import Answer, Wire
from badge_bridge.portal_address import host_of, origin_of

__all__ = ["Carried", "Courier"]

logger = logging.getLogger("badge_bridge.portal")


@dataclass(frozen=True, slots=True)
class Carried:
    """An answer to a request, what it means for the request as a whole, and how many seconds it took; `counted` as
    the meters have it.
    """

    answer: Answer
    credential: Credential
    meaning: Reply | PortalError
    seconds: float
    counted: Counted


class Courier:
    """Carries requests to one portal.

    `admitted` counts a request that is sent again; a renamed portal is followed to the hosts that `redirects` believes
    in and to `trusted_hosts`, and `on_moved` is told the new host; `meters` count what is sent.
    """

    def __init__(
        self,
        portal: str,
        keyring: Keyring,
        wire: Wire,
        *,
        admitted: Callable[[], Awaitable[None]],
        trusted_hosts: Collection[str] = (),
        on_moved: Callable[[str], None] | None = None,
        meters: Meters | None = None,
    ) -> None:
        self._portal = portal
        self._keyring = keyring
        self._wire = wire
        self._admitted = admitted
        self._trusted_hosts = trusted_hosts
        self._on_moved = on_moved
        self._meters = meters or Meters()
        self._moved: dict[str, str] = {}

    async def carry(self, method: str, params: Mapping[str, Any], departure: Departure) -> Carried:
        """Send a request that has been counted. An answer that is not the last one is recorded with `departure`.

        Raises:
            PortalUnreachable: no connection, or no credential now; nothing was carried out.
            AccessRefused: there is no credential, or none any more.
            OutcomeUnknown: sent, and lost.
            StoreUnavailable: nothing was carried out.
        """
        credential = await self._current(method)
        home = origin_of(credential.address(method))
        origin = self._moved.get(home, home)
        renewed = redirected = False
        while True:
            carried = await self._post(credential, method, params, departure, origin)
            if not redirected and 300 <= carried.answer.status < 400:
                found = new_origin(home, carried.answer.location, trusted_hosts=self._trusted_hosts)
                if found is None or found == origin:
                    return carried
                redirected, origin = True, found
            elif not renewed and _has_expired(carried.meaning):
                other = await self._renew(credential, method, departure, carried)
                if other is None or other == credential:
                    return carried
                renewed, credential = True, other
            else:
                if redirected and not 300 <= carried.answer.status < 400:
                    self._remember(home, origin)
                return carried
            departure.record(carried.meaning, carried.seconds)
            await self._admitted()

    async def _post(
        self, credential: Credential, method: str, params: Mapping[str, Any], departure: Departure, origin: str
    ) -> Carried:
        departure.leaves()
        try:
            answer = await self._wire.post(credential, method, params, origin=origin)
        except PortalError as error:
            seconds = departure.returns()
            departure.record(error, seconds)
            self._count(departure, error, seconds)
            raise
        seconds = departure.returns()
        meaning: Reply | PortalError
        try:
            meaning = read(answer, portal=self._portal, method=method, credential=credential)
        except PortalError as error:
            meaning = error
        counted = self._count(departure, None if isinstance(meaning, Reply) else meaning, seconds)
        return Carried(answer, credential, meaning, seconds, counted)

    def _count(self, departure: Departure, error: PortalError | None, seconds: float) -> Counted:
        methods = [command.method for command in departure.commands]
        return self._meters.answered(self._portal, methods, seconds=seconds, error=error)

    async def _current(self, method: str) -> Credential:
        try:
            return await self._keyring.current()
        except PortalError as error:
            raise self._without_credential(error, method) from error

    async def _renew(self, stale: Credential, method: str, departure: Departure, carried: Carried) -> Credential | None:
        try:
            return await self._keyring.renew(stale)
        except (PortalError, StoreUnavailable) as error:
            departure.record(carried.meaning, carried.seconds)
            if isinstance(error, StoreUnavailable):
                raise
            raise self._without_credential(error, method) from error

    def _without_credential(self, error: PortalError, method: str) -> PortalError:
        """The trouble with the keyring as that of a call, which was not carried out whatever the trouble was."""
        why = str(error).removeprefix(f"portal {self._portal}: ")
        told: PortalError
        if isinstance(error, AccessRefused):
            told = NoCredential(
                f"portal {self._portal}: {method} was not carried out: {why}",
                portal=self._portal,
                method=method,
                code=error.code,
                status=error.status,
                mend=error.mend,
            )
        else:
            told = PortalUnreachable(
                f"portal {self._portal}: {method} was not carried out, there is no credential for it now: {why}",
                portal=self._portal,
                method=method,
                code=error.code,
                status=error.status,
            )
        self._meters.unsent(self._portal, told)
        return told

    def _remember(self, home: str, origin: str) -> None:
        if self._moved.get(home, home) == origin:
            return
        self._moved[home] = origin
        host = host_of(origin)
        logger.warning(
            "portal %s: it has moved from %s to %s and is called there from now on; write the new address at "
            "portals.%s in the rules file, or in the variable named there: the old one may cease to redirect",
            self._portal,
            host_of(home),
            host,
            self._portal,
        )
        if self._on_moved is not None:
            self._on_moved(host)


def _has_expired(meaning: Reply | PortalError) -> bool:
    return isinstance(meaning, AccessRefused) and meaning.code.casefold() == "expired_token"
