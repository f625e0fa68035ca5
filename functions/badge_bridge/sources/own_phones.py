"""Tells a call that one of our own phones makes from a call that comes in.

Twilio, SignalWire and Plivo call both `inbound`, since both come in to them: a softphone's comes from `client:anna`, a
SIP phone's from `sip:anna@acme.sip.twilio.com`. But a carrier's SIP trunk brings customers, from
`sip:+4930123456@carrier.example.com`. So a number before the `@` (with a plus, or of 8 to 15 digits) is a customer, as
is a word that says that the number is withheld; a name or a short extension is a phone of ours.

Sources: Twilio docs, "TwiML Voice: <Client>" and "Sending SIP to Twilio" (request parameters); Plivo docs, "Endpoints".
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from badge_bridge.sources.phone_numbers import read_number

__all__ = ["is_own_phone"]

_ADDRESS = re.compile(r"(?:[^<>]{0,200}<)?(?:(client):|sips?:([^@;?<>]+)(?:;[^@<>]*)?@)", re.IGNORECASE)
_NUMBER = re.compile(r"\+\d+|\d{8,15}", re.ASCII)


def is_own_phone(caller: str) -> bool:
    """Whether this caller, as received, is a softphone or a SIP phone of ours."""
    found = _ADDRESS.match(caller.strip())
    if found is None:
        return False
    if found[1]:
        return True
    user = unquote(found[2]).strip()
    return not _NUMBER.fullmatch(user) and not read_number(user, None).withheld
