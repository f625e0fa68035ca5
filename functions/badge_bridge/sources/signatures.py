"""Signature schemes: declared as data, with one verifier per kind.

A scheme says where its signature stands, how it is written, what it is made over, and what it *binds*: the parts of a
request that nobody can change without the secret. A scheme that binds no time cannot recognise an old capture, one
that binds nothing (a bare token) only proves who sent it; the event's key has to make up for that.

    Hmac           a keyed hash over a message
    Ed25519        a public-key signature over a message
    StaticToken    the secret itself is sent along

A further kind (a plain digest, a JWT) is one more class with `binds` and `verify`; nothing here has to change for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from badge_bridge.errors import Unauthenticated
from badge_bridge.sources.base import Delivery

__all__ = [
    "BASE64",
    "HEX",
    "WINDOW",
    "Algorithm",
    "Ed25519",
    "Encoding",
    "HeaderPart",
    "Hmac",
    "Message",
    "Part",
    "Scheme",
    "SignedTime",
    "StaticToken",
    "raw_body",
    "unix_seconds",
    "verify_any",
]

Part = Literal["url", "body", "form", "time"]
"""What a scheme can bind. `form` is the decoded fields of a body and not its bytes."""

Algorithm = Literal["sha1", "sha256", "sha512"]

Message = Callable[[Delivery, str], Sequence[bytes]]
"""Makes what is signed from a delivery and the text of its signed time ("" where there is none). Several, where it
cannot be known which of them the sender signed."""

WINDOW = 300.0
"""Seconds that a signed time may differ from ours, both ways (Standard Webhooks 1.0, Stripe and Telnyx agree)."""

_MAX_SIGNATURES = 16
"""Senders that rotate a secret send two; each further one costs work that nobody has paid for with a secret."""

_MAX_TIME_DIGITS = 14


class Scheme(Protocol):
    """Any kind of signature scheme."""

    @property
    def binds(self) -> tuple[Part, ...]: ...

    def verify(self, delivery: Delivery, keys: Sequence[bytes]) -> str:
        """Check a delivery against all keys, any of which may match; say in a few words what was verified.

        Raises:
            Unauthenticated: the signature is missing, unreadable, wrong or outside its time window.
        """


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
        return f"{self.header} after {self.prefix}" if self.prefix else self.header


def unix_seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_TIME_DIGITS):
        raise ValueError("not a whole number")
    return float(text)


@dataclass(frozen=True, slots=True)
class SignedTime:
    """The time that a signature covers: where it stands, how to read it as unix seconds, how far it may be off."""

    part: HeaderPart
    read: Callable[[str], float] = unix_seconds
    tolerance: float = WINDOW

    def text(self, delivery: Delivery) -> str:
        values = self.part.values(delivery)
        if len(values) != 1:
            raise Unauthenticated(f"the header {self.part.header} must have one time, it has {len(values)}")
        return values[0]

    def moment(self, text: str) -> float:
        try:
            return self.read(text)
        except ValueError as error:
            raise Unauthenticated(f"the header {self.part.header} has a time that cannot be read") from error

    def check(self, moment: float, now: float) -> None:
        age = now - moment
        if abs(age) > self.tolerance:
            which = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
            raise Unauthenticated(f"the signature is right, but {which}; {self.tolerance:g} s are allowed")


def raw_body(delivery: Delivery, _time: str) -> Sequence[bytes]:
    return (delivery.body,)


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """What Hmac and Ed25519 have in common: signatures in a header over a message, perhaps with a time."""

    signature: HeaderPart
    encoding: Encoding
    message: Message
    binds: tuple[Part, ...]
    time: SignedTime | None = None
    hint: str = ""
    """What a person should compare when a signature does not match, said after it in the log."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of a signature."""

    @abstractmethod
    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool: ...

    def verify(self, delivery: Delivery, keys: Sequence[bytes]) -> str:
        signatures = self._signatures(delivery)
        text = self.time.text(delivery) if self.time else ""
        moment = self.time.moment(text) if self.time else 0.0
        if not self._matches(keys, self.message(delivery, text), signatures):
            raise Unauthenticated(f"the signature in {self.signature.header} does not match{self.hint}")
        if self.time:
            self.time.check(moment, delivery.received_at)
        return f"{self.name} over {_enumerate(self.binds)}"

    def _signatures(self, delivery: Delivery) -> list[bytes]:
        """What stands in the header; refused here where it cannot be a signature, before its message costs anything."""
        texts = self.signature.values(delivery)
        if not texts or len(texts) > _MAX_SIGNATURES:
            raise Unauthenticated(f"the header {self.signature} has {len(texts)} signatures")
        try:
            signatures = [self.encoding.decode(text) for text in texts]
        except ValueError as error:
            raise Unauthenticated(f"the header {self.signature} has a signature that cannot be read") from error
        for signature in signatures:
            if len(signature) != self.size:
                told = f"has a signature of {len(signature)} bytes, and {self.name} has {self.size}"
                raise Unauthenticated(f"the header {self.signature} {told}")
        return signatures


@dataclass(frozen=True, kw_only=True)
class Hmac(_Signed):
    """A keyed hash (RFC 2104) over a message."""

    algorithm: Algorithm

    @property
    def name(self) -> str:
        return f"hmac-{self.algorithm}"

    @property
    def size(self) -> int:
        return hashlib.new(self.algorithm).digest_size

    def sign(self, key: bytes, message: bytes) -> str:
        """The signature as a sender writes it, without prefix."""
        return self.encoding.encode(self._mac(key, message))

    def _mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self.algorithm)

    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool:
        return _any_equal(signatures, [self._mac(key, message) for key in keys for message in messages])


@dataclass(frozen=True, kw_only=True)
class Ed25519(_Signed):
    """A public-key signature (RFC 8032); keys are raw public keys of 32 bytes."""

    name = "ed25519"
    size = 64

    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a cost for those only who use it
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - the same

        for key in map(Ed25519PublicKey.from_public_bytes, keys):
            for message in messages:
                for signature in signatures:
                    try:
                        key.verify(signature, message)
                    except InvalidSignature:
                        continue
                    return True  # a public key is no secret, so leaving early tells nothing
        return False


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
        if token is None:
            raise Unauthenticated(f"the {self.name} is missing{self.hint}")
        if not _any_equal([token], keys):
            raise Unauthenticated(f"the {self.name} is wrong{self.hint}")
        return self.name


def verify_any(delivery: Delivery, candidates: Sequence[tuple[Scheme, Sequence[bytes]]]) -> str:
    """Check a delivery against several schemes with their keys, one of which must be satisfied.

    Raises:
        Unauthenticated: none is; the reason is that of the first.
    """
    refusal: Unauthenticated | None = None
    verified = ""
    for scheme, keys in candidates:
        try:
            verified = verified or scheme.verify(delivery, keys)
        except Unauthenticated as error:
            refusal = refusal or error
    if verified:
        return verified
    raise refusal or Unauthenticated("no key is configured for this kind of signature")


def _any_equal(presented: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Compare all with all in constant time; the loop does not end at a match, so its length tells nothing."""
    found = False
    for ours in expected:
        for theirs in presented:
            found |= hmac.compare_digest(ours, theirs)
    return found


def _enumerate(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
