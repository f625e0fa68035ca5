"""The owners of badges in one portal: found once for events of one customer that come together, and kept for a
minute; where there is none, a lead that is made for the customer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls, Holds
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.crm_items import LIST, CrmItems, OwnerKind
from badge_bridge.portal.flights import Flights
from badge_bridge.portal.leads import ADD, Leads
from badge_bridge.portal.owner_search import FIND, Customer, Found, Owner, OwnerSearch

__all__ = ["METHODS", "Customer", "Found", "Owner", "OwnerKind", "Owners", "WantedOwner"]

METHODS = (STATISTICS, FIND, LIST, ADD)
"""The methods that are called here."""

KEPT_FOR = 20.0
"""Seconds that a found owner, or that there is none, is taken for granted: long enough for calls that come together,
and short because a deal may be won meanwhile."""


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
    """Finds owners in one portal. `clock` returns unix seconds; for `holds` see `Leads`."""

    def __init__(self, client: Calls, *, clock: Callable[[], float], holds: Holds | None = None) -> None:
        self._clock = clock
        self._items = CrmItems(client)
        self._search = OwnerSearch(client, self._items)
        self._kept: dict[_Question, _Kept] = {}
        self._looks: Flights[_Question, Found] = Flights("find an owner", landed=self._keep)
        self._leads = Leads(client, self._items, holds=holds, clock=clock)

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
        """The lead that is made for a customer without a card (`Leads.make`, which tells what is raised)."""
        found = await self._leads.make(customer, title, asked=asked)
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
