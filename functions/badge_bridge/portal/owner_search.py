"""Whose card it is: from a call or a number to the customer, and from the customer to the item that carries the badge.

    the call that Bitrix24 itself counted ─┐
    the phone number                       ├─> a contact, a company, leads ─> its open deal, ... in the rule's order
    the e-mail address                     ┘

The next way is taken only where the one before led to no card. A customer as most are, one contact with one open deal,
costs two commands. The company that a contact works for is looked at last, where neither the contact nor a company that
has the number itself has an open deal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from badge_bridge.errors import AccessRefused, CallRefused, NotFound, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.plural import either, listed, named
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.crm_items import PAGE, TYPE_IDS, CrmItems, Item, OwnerKind, Party
from badge_bridge.portal.lanes import lane_of
from badge_bridge.portal.phone_variants import phone_variants
from badge_bridge.portal.recognising import SEARCHED, everybody, hits, item_of_call

__all__ = ["FIND", "Customer", "Found", "Owner", "OwnerSearch"]

FIND = "crm.duplicate.findbycomm"

_FULL = 20
"""Hits of one type at which findbycomm leaves out the types after it, without a word."""

_NEEDED: Mapping[OwnerKind, frozenset[OwnerKind]] = MappingProxyType(
    {
        "deal": frozenset({"contact", "company"}),
        "lead": frozenset({"lead"}),
        "contact": frozenset({"contact"}),
        "company": frozenset({"company"}),
    }
)
"""From what an owner of each kind is found."""

_SAID: Mapping[OwnerKind, str] = MappingProxyType(
    {"deal": "open deal", "lead": "open lead", "contact": "contact", "company": "company"}
)


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom an event is about. `phone` is E.164 where it could be read; `call_id` only for Bitrix24's own calls."""

    phone: str = ""
    email: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """The CRM item that carries a badge; `responsible` is the user who is responsible for it, where known."""

    kind: OwnerKind
    id: int
    responsible: int | None = None

    @property
    def type_id(self) -> int:
        """As the portal counts: 1 lead, 2 deal, 3 contact, 4 company."""
        return TYPE_IDS[self.kind]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class Found:
    """The owner, or None; `how` says in one sentence, without a phone number, what led to it or what did not."""

    owner: Owner | None
    how: str


