"""Where the sandbox may send to: this machine, and nowhere else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

__all__ = ["LoopbackUrl", "check_loopback"]


def check_loopback(url: str) -> str:
    """Return the URL where it leads to this machine.

    Raises:
        ValueError: it leads elsewhere, or is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        safe = parts.scheme in ("http", "https") and host is not None and url.isprintable() and " " not in url
    except ValueError:
        host, safe = None, False
    if not safe or not host or not _is_loopback(host):
        raise ValueError("a sandbox sends to this machine only: use a URL such as http://127.0.0.1:8080/hooks/portal")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


LoopbackUrl = Annotated[str, AfterValidator(check_loopback)]
