"""The two URLs by which a portal is reached: its own address, and that of an inbound webhook, which is a secret.

No message here repeats a URL.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

__all__ = ["check_install_url", "check_portal_url", "check_webhook_url", "host_of", "on_this_machine", "origin_of"]

_WEBHOOK_PATH = re.compile(r"/rest/[0-9]+/[A-Za-z0-9_-]+/?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def check_portal_url(url: str) -> None:
    """Check that a URL is a portal's address: `https://<portal>`, a slash at its end is allowed.

    Raises:
        ValueError: says what to write instead.
    """
    if _safe(url).path not in {"", "/"}:
        raise ValueError("a portal's url ends after the host name; write it such as https://acme.bitrix24.com")


def check_webhook_url(url: str) -> None:
    """Check that a URL is an inbound webhook's: `https://<portal>/rest/<user id>/<secret>/`.

    Raises:
        ValueError: says what to write instead.
    """
    if not _WEBHOOK_PATH.fullmatch(_safe(url).path):
        raise ValueError(
            "an inbound webhook's URL looks like https://<portal>/rest/<user id>/<secret>/; copy it whole from "
            "Bitrix24 (Developer resources > Other > Inbound webhook), and without a method's name"
        )


def check_install_url(url: str) -> None:
    """Check that a URL can be where a portal sends the events of its application's life: `https://<bridge>/install`.

    Raises:
        ValueError: says what to write instead.
    """
    if _safe(url).path in {"", "/"}:
        raise ValueError(
            "this is no page of the bridge; write the URL by which the portal reaches its /install, such as "
            "https://bridge.example.com/install"
        )


def host_of(url: str) -> str:
    """The host name of a checked URL in lower case, with its port where it is not the usual one."""
    return urlsplit(url).netloc.lower()


def origin_of(url: str) -> str:
    """Scheme and host of a checked URL: the portal's address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def on_this_machine(url: str) -> bool:
    """Whether a URL leads no further than this machine, where a sandbox has no certificate."""
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False


def _safe(url: str) -> SplitResult:
    """The parts of a URL that a secret may be sent to: https, or anything on this machine (a sandbox)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # fails where a part of the name is empty or too long
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url:
        raise ValueError("this is not a URL; write one such as https://acme.bitrix24.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError("the URL must begin with https:// (http:// only towards this machine)")
    # An empty query or fragment counts too: what is put behind the URL would become part of it.
    if parts.username is not None or "?" in url or "#" in url:
        raise ValueError("the URL must have no user name, question mark or # in it; remove them")
    return parts
