"""What lets the bridge call a portal, where a call is POSTed and what body it has.

A secret is in the address (inbound webhook) or in the body (OAuth token), never in a header, and never in anything
that is printed: a credential shows only the portal's host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from badge_bridge.portal_address import check_portal_url, check_webhook_url, host_of

__all__ = ["AccessToken", "Credential", "InboundWebhook"]


class Credential(Protocol):
    """One way to be let in. Immutable; safe to print."""

    @property
    def host(self) -> str:
        """The portal's host name, with its port where it is not the usual one: what messages may show."""

    @property
    def secret(self) -> str:
        """The part that must never be shown."""

    def address(self, method: str) -> str:
        """The URL that a call of `method` is POSTed to; may hold the secret."""

    def body(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON body of a call; may hold the secret."""


@dataclass(frozen=True, slots=True)
class InboundWebhook:
    """An inbound webhook: `https://<portal>/rest/<user id>/<secret>/`, calls run as the user who made it.

    Badges only: a webhook cannot attach them (Bitrix24 docs, "crm.activity.configurable.add": application context).

    Raises:
        ValueError: the URL is not one of an inbound webhook; the message does not repeat it.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        check_webhook_url(self.url)

    def __repr__(self) -> str:
        return f"InboundWebhook(host={self.host!r})"

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def secret(self) -> str:
        return self.url.rstrip("/").rsplit("/", 1)[1]

    def address(self, method: str) -> str:
        return f"{self.url.rstrip('/')}/{method}"

    def body(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return dict(params)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A portal's address and an OAuth access token as it is: nothing refreshes it, it lasts an hour.

    The token travels as `auth` in the JSON body, which keeps it out of access logs (Bitrix24 docs, "How to call REST").

    Raises:
        ValueError: the address is not that of a portal, or the token is empty.
    """

    url: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        check_portal_url(self.url)
        if not self.token:
            raise ValueError("the access token is empty")

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def secret(self) -> str:
        return self.token

    def address(self, method: str) -> str:
        return f"{self.url.rstrip('/')}/rest/{method}"

    def body(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**params, "auth": self.token}
