"""Seeing to it that the portal sends us its events, and that we know the application token which proves them.

Both get lost without a word. An update of the application drops all handlers and may bring another application token;
its `ONAPPUPDATE` comes once, and not at all to a bridge that stands still at that moment. So the portal is asked now
and then what it sends. Handlers that are gone without a new installation, or a delivery with a wrong token that names
our portal, are taken as signs of a lost update: the portal is then asked for a test event, which brings the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable

from badge_bridge.errors import AccessRefused, PortalError, StoreUnavailable
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.binding import TEST, Bound, Call, Handlers, bind, bind_events, unbind, unbound
from badge_bridge.portal.oauth.forms import TICKET
from badge_bridge.portal.oauth.grant import Grant
from badge_bridge.portal.oauth.keyring import OAuthKeyring
from badge_bridge.portal.oauth.tickets import Tickets

__all__ = ["AGAIN", "DELAYS", "DOUBT_AGAIN", "LOOK_AGAIN", "Subscriptions"]

logger = logging.getLogger("badge_bridge.portal")

LOOK_AGAIN = 3600.0
"""Seconds between looks at whether the portal still sends what it was asked for."""

DELAYS = (15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before events that could not be bound are asked for again; the last one for ever."""

AGAIN = 300.0
"""Seconds that a test event has to arrive before another one is asked for, and that one process alone binds."""

DOUBT_AGAIN = 600.0
"""Seconds in which deliveries with a wrong application token lead to one test event: anybody can send such ones."""

_SETTLING_IN = 10.0
"""Seconds that an installation waits for its events to be bound; what is left is done by `ensure`."""


