"""What the pages are made from: the store, and what runs beside it where something does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.meters import Meters
from badge_bridge.portal.portal import Portal
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Store

__all__ = ["Desk"]


def _no_portals() -> None:
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
