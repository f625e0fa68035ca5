"""`crm.item.list`, `get` and `fields` for leads, deals, contacts and companies (Bitrix24 docs, "CRM objects").

The result is `{"items": [...]}`, `{"item": {...}}`, `{"fields": {...}}`; names are camelCase and ids are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from badge_bridge.sandbox.crm import Crm
from badge_bridge.sandbox.crm_seed import Item
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import Field, read_id
from badge_bridge.sandbox.filters import Filter, read_filter
from badge_bridge.sandbox.methods.item_fields import KINDS, Kind, multifields
from badge_bridge.sandbox.paging import in_order, page, read_order
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["find_item", "items", "read_kind", "show_item"]

items = Methods("crm")


@items.method("crm.item.list", right="crm")
def list_items(context: Context, params: Params) -> Reply:
    """Items of one kind: `entityTypeId`, `select`, `filter`, `order`, `start`.

    Without `select` every field is shown; `fm` only where `select` has `*`.
    """
    records = context.records
    kind = read_kind(records, params)
    given = params.get("filter")
    if kind.kind == "deal" and _asks_for_contacts(given):
        records.meet("contact_ids_filter")
    condition = read_filter(given, _filterable(records, kind), strict=True)
    order = read_order(params.get("order"), kind.fields, strict=True)
    found = [item for item in _candidates(records.crm, kind, condition) if condition.holds(item)]
    ordered = in_order(found, order or [(kind.fields["id"], False)])
    chosen, with_fm = _selected(kind, params.get("select"))

    def show(shown: Sequence[Item]) -> dict[str, Any]:
        return {"items": [_show(item, chosen, with_fm=with_fm) for item in shown]}

    return page(ordered, params.get("start"), show)


@items.method("crm.item.get", right="crm")
def get(context: Context, params: Params) -> Reply:
    """The item with this `entityTypeId` and `id`, with all its fields."""
    kind = read_kind(context.records, params)
    return Reply({"item": show_item(kind, find_item(context.records, kind, params))})


@items.method("crm.item.fields", right="crm")
def describe(context: Context, params: Params) -> Reply:
    """The fields of one kind of item, with type and title."""
    kind = read_kind(context.records, params)
    return Reply({"fields": {name: _describe(field) for name, field in kind.fields.items()}})


def read_kind(records: Records, params: Params) -> Kind:
    """The kind that `entityTypeId` names; the simple CRM has no leads.

    Raises:
        Refusal: 100 where it is missing, NOT_FOUND where there is no such kind.
    """
    if "entityTypeId" not in params:
        raise Refusal("100", "Could not find value for parameter {entityTypeId}")
    kind = KINDS.get(read_id(params["entityTypeId"]) or 0)
    if kind is None or (kind.kind == "lead" and records.crm_mode == 2):
        raise Refusal("NOT_FOUND", "The smart process was not found")
    return kind


def find_item(records: Records, kind: Kind, params: Params) -> Item:
    """The item that `id` names.

    Raises:
        Refusal: NOT_FOUND.
    """
    item = records.crm.item(kind.type_id, read_id(params.get("id")) or 0)
    if item is None:
        raise Refusal("NOT_FOUND", "The item was not found")
    return item


def show_item(kind: Kind, item: Item) -> dict[str, Any]:
    """An item with all its fields."""
    return {**_show(item, kind.fields.values(), with_fm=True), "entityTypeId": kind.type_id}


def _filterable(records: Records, kind: Kind) -> Mapping[str, Field]:
    if records.variants.contact_ids_filter == "works":
        return kind.fields
    return {name: field for name, field in kind.fields.items() if name != "contactIds"}


def _asks_for_contacts(given: Any) -> bool:
    """Whether a filter names `contactIds`, in whatever part of it."""
    if isinstance(given, list):
        return any(_asks_for_contacts(part) for part in given)
    parts = given.items() if isinstance(given, Mapping) else ()
    return any(name.endswith("contactIds") or _asks_for_contacts(part) for name, part in parts)


def _candidates(crm: Crm, kind: Kind, condition: Filter) -> Iterable[Item]:
    """What a filter can hold for at all: by id or customer where it asks for these, else every item of the kind."""
    present = crm.items(kind.kind)
    numbers = condition.wanted("id")
    if numbers is None and kind.kind == "deal":
        for name, customers in (("contactIds", "contact"), ("contactId", "contact"), ("companyId", "company")):
            wanted = condition.wanted(name)
            if wanted is not None and all(wanted):
                numbers = tuple(crm.deals_with("contact" if customers == "contact" else "company", wanted))
                break
    if numbers is None:
        return present.values()
    return [present[number] for number in dict.fromkeys(numbers) if number in present]


def _selected(kind: Kind, select: Any) -> tuple[list[Field], bool]:
    names = select if isinstance(select, list) else []
    every = not names or "*" in names
    chosen = [field for name, field in kind.fields.items() if every or name in names]
    return chosen, "*" in names


def _show(item: Item, fields: Iterable[Field], *, with_fm: bool) -> dict[str, Any]:
    shown = {field.name: field.show(item) for field in fields}
    return {**shown, "fm": multifields(item)} if with_fm else shown


def _describe(field: Field) -> dict[str, Any]:
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in field.name)
    return {
        "type": field.described_as or field.type,
        "isRequired": False,
        "isReadOnly": not field.writable,
        "isImmutable": False,
        "isMultiple": field.multiple,
        "isDynamic": False,
        "title": words.replace("_", " ").capitalize(),
        "upperName": words.upper(),
    }
