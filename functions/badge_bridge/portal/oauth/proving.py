"""Whether an access token is what its bringer says: one of our application, in our portal.

Nothing that a stranger posts can be believed, and asking the portal costs some of its limits, which all who share our
address share. So strangers get one proof at a time and few of them, by a bucket of their own; the calls count towards
the portal's limits like all others, and pass no lane, since a forger must be able neither to use up the portal nor to
pause it.
"""

from __future__ import annotations

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

__all__ = ["BURST", "RATE", "Buckets", "InstallationBusy", "Proof", "Prover"]

RATE, BURST = 0.1, 3
"""Proofs for strangers: one in 10 s, three at once. Each takes two calls, of the two a second that a portal grants."""

_DEADLINE = 20.0
_PAUSES = (1.0, 2.0)
"""Seconds before asking again where the portal gave no answer: an installation is announced once and never again."""


class InstallationBusy(DeliveryRefused):
    """Others want to install at the same time, most likely forgers; nothing was looked at."""

    status = 503
    retry_after = 10
    """Seconds."""


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
        self._busy = False

    async def prove(self, access_token: str, *, invited: bool = False) -> Proof:
        """Ask the portal of the rules file, and no other, whose token this is.

        `invited` is a token that came out of an authorisation that we asked for: it waits for nobody, and its user
        need not be an administrator. An installation is always made by one.

        Raises:
            Unauthenticated: it is not a token of our application in our portal.
            InstallationBusy: another proof is under way, or there were too many lately.
            PortalUnreachable, OutcomeUnknown, LimitReached: the portal could not be asked.
            StoreUnavailable: proofs cannot be counted.
        """
        if invited:
            return await self._prove(access_token, administrator=False)
        if self._busy:
            raise InstallationBusy("another installation is being looked at, please send again")
        self._busy = True
        try:
            bucket = f"oauth/{self._application.portal}/proofs"
            if await self._buckets.draw(bucket, now=self._clock(), rate=RATE, burst=BURST):
                raise InstallationBusy("too many installations were looked at lately, please send again")
            return await self._prove(access_token, administrator=True)
        finally:
            self._busy = False

    async def _prove(self, access_token: str, *, administrator: bool) -> Proof:
        if not access_token.isascii() or not access_token.isprintable() or not access_token:
            raise Unauthenticated("the access token is missing or is none")
        credential = AccessToken(self._application.address, access_token)
        wire = Wire(self._application.portal, transport=self._transport, deadline=_DEADLINE)
        try:
            self._check_application(await self._call(wire, credential, "app.info"))
            profile = await self._call(wire, credential, "profile")
        finally:
            await wire.aclose()
        if administrator and profile.get("ADMIN") is False:
            raise Unauthenticated("the access token is that of a user who is no administrator and cannot install")
        return Proof(_number(profile.get("ID")))

    async def _call(self, wire: Wire, credential: AccessToken, method: str) -> Mapping[str, Any]:
        for pause in (*_PAUSES, None):
            try:
                await self._admitted()
                answer = await wire.post(credential, method, {})
                result = read(answer, portal=self._application.portal, method=method, credential=credential).result
            except (PortalUnreachable, OutcomeUnknown, LimitReached):
                if pause is None:
                    raise
                await self._sleep(pause)
            except PortalError as error:
                raise Unauthenticated(f"the portal does not accept the access token: {error}") from error
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


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
