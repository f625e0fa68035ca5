"""The CRM and the calls that a sandbox starts with: customers whose numbers no real telephone has."""

from __future__ import annotations

from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.crm_seed import Activity, Company, Contact, Deal, Lead, Stage

__all__ = ["ACTIVITIES", "CALLS", "COMPANIES", "CONTACTS", "DEALS", "LEADS", "STAGES"]

STAGES = (
    Stage(kind="deal", id="NEW", name="New", color="#2FC6F6"),
    Stage(kind="deal", id="PREPARATION", name="Offer", color="#55D0E0"),
    Stage(kind="deal", id="EXECUTING", name="In delivery", color="#FFA900"),
    Stage(kind="deal", id="WON", name="Won", color="#7BD500", semantic="S"),
    Stage(kind="deal", id="LOSE", name="Lost", color="#FF5752", semantic="F"),
    Stage(kind="lead", id="NEW", name="Unassigned", color="#2FC6F6"),
    Stage(kind="lead", id="IN_PROCESS", name="In work", color="#FFA900"),
    Stage(kind="lead", id="CONVERTED", name="Good lead", color="#7BD500", semantic="S"),
    Stage(kind="lead", id="JUNK", name="Junk", color="#FF5752", semantic="F"),
)

COMPANIES = (
    Company(
        id=1,
        title="Nordwind Logistics",
        phones=("+493023125001",),
        emails=("office@nordwind.example",),
        assigned_by_id=7,
    ),
    Company(
        id=2,
        title="Alder & Finch Interiors",
        phones=("+442079460100",),
        emails=("hello@alder-finch.example",),
        assigned_by_id=7,
    ),
)

CONTACTS = (
    Contact(
        id=1,
        name="Anna",
        last_name="Berger",
        phones=("+4917139200011",),
        emails=("anna.berger@nordwind.example",),
        company_id=1,
        assigned_by_id=7,
    ),
    Contact(
        id=2,
        name="Tom",
        last_name="Finch",
        phones=("+442079460123",),
        emails=("tom@alder-finch.example",),
        company_id=2,
        assigned_by_id=7,
    ),
    Contact(
        id=3,
        name="Grace",
        last_name="Miller",
        phones=("+12025550143", "+12025550144"),
        emails=("grace.miller@mail.example",),
        assigned_by_id=7,
    ),
    Contact(
        id=4,
        name="Iris",
        last_name="Novak",
        phones=("+12025550187",),
        emails=("iris.novak@mail.example",),
    ),
)

DEALS = (
    Deal(
        id=41,
        title="Fleet tracking",
        stage_id="PREPARATION",
        contact_ids=(1,),
        company_id=1,
        opportunity=18_400.0,
        moved_at=1_767_603_600.0,
    ),
    Deal(
        id=42,
        title="Office refit",
        stage_id="NEW",
        contact_ids=(2,),
        company_id=2,
        assigned_by_id=7,
        opportunity=52_000.0,
        currency="GBP",
    ),
    Deal(
        id=43,
        title="Kitchen showroom",
        stage_id="WON",
        semantic="S",
        contact_ids=(2,),
        company_id=2,
        opportunity=9_750.0,
        currency="GBP",
    ),
    Deal(id=44, title="Garden house", stage_id="LOSE", semantic="F", contact_ids=(3,), assigned_by_id=7),
    Deal(
        id=45,
        title="Winter garden",
        stage_id="NEW",
        contact_ids=(3, 4),
        assigned_by_id=7,
        opportunity=31_200.0,
        currency="USD",
        originator_id="web-shop",
        origin_id="order-1045",
    ),
)

LEADS = (
    Lead(
        id=11,
        title="Call from the web site",
        name="Paul Stone",
        phones=("+12025550190",),
        emails=("paul.stone@mail.example",),
        assigned_by_id=7,
    ),
    Lead(id=12, title="Fair visitor", name="Lena Wolf", status_id="JUNK", semantic="F"),
)

ACTIVITIES = (
    Activity(
        id=801,
        owner_type_id=2,
        owner_id=41,
        type_id=2,
        provider_id="VOXIMPLANT_CALL",
        provider_type_id="CALL",
        subject="Outgoing call, Anna Berger",
        completed=True,
        responsible_id=7,
    ),
    Activity(
        id=802,
        owner_type_id=2,
        owner_id=42,
        provider_id="CRM_TODO",
        provider_type_id="TODO",
        subject="Measure the office",
        deadline=1_798_794_000.0,
        responsible_id=7,
    ),
)

CALLS = (
    CallRow(
        id=1,
        call_id="sandbox-call-1",
        call_type=1,
        phone_number="+4917139200011",
        call_start_date=1_767_603_600.0,
        call_duration=95,
        portal_user_id=7,
        portal_number="+493023125000",
        crm_entity_type="CONTACT",
        crm_entity_id=1,
        crm_activity_id=801,
    ),
    # Without the plus sign: rows of one portal differ in that.
    CallRow(
        id=2,
        call_id="sandbox-call-2",
        call_type=2,
        phone_number="442079460123",
        call_start_date=1_767_607_200.0,
        call_failed_code="304",
        call_failed_reason="Skipped call",
        portal_user_id=7,
        portal_number="+493023125000",
        crm_entity_type="CONTACT",
        crm_entity_id=2,
    ),
)
