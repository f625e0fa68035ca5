"""The application tokens that events of a portal may carry, for those who verify deliveries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from badge_bridge.errors import StoreUnavailable
from badge_bridge.portal.oauth.cipher import WrongEncryptionKey
from badge_bridge.portal.oauth.vault import Vault

__all__ = ["FRESH", "ApplicationTokens"]

logger = logging.getLogger("badge_bridge.portal")

FRESH = 30.0
"""Seconds that an answer is good for: another process may take an installation at any time."""

_AT_MOST = 1.0
"""Seconds between looks that are asked for because a token did not match, which anybody can cause."""


@dataclass(frozen=True, slots=True)
class _Known:
    tokens: tuple[str, ...]
    at: float


class ApplicationTokens:
    """Reads the tokens of several portals from their vaults, by the portal's name. `clock` returns unix seconds.

    What takes the place of `before` knows what that one knows, and forgets when it does: an installation may still be
    under way there.
    """

    def __init__(
        self, vaults: Mapping[str, Vault], *, clock: Callable[[], float], before: ApplicationTokens | None = None
    ) -> None:
        self._vaults = vaults
        self._clock = clock
        self._known: dict[str, _Known] = before._known if before else {}  # noqa: SLF001 - its own kind

    async def tokens(self, portal: str, *, again: bool = False) -> tuple[str, ...]:
        """The tokens that are good now; none where the application is not installed, or has none yet,
        and where the portal is not reached by one.

        `again` looks even though it was looked lately: for a delivery whose token did not match, which may be of an
        installation that another process has just taken.

        Raises:
            StoreUnavailable: they cannot be read, and were not read before.
        """
        vault = self._vaults.get(portal)
        if vault is None:
            return ()
        known = self._known.get(portal)
        now = self._clock()
        if known is not None and 0 <= now - known.at < (_AT_MOST if again else FRESH):
            return known.tokens
        try:
            stored = await vault.load()
        except WrongEncryptionKey as error:
            raise StoreUnavailable(str(error)) from error
        except StoreUnavailable as error:
            if known is None:
                raise
            logger.warning("portal %s: its application token could not be read again: %s", portal, error)
            return known.tokens
        token = stored.grant.application_token if stored.grant is not None else ""
        self._known[portal] = _Known((token,) if token else (), now)
        return self._known[portal].tokens

    def forget(self, portal: str) -> None:
        """Look again next time: its installation has changed."""
        self._known.pop(portal, None)
