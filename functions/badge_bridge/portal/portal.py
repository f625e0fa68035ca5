"""One portal with everything the bridge does in it."""

from __future__ import annotations

import random as randomness
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from badge_bridge.http import AsyncBaseTransport
from badge_bridge.meters import Meters
from badge_bridge.portal import activities, badges, owners
from badge_bridge.portal.activities import Activities
from badge_bridge.portal.badges import Badges
from badge_bridge.portal.calling import Holds
from badge_bridge.portal.client import PortalClient
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal.keyring import FixedKeyring, Keyring
from badge_bridge.portal.lanes import Lanes, Pauses, lane_of
from badge_bridge.portal.limits import Limiter
from badge_bridge.portal.owners import Owners
from badge_bridge.portal.reasons import mark_of
from badge_bridge.portal.sizing import LARGEST
from badge_bridge.portal.wire import DEADLINE

__all__ = ["METHODS", "Portal", "lanes_of", "open_portal"]

METHODS = (*badges.METHODS, *owners.METHODS, *activities.METHODS)
"""The methods that events lead to, and which may each be paused."""


def lanes_of(portal: str) -> list[str]:
    """What of a portal may be paused: the whole, and each of `METHODS`."""
    return [lane_of(portal, "", "portal"), *(lane_of(portal, method, "method") for method in METHODS)]


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal of the rules file; `name` is its name there."""

    name: str
    client: PortalClient
    badges: Badges
    owners: Owners
    activities: Activities
    lanes: Lanes
    keyring: Keyring

    async def start(self) -> None:
        """Take up the pauses that an earlier process left in the store; call it before anything is sent.

        Where the credential has been replaced since it was refused, what was paused for it is open again at once.
        What is still paused is logged as a warning: until when and why.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        await self.lanes.start(METHODS)

    async def aclose(self) -> None:
        """Stop what is under way and close the connections."""
        await self.owners.aclose()
        await self.badges.aclose()
        await self.client.aclose()


def open_portal(
    name: str,
    access: Keyring | Credential,
    *,
    pauses: Pauses,
    clock: Callable[[], float] = time.time,
    transport: AsyncBaseTransport | None = None,
    random: Callable[[], float] = randomness.random,
    deadline: float = DEADLINE,
    holds: Holds | None = None,
    limiter: Limiter | None = None,
    trusted_hosts: Collection[str] = (),
    largest_batch: int = LARGEST,
    timer: Callable[[], float] = time.perf_counter,
    meters: Meters | None = None,
    passing: bool = False,
) -> Portal:
    """Put a portal together; nothing is connected before the first call.

    `access` is a keyring, or a credential that stays as it is. `pauses` is the store, and so is `holds` where leads
    are made; `clock` returns unix seconds, `random` a float in [0, 1); `transport` replaces the network; `deadline` is
    how many seconds one request may take in all; `passing` says that the pauses are this process's own, as for `Lanes`;
    for the others see `PortalClient`.
    """
    keyring: Keyring = access if isinstance(access, Keyring) else FixedKeyring(access, mark_of(name, access))
    lanes = Lanes(name, pauses, keyring=keyring, clock=clock, random=random, passing=passing)
    client = PortalClient(
        name,
        keyring,
        lanes=lanes,
        limiter=limiter,
        trusted_hosts=trusted_hosts,
        largest_batch=largest_batch,
        transport=transport,
        deadline=deadline,
        timer=timer,
        meters=meters,
    )
    registry = Badges(client, clock=clock)
    return Portal(
        name=name,
        client=client,
        badges=registry,
        owners=Owners(client, clock=clock, holds=holds),
        activities=Activities(client, registry),
        lanes=lanes,
        keyring=keyring,
    )
