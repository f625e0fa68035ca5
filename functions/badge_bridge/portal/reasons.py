"""Why a lane is paused, as the store keeps it: one line of text.

    NO_AUTH_FOUND: portal main: crm.activity.badge.get was refused with ... [refused credential 3fa9c1d2]

The code stands first, for those who wait and were not refused themselves. The mark at the end is there where access was
refused: it tells one credential from another, so that a bridge that is started with a new one need not wait for what
the old one has caused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from badge_bridge.errors import AccessRefused, PortalError
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.credentials import Credential

__all__ = ["Reason", "in_words", "mark_of", "parse", "reason_of"]

_OURS: Mapping[str, str] = {
    "not_installed": "the application is not installed in the portal",
    "redirected": "the portal answers from another address",
    "unauthorized_client": "the application may not ask for access",
    "wrong_encryption_key": "the portal's tokens cannot be decrypted",
}
"""Codes that no portal says: by themselves they tell nobody anything."""

_TRIED = re.compile(r"(another call tries whether it is usable again) after (.+)")
_MARK = re.compile(r" \[refused credential ([0-9a-f]{8})\]\Z")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a lane is paused. `code` says it in a word or two; `refused` marks the credential, empty where it is well."""

    code: str
    message: str
    refused: str = ""

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} [refused credential {self.refused}]" if self.refused else text


def reason_of(error: PortalError, *, mark: str) -> Reason:
    """The reason that an error gives; `mark` is that of the credential that the call was sent with."""
    code = (error.code or f"HTTP {error.status}").replace(": ", " ")
    return Reason(code, str(error), mark if isinstance(error, AccessRefused) else "")


def parse(text: str) -> Reason:
    """The reason in a stored text. A text of another form is taken as a code and a message alike."""
    mark = _MARK.search(text)
    if mark is not None:
        text = text[: mark.start()]
    code, _, message = text.partition(": ")
    return Reason(code, message or code, "" if mark is None else mark[1])


def in_words(code: str) -> str:
    """What a code, or what a call says that waits because of it (`Lanes`), means, in half a sentence. A code of the
    portal stands behind its meaning, since the portal's own pages and its support go by it; what is none stays.
    """
    if tried := _TRIED.fullmatch(code):
        return f"{in_words(tried[2])}; {tried[1]}"
    if known := _OURS.get(code.casefold()):
        return known
    meaning = CODES.get(code.casefold())
    return f"{re.split(r'[:;.] ', meaning.says, maxsplit=1)[0]} ({code})" if meaning else code


def mark_of(portal: str, credential: Credential) -> str:
    """Eight hexadecimal digits that change with the portal's address, the user or the secret, and give none away.

    32 bits of a hash leave far too many secrets possible to find the one, and differ for any two that a person sets.
    """
    known_by = "\0".join((portal, credential.address(""), credential.secret))
    return hashlib.sha256(known_by.encode()).hexdigest()[:8]