class Subscriptions:
    """What one portal sends us. It can be made beside a running `serve`, to read only: see `unbound`, `knows_token`.

    `call` is the portal client's; `handlers` are our URLs, as far as they are known. `clock` returns unix seconds,
    `ids` a new random text of letters and digits each time.
    """

    def __init__(
        self,
        application: Application,
        *,
        keyring: OAuthKeyring,
        tickets: Tickets,
        holds: Holds,
        call: Call,
        handlers: Handlers,
        clock: Callable[[], float],
        ids: Callable[[], str],
    ) -> None:
        self._application = application
        self._keyring = keyring
        self._tickets = tickets
        self._holds = holds
        self._call = call
        self._handlers = handlers
        self._clock = clock
        self._ids = ids
        self._holder = ids()
        # Other URLs are something else to bind: a rules file that has changed must not wait for the one before it.
        self._binding = f"bind/{hashlib.sha256(repr(handlers).encode()).hexdigest()[:8]}"
        self._generation = -1
        self._next_at = 0.0
        self._failures = 0
        self._had: set[str] | None = None
        """The events that this process has seen bound; None before it has looked or installed anything."""
        self._doubted_at: float | None = None
        self._suspected_at: float | None = None
        self._suspects = False
        self._told: dict[str, float] = {}
        self._told_bound: tuple[str, ...] = ()

    @property
    def can_test(self) -> bool:
        """Whether the portal can be asked for a test event: it is sent to where installations are taken."""
        return bool(self._handlers.life)

    async def unbound(self) -> tuple[str, ...]:
        """The events that the portal shall send and does not: of calls where a source of the rules file takes them,
        and of the application's life. Asks the portal once and changes nothing.

        Raises:
            PortalError, StoreUnavailable: the portal does not say.
        """
        return await unbound(self._call, self._handlers)

    async def knows_token(self) -> bool:
        """Whether an application token is stored, without which no event of the portal can be believed.

        Raises:
            AccessRefused: what is stored cannot be decrypted.
            StoreUnavailable: it cannot be read.
        """
        await self._keyring.look()
        grant = self._keyring.grant
        return grant is not None and bool(grant.application_token)

    def doubt(self, *, member_id: str, domain: str) -> None:
        """Take notice that somebody who says that he is this portal has brought a wrong application token.

        Costs nothing here; `ensure` asks the portal, and seldom, since anybody can say so.
        """
        grant, now = self._keyring.grant, self._clock()
        if grant is None or not (self._application.is_named(domain) or (member_id and member_id == grant.member_id)):
            return
        if self._suspected_at is None or not 0 <= now - self._suspected_at < DOUBT_AGAIN:
            self._suspected_at = self._next_at = now
            self._suspects = True

    async def settle_in(self, *, doubtful: bool = False) -> None:
        """After an installation or an update: bind all events within a time that its sender waits.

        `doubtful` is one that came with another application token than the known one. Failures are logged and tried
        again by `ensure`.
        """
        grant, now = self._keyring.grant, self._clock()
        if grant is None:
            return
        self._had = set()
        self._generation = grant.generation
        self._failures = 0
        self._told.clear()
        self._doubted_at = now if doubtful else None
        self._next_at = now + DELAYS[0]
        try:
            async with asyncio.timeout(_SETTLING_IN):
                await self._see_to(grant)
        except TimeoutError:
            logger.warning("portal %s: its events are not bound yet, the portal takes long", self._application.portal)

    async def ensure(self) -> None:
        """Bind what is missing, and ask for a test event where the application token is not known or in doubt.

        Cheap where nothing is due: for the start and every sweep. Among several processes one at a time does it.
        """
        now = self._clock()
        grant = self._keyring.grant
        if grant is None or (grant.generation == self._generation and 0 < self._next_at - now <= LOOK_AGAIN):
            return
        self._next_at = now + AGAIN
        self._generation = grant.generation
        try:
            if not await self._hold(self._binding, holder=self._holder, seconds=AGAIN):
                return
            if self._suspects:
                self._suspects = False
                if await self._hold("doubt", holder=self._ids(), seconds=DOUBT_AGAIN):
                    self._doubted_at = now
            await self._keyring.look()
        except (AccessRefused, StoreUnavailable) as error:
            logger.warning("portal %s: its events were not looked after: %s", self._application.portal, error)
            return
        grant = self._keyring.grant
        if grant is not None:
            await self._see_to(grant)

    async def end_test(self) -> None:
        """The test event has come: let the portal send no more of them."""
        try:
            await unbind(self._call, TEST, self._handlers.life)
        except (PortalError, StoreUnavailable) as error:
            logger.info("portal %s: the handler of the test event stays bound: %s", self._application.portal, error)

    async def _see_to(self, grant: Grant) -> None:
        now = self._clock()
        trouble: PortalError | StoreUnavailable | None = None
        bound = Bound((), (), {})
        try:
            bound = await bind_events(self._call, self._handlers)
            self._look_for_signs(bound, grant)
            if self._awaits_token(grant) and self.can_test:
                await self._ask_for_test()
        except (PortalError, StoreUnavailable) as error:
            trouble = error
        if trouble is not None or bound.missing:
            delay = DELAYS[min(self._failures, len(DELAYS) - 1)]
            self._failures += 1
        else:
            delay = AGAIN if self._awaits_token(grant) and self.can_test else LOOK_AGAIN
            self._failures = 0
        self._next_at = now + delay
        self._tell(bound, trouble)

    def _look_for_signs(self, bound: Bound, grant: Grant) -> None:
        """Handlers that were there and had to be bound again are the sign of an update that nobody has told us of.

        It drops all of them. So where this process does not know what was there, none are gone unless all are missing:
        else they are new, as those of calls are when the rules file has just got a source for them.
        """
        had = self._had if self._had is not None else set(bound.added if len(bound.added) == len(bound.bound) else ())
        gone = [event for event in bound.added if event in had]
        self._had = set(bound.bound)
        if gone and grant.application_token:
            self._doubted_at = self._clock()
            logger.warning(
                "portal %s: it had ceased to send %s, as after an update of the application; they are bound again%s",
                self._application.portal,
                ", ".join(gone),
                ", and the portal is asked for the application token of now" if self.can_test else "",
            )

    def _awaits_token(self, grant: Grant) -> bool:
        doubted = self._doubted_at is not None and grant.token_proven_at < self._doubted_at
        return not grant.application_token or doubted

    async def _ask_for_test(self) -> None:
        """A code brings no application token, and events without one cannot be believed: let the portal send one."""
        ticket = self._tickets.issue("test", nonce=self._ids(), now=self._clock())
        await bind(self._call, TEST, self._handlers.life)
        await self._call("event.test", {TICKET: ticket})

    async def _hold(self, what: str, *, holder: str, seconds: float) -> bool:
        name = f"oauth/{self._application.portal}/{what}"
        return await self._holds.hold(name, holder=holder, now=self._clock(), seconds=seconds)

    def _tell(self, bound: Bound, trouble: PortalError | StoreUnavailable | None) -> None:
        portal = self._application.portal
        if trouble is not None:
            why = str(trouble).removeprefix(f"portal {portal}: ")
            self._warn_once("it could not be asked to send its events, and is asked again soon: %s", why)
        for event, why in bound.missing.items():
            said = why.removeprefix(f"portal {portal}: ")
            self._warn_once("%s is not bound and is asked for again later: %s", event, said)
        if not self._handlers.life:
            self._warn_once(
                "it cannot be told where to send the events of the application's own life (updated, uninstalled), "
                "since no public_url of the rules file ends in /hooks/<source>; write install_url: "
                "https://<this bridge>/install at portals.%s",
                portal,
                for_ever=True,
            )
        if not bound.missing and bound.bound and (bound.added or bound.bound != self._told_bound):
            self._told_bound = bound.bound
            logger.info("portal %s: it sends %s", portal, ", ".join(bound.bound))

    def _warn_once(self, message: str, *values: str, for_ever: bool = False) -> None:
        """Warn of what was not warned of in the last hour, or ever."""
        text, now = message % values, self._clock()
        before = self._told.get(text)
        if before is None or not (for_ever or 0 <= now - before < LOOK_AGAIN):
            self._told[text] = now
            logger.warning("portal %s: %s", self._application.portal, text)
