"""Signatures over a message that is made of a delivery: keyed and plain hashes, and public keys."""

from __future__ import annotations

import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from badge_bridge.errors import Unauthenticated
from badge_bridge.sources.base import Delivery, Part
from badge_bridge.sources.signatures.places import Encoding, Place, SignedTime
from badge_bridge.sources.signatures.scheme import any_equal, enumerated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Algorithm", "Digest", "Ed25519", "Hmac", "Message", "raw_body"]

Algorithm = Literal["sha1", "sha256", "sha512"]

_SIZES: Mapping[Algorithm, int] = {"sha1": 20, "sha256": 32, "sha512": 64}

Message = Callable[[Delivery, str], Sequence[bytes]]
"""Makes what is signed from a delivery and the text of its signed time ("" where there is none). Several, where it
cannot be known which of them the sender signed."""


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

    most: ClassVar[int] = 16
    """Signatures that are looked at. Senders that rotate a secret send two; each further one costs work that nobody
    has paid for with a secret."""

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
        return self._said

    @cached_property
    def _said(self) -> str:
        return f"{self.name} over {enumerated(self.binds)}"

    def _signatures(self, delivery: Delivery) -> list[bytes]:
        """What stands in the header; refused here where it cannot be a signature, before its message costs anything."""
        texts = self.signature.values(delivery)
        if not texts or len(texts) > self.most:
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
        return _SIZES[self.algorithm]

    def sign(self, key: bytes, message: bytes) -> str:
        """The signature as a sender writes it, without prefix."""
        return self.encoding.encode(self._mac(key, message))

    def _mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self.algorithm)

    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool:
        return any_equal(signatures, [self._mac(key, message) for key in keys for message in messages])


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
        return _SIZES[self.algorithm]

    def sign(self, key: bytes, message: bytes) -> str:
        """The signature as a sender writes it."""
        return self.encoding.encode(self._digest(key, message))

    def _digest(self, key: bytes, message: bytes) -> bytes:
        return hashlib.new(self.algorithm, self.join(key, message)).digest()

    def _matches(self, keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bool:
        return any_equal(signatures, [self._digest(key, message) for key in keys for message in messages])


@dataclass(frozen=True, kw_only=True)
class Ed25519(_Signed):
    """A public-key signature (RFC 8032); keys are raw public keys of 32 bytes."""

    name = "ed25519"
    size = 64
    most: ClassVar = 4
    """Each of them hashes the whole message again for each key."""

    @staticmethod
    def public_key(private_key: bytes) -> bytes:
        """The raw public key of a raw private key of 32 bytes."""
        return _private(private_key).public_key().public_bytes_raw()

    def sign(self, private_key: bytes, message: bytes) -> str:
        """The signature as a sender writes it, without prefix."""
        return self.encoding.encode(_private(private_key).sign(message))

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


def _private(key: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - the same

    return ed25519.Ed25519PrivateKey.from_private_bytes(key)
