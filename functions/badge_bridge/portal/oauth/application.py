"""A local application of one portal, as the rules file names it, and whom it trusts.

What comes from outside (an installation, a redirect, an event) may name hosts; it is compared with what stands here and
never used to build a URL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from badge_bridge.portal.redirects import new_origin
from badge_bridge.portal_address import check_portal_url, host_of

__all__ = ["DEFAULT_SERVER", "Application", "check_server_url"]

DEFAULT_SERVER = "https://oauth.bitrix24.tech"

_SERVERS = frozenset({DEFAULT_SERVER, "https://oauth.bitrix.info"})
"""The authorisation server, and its name of before, which some portals still say (Bitrix24 docs, "OAuth 2.0")."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def check_server_url(url: str) -> None:
    """Check that a URL is that of an authorisation server of Bitrix24, or of a sandbox on this machine.

    Raises:
        ValueError: says what may be written.
    """
    check_portal_url(url)
    if url.rstrip("/").lower() not in _SERVERS and urlsplit(url).hostname not in _LOOPBACK:
        raise ValueError(f"the authorisation server may be {' or '.join(sorted(_SERVERS))}; leave it out for the first")


@dataclass(frozen=True, slots=True)
class Application:
    """The application `client_id` of the portal that the rules file calls `portal` and that answers at `address`.

    `address` is scheme and host; `trusted_hosts` are other hosts by which the portal may name itself, such as its
    former or its next name.

    Raises:
        ValueError: an address that a secret must not be sent to.
    """

    portal: str
    address: str
    client_id: str
    client_secret: str = field(repr=False)
    server: str = DEFAULT_SERVER
    trusted_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_portal_url(self.address)
        check_server_url(self.server)

    @property
    def host(self) -> str:
        return host_of(self.address.rstrip("/"))

    def is_named(self, domain: str) -> bool:
        """Whether `domain` is a name of this portal that the rules file knows."""
        named = _plain(domain)
        return bool(named) and named in {_plain(host) for host in (self.host, *self.trusted_hosts)}

    def lives_at(self, domain: str) -> bool:
        """Whether a portal that calls itself `domain` can be this one: by its names, or renamed as calls follow it."""
        if self.is_named(domain):
            return True
        named = _plain(domain)
        return bool(named) and self.moved(f"https://{named}") is not None

    def moved(self, location: str) -> str | None:
        """The origin that a redirect of this portal leads to; None where it may not be followed, see `redirects`."""
        return new_origin(self.address.rstrip("/"), location, trusted_hosts=self.trusted_hosts)

    def authorize_url(self, state: str) -> str:
        """Where a person lets the application in; the portal then sends his browser to the application's handler."""
        query = urlencode({"client_id": self.client_id, "state": state})
        return f"{self.address.rstrip('/')}/oauth/authorize/?{query}"


def _plain(host: str) -> str:
    return host.strip().lower().removesuffix(":443")
