"""A telephone call in the portal: its row in the statistics, and the events around it.

Sources: Bitrix24 docs, "onVoximplantCallInit", "onVoximplantCallStart", "onVoximplantCallEnd". In the first of them
the two numbers have the opposite meaning for an incoming call: `PHONE_NUMBER` is our line there, the customer's number
at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.records import Records

__all__ = ["CallOrder", "call_events", "record_call"]

Seconds = Annotated[int, Field(ge=0, le=86_400)]

_REASONS: Mapping[str, str] = {
    "200": "Success call",
    "304": "Skipped call",
    "402": "Insufficient funds",
    "403": "Forbidden",
    "404": "Invalid number",
    "423": "Blocked",
    "480": "Temporarily unavailable",
    "484": "Invalid direction",
    "486": "Busy",
    "503": "Invalid direction",
    "603": "Decline",
    "603-S": "Call canceled",
}


class CallOrder(BaseModel):
    """What `POST /_sandbox/calls` takes: a call that has just ended. Unless it says otherwise, a missed one."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    phone_number: Annotated[str, Field(min_length=1, max_length=40)]
    """The customer's number, in whatever format the line would report it."""
    call_type: Literal[1, 2, 3, 4, 5] = 2
    """1 outgoing, 2 incoming, 3 incoming and redirected, 4 call back, 5 a robot's announcement."""
    code: Annotated[str, Field(min_length=1, max_length=20)] = "304"
    """How it ended: 200 answered, 304 missed, 603-S cancelled, 486 busy, ..."""
    reason: str | None = None
    """The words for it; null for the usual ones."""
    duration: Seconds = 0
    """How long the two talked."""
    portal_number: str = "+493023125099"
    """The line of ours that was called, or called."""
    user_id: Annotated[int, Field(ge=1)] = 1
    """Whose telephone it was."""
    started_at: Annotated[float, Field(ge=0, le=32_503_680_000)] | None = None
    """When it began, in unix seconds; null for so long ago that it has ended now. The past makes a late report."""
    call_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The portal's id of the call; null for a new one."""


def record_call(records: Records, order: CallOrder, *, now: float) -> CallRow:
    """Write the row of a call that has ended; the customer is looked up by his number as it is."""
    number = max(records.calls, default=0) + 1
    owner = _owner(records, order.phone_number)
    row = CallRow(
        id=number,
        call_id=order.call_id or f"externalCall.sandbox.{int(now)}.{number}",
        call_type=order.call_type,
        phone_number=order.phone_number,
        call_start_date=now - order.duration if order.started_at is None else order.started_at,
        call_duration=order.duration,
        call_failed_code=order.code,
        call_failed_reason=_REASONS.get(order.code, "Unknown") if order.reason is None else order.reason,
        portal_user_id=order.user_id,
        portal_number=order.portal_number,
        cost_currency="EUR",
        **(owner or {}),
    )
    records.calls[number] = row
    return row


def call_events(row: CallRow) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a call in their order, by name: its beginning, that it was answered, its end."""
    customer, line = row.phone_number, row.portal_number
    incoming = row.call_type in (2, 3)
    yield (
        "ONVOXIMPLANTCALLINIT",
        {
            "CALL_ID": row.call_id,
            "CALL_TYPE": row.call_type,
            "CALLER_ID": customer if incoming else line,
            "PHONE_NUMBER": line if incoming else customer,
            "ACCOUNT_SEARCH_ID": line,
        },
    )
    if row.call_failed_code == "200":
        yield "ONVOXIMPLANTCALLSTART", {"CALL_ID": row.call_id, "USER_ID": row.portal_user_id}
    yield (
        "ONVOXIMPLANTCALLEND",
        {
            "CALL_ID": row.call_id,
            "CALL_TYPE": row.call_type,
            "PHONE_NUMBER": customer,
            "PORTAL_NUMBER": line,
            "PORTAL_USER_ID": row.portal_user_id,
            "CALL_DURATION": row.call_duration,
            "CALL_START_DATE": datetime.fromtimestamp(int(row.call_start_date), UTC).isoformat(),
            "COST": row.cost,
            "COST_CURRENCY": row.cost_currency,
            "CALL_FAILED_CODE": row.call_failed_code,
            "CALL_FAILED_REASON": row.call_failed_reason,
            "CRM_ACTIVITY_ID": row.crm_activity_id or "",
        },
    )


def _owner(records: Records, phone_number: str) -> dict[str, Any] | None:
    """The first who has this number, as the row names him."""
    crm = records.crm
    holders = (("CONTACT", crm.contacts), ("COMPANY", crm.companies), ("LEAD", crm.leads))
    for kind, items in holders:
        for item in items.values():
            if phone_number in item.phones:
                return {"crm_entity_type": kind, "crm_entity_id": item.id}
    return None
