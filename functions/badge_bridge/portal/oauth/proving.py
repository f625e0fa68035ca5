"""Whether an access token is what its bringer says: one of our application, in our portal.

Nothing that a stranger posts can be believed, and asking the portal costs some of its limits, which all who share our
address share. So strangers get one proof at a time and few of them, by a bucket of their own; the calls count towards
the portal's limits like all others, and pass no lane, since a forger must be able neither to use up the portal nor to
pause it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from badge_bridge.errors import (
    DeliveryRefused,
    LimitReached,
    OutcomeUnknown,
    PortalError,
    PortalUnreachable,
    Unauthenticated,
)
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.portal.answers import read
from badge_bridge.portal.credentials import AccessToken
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.wire import Wire

__all__ = ["BURST", "PATIENCE", "RATE", "WAITING", "Buckets", "InstallationBusy", "Proof", "Prover"]

RATE, BURST = 0.1, 3
"""Proofs for strangers: one in 10 s, three at once. Each takes two calls, of the two a second that a portal grants."""

WAITING, PATIENCE = 4, 25.0
"""How many strangers may wait for their turn, and for how many seconds each: an installation that is refused because of
others does not come again."""

_DEADLINE = 20.0
_PAUSES = (1.0, 2.0)
"""Seconds before asking again where the portal gave no answer: an installation is announced once and never again."""


class InstallationBusy(DeliveryRefused):
    """More want to install at the same time than can be looked at, most likely forgers; nothing was looked at."""

    status = 503


class Buckets(Protocol):
    """The part of the store that counts requests."""

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """As whom the token acts; None where the portal does not say."""

    user_id: int | None


class Prover:
    """Proves access tokens of one application.

    `admitted` returns once a request to the portal is counted (`Limiter.admitted`); `transport` replaces the network.
    """

    def __init__(
        self,
        application: Application,
        *,
        buckets: Buckets,
        admitted: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        transport: AsyncBaseTransport | None = None,
    ) -> None:
        self._application = application
        self._buckets = buckets
        self._admitted = admitted
        self._clock = clock
        self._sleep = sleep
        self._transport = transport
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def prove(self, access_token: str, *, invited: bool = False) -> Proof:
        """Ask the portal of the rules file, and no other, whose token this is.

        `invited` is a token that came out of an authorisation that we asked for: it waits for nobody. Its user must be
        an administrator as well, or any employee could put his own rights in place of an administrator's.

        Raises:
            Unauthenticated: it is not a token of our application in our portal, or its user is no administrator.
            InstallationBusy: too many wait for a proof, or it did not come to this one's turn in time.
            PortalUnreachable, OutcomeUnknown, LimitReached: the portal could not be asked.
            StoreUnavailable: proofs cannot be counted.
        """
        if not access_token.isascii() or not access_token.isprintable() or not access_token:
            raise Unauthenticated("the access token is missing or is none")
        if invited:
            return await self._prove(access_token)
        if self._waiting > WAITING:
            raise InstallationBusy("too many installations wait to be looked at, please send again")
        until = self._clock() + PATIENCE
        self._waiting += 1
        try:
            async with self._turn:
                await self._wait_for_room(until)
                return await self._prove(access_token)
        finally:
            self._waiting -= 1

    async def _wait_for_room(self, until: float) -> None:
        bucket = f"oauth/{self._application.portal}/proofs"
        while wait := await self._buckets.draw(bucket, now=self._clock(), rate=RATE, burst=BURST):
            if self._clock() + wait > until:
                raise InstallationBusy("too many installations were looked at lately, please send again")
            await self._sleep(wait)

    async def _prove(self, access_token: str) -> Proof:
        credential = AccessToken(self._application.address, access_token)
        wire = Wire(self._application.portal, transport=self._transport, deadline=_DEADLINE)
        post = _Post(self._application, wire, credential)
        try:
            self._check_application(await self._call(post, "app.info"))
            profile = await self._call(post, "profile")
        finally:
            await wire.aclose()
        user_id = _number(profile.get("ID"))
        if profile.get("ADMIN") is False:
            who = "a user" if user_id is None else f"user {user_id}"
            raise Unauthenticated(
                f"it came from {who} of the portal, who is no administrator there; a portal administrator has to "
                "install the application, or to open the link"
            )
        return Proof(user_id)

    async def _call(self, post: _Post, method: str) -> Mapping[str, Any]:
        for pause in (*_PAUSES, None):
            try:
                result = await post(method, self._admitted)
            except (PortalUnreachable, OutcomeUnknown, LimitReached):
                if pause is None:
                    raise
                await self._sleep(pause)
            except PortalError as error:
                # Not with its mend, which is for a credential that is written in the rules file.
                said = error.code or f"HTTP {error.status}"
                raise Unauthenticated(f"the portal does not accept its access token ({method}: {said})") from error
            else:
                return result if isinstance(result, dict) else {}
        raise AssertionError("the last round returns or raises")

    def _check_application(self, info: Mapping[str, Any]) -> None:
        """Compare what `app.info` says, as far as it says something that can be compared with the rules file.

        A local application's code is its client id. Others have a code that is not in the rules file, but another
        status than `L` (Bitrix24 docs, "app.info").
        """
        ours, code, status = self._application.client_id, str(info.get("CODE", "")), info.get("STATUS")
        foreign = code.startswith("local.") and code != ours
        if foreign or not info or (ours.startswith("local.") and status not in ("L", None)):
            raise Unauthenticated("the access token is one of another application than that of the rules file")


class _Post:
    """Calls of one proof. A portal that was renamed is followed once, to where the client would follow it."""

    def __init__(self, application: Application, wire: Wire, credential: AccessToken) -> None:
        self._application = application
        self._wire = wire
        self._credential = credential
        self._origin: str | None = None

    async def __call__(self, method: str, admitted: Callable[[], Awaitable[None]]) -> Any:
        """The result of a call without parameters; `admitted` counts each request.

        Raises:
            PortalError: as `Wire.post` and `read`.
        """
        await admitted()
        answer = await self._wire.post(self._credential, method, {}, origin=self._origin)
        found = self._application.moved(answer.location) if 300 <= answer.status < 400 else None
        if found is not None and self._origin is None:
            self._origin = found
            await admitted()
            answer = await self._wire.post(self._credential, method, {}, origin=found)
        return read(answer, portal=self._application.portal, method=method, credential=self._credential).result


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
