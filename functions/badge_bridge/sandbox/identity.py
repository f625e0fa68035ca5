"""Who a portal says it is, in events and in the answers of its authorisation server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`address` is where the portal is reached, without a slash at its end.

    `auth_host` is the authorisation server's name as the real portal gives it: it is in the documented answers, and
    the sandbox's own one is at `<address>/oauth/token/`, whatever they say (Bitrix24 docs, "Full OAuth 2.0 protocol").
    """

    member_id: str
    address: str
    auth_host: str

    @property
    def domain(self) -> str:
        return urlsplit(self.address).netloc

    def endpoints(self) -> dict[str, str]:
        """The keys that every event and every token has in common."""
        return {
            "domain": self.domain,
            "client_endpoint": f"{self.address}/rest/",
            "server_endpoint": f"https://{self.auth_host}/rest/",
            "member_id": self.member_id,
        }
