"""`crm.item.add` and `crm.item.update`. Neither is idempotent: two adds with one `originId` make two items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from badge_bridge.sandbox.crm_seed import Company, Contact, Deal, Item, ItemKind, Lead, Semantic
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import NOT_A_VALUE, Field, read_id, read_scalar
from badge_bridge.sandbox.methods.item_fields import Kind
from badge_bridge.sandbox.methods.items import find_item, read_kind, show_item
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["writing"]

writing = Methods("crm")

_ATTRIBUTES: Mapping[str, str] = {
    "title": "title",
    "name": "name",
    "lastName": "last_name",
    "categoryId": "category_id",
    "companyId": "company_id",
    "contactIds": "contact_ids",
    "assignedById": "assigned_by_id",
    "opportunity": "opportunity",
    "currencyId": "currency",
    "originatorId": "originator_id",
    "originId": "origin_id",
}
_MAKE: Mapping[ItemKind, type[Item]] = {"lead": Lead, "deal": Deal, "contact": Contact, "company": Company}


@writing.method("crm.item.add", right="crm", writes=True)
def add(context: Context, params: Params) -> Reply:
    """Make an item: `entityTypeId`, `fields`; a field that the kind does not have is passed over."""
    crm = context.records.crm
    kind = read_kind(context.records, params)
    values = _read(context.records, kind, params, None, now=context.now)
    number = crm.new_id(kind.kind)
    if kind.kind == "contact":
        values.setdefault("name", "")
    else:
        values["title"] = values.get("title") or f"{kind.title} #{number}"
    values.setdefault("assigned_by_id", context.caller.user.id)
    item = _MAKE[kind.kind](id=number, created_at=context.now, **values)
    crm.put(item)
    return Reply({"item": show_item(kind, item)})


@writing.method("crm.item.update", right="crm", writes=True)
def update(context: Context, params: Params) -> Reply:
    """Change the fields that `fields` names of the item with this `entityTypeId` and `id`."""
    kind = read_kind(context.records, params)
    before = find_item(context.records, kind, params)
    item = before.model_copy(update=_read(context.records, kind, params, before, now=context.now))
    context.records.crm.put(item)
    return Reply({"item": show_item(kind, item)})


def _read(records: Records, kind: Kind, params: Params, before: Item | None, *, now: float) -> dict[str, Any]:
    """Attributes of the record by the `fields` of the call."""
    given = params.get("fields")
    if not isinstance(given, Mapping | list):
        raise Refusal("100", "Could not find value for parameter {fields}")
    entries = given if isinstance(given, Mapping) else {}
    values: dict[str, Any] = {}
    for name, value in entries.items():
        field = kind.fields.get(name)
        if field is not None and field.writable and name in _ATTRIBUTES:
            values[_ATTRIBUTES[name]] = _value(field, value)
    if kind.kind == "deal" and "contactId" in entries and "contactIds" not in entries:
        values["contact_ids"] = _ids(kind.fields["contactId"], [entries["contactId"]])
    if "stageId" in entries and kind.kind in {"lead", "deal"}:
        values.update(_moved(records, kind, read_scalar(entries["stageId"]), values, before, now=now))
    if "fm" in entries and kind.kind != "deal":
        values.update(_reached(entries["fm"], before))
    _check_references(records, values)
    return values


def _value(field: Field, given: Any) -> Any:
    if field.multiple:
        return _ids(field, given if isinstance(given, list) else [given])
    value = field.parse(given)
    if value is NOT_A_VALUE:
        raise _invalid(field)
    if field.type == "integer":
        return read_id(given) if field.name != "categoryId" else int(value or 0)
    if field.type == "double":
        return value or 0.0
    return value or ("" if field.name in {"title", "name", "lastName"} else None)


def _ids(field: Field, given: Iterable[Any]) -> tuple[int, ...]:
    numbers = [read_id(one) for one in given if one not in (None, "", 0, "0")]
    if None in numbers:
        raise _invalid(field)
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def _invalid(field: Field) -> Refusal:
    return Refusal("INVALID_ARG_VALUE", f"Invalid value of field '{field.name}'")


def _moved(
    records: Records, kind: Kind, stage_id: str, values: Mapping[str, Any], before: Item | None, *, now: float
) -> dict[str, Any]:
    """To another stage, and so perhaps won or lost.

    Raises:
        Refusal: INVALID_ARG_VALUE where the pipeline has no such stage.
    """
    category = values.get("category_id", getattr(before, "category_id", 0))
    known = {
        stage.id: stage.semantic
        for stage in records.crm.stages
        if stage.kind == kind.kind and stage.category_id == category
    }
    if stage_id not in known:
        raise _invalid(kind.fields["stageId"])
    semantic: Semantic = known[stage_id]
    attribute = "status_id" if kind.kind == "lead" else "stage_id"
    return {attribute: stage_id, "semantic": semantic, "moved_at": now}


def _reached(given: Any, before: Item | None) -> dict[str, Any]:
    """Phones and mail addresses out of `fm`: `[{"typeId": "PHONE", "valueType": "WORK", "value": "+49..."}]`.

    They are added to those that the item has; a value with the `id` of one there is would replace it in the real portal
    and is added here.
    """
    entries = given.values() if isinstance(given, Mapping) else given if isinstance(given, list) else ()
    found: dict[str, list[str]] = {
        "phones": list(getattr(before, "phones", ())),
        "emails": list(getattr(before, "emails", ())),
    }
    attributes = {"PHONE": "phones", "EMAIL": "emails"}
    for entry in entries:
        attribute = attributes.get(str(entry.get("typeId", "")).upper()) if isinstance(entry, Mapping) else None
        value = read_scalar(entry.get("value")) if isinstance(entry, Mapping) else ""
        if attribute and value:
            found[attribute].append(value)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _check_references(records: Records, values: Mapping[str, Any]) -> None:
    missing = [number for number in values.get("contact_ids", ()) if number not in records.crm.contacts]
    company = values.get("company_id")
    if missing or (company is not None and company not in records.crm.companies):
        raise Refusal("INVALID_ARG_VALUE", "The item refers to a customer that does not exist")
