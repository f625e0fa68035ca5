"""The REST methods that the sandbox knows, by their names in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from badge_bridge.sandbox.methods import badges, probes
from badge_bridge.sandbox.registry import Method

__all__ = ["METHODS"]

METHODS: Mapping[str, Method] = MappingProxyType({**probes.base.declared, **badges.badges.declared})
