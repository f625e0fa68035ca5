"""Whether a request comes from a person who means this page, or from another page in his browser.

A listener on loopback is reached by whatever runs in the operator's browser. Two ways lead in from there: a name of
the attacker's that resolves to this machine (DNS rebinding), and a page elsewhere that sends a request here. The first
is stopped by the Host header, the second by what browsers say about where a request comes from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

__all__ = ["Names", "is_from_elsewhere", "is_from_here"]

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a listener: `host` is what it was told to listen on, `url` how it is reached from outside if so."""

    host: str
    url: str = ""

    def own(self, headers: Headers) -> bool:
        """Whether the request was sent to one of them.

        Every address in figures counts, as no name server can make one lead elsewhere; so does `localhost`. The port
        does not matter: one that is forwarded by ssh has another number.
        """
        name = _sent_to(headers)
        return bool(name) and (name in {"localhost", self.host.lower(), self._outside} or _is_in_figures(name))

    def is_secure(self, headers: Headers) -> bool:
        """Whether the browser got here by https."""
        return self.url.startswith("https://") and _sent_to(headers) == self._outside

    @property
    def _outside(self) -> str:
        return urlsplit(self.url).hostname or ""


def is_from_elsewhere(headers: Headers, *, secure: bool) -> bool:
    """Whether another page made the browser send this, who got here by https where `secure`. Programs say nothing of
    the kind, nor do old browsers.

    A page of another port of this host is elsewhere too.
    """
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    here = f"{'https' if secure else 'http'}://{headers.get('host', '')}"
    return origin is not None and origin.lower() != here.lower()


def is_from_here(headers: Headers) -> bool:
    """Whether the browser says that a page sent this, which is one of ours unless it `is_from_elsewhere`.

    Every browser says so of a form: with Origin for many years, and with Sec-Fetch-Site on hosts that it trusts.
    """
    return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


def _sent_to(headers: Headers) -> str:
    """The name in the Host header, in lower case; empty where it is missing, doubled or none."""
    hosts = headers.getlist("host")
    found = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    return (found["v6"] or found["name"]) if found else ""


def _is_in_figures(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
