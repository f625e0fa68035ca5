"""What the modules above the client need of it: to ask for one result, or for one page of a list. And of the store: to
be the only one who does something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from badge_bridge.outcomes import Exchange

__all__ = ["Calls", "Holds", "Page", "SingleCalls"]


class Page(Protocol):
    """One page of a list. `next`, where more follow, and `total` are as the portal gives them."""

    @property
    def result(self) -> Any: ...
    @property
    def next(self) -> int | None: ...
    @property
    def total(self) -> int | None: ...


class Holds(Protocol):
    """The part of the store that gives one process at a time the right to do something."""

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool: ...
    async def let_go(self, name: str, *, holder: str) -> bool: ...


class SingleCalls(Protocol):
    """`PortalClient`, where nobody keeps what was asked."""

    @property
    def name(self) -> str:
        """The portal's name in the rules file."""

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any: ...


class Calls(Protocol):
    """`PortalClient`, as far as it is needed; what is raised is told there."""

    @property
    def name(self) -> str:
        """The portal's name in the rules file."""

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Any: ...

    async def call_page(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Page: ...
