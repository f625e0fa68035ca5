"""Signature schemes: declared as data, with one verifier per kind.

A scheme says where its signature stands, how it is written, what it is made over, and what it *binds*: the parts of a
request that nobody can change without the secret. A scheme that binds no time cannot recognise an old capture, one
that binds nothing (a bare token) only proves who sent it; the event's key has to make up for that.

    Hmac           a keyed hash over a message
    Digest         a plain hash over the secret and a message put together
    Ed25519        a public-key signature over a message
    Jwt            a signed token (RFC 7519) with claims, perhaps one that names the digest of the body
    StaticToken    the secret itself is sent along

A further kind is one more class with `binds` and `verify`; nothing here has to change for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from badge_bridge.errors import Unauthenticated
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part

__all__ = [
    "BASE64",
    "HEX",
    "WINDOW",
    "Algorithm",
    "Digest",
    "Ed25519",
    "Encoding",
    "FormField",
    "HeaderPart",
    "Hmac",
    "Jwt",
    "Message",
    "Place",
    "Scheme",
    "SignedTime",
    "StaticToken",
    "raw_body",
    "unix_seconds",
    "verify_any",
]

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
            raise Unauthenticated(f"the signature is right, but {which}; {self.tolerance:g} s are allowed")


def raw_body(delivery: Delivery, _time: str) -> Sequence[bytes]:
    return (delivery.body,)


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """What Hmac, Digest and Ed25519 have in common: signatures over a message, perhaps with a time."""

    signature: Place
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
            raise Unauthenticated(f"the signature in the {self.signature} does not match{self.hint}")
        if self.time:
            self.time.check(moment, delivery.received_at)
        return f"{self.name} over {_enumerate(self.binds)}"

    def _signatures(self, delivery: Delivery) -> list[bytes]:
        """What stands in the header; refused here where it cannot be a signature, before its message costs anything."""
        texts = self.signature.values(delivery)
        if not texts or len(texts) > _MAX_SIGNATURES:
            raise Unauthenticated(f"the {self.signature} has {len(texts)} signatures")
        try:
            signatures = [self.encoding.decode(text) for text in texts]
        except ValueError as error:
            raise Unauthenticated(f"the {self.signature} has a signature that cannot be read") from error
        for signature in signatures:
            if len(signature) != self.size:
                told = f"has a signature of {len(signature)} bytes, and {self.name} has {self.size}"
                raise Unauthenticated(f"the {self.signature} {told}")
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
class Digest(_Signed):
    """A plain hash over what a secret and a message are put together to. Weaker than an HMAC; some senders have it."""

    algorithm: Algorithm
    join: Callable[[bytes, bytes], bytes]
    """Puts the secret and the message together."""

    @property
    def name(self) -> str:
        return self.algorithm

    @property
    def size(self) -> int:
        return hashlib.new(self.algorithm).digest_size

    def sign(self, key: bytes, message: bytes) -> str:
        """The signature as a sender writes it."""
        return self.encoding.encode(self._digest(key, message))

    def _digest(self, key: bytes, message: bytes) -> bytes:
        return hashlib.new(self.algorithm, self.join(key, message)).digest()

    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool:
        return _any_equal(signatures, [self._digest(key, message) for key in keys for message in messages])


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
        return f"jwt HS256 over {_enumerate(self.binds)}"

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
        """
        token = self.token(delivery)
        if not token or len(token) > _MAX_TOKEN:
            raise Unauthenticated(f"the token is missing or too long{self.hint}")
        found = [claims for claims in (_claims(token, key) for key in keys) if claims is not None]
        if not found:
            raise Unauthenticated(f"the token is not signed with HS256 and one of the secrets{self.hint}")
        claims = found[0]
        if self.body_claim:
            named, digest = claims.get(self.body_claim), hashlib.sha256(delivery.body).hexdigest()
            if not isinstance(named, str) or not hmac.compare_digest(named.lower().encode(), digest.encode()):
                raise Unauthenticated(f"the claim {self.body_claim} is missing or is not the digest of the body")
        if self.max_age is not None:
            self._check_age(claims.get("iat"), delivery.received_at, self.max_age)
        return claims

    @staticmethod
    def _check_age(issued: Any, now: float, most: float) -> None:
        if isinstance(issued, bool) or not isinstance(issued, int | float) or not 0 <= issued < _LATEST:
            raise Unauthenticated("the claim iat, which says when the token was issued, is missing or no time")
        if not abs(now - issued) <= most:
            raise Unauthenticated(f"the token is genuine, but issued {now - issued:.0f} s ago; {most:g} s are allowed")


def _base64url(data: bytes) -> bytes:
    """Without padding, as in a token (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_MAX_TOKEN = 1024 * 1024
_LATEST = 100_000_000_000
"""Unix seconds of the year 5138: what is more is no time, and may be too much for a float."""


def _claims(token: str, key: bytes) -> dict[str, Any] | None:
    """The claims of a token under one key, or None."""
    import jwt  # noqa: PLC0415 - a cost for those only who use it

    # Times are checked by our clock and with our window, not by the library's.
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    options |= {"verify_iss": False, "verify_sub": False, "verify_jti": False, "enforce_minimum_key_length": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys shorter than the RFC recommends: the provider chose them
            return jwt.decode(token, key, algorithms=["HS256"], options=options)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None


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