Way = Literal["the call", "phone", "e-mail"]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What a customer was recognised as, and by what."""

    ids: Mapping[OwnerKind, tuple[int, ...]]
    by: Way

    def __str__(self) -> str:
        return f"{everybody(self.ids)} found by {self.by}"


class OwnerSearch:
    """Finds owners in one portal. Every method raises what `PortalClient.call` does."""

    def __init__(self, client: Calls, items: CrmItems) -> None:
        self._client = client
        self._items = items

    async def search(self, customer: Customer, to: Sequence[OwnerKind], *, asked: list[Exchange] | None) -> Found:
        """The first of the kinds `to`, in their order, that the customer has; of several the newest."""
        needed = frozenset[OwnerKind]().union(*(_NEEDED[kind] for kind in to))
        dead_ends: list[str] = []
        for way in (self._by_call, self._by_phone, self._by_email):
            candidates = await way(customer, needed, asked)
            if candidates is None:
                continue
            found = await self._choose(candidates, to, asked)
            if found is not None:
                return found
            dead_ends.append(str(candidates))
        if not dead_ends:
            return Found(None, "there is neither a number nor an e-mail address to look for")
        return Found(None, f"no {either(_SAID[kind] for kind in to)}: {', '.join(dead_ends)}")

    async def _by_call(
        self,
        customer: Customer,
        needed: frozenset[OwnerKind],  # noqa: ARG002 - a call has one item, whatever is needed
        asked: list[Exchange] | None,
    ) -> _Candidates | None:
        """The item that the portal's own telephony has joined the call to; None where it does not say."""
        if not customer.call_id:
            return None
        try:
            result = await self._client.call(STATISTICS, {"FILTER": {"CALL_ID": customer.call_id}}, asked=asked)
        except (AccessRefused, CallRefused, NotFound):
            return None  # the scope, the right or all of telephony is missing; the number is still there
        except PortalPaused as error:
            # The lane remembers the refusal for all processes, and lets one call try again when it is over.
            if error.lane != lane_of(self._client.name, STATISTICS, "method"):
                raise
            return None
        item = item_of_call(result, customer.call_id)
        return None if item is None else _Candidates({item[0]: (item[1],)}, "the call")

    async def _by_phone(
        self, customer: Customer, needed: frozenset[OwnerKind], asked: list[Exchange] | None
    ) -> _Candidates | None:
        variants = phone_variants(customer.phone)
        return _Candidates(await self._duplicates("PHONE", variants, needed, asked), "phone") if variants else None

    async def _by_email(
        self, customer: Customer, needed: frozenset[OwnerKind], asked: list[Exchange] | None
    ) -> _Candidates | None:
        address = customer.email.strip()
        return _Candidates(await self._duplicates("EMAIL", (address,), needed, asked), "e-mail") if address else None

    async def _duplicates(
        self, type_: str, values: Sequence[str], needed: frozenset[OwnerKind], asked: list[Exchange] | None
    ) -> dict[OwnerKind, tuple[int, ...]]:
        """Who has one of these numbers or addresses, by kind; all of those that are needed, and what came along."""
        params: dict[str, Any] = {"type": type_, "values": list(values)}
        if len(needed) == 1:
            (only,) = needed
            params["entity_type"] = only.upper()
        ids = hits(await self._client.call(FIND, params, asked=asked))
        full = next((place for place, kind in enumerate(SEARCHED) if len(ids.get(kind, ())) >= _FULL), len(SEARCHED))
        for kind in SEARCHED[full + 1 :]:
            if kind in needed and kind not in ids:
                ids |= hits(await self._client.call(FIND, {**params, "entity_type": kind.upper()}, asked=asked))
        return ids

    async def _choose(
        self, candidates: _Candidates, to: Sequence[OwnerKind], asked: list[Exchange] | None
    ) -> Found | None:
        for kind in to:
            found = await (self._deal(candidates, asked) if kind == "deal" else self._item(kind, candidates, asked))
            if found is not None:
                return found
        return None

    async def _item(self, kind: OwnerKind, candidates: _Candidates, asked: list[Exchange] | None) -> Found | None:
        """The recognised item itself; a lead or a deal only while it is in work."""
        ids = candidates.ids.get(kind)
        if not ids:
            return None
        items = await self._items.read(kind, ids, in_work=kind in {"lead", "deal"}, asked=asked)
        return _newest(kind, items, "", candidates.by)

    async def _deal(self, candidates: _Candidates, asked: list[Exchange] | None) -> Found | None:
        """An open deal: the one that the call belongs to, else one of a contact, a company, a contact's company."""
        joined = await self._item("deal", candidates, asked)
        if joined is not None:
            return joined
        parties: tuple[Party, ...] = ("contact", "company")
        for party in parties:
            ids = candidates.ids.get(party)
            if not ids:
                continue
            deals = await self._items.open_deals(party, ids, asked=asked)
            if deals:
                its = list(dict.fromkeys(one for one in deals[0].parties(party) or ids if one in ids))
                return _newest("deal", deals, f" of {named(party, its)}", candidates.by)
        return await self._deal_of_employer(candidates, asked)

    async def _deal_of_employer(self, candidates: _Candidates, asked: list[Exchange] | None) -> Found | None:
        """An open deal of a company that one of the contacts works for."""
        ids = candidates.ids.get("contact")
        if not ids:
            return None
        contacts = await self._items.read("contact", ids, asked=asked)
        employers = {company for contact in contacts for company in contact.companies or ()}
        employers.difference_update(candidates.ids.get("company", ()))  # looked at before
        if not employers:
            return None
        deals = await self._items.open_deals("company", employers, asked=asked)
        its = sorted({company for deal in deals[:1] for company in deal.companies or employers} & employers)
        return _newest("deal", deals, f" of {named('company', its)}, where the contact works", candidates.by)


def _newest(kind: OwnerKind, items: Sequence[Item], of: str, by: Way) -> Found | None:
    if not items:
        return None
    newest = max(items, key=lambda item: item.id)
    ids = sorted((item.id for item in items), reverse=True)
    count = f"{len(ids)} or more" if len(ids) >= PAGE else str(len(ids))
    choice = f", the newest of {count} ({listed(ids)})," if len(ids) > 1 else ""
    comma = "" if choice and not of else ","
    told = f"{_SAID[kind]} {newest.id}{choice}{of}{comma} found by {by}"
    return Found(Owner(kind, newest.id, newest.responsible), told)
