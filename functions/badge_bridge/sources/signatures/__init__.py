"""Signature schemes: declared as data, with one verifier per kind.

A scheme says where its signature stands, how it is written, what it is made over, and what it *binds*: the parts of a
request that nobody can change without the secret. A scheme that binds no time cannot recognise an old capture, one
that binds nothing (a bare token) only proves who sent it; the event's key has to make up for that.

    messages.py    Hmac           a keyed hash over a message
                   Digest         a plain hash over the secret and a message put together
                   Ed25519        a public-key signature over a message
    tokens.py      Jwt            a signed token (RFC 7519) with claims, perhaps one that names the digest of the body
                   StaticToken    the secret itself is sent along
    places.py      where their values stand in a delivery, and the time that is signed with them
    scheme.py      what every kind offers

A further kind is one more class with `binds` and `verify`; nothing here has to change for it.
"""

from __future__ import annotations

from badge_bridge.sources.signatures.messages import Algorithm, Digest, Ed25519, Hmac, Message, raw_body
from badge_bridge.sources.signatures.places import (
    BASE64,
    HEX,
    WINDOW,
    Encoding,
    FormField,
    HeaderPart,
    Place,
    SignedTime,
    unix_seconds,
)
from badge_bridge.sources.signatures.scheme import Scheme, verify_any
from badge_bridge.sources.signatures.tokens import Jwt, StaticToken

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
