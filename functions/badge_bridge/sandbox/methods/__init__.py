"""The REST methods that the sandbox knows, by their names in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from badge_bridge.sandbox.methods import badges, batch, events, probes
from badge_bridge.sandbox.methods.activities import activities
from badge_bridge.sandbox.methods.configurable import configurable
from badge_bridge.sandbox.methods.deals import deals
from badge_bridge.sandbox.methods.duplicates import duplicates, search
from badge_bridge.sandbox.methods.enums import enums
from badge_bridge.sandbox.methods.item_writing import writing
from badge_bridge.sandbox.methods.items import items
from badge_bridge.sandbox.methods.statistics import statistics
from badge_bridge.sandbox.methods.timeline import timeline
from badge_bridge.sandbox.registry import Method, Methods

__all__ = ["METHODS"]

_ALL: tuple[Methods, ...] = (
    *(probes.base, batch.batching, events.events, badges.badges, configurable, activities, timeline),
    *(duplicates, search, items, writing, deals, enums, statistics),
)
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        **{name: method for methods in _ALL for name, method in methods.declared.items()},
    }
)
