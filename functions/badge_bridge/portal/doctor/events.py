"""Whether the portal sends its events to us, and whether we would believe them."""

from __future__ import annotations

from typing import Protocol

from badge_bridge.portal.doctor.check import Verdict, failed, ok, skipped

__all__ = ["Events", "Subscribed"]


class Subscribed(Protocol):
    """`portal.oauth.Subscriptions`, as far as it is needed; what is raised is told there."""

    @property
    def can_test(self) -> bool: ...
    async def unbound(self) -> tuple[str, ...]: ...
    async def knows_token(self) -> bool: ...


class Events:
    """The look at what the portal sends to an application; None for one that is reached without."""

    def __init__(self, portal: str, subscribed: Subscribed | None) -> None:
        self._portal = portal
        self._subscribed = subscribed

    async def look(self) -> Verdict:
        """An event that is not bound is lost, and so is one whose application token is not known.

        Raises:
            PortalError, StoreUnavailable: the portal or the store does not say.
        """
        if self._subscribed is None:
            return skipped("it is reached without an application, which alone can ask for events")
        missing = await self._subscribed.unbound()
        if missing and not self._subscribed.can_test:
            return failed(
                f"not sent to this bridge: {', '.join(missing)}",
                f"Write install_url: https://<this bridge>/install at portals.{self._portal} in the rules file.",
            )
        if missing:
            return failed(
                f"not sent to this bridge: {', '.join(missing)}",
                "serve asks for them within an hour, and at its start: restart it. If that does not help, its log "
                "says what the portal refuses.",
            )
        if not await self._subscribed.knows_token():
            return failed(
                "the application token is not known, without which no event can be believed",
                "serve asks the portal for it: look here again in a few minutes. If it stays so, the portal cannot "
                "reach this bridge's /install, which has to be open to the internet.",
            )
        return ok("bound, and the token that proves them is known")
