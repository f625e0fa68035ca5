"""Who calls: the identity tokens that Google gives to service accounts, such as those of Pub/Sub's pushes.

Cloud Run checks them too, as far as it is told to. Checked here as well, a function that was opened to everybody by
mistake still takes nothing from strangers. (Google docs, "Authenticate push subscriptions" and "Token types".)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from badge_bridge.errors import GoogleError, Unauthenticated
from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError, authorities

__all__ = ["AGAIN", "CERTIFICATES", "LEEWAY", "Callers", "Certificates"]

CERTIFICATES = "https://www.googleapis.com/oauth2/v3/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")

LEEWAY = 30.0
"""Seconds that Google's clock and ours may differ."""

AGAIN = 30.0
"""Seconds between two looks for a certificate that is not known: anybody can name one."""

_TIMEOUT = 5.0
_LONGEST_TOKEN = 8192


class Certificates:
    """Google's public keys by their ids, fetched when one is needed and kept as long as Google says.

    `monotonic` returns seconds from anywhere; `transport` replaces the network.
    """

    def __init__(self, *, monotonic: Callable[[], float], transport: AsyncBaseTransport | None = None) -> None:
        self._monotonic = monotonic
        self._transport = transport
        self._keys: Mapping[str, Any] = {}
        self._fetched_at = float("-inf")
        self._until = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Any | None:
        """The key, or None where Google has none of this id.

        Raises:
            GoogleError: the certificates cannot be had.
        """
        async with self._lock:
            now = self._monotonic()
            if now >= self._until or (kid not in self._keys and now >= self._fetched_at + AGAIN):
                self._keys, seconds = await self._fetch()
                self._fetched_at, self._until = now, now + seconds
            return self._keys.get(kid)

    async def _fetch(self) -> tuple[Mapping[str, Any], float]:
        import jwt  # noqa: PLC0415 - a cost for those only who use it

        try:
            async with AsyncClient(verify=authorities(), transport=self._transport, timeout=_TIMEOUT) as client:
                response = await client.get(CERTIFICATES)
            response.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(response.json()).keys
        except (HTTPError, jwt.PyJWTError, ValueError, AttributeError, TypeError) as error:
            raise GoogleError(0, "UNAVAILABLE", f"Google's certificates cannot be had: {error!r}") from error
        age = re.search(r"max-age=(\d{1,9})", response.headers.get("cache-control", ""))
        return {key.key_id: key for key in keys if key.key_id}, float(age[1]) if age else AGAIN


class Callers:
    """The service accounts that may call, by their e-mail addresses in lower case. `clock` returns unix seconds."""

    def __init__(
        self, emails: Collection[str], *, audience: str, certificates: Certificates, clock: Callable[[], float]
    ) -> None:
        self._emails = frozenset(emails)
        self._audience = audience
        self._certificates = certificates
        self._clock = clock

    async def check(self, authorization: str) -> None:
        """Return where the header `Authorization` proves that one of them calls.

        Raises:
            Unauthenticated: it does not; the reason is for the log.
            GoogleError: it cannot be told now.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise Unauthenticated("the call brings no identity token")
        claims = await self._claims(token.strip())
        now = self._clock()
        issued, ends = (_moment(claims.get(name)) for name in ("iat", "exp"))
        if not issued - LEEWAY <= now <= ends + LEEWAY:
            raise Unauthenticated(f"the token of {claims.get('email')} is over, or not from now")
        if claims.get("email_verified") is not True or str(claims.get("email")).lower() not in self._emails:
            raise Unauthenticated(f"{claims.get('email')} is not one of INVOKERS")

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """What a genuine token for us says; its times and its owner are not looked at yet."""
        import jwt  # noqa: PLC0415 - a cost for those only who use it

        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._certificates.key(kid) if isinstance(kid, str) else None
            if key is None:
                raise Unauthenticated("the token is signed with none of Google's keys")
            # Times are checked by our clock, not by the library's.
            return jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=ISSUERS,
                options={"require": ["aud", "iss"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated(f"the token is not good: {error}") from error


def _moment(claim: object) -> float:
    """Unix seconds; what is none is at no time."""
    return float(claim) if isinstance(claim, int | float) and not isinstance(claim, bool) else float("nan")
