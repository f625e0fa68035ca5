"""The CRM items that can carry a badge, read with `crm.item.list`: ids are numbers, rows are in `result.items`, and
fields that cannot be filtered by are refused (Bitrix24 docs, "crm.item.list").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from badge_bridge.errors import CallRefused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.rows import ids_of, one_id, rows_of

__all__ = ["LIST", "PAGE", "TYPE_IDS", "CrmItems", "Item", "OwnerKind", "Party", "kind_of"]

LIST = "crm.item.list"

PAGE = 50
"""Rows of one answer; the newest ones are asked for, so that more are never needed."""

OwnerKind = Literal["deal", "lead", "contact", "company"]
Party = Literal["contact", "company"]
"""What a deal is made with."""

TYPE_IDS: Mapping[OwnerKind, int] = MappingProxyType({"lead": 1, "deal": 2, "contact": 3, "company": 4})
"""Bitrix24 docs, "Object types"."""

_KINDS: Mapping[int, OwnerKind] = MappingProxyType({number: kind for kind, number in TYPE_IDS.items()})

_IN_WORK = {"stageSemanticId": "P"}
"""P is in work, S won, F lost."""

_SELECT: Mapping[OwnerKind, tuple[str, ...]] = {
    "deal": ("id", "assignedById", "contactId", "contactIds", "companyId"),
    "lead": ("id", "assignedById"),
    "contact": ("id", "assignedById", "companyId"),
    "company": ("id", "assignedById"),
}


def kind_of(type_id: int) -> OwnerKind:
    """The kind of item that the portal counts as `type_id`.

    Raises:
        KeyError: no item of this type carries a badge of ours.
    """
    return _KINDS[type_id]


@dataclass(frozen=True, slots=True)
class Item:
    """One CRM item. `responsible` is a user's id; `contacts` are a deal's and `companies` a deal's or a contact's,
    None where untold.
    """

    id: int
    responsible: int | None
    contacts: tuple[int, ...] | None = None
    companies: tuple[int, ...] | None = None

    def parties(self, party: Party) -> tuple[int, ...] | None:
        return self.contacts if party == "contact" else self.companies


class CrmItems:
    """Reads the CRM items of one portal. All answers are sorted from the newest to the oldest, by id.

    Every method raises what `PortalClient.call` does.
    """

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._by_contact_ids = True
        """Whether the portal filters deals by all their contacts; else by the first one. Learned from a refusal."""

    async def read(
        self, kind: OwnerKind, ids: Collection[int], *, in_work: bool = False, asked: list[Exchange] | None = None
    ) -> Sequence[Item]:
        """The items with these ids that exist and can be read; `in_work` leaves out closed deals and leads."""
        wanted = frozenset(ids)
        items = await self.matching(kind, {"@id": sorted(wanted), **(_IN_WORK if in_work else {})}, asked=asked)
        return [item for item in items if item.id in wanted]

    async def open_deals(
        self, party: Party, ids: Collection[int], *, asked: list[Exchange] | None = None
    ) -> Sequence[Item]:
        """The deals in work that belong to one of these contacts or companies."""
        wanted = frozenset(ids)
        if party == "company":
            deals = await self.matching("deal", {"@companyId": sorted(wanted), **_IN_WORK}, asked=asked)
        else:
            deals = await self._deals_by_contact(sorted(wanted), asked)
        # A deal on somebody else's card would be worse than none, should a portal pass over a filter.
        return [deal for deal in deals if (parties := deal.parties(party)) is None or wanted & set(parties)]

    async def matching(
        self, kind: OwnerKind, where: Mapping[str, Any], *, asked: list[Exchange] | None = None
    ) -> Sequence[Item]:
        """The newest items that a filter matches, at most one page of them."""
        items = map(_item, await self.rows(kind, where, _SELECT[kind], asked=asked))
        return [item for item in items if item is not None]

    async def rows(
        self,
        kind: OwnerKind,
        where: Mapping[str, Any],
        select: Collection[str],
        *,
        asked: list[Exchange] | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        """The selected fields of the newest items that a filter matches, as the portal has them."""
        params = {
            "entityTypeId": TYPE_IDS[kind],
            "select": list(select),
            "filter": dict(where),
            "order": {"id": "desc"},
        }
        result = await self._client.call(LIST, params, asked=asked)
        return rows_of(result.get("items")) if isinstance(result, Mapping) else []

    async def _deals_by_contact(self, contacts: Sequence[int], asked: list[Exchange] | None) -> Sequence[Item]:
        if self._by_contact_ids:
            try:
                return await self.matching("deal", {"@contactIds": contacts, **_IN_WORK}, asked=asked)
            except CallRefused as refusal:
                # Whether it can be filtered by is not documented; `contactId` is the first contact alone.
                if refusal.code.casefold() != "invalid_arg_value":
                    raise
        deals = await self.matching("deal", {"@contactId": contacts, **_IN_WORK}, asked=asked)
        self._by_contact_ids = False
        return deals


def _item(row: Mapping[str, Any]) -> Item | None:
    number = one_id(row.get("id"))
    if number is None:
        return None
    contacts = ids_of(row["contactIds"]) + ids_of(row.get("contactId")) if "contactIds" in row else None
    companies = ids_of(row["companyId"]) if "companyId" in row else None
    return Item(number, one_id(row.get("assignedById")), contacts, companies)
