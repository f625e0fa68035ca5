"""Tokens that are sent along: the secret itself, or claims that are signed with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import Malformed, OutsideWindow, Unauthenticated
from badge_bridge.sources.base import Delivery, Part
from badge_bridge.sources.signatures.places import WINDOW
from badge_bridge.sources.signatures.scheme import any_equal, enumerated

__all__ = ["Jwt", "StaticToken"]

_MAX_TOKEN = 1024 * 1024
_MAX_HEADER = 1024
_LATEST = 100_000_000_000
"""Unix seconds of the year 5138: what is more is no time, and may be too much for a float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticToken:
    """A secret that the sender sends along. It proves who sends, and protects nothing of what is sent."""

    name: str
    """How the log calls it: `bearer token`."""
    token: Callable[[Delivery], bytes | None]
    """Finds the token in a delivery; None where there is none. May raise Unauthenticated."""
    binds: tuple[Part, ...] = ()
    hint: str = ""
    """What a person should compare when the token is missing or wrong, said after it in the log."""

    def verify(self, delivery: Delivery, keys: Sequence[bytes]) -> str:
        token = self.token(delivery)
        if token is not None and any_equal([token], keys):
            return self.name
        are = "are" if self.name.endswith("s") else "is"
        raise Unauthenticated(f"the {self.name} {are} {'missing' if token is None else 'wrong'}{self.hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """A signed token with claims. Only HMAC-SHA256 is taken: `none` and every other algorithm is refused, whatever the
    token says of itself.
    """

    token: Callable[[Delivery], str | None]
    """Finds the token in a delivery; None where there is none. May raise Unauthenticated."""
    binds: tuple[Part, ...]
    max_age: float | None = WINDOW
    """Seconds that the claim `iat` may differ from our time, both ways; None: the scheme has no time."""
    body_claim: str = ""
    """The claim that has the SHA-256 of the body in hex; empty: none, the token is the body."""
    hint: str = ""

    def verify(self, delivery: Delivery, keys: Sequence[bytes]) -> str:
        self.claims(delivery, keys)
        return f"jwt HS256 over {enumerated(self.binds)}"

    @staticmethod
    def sign(key: bytes, claims: Mapping[str, Any]) -> str:
        """The token as a sender makes it. Not by the library, which warns of secrets that are shorter than the RFC
        recommends: the provider chose them.
        """
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signed = b".".join(map(_base64url, parts))
        return b".".join((signed, _base64url(hmac.digest(key, signed, "sha256")))).decode()

    def claims(self, delivery: Delivery, keys: Sequence[bytes]) -> dict[str, Any]:
        """The claims of a token that is genuine.

        Raises:
            Unauthenticated: it is missing, not signed with one of the keys, too old, or of another body.
            Malformed: it is signed, and is not HS256 or has no claims.
        """
        token = self.token(delivery)
        if not token or len(token) > _MAX_TOKEN:
            raise Unauthenticated(f"the token is missing or too long{self.hint}")
        claims = _claims(token, keys)
        if claims is None:
            raise Unauthenticated(f"the token is not signed with HS256 and one of the secrets{self.hint}")
        if self.body_claim:
            named, digest = claims.get(self.body_claim), hashlib.sha256(delivery.body).hexdigest()
            said = named.lower().encode("utf-8", "replace") if isinstance(named, str) else b""
            if not hmac.compare_digest(said, digest.encode()):
                raise Unauthenticated(f"the claim {self.body_claim} is missing or is not the digest of the body")
        if self.max_age is not None:
            _check_times(claims, delivery.received_at, self.max_age)
        return claims


def _check_times(claims: Mapping[str, Any], now: float, most: float) -> None:
    """`exp` and `nbf` count where they are there, by clocks that may differ as much as a token may be old."""
    times = {name: claims[name] for name in ("exp", "nbf") if name in claims} | {"iat": claims.get("iat")}
    for name, time in times.items():
        if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time < _LATEST:
            raise Unauthenticated(f"the claim {name} of the token is missing or no time")
    age = now - times["iat"]
    if not abs(age) <= most:
        raise OutsideWindow(f"the token is genuine, but issued {age:.0f} s ago; {most:g} s are allowed")
    if now - most > times.get("exp", now) or now + most < times.get("nbf", now):
        raise OutsideWindow("the token is genuine, but its exp is over or its nbf has not come")


def _base64url(data: bytes) -> bytes:
    """Without padding, as in a token (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _claims(token: str, keys: Sequence[bytes]) -> dict[str, Any] | None:
    """The claims of a token that is signed with one of the keys, or None where it is signed with none.

    The library reads header and claims before it compares the signature, which for a body of 1 MiB of nobody's takes a
    tenth of a second for each key. So the signature is compared here first, and the library judges what has passed.

    Raises:
        Malformed: signed, but what it holds is no header of HS256 or no claims.
    """
    import jwt  # noqa: PLC0415 - a cost for those only who use it

    key = _signing_key(token, keys)
    if key is None:
        return None
    # Times are checked by our clock and with our window, not by the library's.
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    options |= {"verify_iss": False, "verify_sub": False, "verify_jti": False, "enforce_minimum_key_length": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys shorter than the RFC recommends: the provider chose them
            return jwt.decode(token, key, algorithms=["HS256"], options=options)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Malformed(
            "the token is signed with one of the secrets, but is not HS256 or has no claims in JSON"
        ) from error


def _signing_key(token: str, keys: Sequence[bytes]) -> bytes | None:
    """The key that the token is signed with, whatever its header says."""
    signed, _, written = token.rpartition(".")
    try:
        signature = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
        message = signed.encode("ascii")
    except ValueError:
        return None
    if len(signature) != hashlib.sha256().digest_size or len(signed.partition(".")[0]) > _MAX_HEADER:
        return None
    signing = [key for key in keys if hmac.compare_digest(hmac.digest(key, message, "sha256"), signature)]
    return signing[0] if signing else None
