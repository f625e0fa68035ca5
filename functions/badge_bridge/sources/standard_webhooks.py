"""Standard Webhooks 1.0 (standard-webhooks spec), and Svix, which is the same with other header names.

Signed is `id.timestamp.body`; `webhook-signature` has one or several of `v1,<base64>` (HMAC-SHA256) and `v1a,<base64>`
(Ed25519), parted by spaces. The id stays the same when a message is sent again, the timestamp does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from badge_bridge.errors import Unauthenticated
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.signatures import (
    BASE64,
    Ed25519,
    HeaderPart,
    Hmac,
    Message,
    Scheme,
    SignedTime,
    verify_any,
)

__all__ = ["Keys", "message_id", "read_keys", "sign", "sign_with", "verify", "written_public_key"]

_SECRET = "whsec_"  # noqa: S105 - how a secret begins
_PUBLIC_KEY = "whpk_"

_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
"""Visible ASCII without a full stop: that ends the id in what is signed, and one inside would make it ambiguous."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a source's secrets are: bytes for HMAC, raw public keys for Ed25519."""

    shared: tuple[bytes, ...]
    public: tuple[bytes, ...]


def read_keys(secrets: Sequence[str]) -> Keys:
    """Decode `whsec_...` secrets and `whpk_...` public keys.

    Raises:
        ValueError: not written like this, or of a length that the standard does not allow.
    """
    shared = tuple(_decoded(secret, _SECRET, range(24, 65)) for secret in secrets if not _is_public(secret))
    public = tuple(_decoded(secret, _PUBLIC_KEY, range(32, 33)) for secret in secrets if _is_public(secret))
    return Keys(shared, public)


def _is_public(secret: str) -> bool:
    return secret.startswith(_PUBLIC_KEY)


def _decoded(secret: str, prefix: str, lengths: range) -> bytes:
    if not secret.startswith(prefix):
        raise ValueError(
            f"this secret does not begin with {_SECRET}, or {_PUBLIC_KEY} for a public key; copy all of it"
        )
    try:
        key = BASE64.decode(secret.removeprefix(prefix))
    except ValueError as error:
        raise ValueError(f"what follows {prefix} is not base64; copy the secret again") from error
    if len(key) not in lengths:
        allowed = " to ".join(str(length) for length in sorted({lengths[0], lengths[-1]}))
        raise ValueError(f"what follows {prefix} has {len(key)} bytes; {allowed} are allowed; copy all of it")
    return key


_HINT = "; compare the secret with the one that the sender shows for this endpoint"


def _content(identifier: str, timestamp: str, body: bytes) -> bytes:
    return f"{identifier}.{timestamp}.".encode() + body


def _message(family: str) -> Message:
    def message(delivery: Delivery, timestamp: str) -> Sequence[bytes]:
        return (_content(_identifier(delivery, family), timestamp, delivery.body),)

    return message


def _hmac(family: str) -> Hmac:
    return Hmac(
        algorithm="sha256",
        signature=HeaderPart(f"{family}-signature", prefix="v1,", separator=" "),
        encoding=BASE64,
        message=_message(family),
        binds=("body", "time"),
        time=SignedTime(HeaderPart(f"{family}-timestamp")),
        hint=_HINT,
    )


def _ed25519(family: str) -> Ed25519:
    return Ed25519(
        signature=HeaderPart(f"{family}-signature", prefix="v1a,", separator=" "),
        encoding=BASE64,
        message=_message(family),
        binds=("body", "time"),
        time=SignedTime(HeaderPart(f"{family}-timestamp")),
        hint=_HINT,
    )


_STANDARD, _SVIX = "webhook", "svix"
_HMAC: Mapping[str, Scheme] = {family: _hmac(family) for family in (_STANDARD, _SVIX)}
_ED25519: Mapping[str, Scheme] = {family: _ed25519(family) for family in (_STANDARD, _SVIX)}


def verify(delivery: Delivery, keys: Keys) -> str:
    """Check a delivery; any signature of a known version may match.

    Raises:
        Unauthenticated: none does, or the headers are missing, unreadable or outside the time window.
    """
    family = _family(delivery)
    candidates = [(_HMAC[family], keys.shared), (_ED25519[family], keys.public)]
    try:
        return verify_any(delivery, [(scheme, owned) for scheme, owned in candidates if owned])
    except Unauthenticated:
        _check_kinds(delivery, family, keys)
        raise


def _check_kinds(delivery: Delivery, family: str, keys: Keys) -> None:
    """Say it plainly where the sender signs only in a way for which no key is configured."""
    signatures = (delivery.header(f"{family}-signature") or "").split()
    kinds = {signature.partition(",")[0] for signature in signatures} & {"v1", "v1a"}
    if kinds == {"v1"} and not keys.shared:
        raise Unauthenticated(f"signed with a shared secret (v1), and secrets has none; add the {_SECRET}... one")
    if kinds == {"v1a"} and not keys.public:
        raise Unauthenticated(f"signed with a private key (v1a), and secrets has no {_PUBLIC_KEY}... key; add it")


def message_id(delivery: Delivery) -> str:
    """The id that the signature of a verified delivery covers."""
    return _identifier(delivery, _family(delivery))


def sign(identifier: str, timestamp: int, body: bytes, secret: str) -> str:
    """The `webhook-signature` of a body under a `whsec_...` secret; `timestamp` is unix seconds."""
    (key,) = read_keys([secret]).shared
    return "v1," + _hmac(_STANDARD).sign(key, _content(identifier, str(timestamp), body))


def sign_with(private_key: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a body under an Ed25519 private key of 32 bytes."""
    return "v1a," + _ed25519(_STANDARD).sign(private_key, _content(identifier, str(timestamp), body))


def written_public_key(key: bytes) -> str:
    """The `whpk_...` of a raw public key."""
    return _PUBLIC_KEY + BASE64.encode(key)


def _family(delivery: Delivery) -> str:
    """Which header names count. Decided once: what was verified and what is read must come from the same headers."""
    signed = (family for family in (_STANDARD, _SVIX) if delivery.header(f"{family}-signature") is not None)
    return next(signed, _STANDARD)  # where there is none, the header that the standard names is the one to tell of


def _identifier(delivery: Delivery, family: str) -> str:
    identifier = delivery.header(f"{family}-id")
    if identifier is None or not _MESSAGE_ID.fullmatch(identifier):
        raise Unauthenticated(f"the header {family}-id is missing, contradicts itself or has unusual characters")
    return identifier
