"""Where the values of a signature stand in a delivery, how they are written, and the time that is signed with them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from badge_bridge.errors import OutsideWindow, Unauthenticated
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery

__all__ = ["BASE64", "HEX", "WINDOW", "Encoding", "FormField", "HeaderPart", "Place", "SignedTime", "unix_seconds"]

WINDOW = 300.0
"""Seconds that a signed time may differ from ours, both ways (Standard Webhooks 1.0, Stripe and Telnyx agree)."""

_MAX_TIME_DIGITS = 14


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a signature are written. `decode` raises ValueError."""

    encode: Callable[[bytes], str]
    decode: Callable[[str], bytes]


def _decode_base64(text: str) -> bytes:
    return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)


HEX = Encoding(encode=bytes.hex, decode=binascii.unhexlify)
BASE64 = Encoding(encode=lambda data: base64.b64encode(data).decode("ascii"), decode=_decode_base64)
"""Standard base64; missing padding is forgiven."""


class Place(Protocol):
    """Where values stand in a delivery."""

    def values(self, delivery: Delivery) -> list[str]:
        """Raises Unauthenticated where the place is missing or contradicts itself."""

    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """Where values stand in a header: `t=1,v1=ab,v1=cd` with prefix `v1=` and separator `,` holds `ab` and `cd`."""

    header: str
    prefix: str = ""
    separator: str = ""

    def values(self, delivery: Delivery) -> list[str]:
        header = delivery.header(self.header)
        if header is None:
            raise Unauthenticated(f"the header {self.header} is missing or contradicts itself")
        parts = header.split(self.separator) if self.separator else [header]
        return [part.removeprefix(self.prefix) for part in map(str.strip, parts) if part.startswith(self.prefix)]

    def __str__(self) -> str:
        return f"header {self.header} after {self.prefix}" if self.prefix else f"header {self.header}"


@dataclass(frozen=True, slots=True)
class FormField:
    """The one value of a field of a form."""

    name: str

    def values(self, delivery: Delivery) -> list[str]:
        found = {value for key, value in bodies.form(delivery.body) if key == self.name}
        if len(found) != 1:
            raise Unauthenticated(f"the field {self.name} is missing or contradicts itself")
        return list(found)

    def __str__(self) -> str:
        return f"field {self.name}"


def unix_seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_TIME_DIGITS):
        raise ValueError("not a whole number")
    return float(text)


@dataclass(frozen=True, slots=True)
class SignedTime:
    """The time that a signature covers: where it stands, how to read it as unix seconds, how far it may be off."""

    part: Place
    read: Callable[[str], float] = unix_seconds
    tolerance: float = WINDOW

    def text(self, delivery: Delivery) -> str:
        values = self.part.values(delivery)
        if len(values) != 1:
            raise Unauthenticated(f"the {self.part} must have one time, it has {len(values)}")
        return values[0]

    def moment(self, text: str) -> float:
        try:
            return self.read(text)
        except ValueError as error:
            raise Unauthenticated(f"the {self.part} has a time that cannot be read") from error

    def check(self, moment: float, now: float) -> None:
        age = now - moment
        if abs(age) > self.tolerance:
            which = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
            raise OutsideWindow(f"the signature is right, but {which}; {self.tolerance:g} s are allowed")
