"""What the pages are made from: the store, and what runs beside it where something does."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from badge_bridge.console.apart import Apart
from badge_bridge.console.recent_uses import RecentUses
from badge_bridge.console.registry import Registry
from badge_bridge.console.store_health import StoreHealth
from badge_bridge.console.stream import Streams
from badge_bridge.errors import Finding
from badge_bridge.meters import Meters
from badge_bridge.portal.portal import Portal
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Store
from badge_bridge.store_room import Room

__all__ = ["Desk", "NotReloaded"]


def _no_portals() -> None:
    return None


async def _no_tokens(source: str) -> Sequence[str]:  # noqa: ARG001 - none has any
    return ()


class NotReloaded(Protocol):
    """Why the newest rules file is not in use: since when (unix seconds), in words, and its mistakes if it has some."""

    @property
    def at(self) -> float: ...
    @property
    def reason(self) -> str: ...
    @property
    def findings(self) -> Sequence[Finding]: ...


def _reloaded() -> None:
    return None


def _no_disk() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Desk:
    """Rules and portals are asked for each time, since they may be replaced while the process runs."""

    store: Store
    rules_of_now: Callable[[], RulesFile]
    portals_of_now: Callable[[], Mapping[str, Portal] | None] = _no_portals
    meters: Meters | None = None
    """What this process has counted; None where others do the work."""
    clock: Callable[[], float] = time.time
    """Returns unix seconds."""
    may_change: bool = True
    """Whether pages may write to the store; a function of Google Cloud may only read it."""
    knows_secrets: bool = True
    """Whether the rules were loaded with their secrets, so that a delivery can be verified."""
    not_reloaded_of_now: Callable[[], NotReloaded | None] = _reloaded
    """None while the newest rules file is the one in use."""
    room_of_now: Callable[[], Room | None] = _no_disk
    """How much is left on the disk of the store; it may wait for that disk."""
    tokens: Callable[[str], Awaitable[Sequence[str]]] = _no_tokens
    """What a source may verify deliveries by beside its own secrets (`Accepting.tokens`)."""
    apart: Apart = field(default_factory=Apart)
    store_health: StoreHealth = field(default_factory=StoreHealth)
    registry: Registry = field(default_factory=Registry)
    uses: RecentUses = field(default_factory=RecentUses)
    streams: Streams = field(default_factory=Streams)

    @property
    def rules(self) -> RulesFile:
        return self.rules_of_now()

    @property
    def portals(self) -> Mapping[str, Portal] | None:
        """By name; None where this process speaks to none."""
        return self.portals_of_now()

    @property
    def sources(self) -> Mapping[str, Any]:
        """What the rules file says of each source, by name."""
        return self.rules.sources

    @property
    def not_reloaded(self) -> NotReloaded | None:
        """Why the rules in use are not the newest ones."""
        return self.not_reloaded_of_now()
