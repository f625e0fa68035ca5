"""The fields of leads, deals, contacts and companies in `crm.item.*` (Bitrix24 docs, "Fields of CRM objects").

Names are camelCase, ids are numbers, a missing reference is 0, a missing text is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.crm_seed import Company, Contact, Deal, Item, ItemKind, Lead
from badge_bridge.sandbox.fields import Field, FieldType, by_name

__all__ = ["KINDS", "Kind", "multifields"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item: its number in the methods, its English name, its fields."""

    type_id: int
    kind: ItemKind
    title: str
    fields: Mapping[str, Field]


def _plain(
    name: str, attribute: str, kind: FieldType = "string", *, writable: bool = False, described_as: str = ""
) -> Field:
    """A field that is an attribute of the record; an empty text is null, a reference that is not set 0."""
    empty: Any = 0 if described_as.startswith("crm_") and kind == "integer" else None

    def read(item: Any) -> Any:
        value = getattr(item, attribute)
        return empty if value is None or value == "" else value

    return Field(name, kind, read, writable=writable, described_as=described_as)


def _computed(name: str, kind: FieldType, read: Callable[[Any], Any], **more: Any) -> Field:
    return Field(name, kind, read, **more)


def _first(values: tuple[Any, ...], otherwise: Any) -> Any:
    return values[0] if values else otherwise


_ID = _plain("id", "id", "integer")
_TITLE = _plain("title", "title", writable=True)
_PERSON = (_plain("name", "name", writable=True), _plain("lastName", "last_name", writable=True))
_COMPANY = _plain("companyId", "company_id", "integer", writable=True, described_as="crm_company")
_EVERY = (
    _plain("assignedById", "assigned_by_id", "integer", writable=True, described_as="user"),
    _plain("originatorId", "originator_id", writable=True),
    _plain("originId", "origin_id", writable=True),
    _plain("createdTime", "created_at", "datetime"),
    _computed("updatedTime", "datetime", lambda item: getattr(item, "moved_at", None) or item.created_at),
    _computed("createdBy", "integer", lambda item: item.assigned_by_id, described_as="user"),
    _computed("updatedBy", "integer", lambda item: item.assigned_by_id, described_as="user"),
    _computed("opened", "boolean", lambda _: True),
)
_STAGED = (
    _plain("stageSemanticId", "semantic"),
    _plain("opportunity", "opportunity", "double", writable=True),
    _plain("currencyId", "currency", writable=True, described_as="crm_currency"),
    _computed("isManualOpportunity", "boolean", lambda _: True),
    _computed("movedTime", "datetime", lambda item: item.moved_at or item.created_at),
    _computed("movedBy", "integer", lambda item: item.assigned_by_id, described_as="user"),
)
# The plain names show the first of several; which of them a filter would take is not documented, so it takes none.
_REACHABLE = (
    _computed("hasPhone", "boolean", lambda item: bool(item.phones)),
    _computed("hasEmail", "boolean", lambda item: bool(item.emails)),
    _computed("phone", "string", lambda item: _first(item.phones, ""), filterable=False),
    _computed("email", "string", lambda item: _first(item.emails, ""), filterable=False),
)

_LEAD = (
    _ID,
    _TITLE,
    *_PERSON,
    _plain("stageId", "status_id", writable=True, described_as="crm_status"),
    *_STAGED,
    *_EVERY,
    *_REACHABLE,
)
_DEAL = (
    _ID,
    _TITLE,
    _plain("categoryId", "category_id", "integer", writable=True, described_as="crm_category"),
    _plain("stageId", "stage_id", writable=True, described_as="crm_status"),
    _computed("closed", "boolean", lambda deal: deal.semantic != "P"),
    _COMPANY,
    _computed(
        "contactId", "integer", lambda deal: _first(deal.contact_ids, 0), writable=True, described_as="crm_contact"
    ),
    _computed(
        "contactIds",
        "integer",
        lambda deal: deal.contact_ids,
        multiple=True,
        writable=True,
        described_as="crm_contact",
    ),
    *_STAGED,
    *_EVERY,
)
_CONTACT = (_ID, *_PERSON, _COMPANY, *_EVERY, *_REACHABLE)
_COMPANIES = (_ID, _TITLE, *_EVERY, *_REACHABLE)

KINDS: Mapping[int, Kind] = {
    kind.type_id: kind
    for kind in (
        Kind(1, "lead", "Lead", by_name(_LEAD)),
        Kind(2, "deal", "Deal", by_name(_DEAL)),
        Kind(3, "contact", "Contact", by_name(_CONTACT)),
        Kind(4, "company", "Company", by_name(_COMPANIES)),
    )
}
"""By the number that the methods call `entityTypeId`."""


def multifields(item: Item) -> list[dict[str, Any]]:
    """`fm`: phones and mail addresses with an id each, in the order in which the item has them."""
    if isinstance(item, Deal):
        return []
    values = [*(("PHONE", phone) for phone in item.phones), *(("EMAIL", email) for email in item.emails)]
    # An id of its own for each value: those of one item follow one another.
    first = item.id * 100 + {Lead: 1, Contact: 3, Company: 4}[type(item)] * 10
    return [
        {"id": first + place, "valueType": "WORK", "value": value, "typeId": kind}
        for place, (kind, value) in enumerate(values)
    ]
