"""Novofon: its older platform tells of calls exactly as Zadarma does (its library `novofon/user-api-v1`).

Novofon 2.0 has other notifications, which this does not read.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from badge_bridge.sources.base import SourceOptions
from badge_bridge.sources.zadarma import NotificationOptions, Zadarma

__all__ = ["Novofon", "NovofonOptions"]


class NovofonOptions(NotificationOptions):
    """A source that Novofon calls."""

    provider: Literal["novofon"]


class Novofon(Zadarma):
    """Reads Novofon's notifications as Zadarma's."""

    options_type: ClassVar[type[SourceOptions]] = NovofonOptions
