"""Which fields hold telephone numbers, by their names: for masking numbers in the log, and for finding a person's."""

from __future__ import annotations

import re

__all__ = ["PHONE_NAMES", "holds_a_number", "words_of"]

# fmt: off
PHONE_NAMES = (
    "caller", "callee", "called", "calling", "phone", "mobile", "msisdn", "from", "to", "line", "subject", "number",
    "digits", "telephone", "tel", "fax", "did", "ani", "dnis",
)
_BESIDE = frozenset({
    "a", "addr", "address", "agent", "alternate", "alternative", "b", "billing", "body", "business", "by", "call",
    "cell", "client", "company", "contact", "contacts", "crm", "customer", "data", "destination", "dial", "dialed",
    "display", "dst", "e", "event", "external", "field", "fields", "for", "formatted", "forwarded", "full", "home",
    "incoming", "international", "lead", "leg", "legs", "local", "main", "my", "name", "national", "nr", "num",
    "office", "operator", "original", "other", "outgoing", "params", "participant", "participants", "parties", "party",
    "payload", "person", "portal", "primary", "private", "raw", "recipient", "remote", "second", "secondary", "sender",
    "shipping", "sip", "sms", "source", "src", "the", "uri", "user", "value", "visitor", "whatsapp", "work",
})
# fmt: on
"""What such a name says besides: whose number it is, or how it is written. Of `order_number`, `called_at` and
`line_id` the other word says that it is none."""
_OF_A_PERSON = frozenset({"caller", "callee", "called", "calling"})
"""Whose `id` is a number, as in the Caller ID of telephony."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(name: str) -> set[str]:
    """The words of a field's name, however they are put together: `caller_id`, `callerId`, `CALLER-ID`."""
    return {word.lower() for word in _WORD.findall(name)}


def holds_a_number(name: str, *, within: str = "") -> bool:
    """Whether digits alone in a field of this name are a telephone number, for all that the name says.

    This is for deleting, and so stricter than what is masked in a log: every word of the name has to fit. Of one that
    is just called `number`, the name of what it is `within` has to, where that is known: it may be that of an order.
    """
    if within and words_of(name) == {"number"}:
        name = f"{within} {name}"
    # What stands before a colon in XML says where the name is from.
    words = {"caller" if word == "callerid" else word for word in words_of(name.rpartition(":")[2])}
    words = {word[:-1] if word.endswith("s") and word[:-1] in PHONE_NAMES else word for word in words}
    if words & _OF_A_PERSON:
        words = words - {"id"}
    numbers = words.intersection(PHONE_NAMES)
    return bool(numbers) and words - numbers <= _BESIDE
