"""How the application gets into a portal, stays there and leaves it.

There are two ways in. Bitrix24 posts `ONAPPINSTALL` with tokens to the installation path once, when the application is
made; nobody repeats it. Or a person opens a link of ours, and his browser comes back with a code for which the
authorisation server gives tokens. Both end in the same place: the access token is proven at the portal that the rules
file names, the grant is stored, the portal is asked for its events.

The posted events are unsigned. What they say is believed for one of two reasons: the token in them was proven at the
portal, or they carry the application token that an earlier proven one brought (Bitrix24 docs, "Safe event handlers").
An access token proves no application token beside it: one that replaces another counts when the portal has sent it with
a test event that we had asked for.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from badge_bridge.errors import (
    AccessRefused,
    BridgeError,
    DeliveryRefused,
    PortalError,
    StoreUnavailable,
    Unauthenticated,
)
from badge_bridge.holding import LASTING
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.cipher import WrongEncryptionKey
from badge_bridge.portal.oauth.forms import AppForm
from badge_bridge.portal.oauth.grant import Grant
from badge_bridge.portal.oauth.keyring import OAuthKeyring
from badge_bridge.portal.oauth.proving import Prover
from badge_bridge.portal.oauth.server import AuthorisationServer
from badge_bridge.portal.oauth.subscribing import Subscriptions
from badge_bridge.portal.oauth.tickets import LIFETIME, Tickets
from badge_bridge.portal.oauth.vault import Stored, Vault

__all__ = ["Installer"]

logger = logging.getLogger("badge_bridge.portal")

_WRITES = 5


class Installer:
    """Takes installations of one portal's application.

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
        subscriptions: Subscriptions,
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
        self._subscriptions = subscriptions
        self._changed = changed
        self._clock = clock
        self._ids = ids

    @property
    def portal(self) -> str:
        """The portal's name in the rules file."""
        return self._application.portal

    @property
    def subscriptions(self) -> Subscriptions:
        """What the portal sends us, and how it stays so."""
        return self._subscriptions

    def is_named(self, domain: str) -> bool:
        """Whether `domain` is a name of this portal that the rules file knows."""
        return self._application.is_named(domain)

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
        await self._check_member(told)
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
        known = _carries_token(told, grant)
        if not known:
            try:
                await self._prove_update(told, grant)
            except (DeliveryRefused, PortalError, StoreUnavailable):
                # It may be genuine all the same, and does not come again. Asking the portal for its events is enough.
                self._subscriptions.doubt(member_id=told.member_id, domain=told.domain)
                raise
        logger.info("portal %s: the application was updated", self.portal)
        await self._settle_in(doubtful=not known)

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
        if domain and not self._application.lives_at(domain):
            raise Unauthenticated("the code comes from another portal than that of the rules file")
        if not code or not code.isascii() or not code.isprintable():
            raise Unauthenticated("there is no code")
        used = f"{LASTING}oauth/{self.portal}/ticket/{ticket.nonce}"
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
        await self._keep_application_token(told.application_token, of=grant, proven_at=self._clock())
        logger.info("portal %s: its application token is known now", self.portal)
        await self._tell()
        await self._subscriptions.end_test()

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _prove_update(self, told: AppForm, grant: Grant) -> None:
        self._check_home(told)
        if told.member_id != grant.member_id or not told.application_token:
            raise Unauthenticated("the update is of another portal, or has no application token")
        await self._prover.prove(told.access_token)
        if not (grant.application_token and self._subscriptions.can_test):
            await self._keep_application_token(told.application_token, of=grant, proven_at=grant.token_proven_at)

    async def _settle_in(self, *, doubtful: bool = False) -> None:
        """After an installation or an update: let everybody know, and have the events bound."""
        await self._tell()
        await self._subscriptions.settle_in(doubtful=doubtful)

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
            token = self._token_to_keep(fresh, before)
            update: dict[str, Any] = {"application_token": token, "generation": stored.version + 1}
            if before is not None and token == before.application_token:
                update["token_proven_at"] = before.token_proven_at
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
        await self._settle_in(doubtful=fresh.application_token not in ("", token))

    def _token_to_keep(self, fresh: Grant, before: Grant | None) -> str:
        """The application token of a fresh grant, or that of the one before it.

        A form proves its access token and nothing else. So it brings the first application token; one that replaces
        another is believed when a test event brings it too, where the portal can be asked for one.
        """
        if before is None or (before.member_id, before.client_id) != (fresh.member_id, fresh.client_id):
            return fresh.application_token
        confirmed = self._subscriptions.can_test and before.application_token
        return before.application_token if confirmed else fresh.application_token or before.application_token

    async def _keep_application_token(self, token: str, *, of: Grant, proven_at: float) -> None:
        for _ in range(_WRITES):
            stored = await self._stored()
            if stored.grant is None or stored.grant.generation != of.generation:
                raise Unauthenticated("the application was installed anew or uninstalled meanwhile")
            if await self._vault.save(
                stored.grant.with_application_token(token, proven_at=proven_at), version=stored.version
            ):
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
        if not self._application.lives_at(told.domain):
            raise Unauthenticated("it is of another portal than that of the rules file")

    async def _check_member(self, told: AppForm) -> None:
        """A portal keeps its member_id, and an application of another portal has another client_id."""
        before = await self._readable()
        ours = before is not None and before.client_id == self._application.client_id and before.member_id
        if ours and told.member_id != ours:
            raise Unauthenticated(
                "its member_id is another than that of the stored installation; if the portal has really become "
                f"another one, run badge-bridge authorize {self.portal}"
            )

    def _too_late(self) -> BridgeError:
        return StoreUnavailable(f"portal {self.portal}: others wrote its tokens {_WRITES} times in a row")


def _carries_token(told: AppForm, grant: Grant) -> bool:
    """Whether an event is of this installation; every comparison is made, in constant time."""
    known = bool(grant.application_token)
    token = hmac.compare_digest(told.application_token.encode(), grant.application_token.encode())
    member = hmac.compare_digest(told.member_id.encode(), grant.member_id.encode())
    return known and token and member
