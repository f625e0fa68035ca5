"""How the application gets into a portal, stays there and leaves it.

There are two ways in. Bitrix24 posts `ONAPPINSTALL` with tokens to the installation path once, when the application is
made; nobody repeats it. Or a person opens a link of ours, and his browser comes back with a code for which the
authorisation server gives tokens. Both end in the same place: the access token is proven at the portal that the rules
file names, the grant is stored, the portal is asked for its events.

The posted events are unsigned. What they say is believed for one of two reasons: the token in them was proven at the
portal, or they carry the application token that an earlier proven one brought (Bitrix24 docs, "Safe event handlers").
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from badge_bridge.errors import AccessRefused, BridgeError, PortalError, StoreUnavailable, Unauthenticated
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.binding import TEST, Bound, Call, Handlers, bind, bind_events, unbind
from badge_bridge.portal.oauth.cipher import WrongEncryptionKey
from badge_bridge.portal.oauth.forms import TICKET, AppForm
from badge_bridge.portal.oauth.grant import Grant
from badge_bridge.portal.oauth.keyring import OAuthKeyring
from badge_bridge.portal.oauth.proving import Prover
from badge_bridge.portal.oauth.server import AuthorisationServer
from badge_bridge.portal.oauth.tickets import LIFETIME, Tickets
from badge_bridge.portal.oauth.vault import Stored, Vault

__all__ = ["AGAIN", "Installer"]

logger = logging.getLogger("badge_bridge.portal")

AGAIN = 300.0
"""Seconds after which events that could not be bound are asked for again."""

_SETTLING_IN = 10.0
"""Seconds that an installation waits for its events to be bound; what is left is done by `ensure`."""
_WRITES = 5


class Installer:
    """Takes installations of one portal's application.

    `call` is the portal client's; `handlers` are our URLs, None where the bridge does not know how it is reached;
    `changed` is called when an installation has come or gone, for those who have to know at once. `clock` returns unix
    seconds, `ids` a new random text of letters and digits each time.
    """

    def __init__(
        self,
        application: Application,
        *,
        vault: Vault,
        keyring: OAuthKeyring,
        prover: Prover,
        server: AuthorisationServer,
        tickets: Tickets,
        holds: Holds,
        call: Call,
        handlers: Handlers | None,
        changed: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        ids: Callable[[], str],
    ) -> None:
        self._application = application
        self._vault = vault
        self._keyring = keyring
        self._prover = prover
        self._server = server
        self._tickets = tickets
        self._holds = holds
        self._call = call
        self._handlers = handlers
        self._changed = changed
        self._clock = clock
        self._ids = ids
        self._ensured = -1
        self._tried_at: float | None = None

    @property
    def portal(self) -> str:
        """The portal's name in the rules file."""
        return self._application.portal

    def lives_at(self, domain: str) -> bool:
        return self._application.lives_at(domain)

    async def install(self, form: Mapping[str, Any]) -> None:
        """Take an `ONAPPINSTALL`.

        Raises:
            Unauthenticated: it is not one of our application in our portal; nothing was stored.
            InstallationBusy, StoreUnavailable: not now; nothing was stored.
            PortalError: the portal could not be asked; nothing was stored.
        """
        told = AppForm.read(form)
        self._check_home(told)
        if not (told.refresh_token and told.application_token and told.member_id):
            raise Unauthenticated("the installation has no refresh token, application token or member_id")
        proof = await self._prover.prove(told.access_token)
        now = self._clock()
        grant = Grant(
            client_id=self._application.client_id,
            access_token=told.access_token,
            refresh_token=told.refresh_token,
            expires_at=now + told.expires_in,
            member_id=told.member_id,
            host=told.domain.lower(),
            scope=told.scope,
            status=told.status,
            user_id=proof.user_id,
            application_token=told.application_token,
            installed_at=now,
            renewed_at=now,
            generation=0,
        )
        await self._store(grant)

    async def updated(self, form: Mapping[str, Any]) -> None:
        """Take an `ONAPPUPDATE`, which may bring a new application token; an update drops all handlers.

        Raises:
            As `install`.
        """
        told = AppForm.read(form)
        grant = await self._readable()
        if grant is None:
            await self.install(form)
            return
        if not _carries_token(told, grant):
            self._check_home(told)
            if told.member_id != grant.member_id or not told.application_token:
                raise Unauthenticated("the update is of another portal, or has no application token")
            await self._prover.prove(told.access_token)
            await self._keep_application_token(told.application_token, of=grant)
        logger.info("portal %s: the application was updated", self.portal)
        await self._settle_in()

    async def uninstalled(self, form: Mapping[str, Any]) -> None:
        """Take an `ONAPPUNINSTALL`: it brings no usable token, so the application token is all that can prove it.

        Raises:
            Unauthenticated: it does not carry the application token.
            StoreUnavailable: not now.
        """
        told = AppForm.read(form)
        for _ in range(_WRITES):
            stored = await self._stored()
            if stored.grant is None or not _carries_token(told, stored.grant):
                raise Unauthenticated("the uninstallation does not carry the application token of this installation")
            if await self._vault.remove(version=stored.version):
                break
        else:
            raise self._too_late()
        logger.error(
            "portal %s: the application was uninstalled in Bitrix24; no badge can be set there until it is installed "
            "again. A local application that was removed and made again has a new client_id and client_secret",
            self.portal,
        )
        await self._tell()

    async def authorized(self, code: str, state: str, domain: str) -> None:
        """Take what a browser brings back from the link of `authorize_url`.

        Raises:
            Unauthenticated: the link is not ours, is too old, was used before, or led to another portal.
            AccessRefused: the authorisation server refuses; says what to do.
            PortalError, StoreUnavailable: somebody did not answer; open a new link.
        """
        now = self._clock()
        ticket = self._tickets.read(state, "authorize", now=now)
        if ticket is None:
            raise Unauthenticated("the state is not one of ours for this portal, or is older than 10 minutes")
        if domain and not self.lives_at(domain):
            raise Unauthenticated("the code comes from another portal than that of the rules file")
        if not code or not code.isascii() or not code.isprintable():
            raise Unauthenticated("there is no code")
        used = f"oauth/{self.portal}/ticket/{ticket.nonce}"
        if not await self._holds.hold(used, holder=self._ids(), now=now, seconds=LIFETIME):
            raise Unauthenticated("the state was used before")
        tokens = await self._server.exchange(code)
        proof = await self._prover.prove(tokens.access_token, invited=True)
        now = self._clock()
        grant = Grant(
            client_id=self._application.client_id,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_at=now + tokens.expires_in,
            member_id=tokens.member_id,
            host=self._application.host,
            scope=tokens.scope,
            status=tokens.status,
            user_id=tokens.user_id if proof.user_id is None else proof.user_id,
            installed_at=now,
            renewed_at=now,
            generation=0,
        )
        await self._store(grant)

    def authorize_url(self) -> str:
        """A link that lets the application in, good for 10 minutes and once."""
        return self._application.authorize_url(self._tickets.issue("authorize", nonce=self._ids(), now=self._clock()))

    def issued(self, state: str) -> bool:
        """Whether a link with this state is ours, for this portal, and not too old."""
        return self._tickets.read(state, "authorize", now=self._clock()) is not None

    async def proven_by_test(self, form: Mapping[str, Any]) -> None:
        """Take the `ONAPPTEST` that we asked for: only the portal can know the ticket in it, so its token is genuine.

        Raises:
            Unauthenticated: it carries no ticket of ours.
            StoreUnavailable: not now.
        """
        told = AppForm.read(form)
        grant = await self._readable()
        ticket = self._tickets.read(told.ticket, "test", now=self._clock())
        if grant is None or ticket is None or not told.application_token:
            raise Unauthenticated("the test event carries no ticket of ours")
        if grant.member_id and told.member_id != grant.member_id:
            raise Unauthenticated("the test event is of another portal")
        await self._keep_application_token(told.application_token, of=grant)
        logger.info("portal %s: its application token is known now", self.portal)
        await self._tell()
        if self._handlers is not None:
            try:
                await unbind(self._call, TEST, self._handlers.life)
            except (PortalError, StoreUnavailable) as error:
                logger.info("portal %s: the handler of the test event stays bound: %s", self.portal, error)

    async def bind_events(self) -> Bound:
        """Ask the portal for its events, and for a test where the application token is not known; say what came of it.

        Failures are logged and undo nothing.
        """
        if self._handlers is None:
            why = "no source of the rules file says its public_url, so the portal cannot be told where to send events"
            logger.warning("portal %s: %s", self.portal, why)
            return Bound((), {"all events": why})
        try:
            bound = await bind_events(self._call, self._handlers)
            grant = self._keyring.grant
            if grant is not None and not grant.application_token:
                await self._ask_for_test(self._handlers)
        except (PortalError, StoreUnavailable) as error:
            bound = Bound((), {"all events": str(error)})
        for event, why in bound.missing.items():
            logger.warning("portal %s: %s is not bound and is asked for again later: %s", self.portal, event, why)
        if not bound.missing:
            logger.info("portal %s: it sends %s", self.portal, ", ".join(bound.bound))
        return bound

    async def ensure(self) -> None:
        """Bind what an earlier attempt left out. Cheap where there is nothing to do: for the start and every sweep.

        Among several processes one at a time does it.
        """
        grant = self._keyring.grant
        now = self._clock()
        if grant is None or (grant.generation == self._ensured and grant.application_token):
            return
        if self._tried_at is not None and 0 <= now - self._tried_at < AGAIN:
            return
        self._tried_at = now
        try:
            if not await self._holds.hold(f"oauth/{self.portal}/bind", holder=self._ids(), now=now, seconds=AGAIN):
                return
        except StoreUnavailable as error:
            logger.warning("portal %s: its events were not looked after: %s", self.portal, error)
            return
        await self._bind(grant)

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _bind(self, grant: Grant) -> None:
        bound = await self.bind_events()
        if not bound.missing or self._handlers is None:
            self._ensured = grant.generation

    async def _ask_for_test(self, handlers: Handlers) -> None:
        """A code brings no application token, and events without one cannot be believed: let the portal send one."""
        ticket = self._tickets.issue("test", nonce=self._ids(), now=self._clock())
        await bind(self._call, TEST, handlers.life)
        await self._call("event.test", {TICKET: ticket})

    async def _settle_in(self) -> None:
        """After an installation or an update: let everybody know, and bind within a time that its sender waits."""
        await self._tell()
        self._ensured = -1
        self._tried_at = self._clock()
        grant = self._keyring.grant
        if grant is None:
            return
        try:
            async with asyncio.timeout(_SETTLING_IN):
                await self._bind(grant)
        except TimeoutError:
            logger.warning("portal %s: its events are not bound yet, the portal takes long", self.portal)

    async def _tell(self) -> None:
        try:
            await self._keyring.look()
            await self._changed()
        except (AccessRefused, StoreUnavailable) as error:
            # What happened is stored; whoever looks next finds it.
            logger.warning(
                "portal %s: a change of its installation is not known everywhere yet: %s", self.portal, error
            )

    async def _store(self, fresh: Grant) -> None:
        """Store a proven grant in place of whatever is there."""
        for _ in range(_WRITES):
            stored = await self._stored()
            before = stored.grant
            same = before is not None and (before.member_id, before.client_id) == (fresh.member_id, fresh.client_id)
            kept = fresh.application_token or (before.application_token if before is not None and same else "")
            update = {"application_token": kept, "generation": stored.version + 1}
            if await self._vault.save(fresh.model_copy(update=update), version=stored.version):
                break
        else:
            raise self._too_late()
        logger.info(
            "portal %s: the application is installed; it acts as user %s with the permissions %s",
            self.portal,
            "unknown" if fresh.user_id is None else fresh.user_id,
            ", ".join(fresh.scope) or "unknown",
        )
        await self._settle_in()

    async def _keep_application_token(self, token: str, *, of: Grant) -> None:
        for _ in range(_WRITES):
            stored = await self._stored()
            if stored.grant is None or stored.grant.generation != of.generation:
                raise Unauthenticated("the application was installed anew or uninstalled meanwhile")
            if await self._vault.save(stored.grant.with_application_token(token), version=stored.version):
                return
        raise self._too_late()

    async def _stored(self) -> Stored:
        """What is stored; what cannot be decrypted any more counts as nothing, and may be replaced."""
        try:
            return await self._vault.load()
        except WrongEncryptionKey as error:
            logger.error("%s", error)  # noqa: TRY400 - the message says it all
            return Stored(None, error.version)

    async def _readable(self) -> Grant | None:
        return (await self._stored()).grant

    def _check_home(self, told: AppForm) -> None:
        if not self.lives_at(told.domain):
            raise Unauthenticated("it is of another portal than that of the rules file")

    def _too_late(self) -> BridgeError:
        return StoreUnavailable(f"portal {self.portal}: others wrote its tokens {_WRITES} times in a row")


def _carries_token(told: AppForm, grant: Grant) -> bool:
    """Whether an event is of this installation; every comparison is made, in constant time."""
    known = bool(grant.application_token)
    token = hmac.compare_digest(told.application_token.encode(), grant.application_token.encode())
    member = hmac.compare_digest(told.member_id.encode(), grant.member_id.encode())
    return known and token and member
