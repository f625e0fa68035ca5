"""Whose card an event belongs on, as far as the event tells."""

from __future__ import annotations

import re

from badge_bridge.cel import EvaluationError
from badge_bridge.events import Event
from badge_bridge.portal import E164, Customer, OwnerKind
from badge_bridge.rulesfile import Attach

__all__ = ["card_of", "customer_of", "given", "meant"]

_TELEPHONE = re.compile(r"\+?(?:[\s().\-/]{0,2}[0-9]){6,15}[\s)]{0,2}")
"""E.164, or a number as it was received, which could not be read."""


def meant(attach: Attach, event: Event) -> str:
    """By what the event's card is looked for; empty where nothing is known of that."""
    card, _ = given(attach, event)
    customer = customer_of(event)
    return f"{card[0]} {card[1]}" if card else customer.phone or customer.email


def customer_of(event: Event) -> Customer:
    own = event.provider == "bitrix24" and event.type.startswith("call.")
    # A subject may be anything, such as an order's number, and must not be looked up as a telephone's.
    subject = event.subject if E164.fullmatch(event.subject) else ""
    party = event.callee if event.direction == "outbound" else event.caller
    return Customer(
        phone=subject or (party if _TELEPHONE.fullmatch(party) else ""),
        email=event.email,
        call_id=event.id if own else "",
    )


def card_of(attach: Attach, event: Event) -> str:
    """Where a badge would be put, in words."""
    card, not_given = given(attach, event)
    if card:
        return f"{card[0]} {card[1]}, which the event names"
    customer = customer_of(event)
    known = customer.phone or customer.email
    first = f"the first of {', '.join(attach.to)}" if len(attach.to) > 1 else f"the {attach.to[0]}"
    if customer.call_id:
        named = f"{first} of the customer whom the portal names for this call, else of {known or 'nobody'}"
    elif known:
        named = f"{first} of the customer {known}"
    else:
        named = "none: the event has no telephone number and no e-mail address to find a customer by"
    return named + not_given


def given(attach: Attach, event: Event) -> tuple[tuple[OwnerKind, int] | None, str]:
    """The card that the event itself names, if it does, and what to say where that cannot be told."""
    try:
        return attach.given(event), ""
    except EvaluationError as error:
        return None, f" (attach.owner gives no id: {error.message})"
