"""The tokens of an OAuth application as a keyring: given out, and renewed when the portal says that they have expired.

A refresh token is good for one renewal (Bitrix24 docs, "OAuth 2.0"), and all processes share it. So a renewal is made
by one at a time: callers in one process share a task, processes a hold in the store. Whoever gets the hold looks first
whether somebody else has renewed meanwhile. New tokens are saved before they are used: what is used and not saved is
lost with the process, and with it the way in.

Where things break:

- the answer of a renewal gets lost: asked once more with the same refresh token, since nobody knows whether it is dead;
- the process dies between the answer and the save: the same, by whoever gets the hold when it has run out;
- the store cannot save: the new tokens stay in memory and are used, saved as soon as that works, and the log says so;
- the note was written by somebody else meanwhile: an installation wins, an uninstallation wins, and a new application
  token is kept beside the new tokens.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat

from badge_bridge.errors import AccessRefused, OutcomeUnknown, PortalUnreachable, StoreUnavailable
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.credentials import AccessToken, Credential
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.cipher import WrongEncryptionKey
from badge_bridge.portal.oauth.grant import Grant, Tokens
from badge_bridge.portal.oauth.server import METHOD, AuthorisationServer
from badge_bridge.portal.oauth.vault import Stored, Vault

__all__ = ["FRESH", "HOLD", "KEEP_ALIVE", "POLL", "POLLS", "OAuthKeyring"]

logger = logging.getLogger("badge_bridge.portal")

FRESH = 60.0
"""Seconds after which the note is looked at again: another process may have taken a new installation."""

HOLD = 75.0
"""Seconds that a renewal is held at most: two requests of 20 s each, and what the store takes."""

POLL, POLLS = 0.5, 40
"""Seconds between looks at what another process's renewal came to, and how many of them."""

KEEP_ALIVE = 150 * 86400.0
"""Seconds; a refresh token dies 180 days after it was issued. Nothing else is renewed by the clock: the vendor may
block applications that do."""

_KEEP_ALIVE_AGAIN = 3600.0
_WRITES = 5


@dataclass(frozen=True, slots=True)
class _Renewal:
    """New tokens that are not saved yet, and the refresh token that they were made from."""

    spent: str
    tokens: Tokens
    at: float


