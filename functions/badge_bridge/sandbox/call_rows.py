"""The rows of the portal's call statistics, which are written when a call has ended."""

from __future__ import annotations

from typing import Literal

from badge_bridge.sandbox.shapes import Id, Moment, Record

__all__ = ["CallRow"]


class CallRow(Record):
    """One finished call; the fields are the columns of `voximplant.statistic.get` in lower case.

    `call_type`: 1 outgoing, 2 incoming, 3 incoming and redirected, 4 callback, 5 informational. `call_failed_code` is a
    text, for there are 603-S and OTHER. `phone_number` is the customer's, in whatever format the line has reported it.
    """

    id: Id
    call_id: str
    call_type: Literal[1, 2, 3, 4, 5]
    phone_number: str
    call_start_date: Moment
    call_duration: int = 0
    call_failed_code: str = "200"
    call_failed_reason: str = ""
    portal_user_id: Id | None = None
    portal_number: str = ""
    external_call_id: str | None = None
    call_category: str = "external"
    call_log: str | None = None
    call_record_url: str | None = None
    call_vote: int | None = None
    cost: str = "0.0000"
    cost_currency: str = ""
    crm_entity_type: Literal["LEAD", "CONTACT", "COMPANY"] | None = None
    crm_entity_id: Id | None = None
    crm_activity_id: Id | None = None
    rest_app_id: Id | None = None
    rest_app_name: str | None = None
    transcript_id: Id | None = None
    transcript_pending: Literal["Y", "N"] = "N"
    session_id: str | None = None
    redial_attempt: int | None = None
    comment: str | None = None
    record_duration: int | None = None
    record_file_id: int | None = None
