"""Who has this number or address: `crm.duplicate.findbycomm` and `telephony.externalCall.searchCrmEntities`.

Neither finds deals. The first compares the number as it is written, apart from an extension, so that a number in
another format is not found; what the second does to the number is not documented, and here it does the same.
"""

from __future__ import annotations

from typing import Any

from badge_bridge.sandbox.crm import Communication
from badge_bridge.sandbox.crm_seed import Company, Contact, Item, ItemKind, Lead
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import read_scalar
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["duplicates", "search"]

duplicates = Methods("crm")
search = Methods("telephony")

_ENOUGH = 20
"""With so many hits of one type, the types after it are left out; also how many values are looked at."""

_TYPES: dict[str, ItemKind] = {"LEAD": "lead", "CONTACT": "contact", "COMPANY": "company"}
_COMMUNICATIONS: dict[str, Communication] = {"PHONE": "PHONE", "EMAIL": "EMAIL"}


@duplicates.method("crm.duplicate.findbycomm")
def find_by_communication(context: Context, params: Params) -> Reply:
    """Ids of leads, contacts and companies by `type`, `values` and perhaps `entity_type`; nothing found is `[]`.

    The field `error` of its errors holds the sentence itself.
    """
    if context.caller.user.crm == "none":
        raise _sentence("Access denied", status=403)
    by = _communication(params.get("type"))
    values = params.get("values")
    if not isinstance(values, list) or not values:
        raise _sentence("Communication values is not defined")
    texts = [read_scalar(value) for value in values[:_ENOUGH]]
    only = str(params.get("entity_type") or "").upper()
    found: dict[str, list[int]] = {}
    for name, kind in _TYPES.items():
        if only not in ("", name):
            continue
        numbers = context.records.crm.reached_by(kind, by, texts)
        if numbers:
            found[name] = numbers
        if len(numbers) >= _ENOUGH:
            break
    return Reply(found or [])


@search.method("telephony.externalCall.searchCrmEntities")
def search_entities(context: Context, params: Params) -> Reply:
    """Contacts, leads and companies with this `PHONE_NUMBER`, each with who is responsible."""
    number = read_scalar(params.get("PHONE_NUMBER"))
    if not number:
        raise Refusal("ERROR_CORE", "PHONE_NUMBER is empty")
    crm = context.records.crm
    return Reply(
        [
            _entity(context.records, name, crm.items(kind)[found])
            for name, kind in sorted(_TYPES.items(), key=lambda entry: entry[0] != "CONTACT")
            for found in crm.reached_by(kind, "PHONE", [number])
        ]
    )


def _communication(given: Any) -> Communication:
    name = read_scalar(given).upper()
    if not name:
        raise _sentence("Communication type is not defined")
    if name not in _COMMUNICATIONS:
        raise _sentence(f"Communication type '{name}' is not supported in current context")
    return _COMMUNICATIONS[name]


def _sentence(text: str, *, status: int = 400) -> Refusal:
    return Refusal(text, text, status=status)


def _entity(records: Records, name: str, item: Item) -> dict[str, Any]:
    responsible = records.users.get(item.assigned_by_id)
    return {
        "CRM_ENTITY_TYPE": name,
        "CRM_ENTITY_ID": item.id,
        "ASSIGNED_BY_ID": item.assigned_by_id,
        "NAME": _name(item),
        "ASSIGNED_BY": {
            "ID": str(responsible.id if responsible else item.assigned_by_id),
            "TIMEMAN_STATUS": "NOT_INSTALLED",
            "USER_PHONE_INNER": None,
            "WORK_PHONE": None,
            "PERSONAL_PHONE": None,
            "PERSONAL_MOBILE": None,
        },
    }


def _name(item: Item) -> str:
    match item:
        case Contact() | Lead():
            return f"{item.name} {item.last_name}".strip()
        case Company():
            return item.title
        case _:
            return ""
