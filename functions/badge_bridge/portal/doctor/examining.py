"""The whole examination of one portal: which look comes after which."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from badge_bridge.portal import activities, badges, owners
from badge_bridge.portal.badges import WantedBadge
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.doctor.check import Check, Step, examine_in_order
from badge_bridge.portal.doctor.content import Content
from badge_bridge.portal.doctor.events import Events, Subscribed
from badge_bridge.portal.doctor.lost_calls import Fetching, LostCalls
from badge_bridge.portal.doctor.network import Counted, Network
from badge_bridge.portal.doctor.reaching import Reaching
from badge_bridge.portal.doctor.rights import Rights
from badge_bridge.portal.keyring import Keyring
from badge_bridge.portal.lanes import lane_of
from badge_bridge.portal.sync import OURS

__all__ = ["Needs", "Subject", "examine", "lanes_of", "methods_of"]

_NEW_LEAD = "crm.item.add"


class Needs(Protocol):
    """What the rules file makes the bridge use in a portal (`rulesfile.Usage`)."""

    @property
    def badges(self) -> Sequence[WantedBadge]: ...
    @property
    def attaches(self) -> bool: ...
    @property
    def makes_leads(self) -> bool: ...
    @property
    def icons(self) -> Collection[str]: ...
    @property
    def logos(self) -> Collection[str]: ...
    @property
    def telephony(self) -> bool: ...
    @property
    def fetching(self) -> Fetching: ...


async def _uncounted() -> None:
    """For a portal that does not limit anybody."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The portal that is examined. `url` is its scheme and host, without a slash at the end."""

    client: SingleCalls
    keyring: Keyring
    url: str
    application: bool
    """Whether its credential is an application's, not an inbound webhook."""
    trusted_hosts: tuple[str, ...] = ()
    """Where calls follow a renamed portal to."""
    admitted: Callable[[], Awaitable[None]] = _uncounted
    """Counts a request that is sent beside the client, among all those to this portal."""
    subscribed: Subscribed | None = None
    """What it sends to its application; None where there is none."""


async def examine(
    subject: Subject,
    needs: Needs,
    *,
    network: Network,
    clock: Callable[[], float],
    new_code: Callable[[], str] = lambda: f"{OURS}doctor_{secrets.token_hex(8)}",
) -> list[Check]:
    """Look at everything, each look after those that it stands on. `clock` returns unix seconds.

    Raises nothing of ours: what cannot be looked at is a failed check.
    """
    network = Counted(network, subject.admitted)
    reaching = Reaching(subject.client.name, subject.url, network, clock=clock, trusted_hosts=subject.trusted_hosts)
    rights = Rights(
        subject.client,
        methods=methods_of(needs),
        telephony=needs.telephony,
        attaches=needs.attaches,
        application=subject.application,
        new_code=new_code,
    )
    content = Content(
        subject.client,
        subject.keyring,
        network,
        moved_to=lambda: reaching.moved_to,
        badges=needs.badges,
        icons=needs.icons,
        logos=needs.logos,
    )
    return await examine_in_order(
        (
            Step("connection", reaching.connection),
            Step("certificate", reaching.certificate, ("connection",)),
            Step("REST", reaching.rest, ("certificate",)),
            Step("clock", reaching.time, ("REST",)),
            Step("credential", rights.credential, ("REST",)),
            Step("user", rights.user, ("credential",)),
            Step("scopes", rights.scopes, ("credential",)),
            Step("methods", rights.methods, ("scopes",)),
            Step("CRM administrator", rights.crm_administrator, ("scopes",)),
            Step("application", rights.application, ("credential",)),
            Step("events", Events(subject.client.name, subject.subscribed).look, ("credential",)),
            Step("lost calls", LostCalls(subject.client, needs.fetching).look, ("scopes",)),
            Step("icons and logos", content.symbols, ("scopes",)),
            Step("badges", content.badges, ("scopes",)),
            Step("limits", content.limits, ("badges",)),
        )
    )


def methods_of(needs: Needs) -> tuple[str, ...]:
    """The methods that the rules lead to."""
    cards = [*owners.METHODS, *activities.METHODS] if needs.attaches else []
    unused = {STATISTICS} if needs.makes_leads else {STATISTICS, _NEW_LEAD}
    return (
        *badges.METHODS,
        *(method for method in cards if method not in unused),
        *((STATISTICS,) if needs.telephony else ()),
    )


def lanes_of(portal: str, needs: Needs) -> list[str]:
    """What may be paused in the store of a running bridge: the portal, and each of these methods."""
    return [portal, *(lane_of(portal, method, "method") for method in methods_of(needs))]
