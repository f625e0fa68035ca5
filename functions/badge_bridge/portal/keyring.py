"""Which credential a call is sent with: one that never changes, or one that is renewed when the portal says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from badge_bridge.errors import AccessRefused
from badge_bridge.portal.credentials import Credential

__all__ = ["FixedKeyring", "Keyring", "NoCredential"]


class NoCredential(AccessRefused):
    """There is no credential to call the portal with, whatever the authorisation server calls it."""


@runtime_checkable
class Keyring(Protocol):
    """Gives the credential of one portal. A client asks before each request and never keeps one for the next."""

    @property
    def mark(self) -> str:
        """Tells one installation or credential from another (`reasons.mark_of`), and gives nothing away."""

    async def current(self) -> Credential:
        """The credential to send the next request with.

        Raises:
            AccessRefused: there is none yet, or it is dead; `mend` says who has to do what.
            StoreUnavailable: nobody knows.
        """

    async def renew(self, stale: Credential) -> Credential | None:
        """Another credential after the portal has answered `expired_token` to `stale`; None where there cannot be one.

        Callers that come together share one renewal, over all processes. Where somebody has renewed it meanwhile, what
        he got is returned and the authorisation server is not asked.

        Raises:
            AccessRefused: the authorisation server refuses for good; a person has to authorise the bridge again.
            OutcomeUnknown, PortalUnreachable: the authorisation server did not answer; try again later.
            StoreUnavailable: nothing was renewed.
        """


@dataclass(frozen=True, slots=True)
class FixedKeyring:
    """One credential for good: an inbound webhook, or an access token as it is."""

    credential: Credential
    mark: str

    async def current(self) -> Credential:
        return self.credential

    async def renew(self, stale: Credential) -> Credential | None:  # noqa: ARG002 - there is nothing to renew
        return None
