"""What every kind of signature scheme offers, and what they share."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol

from badge_bridge.errors import OutsideWindow, Unauthenticated
from badge_bridge.sources.base import Delivery, Part

__all__ = ["Scheme", "any_equal", "enumerated", "verify_any"]


class Scheme(Protocol):
    """Any kind of signature scheme."""

    @property
    def binds(self) -> tuple[Part, ...]: ...

    def verify(self, delivery: Delivery, keys: Sequence[bytes]) -> str:
        """Check a delivery against all keys, any of which may match; say in a few words what was verified.

        Raises:
            Unauthenticated: the signature is missing, unreadable, wrong or outside its time window.
        """


def verify_any(delivery: Delivery, candidates: Sequence[tuple[Scheme, Sequence[bytes]]]) -> str:
    """Check a delivery against several schemes with their keys, one of which must be satisfied.

    Raises:
        Unauthenticated: none is; the reason is that of the first, or of one that is right but for its time.
    """
    refusal: Unauthenticated | None = None
    verified = ""
    for scheme, keys in candidates:
        try:
            verified = verified or scheme.verify(delivery, keys)
        except Unauthenticated as error:
            if refusal is None or isinstance(error, OutsideWindow):
                refusal = error
    if verified:
        return verified
    raise refusal or Unauthenticated("no key is configured for this kind of signature")


def any_equal(presented: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Compare all with all in constant time; the loop does not end at a match, so its length tells nothing."""
    found = False
    for ours in expected:
        for theirs in presented:
            found |= hmac.compare_digest(ours, theirs)
    return found


def enumerated(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
