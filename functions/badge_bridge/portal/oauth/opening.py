"""Putting the parts together, in the order in which they need each other: keyring, portal client, installer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from badge_bridge.http import AsyncBaseTransport
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.binding import Call, Handlers
from badge_bridge.portal.oauth.cipher import Cipher
from badge_bridge.portal.oauth.installing import Installer
from badge_bridge.portal.oauth.keyring import OAuthKeyring
from badge_bridge.portal.oauth.proving import Buckets, Prover
from badge_bridge.portal.oauth.server import AuthorisationServer
from badge_bridge.portal.oauth.subscribing import Subscriptions
from badge_bridge.portal.oauth.tickets import Tickets
from badge_bridge.portal.oauth.vault import Notes, Vault

__all__ = ["Shared", "open_installer", "open_keyring", "open_subscriptions", "open_vault"]


class Shared(Notes, Holds, Buckets, Protocol):
    """The part of the store that an OAuth application needs."""


def _random_id() -> str:
    return secrets.token_hex(16)


async def _nobody() -> None:
    """Nobody has to know."""


def open_vault(application: Application, *, store: Notes, keys: Sequence[str]) -> Vault:
    """Where the application's grant is kept; `keys` are those of ENCRYPTION_KEY.

    Raises:
        SettingsError: there is no key, or one is none.
    """
    return Vault(application.portal, store, Cipher(keys))


def open_keyring(
    application: Application,
    *,
    store: Shared,
    keys: Sequence[str],
    install_url: str = "",
    transport: AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ids: Callable[[], str] = _random_id,
) -> OAuthKeyring:
    """The keyring for the application's portal client; nothing is connected or read before it is used.

    `install_url` is our installation path, for messages.

    Raises:
        SettingsError: as `open_vault`.
    """
    return OAuthKeyring(
        application,
        vault=open_vault(application, store=store, keys=keys),
        server=AuthorisationServer(application, transport=transport),
        holds=store,
        holder=ids(),
        clock=clock,
        sleep=sleep,
        install_url=install_url,
    )


def open_subscriptions(
    application: Application,
    keyring: OAuthKeyring,
    *,
    store: Holds,
    keys: Sequence[str],
    call: Call,
    handlers: Handlers,
    clock: Callable[[], float] = time.time,
    ids: Callable[[], str] = _random_id,
) -> Subscriptions:
    """What the portal sends us; `call` is that of the client that uses `keyring`. Nothing is asked before."""
    return Subscriptions(
        application,
        keyring=keyring,
        tickets=Tickets(application.portal, keys),
        holds=store,
        call=call,
        handlers=handlers,
        clock=clock,
        ids=ids,
    )


def open_installer(
    application: Application,
    keyring: OAuthKeyring,
    *,
    store: Shared,
    keys: Sequence[str],
    call: Call,
    admitted: Callable[[], Awaitable[None]],
    handlers: Handlers,
    changed: Callable[[], Awaitable[None]] = _nobody,
    transport: AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ids: Callable[[], str] = _random_id,
) -> Installer:
    """What takes installations; `call` is that of the client that uses `keyring`, `admitted` its limiter's.

    Raises:
        SettingsError: as `open_vault`.
    """
    return Installer(
        application,
        vault=open_vault(application, store=store, keys=keys),
        keyring=keyring,
        prover=Prover(application, buckets=store, admitted=admitted, clock=clock, sleep=sleep, transport=transport),
        server=AuthorisationServer(application, transport=transport),
        tickets=Tickets(application.portal, keys),
        holds=store,
        subscriptions=open_subscriptions(
            application, keyring, store=store, keys=keys, call=call, handlers=handlers, clock=clock, ids=ids
        ),
        changed=changed,
        clock=clock,
        ids=ids,
    )
