"""`crm.deal.list`, the older form of `crm.item.list`: UPPER_CASE names, a plain list, all values strings.

The vendor calls it obsolete. It knows a deal's main contact alone: `CONTACT_IDS` is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from badge_bridge.sandbox.crm_seed import Deal
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import Field, by_name
from badge_bridge.sandbox.filters import read_filter
from badge_bridge.sandbox.methods.item_fields import KINDS
from badge_bridge.sandbox.paging import in_order, page, read_order
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["deals"]

deals = Methods("crm")

_NAMES = {
    "ID": "id",
    "TITLE": "title",
    "STAGE_ID": "stageId",
    "STAGE_SEMANTIC_ID": "stageSemanticId",
    "CLOSED": "closed",
    "CATEGORY_ID": "categoryId",
    "COMPANY_ID": "companyId",
    "CONTACT_ID": "contactId",
    "ASSIGNED_BY_ID": "assignedById",
    "OPPORTUNITY": "opportunity",
    "CURRENCY_ID": "currencyId",
    "DATE_CREATE": "createdTime",
    "DATE_MODIFY": "updatedTime",
    "MOVED_TIME": "movedTime",
    "ORIGINATOR_ID": "originatorId",
    "ORIGIN_ID": "originId",
}


def _renamed(name: str) -> Field:
    field = KINDS[2].fields[_NAMES[name]]
    return Field(name, field.type, field.read)


_FIELDS = by_name(_renamed(name) for name in _NAMES)


@deals.method("crm.deal.list")
def list_deals(context: Context, params: Params) -> Reply:
    """Deals; `SELECT`, `FILTER` and `ORDER` may be written in either case."""
    if context.caller.user.crm == "none":
        raise Refusal("", "Access denied.", status=400)
    given = {name.lower(): value for name, value in params.items()}
    condition = read_filter(given.get("filter"), _FIELDS, strict=False)
    found = [deal for deal in context.records.crm.deals.values() if condition.holds(deal)]
    order = read_order(given.get("order"), _FIELDS, strict=False) or [(_FIELDS["ID"], False)]
    names = given.get("select") if isinstance(given.get("select"), list) else []
    shown = [field for name, field in _FIELDS.items() if not names or "*" in names or name in names or name == "ID"]

    def show(listed: Sequence[Deal]) -> list[dict[str, Any]]:
        return [{field.name: field.show_as_text(deal) for field in shown} for deal in listed]

    return page(in_order(found, order), given.get("start"), show)
