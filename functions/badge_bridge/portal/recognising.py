"""Whom a number, an address or a call leads to, as the portal answers it.

The ids stand by kind in the answer of `crm.duplicate.findbycomm`, and in a row of the portal's call statistics as a
type and an id (Bitrix24 docs, "crm.duplicate.findbycomm", "voximplant.statistic.get").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from badge_bridge.plural import named
from badge_bridge.portal.crm_items import TYPE_IDS, OwnerKind
from badge_bridge.portal.rows import ids_of, one_id, rows_of

__all__ = ["SEARCHED", "everybody", "hits", "item_of_call", "kind_named"]

SEARCHED: tuple[OwnerKind, ...] = ("lead", "contact", "company")
"""What findbycomm knows, in its order."""


def kind_named(value: object) -> OwnerKind | None:
    """`CONTACT` as the portal writes it, or in small letters; None for what carries no badge."""
    name = str(value).lower()
    return next((kind for kind in TYPE_IDS if kind == name), None)


def hits(result: object) -> dict[OwnerKind, tuple[int, ...]]:
    """The ids by kind; the portal leaves out what it did not find, and answers `[]` where it found nothing."""
    if not isinstance(result, Mapping):
        return {}
    found = {kind: ids_of(result.get(kind.upper())) for kind in SEARCHED}
    return {kind: ids for kind, ids in found.items() if ids}


def everybody(ids: Mapping[OwnerKind, Sequence[int]]) -> str:
    """`lead 7 and contact 3`, `contacts 3, 5`, or `nobody`."""
    return " and ".join(named(kind, ids[kind]) for kind in TYPE_IDS if ids.get(kind)) or "nobody"


def item_of_call(result: object, call_id: str) -> tuple[OwnerKind, int] | None:
    """The item that the portal has joined a call to; None where it does not say."""
    for row in rows_of(result):
        kind = kind_named(row.get("CRM_ENTITY_TYPE"))
        number = one_id(row.get("CRM_ENTITY_ID"))
        if kind and number and str(row.get("CALL_ID", call_id)) == call_id:
            return kind, number
    return None
