"""What marks an activity or a lead in the portal as ours, so that it is found again after an answer was lost.

The portal keeps `originatorId` and `originId`, but makes nothing of them: it would take the same pair twice (Bitrix24
docs, "crm.activity.configurable.add").
"""

from __future__ import annotations

import hashlib

__all__ = ["ORIGINATOR", "lead_origin_of", "origin_of"]

ORIGINATOR = "badge-bridge"


def origin_of(event_key: str, rule: str, taken_back: int = 0) -> str:
    """The `originId` of the activity of one event and one rule: 32 hexadecimal digits, always the same.

    What is attached after a badge was taken back is another activity, which must not be taken for the one before.
    """
    return _digest("activity", event_key, rule, *([str(taken_back)] if taken_back else []))


def lead_origin_of(phone: str, email: str) -> str:
    """The `originId` of the lead that is made for a customer; empty for a customer without a number or an e-mail."""
    if phone:
        return _digest("lead", "phone", phone)
    return _digest("lead", "email", email.casefold()) if email else ""


def _digest(*parts: str) -> str:
    # ASCII, because a sender's JSON may hold half a surrogate pair, which UTF-8 cannot.
    return hashlib.sha256("\n".join(map(ascii, parts)).encode("ascii")).hexdigest()[:32]
