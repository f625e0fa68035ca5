"""The way to the portal: name, connection, certificate, a REST answer, and the time that it shows."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from badge_bridge.portal.doctor.check import Verdict, failed, ok, skipped, warning
from badge_bridge.portal.doctor.network import Heard, Network, Unheard, json_object
from badge_bridge.portal.redirects import new_origin
from badge_bridge.portal_address import host_of

__all__ = ["Reaching"]

SOON = 14 * 86400.0
"""Seconds before its end at which a certificate that nobody has renewed is worth a word."""

OFF = 60.0
"""Seconds that two clocks may differ before it is worth a word: signatures with a time are good for five minutes."""

_CERTIFICATES = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "comes from an authority that this machine does not trust",
    20: "comes from an authority that this machine does not trust",
    21: "comes without the authority's certificates in between",
    62: "is for another host",
}
"""OpenSSL's verification errors (x509_vfy.h) in words."""

_TRUST = (
    "For a certificate of your own authority, which an on-premise portal or a proxy that reads TLS may have, set "
    "SSL_CERT_FILE to a file with that authority's certificate and restart the bridge."
)
_SET_CLOCK = "Let this machine take its time from the network: `timedatectl set-ntp true`, or your hoster's way."


class Reaching:
    """Looks at the way to one portal (`name` in the rules file, at `url`). `clock` returns unix seconds."""

    def __init__(
        self, name: str, url: str, network: Network, *, clock: Callable[[], float], trusted_hosts: tuple[str, ...] = ()
    ) -> None:
        self._address = f"at portals.{name} in the rules file, or in the variable named there"
        self._name = name
        self._written = url
        self._network = network
        self._clock = clock
        self._trusted_hosts = trusted_hosts
        self._difference: float | None = None
        self._look_at(url)

    @property
    def moved_to(self) -> str | None:
        """Where a portal was found (`https://<host>`) that has been renamed; None while it is where it is written."""
        return None if self._url == self._written else self._url

    def _look_at(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)

    async def connection(self) -> Verdict:
        if through := self._network.proxy(self._url):
            return skipped(f"calls go through the proxy {through}")
        try:
            await self._network.connect(self._host, self._port)
        except socket.gaierror as error:
            return failed(
                f"the name {self._host} is not known here: {error.strerror or error}",
                f"Correct the portal's address {self._address}. Where it is right, mend this machine's name service.",
            )
        except TimeoutError:
            return failed(f"no answer from {self._host}:{self._port} in time", self._let_through())
        except OSError as error:
            return failed(f"no connection to {self._host}:{self._port}: {error.strerror or error}", self._let_through())
        return ok(f"{self._host}:{self._port} can be reached")

    async def certificate(self) -> Verdict:
        if not self._secure:
            return skipped("plain http, which is taken towards this machine only: a sandbox")
        if through := self._network.proxy(self._url):
            return skipped(f"calls go through the proxy {through}")
        try:
            expires = await self._network.certificate(self._host, self._port)
        except ssl.SSLCertVerificationError as error:
            return self._untrusted(error)
        except ssl.SSLError as error:
            return failed(
                f"{self._host}:{self._port} does not speak TLS as it should: {getattr(error, 'reason', None) or error}",
                f"Correct the address {self._address}, its port above all.",
            )
        except OSError as error:
            return failed(f"the connection ended while TLS was agreed on: {error}", self._let_through())
        return self._expiring(expires)

    def _expiring(self, expires: float) -> Verdict:
        day = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d")
        days = int((expires - self._clock()) // 86400)
        if expires - self._clock() < SOON:
            return warning(
                f"the certificate expires on {day}, in {days} days",
                "Whoever runs the portal's web server renews it; for a portal at bitrix24.* that is Bitrix24 itself.",
            )
        return ok(f"the certificate is trusted and expires on {day}, in {days} days")

    async def rest(self) -> Verdict:
        """Whether REST answers; asked without a credential, so that nothing secret goes to a wrong address."""
        try:
            heard = await self._asked()
            moved = self._followed(heard)
            if moved is not None:
                self._look_at(moved)
                heard = await self._asked()
        except Unheard as error:
            return failed(f"no HTTP answer from {host_of(self._url)}: {error}", self._let_through())
        if 300 <= heard.status < 400:
            return self._redirected(heard)
        verdict = self._answered(heard)
        if moved is None or verdict.status == "failed":
            return verdict
        return warning(
            f"the portal was renamed: it redirects to {moved}, where calls follow it and everything below was looked "
            "at",
            f"Write {moved} instead of {self._written} {self._address}: the old address may cease to redirect.",
        )

    async def _asked(self) -> Heard:
        before = self._clock()
        heard = await self._network.post(f"{self._url}/rest/profile", {})
        if heard.date is not None:
            self._difference = (before + self._clock()) / 2 - heard.date
        return heard

    def _followed(self, heard: Heard) -> str | None:
        """Where calls follow a renamed portal to, which is decided for them as it is here."""
        if not 300 <= heard.status < 400:
            return None
        return new_origin(self._url, heard.location, trusted_hosts=self._trusted_hosts)

    def _answered(self, heard: Heard) -> Verdict:
        content = json_object(heard.body)
        if content is not None and ("error" in content or "result" in content):
            return ok("REST answers")
        what = heard.content_type.partition(";")[0] or "nothing readable"
        if heard.status >= 500:
            return failed(
                f"the portal fails: HTTP {heard.status} with {what}",
                "Try again in a few minutes. If it stays so, the portal fails: ask the Bitrix24 support.",
            )
        return failed(
            f"HTTP {heard.status} with {what} instead of an answer of REST",
            f"The address {self._address} must be the portal's: what comes before /rest/ in the URL of a webhook.",
        )

    async def time(self) -> Verdict:
        if self._difference is None:
            return skipped("the portal's answer does not say what time it is")
        if abs(self._difference) > OFF:
            way = "ahead of" if self._difference > 0 else "behind"
            return warning(
                f"this machine's clock is {abs(self._difference):.0f} s {way} the portal's: genuine deliveries that "
                "are signed with their time will be refused, and limits be counted wrongly",
                _SET_CLOCK,
            )
        return ok(f"this machine's clock and the portal's agree within {max(abs(self._difference), 1):.0f} s")

    def _redirected(self, heard: Heard) -> Verdict:
        """A redirect that calls do not follow (Bitrix24 docs, "How to call REST")."""
        try:
            parts = urlsplit(heard.location)
            host = parts.hostname or ""
            there = f"{host}:{parts.port}" if parts.port else host
        except ValueError:
            there = ""
        if there and there != host_of(self._url):
            return failed(
                f"{host_of(self._url)} redirects to {there}, where calls do not follow: the portal may have been "
                "renamed",
                f"If {there} is the portal's new address, write it instead of {host_of(self._written)} "
                f"{self._address}, or let portals.{self._name}.trusted_hosts name it.",
            )
        return failed(
            f"the portal redirects (HTTP {heard.status}) to no other host", f"Correct the address {self._address}."
        )

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> Verdict:
        wrong = _CERTIFICATES.get(error.verify_code, f"is not accepted: {error.verify_message}")
        found = f"the certificate of {self._host} {wrong}"
        if error.verify_code in {9, 10}:
            return failed(
                found, f"See that this machine's clock is right. {_SET_CLOCK} Else the certificate must be renewed."
            )
        if error.verify_code == 62:
            return failed(
                found, f"Correct the address {self._address}: it must be the name that the certificate is for."
            )
        return failed(found, _TRUST)

    def _let_through(self) -> str:
        return (
            f"See that this machine may connect to {self._host}, port {self._port}: a firewall or a missing proxy "
            f"(HTTPS_PROXY) may be in the way. Else the address {self._address} is wrong."
        )
