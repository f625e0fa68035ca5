"""How the bridge is let into each portal of the rules file: portals opened, applications installed and kept so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from badge_bridge import rulesfile
from badge_bridge.errors import AccessRefused, PortalError, StoreUnavailable
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.meters import Meters
from badge_bridge.portal import AccessToken, Credential, InboundWebhook, Portal, open_portal
from badge_bridge.portal.lanes import Pauses
from badge_bridge.portal.limits import Buckets, Limiter, usable
from badge_bridge.portal.oauth import (
    Application,
    ApplicationTokens,
    Handlers,
    Installer,
    OAuthKeyring,
    Subscriptions,
    install_beside,
    open_installer,
    open_keyring,
    open_subscriptions,
    open_vault,
)
from badge_bridge.portal.portal import METHODS
from badge_bridge.portal_address import host_of, on_this_machine
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Store

__all__ = [
    "Access",
    "application",
    "credential",
    "handlers",
    "limiter_of",
    "open_beside",
    "subscriptions_beside",
    "tokens_of",
]

logger = logging.getLogger("badge_bridge.portal")


@dataclass(slots=True, eq=False)
class _Opened:
    """An open portal, for as long as the rules of then or of now use it."""

    entry: rulesfile.Portal
    handlers: Handlers
    portal: Portal
    installer: Installer | None
    stack: AsyncExitStack
    users: int = 0

    async def release(self) -> None:
        self.users -= 1
        if not self.users:
            await self.stack.aclose()


@dataclass(frozen=True, slots=True)
class Access:
    """The open portals, by name; `installers` and `tokens` are of those that are reached by an OAuth application."""

    portals: Mapping[str, Portal]
    installers: Mapping[str, Installer]
    tokens: ApplicationTokens
    opened: Mapping[str, _Opened] = field(repr=False)

    @classmethod
    async def open(
        cls,
        stack: AsyncExitStack,
        rules: RulesFile,
        *,
        store: Store,
        keys: Sequence[str],
        clock: Callable[[], float],
        random: Callable[[], float],
        transport: AsyncBaseTransport | None = None,
        installed: Callable[[str], None] | None = None,
        meters: Meters | None = None,
        before: Access | None = None,
    ) -> Access:
        """Open every portal of the rules file; `stack` closes them. `keys` are those of ENCRYPTION_KEY; `installed`
        hears the name of a portal whose application was installed by this process.

        A portal that is open `before`, as the rules of then have it, is the same one here, with its client, what it
        knows and its pauses; it is closed when neither uses it any more.

        Raises:
            SettingsError: an application needs a key, and there is none.
            StoreUnavailable: the store cannot be read or written.
        """
        tokens = tokens_of(rules, store=store, keys=keys, clock=clock, before=before.tokens if before else None)
        opening = _Opening(store, keys, clock, random, transport, installed, meters, tokens)
        opened: dict[str, _Opened] = {}
        for name, entry in rules.portals.items():
            ours = handlers(rules, name)
            one = before.opened.get(name) if before else None
            if one is None or (one.entry, one.handlers) != (entry, ours):
                tokens.forget(name)  # they may be of another application
                one = await opening.portal(entry, ours)
            one.users += 1
            stack.push_async_callback(one.release)
            opened[name] = one
        return cls(
            portals={name: one.portal for name, one in opened.items()},
            installers={name: one.installer for name, one in opened.items() if one.installer is not None},
            tokens=tokens,
            opened=opened,
        )

    def doubt(self, portal: str, *, member_id: str, domain: str) -> None:
        """Take notice that a delivery to a source of this portal brought a wrong application token, and whose it says
        that it is; see `Subscriptions.doubt`.
        """
        installer = self.installers.get(portal)
        if installer is not None:
            installer.subscriptions.doubt(member_id=member_id, domain=domain)

    async def look_after(self, now: float) -> None:
        """What has to be done now and then for applications to stay installed; cheap where that is nothing."""
        for name, installer in self.installers.items():
            keyring = self.portals[name].keyring
            assert isinstance(keyring, OAuthKeyring), "a portal with an installer is reached by an application"
            try:
                await keyring.keep_alive(now)
                await installer.subscriptions.ensure()
            except (PortalError, StoreUnavailable) as error:
                logger.warning("portal %s: its application could not be looked after, later again: %s", name, error)


def tokens_of(
    rules: RulesFile,
    *,
    store: Store,
    keys: Sequence[str],
    clock: Callable[[], float],
    before: ApplicationTokens | None = None,
) -> ApplicationTokens:
    """What events of the portals' applications are checked by; see `ApplicationTokens` for `before`.

    Raises:
        SettingsError: an application needs a key, and there is none.
    """
    vaults = {
        name: open_vault(app, store=store, keys=keys)
        for name, portal in rules.portals.items()
        if (app := application(portal)) is not None
    }
    return ApplicationTokens(vaults, clock=clock, before=before)


async def open_beside(
    stack: AsyncExitStack,
    entry: rulesfile.Portal,
    rules: RulesFile,
    *,
    store: Store,
    keys: Sequence[str],
    pauses: Pauses,
) -> Portal:
    """A portal for a command that runs beside a `serve`: with its tokens and its count of requests, from the store, but
    with pauses of its own, since what has paused the portal there must not keep anybody from mending it.

    Raises:
        SettingsError: an application needs a key, and there is none.
        StoreUnavailable: the store cannot be read.
    """
    app = application(entry)
    if app is None:
        held: OAuthKeyring | Credential = credential(entry)
    else:
        held = open_keyring(app, store=store, keys=keys, install_url=handlers(rules, entry.name).life)
        stack.push_async_callback(held.aclose)
    portal = open_portal(
        entry.name,
        held,
        pauses=pauses,
        limiter=limiter_of(entry, store, clock=time.time),
        trusted_hosts=entry.trusted_hosts,
        passing=True,
    )
    stack.push_async_callback(portal.aclose)
    return portal


def limiter_of(entry: rulesfile.Portal, store: Buckets, *, clock: Callable[[], float]) -> Limiter:
    """What counts the requests to a portal, under its host: a portal with two entries has one bucket all the same."""
    limits = entry.limits
    return Limiter(host_of(entry.url), store, rate=limits.rate, burst=usable(limits.burst), clock=clock)


def subscriptions_beside(
    entry: rulesfile.Portal, portal: Portal, rules: RulesFile, *, store: Store, keys: Sequence[str]
) -> Subscriptions | None:
    """What a portal sends us, for a command that runs beside a `serve`; `portal` is one that `open_beside` has opened.

    None where the portal is reached without an application and cannot be asked.
    """
    app = application(entry)
    if app is None:
        return None
    assert isinstance(portal.keyring, OAuthKeyring), "a portal with an application is reached by it"
    return open_subscriptions(
        app,
        portal.keyring,
        store=store,
        keys=keys,
        call=portal.client.call,
        handlers=handlers(rules, entry.name),
    )


def handlers(rules: RulesFile, portal: str) -> Handlers:
    """Where a portal shall send its events, as far as the rules file says how the bridge is reached.

    Calls go to the portal's own source. What happens to the application goes to `install_url`, or beside any source
    whose `public_url` has the path that the bridge knows it by; where it has another one, a proxy rewrites paths.
    """
    urls = {name: url for name, source in rules.sources.items() if (url := getattr(source, "public_url", None))}
    of_bitrix24 = {name for name, source in rules.sources.items() if getattr(source, "provider", "") == "bitrix24"}
    own = [name for name in urls if name in of_bitrix24 and rules.portal_of[name] == portal]
    beside = (
        install_beside(urls[name])
        for name in (*own, *urls)
        # A portal calls https only, other providers need not.
        if urls[name].endswith(f"/hooks/{name}") and (urls[name].startswith("https://") or on_this_machine(urls[name]))
    )
    life = rules.portals[portal].install_url or next(filter(None, beside), "")
    return Handlers(calls=urls[own[0]] if own else "", life=life)


@dataclass(frozen=True, slots=True)
class _Opening:
    """What all portals are opened with."""

    store: Store
    keys: Sequence[str]
    clock: Callable[[], float]
    random: Callable[[], float]
    transport: AsyncBaseTransport | None
    installed: Callable[[str], None] | None
    meters: Meters | None
    tokens: ApplicationTokens

    async def portal(self, entry: rulesfile.Portal, ours: Handlers) -> _Opened:
        """Open one; it is closed when its last user has released it."""
        async with AsyncExitStack() as stack:
            portal, installer = await self._reached(stack, entry, ours)
            return _Opened(entry, ours, portal, installer, stack.pop_all())

    async def _reached(
        self, stack: AsyncExitStack, entry: rulesfile.Portal, ours: Handlers
    ) -> tuple[Portal, Installer | None]:
        app = application(entry)
        if app is None:
            limiter = limiter_of(entry, self.store, clock=self.clock)
            return await self._open(stack, entry, credential(entry), limiter), None
        keyring = open_keyring(
            app,
            store=self.store,
            keys=self.keys,
            install_url=ours.life,
            transport=self.transport,
            clock=self.clock,
        )
        stack.push_async_callback(keyring.aclose)
        # Lanes that are paused for another installation open where the mark is known.
        try:
            await keyring.look()
            keyring.installed()
        except AccessRefused as error:
            # Without this line the first to notice would be a missed call.
            logger.warning("%s", error)
        limiter = limiter_of(entry, self.store, clock=self.clock)
        portal = await self._open(stack, entry, keyring, limiter)

        mark = keyring.mark

        async def changed() -> None:
            nonlocal mark
            self.tokens.forget(entry.name)
            await portal.lanes.start(METHODS)
            before, mark = mark, keyring.mark
            if self.installed is not None and keyring.grant is not None and mark != before:
                self.installed(entry.name)

        installer = open_installer(
            app,
            keyring,
            store=self.store,
            keys=self.keys,
            call=portal.client.call,
            admitted=limiter.admitted,
            handlers=ours,
            changed=changed,
            transport=self.transport,
            clock=self.clock,
        )
        stack.push_async_callback(installer.aclose)
        return portal, installer

    async def _open(
        self, stack: AsyncExitStack, entry: rulesfile.Portal, access: OAuthKeyring | Credential, limiter: Limiter
    ) -> Portal:
        portal = open_portal(
            entry.name,
            access,
            pauses=self.store,
            holds=self.store,
            limiter=limiter,
            trusted_hosts=entry.trusted_hosts,
            clock=self.clock,
            random=self.random,
            transport=self.transport,
            meters=self.meters,
        )
        stack.push_async_callback(portal.aclose)
        await portal.start()
        return portal


def credential(portal: rulesfile.Portal) -> Credential:
    """What the rules file says about a portal that has no application, as its client needs it."""
    if portal.webhook is not None:
        return InboundWebhook(portal.webhook.get_secret_value())
    assert portal.access_token is not None, "the rules file is checked for one way in"
    return AccessToken(portal.url, portal.access_token.get_secret_value())


def application(portal: rulesfile.Portal) -> Application | None:
    """The OAuth application by which the rules file reaches a portal; None where it is reached in another way."""
    if portal.app is None:
        return None
    return Application(
        portal=portal.name,
        address=portal.url,
        client_id=portal.app.client_id,
        client_secret=portal.app.client_secret.get_secret_value(),
        server=portal.app.server,
        trusted_hosts=portal.trusted_hosts,
    )
