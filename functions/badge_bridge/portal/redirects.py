"""Which host a redirect may lead to: whoever gets our calls gets the credential with them.

A renamed portal answers 302 on its old host (Bitrix24 docs, "How to call REST"). Only Bitrix24 can answer there, so a
new name in its own cloud is believed. Anywhere else a common parent proves nothing: the parent of two portals may be
`co.uk`. Such a host is named in the rules file.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from badge_bridge.portal_address import check_portal_url, host_of

__all__ = ["CLOUD_ZONES", "new_origin"]

CLOUD_ZONES = frozenset(
    f"bitrix24.{zone}"
    for zone in (
        "by", "cn", "co", "com", "com.br", "com.tr", "de", "es", "eu", "fr", "id", "in", "it", "jp", "kz", "mx", "pl",
        "ru", "uk", "vn",
    )
)  # fmt: skip
"""The zones of the Bitrix24 cloud; a portal in it has a name of one label before one of these."""


def new_origin(old: str, location: str, *, trusted_hosts: Collection[str]) -> str | None:
    """The origin (`https://<host>`) that a redirect from origin `old` leads to; None where it may not be followed.

    `location` is the header as it came, of which only scheme and host count; `trusted_hosts` are host names with their
    port where it is not the usual one.
    """
    try:
        parts = urlsplit(urljoin(f"{old}/", location))
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        check_portal_url(origin)
    except ValueError:
        return None
    if origin == old.lower():
        return None
    if parts.scheme == "http":  # the check lets it pass towards this machine only
        return origin if urlsplit(old).scheme == "http" else None
    host = host_of(origin)
    believed = host in {trusted.lower() for trusted in trusted_hosts}
    return origin if believed or (_in_cloud(host_of(old)) and _in_cloud(host)) else None


def _in_cloud(host: str) -> bool:
    name, _, zone = host.partition(".")
    return bool(name) and zone in CLOUD_ZONES