class OAuthKeyring:
    """The tokens of one portal's application.

    `clock` returns unix seconds; `holder` names this process in the store and no other.
    """

    def __init__(
        self,
        application: Application,
        *,
        vault: Vault,
        server: AuthorisationServer,
        holds: Holds,
        holder: str,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        install_url: str = "",
    ) -> None:
        self._application = application
        self._vault = vault
        self._server = server
        self._holds = holds
        self._holder = holder
        self._clock = clock
        self._sleep = sleep
        self._install_url = install_url
        self._stored = Stored(None, -1)
        self._looked_at: float | None = None
        self._kept_alive_at: float | None = None
        self._unsaved: _Renewal | None = None
        self._renewing: asyncio.Task[Grant] | None = None
        self._saving: asyncio.Task[None] | None = None

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that change with an installation or the application's keys, not with a renewal."""
        grant = self._grant
        installation = "" if grant is None else f"{grant.member_id}/{grant.generation}"
        app = self._application
        known_by = (app.portal, app.address, app.client_id, app.client_secret, installation)
        return hashlib.sha256("\0".join(known_by).encode()).hexdigest()[:8]

    @property
    def grant(self) -> Grant | None:
        """What was found at the last look; None where the application is not installed."""
        return self._grant

    def installed(self) -> Grant:
        """What was found at the last look, of the application that the rules file names.

        Raises:
            AccessRefused: it is not installed, or another one is; says what to do.
        """
        grant = self._grant
        if grant is not None and grant.client_id == self._application.client_id:
            return grant
        portal = self._application.portal
        what = (
            "the application is not installed"
            if grant is None
            else "another application is installed than the one of the rules file"
        )
        raise self._refused(
            "not_installed",
            f"portal {portal}: {what}",
            "A portal administrator makes a local application in Bitrix24 under Developer resources > Other > Local "
            "application, ticks that it uses only the API, and enters "
            f"{self._install_url or 'https://<this bridge>/install'} as its handler and as its initial installation "
            f"path. Where it exists already, run badge-bridge authorize {portal} and open the link that it prints.",
        )

    async def look(self) -> None:
        """Read what is stored, at the start and whenever it is known to have changed.

        Raises:
            AccessRefused: it cannot be decrypted.
            StoreUnavailable: it cannot be read.
        """
        self._adopt(await self._load())
        self._looked_at = self._clock()

    async def current(self) -> Credential:
        if self._grant is None or not self._is_fresh():
            try:
                await self.look()
            except StoreUnavailable as error:
                if self._grant is None:
                    raise
                logger.warning("portal %s: its tokens could not be read again: %s", self._application.portal, error)
        return self._credential(self.installed())

    async def renew(self, stale: Credential) -> Credential:
        grant = self._grant
        if grant is None or grant.access_token == stale.secret:
            if self._renewing is None or self._renewing.done():
                # A task of its own: a caller that is cancelled must not cancel what comes between answer and save.
                self._renewing = asyncio.create_task(self._renew(stale.secret), name="renew an access token")
                self._renewing.add_done_callback(_note_the_end)
            grant = await asyncio.shield(self._renewing)
        return self._credential(grant)

    async def keep_alive(self, now: float) -> bool:
        """Renew tokens that nobody has used for so long that they would die; True where that was needed. And see to it
        that they are encrypted with the first key, so that a key which is being replaced can go.

        Cheap, and meant to be called by every sweep; what fails is tried again an hour later.

        Raises:
            As `renew`.
        """
        recent = self._kept_alive_at is not None and 0 <= now - self._kept_alive_at < _KEEP_ALIVE_AGAIN
        if recent:
            return False
        self._kept_alive_at = now
        if await self._vault.seal_anew():
            logger.info(
                "portal %s: its tokens are encrypted with the first key of ENCRYPTION_KEY now; nothing of this portal "
                "needs the others any more",
                self._application.portal,
            )
        await self.look()
        grant = self._grant
        if grant is None or now - grant.renewed_at < KEEP_ALIVE:
            return False
        await self.renew(self._credential(grant))
        return True

    async def aclose(self) -> None:
        """Let a renewal end, save what is not saved, and close the connections."""
        if self._renewing is not None:
            await asyncio.wait([self._renewing])
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.wait([self._saving])
        if self._unsaved is not None:
            try:
                await self._save(self._unsaved)
            except (StoreUnavailable, AccessRefused) as error:
                logger.error(  # noqa: TRY400 - the message says it all
                    "portal %s: renewed tokens are lost, since they could not be saved (%s); if they are refused from "
                    "now on, run badge-bridge authorize %s",
                    self._application.portal,
                    error,
                    self._application.portal,
                )
        await self._server.aclose()

    @property
    def _grant(self) -> Grant | None:
        return self._stored.grant

    def _is_fresh(self) -> bool:
        return self._looked_at is not None and 0 <= self._clock() - self._looked_at < FRESH

    def _adopt(self, stored: Stored) -> None:
        """Take over what is stored, unless something newer is known: a look may end after a later renewal."""
        if stored.version < self._stored.version:
            return
        if self._unsaved is not None and stored.grant is not None and stored.grant.refresh_token == self._unsaved.spent:
            stored = Stored(stored.grant.renewed(self._unsaved.tokens, now=self._unsaved.at), stored.version)
        else:
            self._unsaved = None
        self._stored = stored

    def _refused(self, code: str, message: str, mend: str) -> AccessRefused:
        said = message if mend in message else f"{message}. {mend}"
        return AccessRefused(said, portal=self._application.portal, method=METHOD, code=code, status=0, mend=mend)

    def _credential(self, grant: Grant) -> Credential:
        # The address is the rules file's: `client_endpoint` of an installation is what a sender says.
        return AccessToken(self._application.address, grant.access_token)

    async def _renew(self, stale: str) -> Grant:
        name = f"oauth/{self._application.portal}/refresh"
        for _ in range(POLLS):
            await self.look()
            grant = self.installed()
            if grant.access_token != stale:
                return grant
            if await self._holds.hold(name, holder=self._holder, now=self._clock(), seconds=HOLD):
                try:
                    return await self._renew_alone(stale)
                finally:
                    await self._let_go(name)
            await self._sleep(POLL)
        raise PortalUnreachable(
            f"portal {self._application.portal}: another process has been renewing the access token for "
            f"{POLL * POLLS:g} s; nothing was sent",
            portal=self._application.portal,
            method=METHOD,
            code="renewal under way",
        )

    async def _renew_alone(self, stale: str) -> Grant:
        if self._unsaved is not None:
            await self._save(self._unsaved)
        await self.look()  # somebody may have renewed between our look and the hold
        grant = self.installed()
        if grant.access_token != stale:
            return grant
        try:
            tokens = await self._ask(grant)
        except AccessRefused:
            await self.look()  # a holder that was slower than its hold may have been faster than we
            if self.installed().access_token != stale:
                return self.installed()
            raise
        renewal = _Renewal(grant.refresh_token, tokens, self._clock())
        try:
            return await self._save(renewal)
        except StoreUnavailable as error:
            self._unsaved = renewal
            self._stored = Stored(grant.renewed(tokens, now=renewal.at), self._stored.version)
            self._saving = asyncio.create_task(self._save_later(renewal), name="save renewed tokens")
            logger.error(  # noqa: TRY400 - the message says it all
                "portal %s: the access token was renewed and could not be saved: %s. It is used from memory and saved "
                "as soon as the store can be written; if this process ends before that, badge-bridge authorize %s may "
                "be needed",
                self._application.portal,
                error,
                self._application.portal,
            )
            return self.installed()

    async def _ask(self, grant: Grant) -> Tokens:
        try:
            return await self._server.refresh(grant.refresh_token)
        except OutcomeUnknown as lost:
            logger.warning("%s; it is asked once more", lost)
            return await self._server.refresh(grant.refresh_token)

    async def _save(self, renewal: _Renewal) -> Grant:
        """Write new tokens beside whatever was stored meanwhile, and adopt what is stored then."""
        for _ in range(_WRITES):
            stored = await self._load()
            if stored.grant is None or stored.grant.refresh_token != renewal.spent:
                self._unsaved = None
                self._adopt(stored)
                return self.installed()
            grant = stored.grant.renewed(renewal.tokens, now=renewal.at)
            if await self._vault.save(grant, version=stored.version):
                self._unsaved = None
                self._adopt(Stored(grant, stored.version + 1))
                logger.info("portal %s: the access token was renewed", self._application.portal)
                return grant
        raise StoreUnavailable(f"portal {self._application.portal}: others wrote its tokens {_WRITES} times in a row")

    async def _load(self) -> Stored:
        try:
            return await self._vault.load()
        except WrongEncryptionKey as error:
            raise self._refused("wrong_encryption_key", str(error), error.mend) from error

    async def _save_later(self, renewal: _Renewal) -> None:
        for delay in _growing():
            await self._sleep(delay)
            if self._unsaved is not renewal:
                return
            try:
                await self._save(renewal)
            except StoreUnavailable:
                continue
            except AccessRefused as error:
                logger.warning("portal %s: renewed tokens are not needed any more: %s", self._application.portal, error)
            return

    async def _let_go(self, name: str) -> None:
        try:
            await self._holds.let_go(name, holder=self._holder)
        except StoreUnavailable as error:
            # It runs out by itself; the tokens are what matters.
            logger.warning(
                "portal %s: the hold of a renewal stays for up to %g s: %s", self._application.portal, HOLD, error
            )


def _growing() -> Iterator[float]:
    return chain((1.0, 2.0, 4.0, 8.0, 16.0), repeat(30.0))


def _note_the_end(task: asyncio.Task[Grant]) -> None:
    """Take notice of how a renewal ended, in case that everybody who waited for it was cancelled."""
    if not task.cancelled():
        task.exception()
