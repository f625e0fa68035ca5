"""What lets the bridge call a portal, where a call is POSTed and what body it has.

A secret is in the address (inbound webhook) or in the body (OAuth token), never in a header, and never in anything
that is printed: a credential shows only the portal's host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

__all__ = ["AccessToken", "Credential", "InboundWebhook"]

_WEBHOOK_PATH = re.compile(r"/rest/[0-9]+/[A-Za-z0-9_-]+/?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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
        parts = _portal_url(self.url, "the webhook URL")
        if not _WEBHOOK_PATH.fullmatch(parts.path):
            raise ValueError(
                "the webhook URL must look like https://<portal>/rest/<user id>/<secret>/, as Bitrix24 shows it under "
                "Developer resources > Other > Inbound webhook, without a method name"
            )

    def __repr__(self) -> str:
        return f"InboundWebhook(host={self.host!r})"

    @property
    def host(self) -> str:
        return _host(self.url)

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
        parts = _portal_url(self.url, "the portal's url")
        if parts.path not in {"", "/"}:
            raise ValueError("the portal's url must end after the host name, such as https://acme.bitrix24.com")
        if not self.token:
            raise ValueError("the access token is empty")

    @property
    def host(self) -> str:
        return _host(self.url)

    @property
    def secret(self) -> str:
        return self.token

    def address(self, method: str) -> str:
        return f"{self.url.rstrip('/')}/rest/{method}"

    def body(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**params, "auth": self.token}


def _portal_url(url: str, what: str) -> SplitResult:
    """The parts of a URL that calls may be sent to: https, or anything on this machine (a sandbox)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:
        host = None
    if not host or " " in url or not url.isprintable():
        raise ValueError(f"{what} is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError(f"{what} must begin with https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{what} must have no user name, question mark or # in it")
    return parts


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
