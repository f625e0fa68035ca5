"""The owners of badges in one portal: found once for events of one customer that come together, and kept for a minute.

Leads that nobody made yet are made here as well, each under a mark of its customer: whoever wants to make one looks
for that mark first, so that a lost answer, a second event or another process leads to the same lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from badge_bridge.errors import OutcomeUnknown
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.crm_items import LIST, TYPE_IDS, CrmItems, OwnerKind
from badge_bridge.portal.flights import Flights
from badge_bridge.portal.origins import ORIGINATOR, lead_origin_of
from badge_bridge.portal.owner_search import FIND, STATISTICS, Customer, Found, Owner, OwnerSearch
from badge_bridge.portal.phone_variants import phone_variants
from badge_bridge.portal.rows import one_id

__all__ = ["METHODS", "Customer", "Found", "Owner", "OwnerKind", "Owners", "WantedOwner"]

_ADD = "crm.item.add"

METHODS = (STATISTICS, FIND, LIST, _ADD)
"""The methods that are called here."""

KEPT_FOR = 60.0
"""Seconds that a found owner, or that there is none, is taken for granted."""


@dataclass(frozen=True, slots=True)
class WantedOwner:
    """Which kinds of owner a rule wants, in its order; `given` where the event itself names one."""

    to: tuple[OwnerKind, ...]
    given: tuple[OwnerKind, int] | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A finding, and until when it is believed (unix seconds)."""

    found: Found
    until: float


_Question = tuple[Customer, WantedOwner]


class Owners:
    """Finds owners in one portal. `clock` returns unix seconds."""

    def __init__(self, client: Calls, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._items = CrmItems(client)
        self._search = OwnerSearch(client, self._items)
        self._kept: dict[_Question, _Kept] = {}
        self._looks: Flights[_Question, Found] = Flights("find an owner", landed=self._keep)
        self._leads: Flights[str, Found] = Flights("make a lead")

    async def find(self, customer: Customer, wanted: WantedOwner, *, asked: list[Exchange] | None = None) -> Found:
        """The owner for an event of this customer.

        An owner that the event names is trusted; it is read to see that it exists and who is responsible. Callers that
        come together share one look, whose exchanges go to the first one's `asked`.

        Raises:
            PortalError: as `PortalClient.call`. That the portal's call statistics cannot be read is no error: the
                number is looked for instead.
            StoreUnavailable: as `PortalClient.call`.
        """
        question = (customer, wanted)
        kept = self._kept.get(question)
        now = self._clock()
        # A clock that was set back makes no finding last longer.
        if kept is not None and now < kept.until <= now + KEPT_FOR:
            return kept.found
        found, _ = await self._looks.share(question, lambda: self._look(customer, wanted, asked))
        return found

    def forget(self, customer: Customer) -> None:
        """Look anew next time: the portal refused what was found, or there is something new to find."""
        for question in [question for question in self._kept if question[0] == customer]:
            del self._kept[question]

    async def create_lead(self, customer: Customer, title: str, *, asked: list[Exchange] | None = None) -> Found:
        """The open lead that the bridge has made for this customer, else a new one with his number and e-mail.

        No owner where the customer has neither: nothing would tell his lead from another's. A text without digits,
        as providers send for a withheld number, is none.

        Raises:
            PortalError: as `PortalClient.call`. After an `OutcomeUnknown` call it again: it looks before it makes one.
            StoreUnavailable: as `PortalClient.call`.
        """
        reached_by = customer if phone_variants(customer.phone) else replace(customer, phone="")
        origin = lead_origin_of(reached_by.phone, reached_by.email)
        if not origin:
            return Found(None, "there is neither a number nor an e-mail address to make a lead with")
        found, _ = await self._leads.share(origin, lambda: self._look_or_make_lead(origin, reached_by, title, asked))
        self.forget(customer)
        return found

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self._looks.aclose()
        await self._leads.aclose()

    async def _look(self, customer: Customer, wanted: WantedOwner, asked: list[Exchange] | None) -> Found:
        if wanted.given is None:
            return await self._search.search(customer, wanted.to, asked=asked)
        kind, number = wanted.given
        items = await self._items.read(kind, [number], asked=asked)
        if not items:
            return Found(None, f"{kind} {number}, which the event names, does not exist or cannot be read")
        return Found(Owner(kind, number, items[0].responsible), f"{kind} {number}, which the event names")

    def _keep(self, question: _Question, found: Found) -> None:
        now = self._clock()
        self._kept.pop(question, None)
        self._kept[question] = _Kept(found, now + KEPT_FOR)
        # Kept in the order in which they end, so that those that have ended are in front.
        while (first := next(iter(self._kept))) != question and self._kept[first].until <= now:
            del self._kept[first]

    async def _look_or_make_lead(
        self, origin: str, customer: Customer, title: str, asked: list[Exchange] | None
    ) -> Found:
        lead = await self._made_before(origin, asked)
        if lead is not None:
            return Found(lead, f"open lead {lead.id}, which the bridge made for this customer before")
        lead = await self._make_lead(origin, customer, title, asked)
        return Found(lead, f"lead {lead.id}, made for this customer")

    async def _made_before(self, origin: str, asked: list[Exchange] | None) -> Owner | None:
        """A lead that was closed meanwhile is of the past: a customer who calls again is a new one."""
        where = {"originatorId": ORIGINATOR, "originId": origin, "stageSemanticId": "P"}
        rows = await self._items.rows("lead", where, ["id", "assignedById", "originatorId", "originId"], asked=asked)
        for row in rows:
            number = one_id(row.get("id"))
            if number and (row.get("originatorId"), row.get("originId")) == (ORIGINATOR, origin):
                return Owner("lead", number, one_id(row.get("assignedById")))
        return None

    async def _make_lead(self, origin: str, customer: Customer, title: str, asked: list[Exchange] | None) -> Owner:
        reached_by = (("PHONE", customer.phone), ("EMAIL", customer.email))
        fields = {
            "title": title,
            "fm": [{"typeId": type_, "valueType": "WORK", "value": value} for type_, value in reached_by if value],
            "originatorId": ORIGINATOR,
            "originId": origin,
        }
        result = await self._client.call(_ADD, {"entityTypeId": TYPE_IDS["lead"], "fields": fields}, asked=asked)
        item = result.get("item") if isinstance(result, Mapping) else None
        made = item if isinstance(item, Mapping) else {}
        number = one_id(made.get("id"))
        if number is None:
            raise OutcomeUnknown(
                f"portal {self._client.name}: {_ADD} was answered without an id",
                portal=self._client.name,
                method=_ADD,
                code="no id",
                status=200,
            )
        return Owner("lead", number, one_id(made.get("assignedById")))
