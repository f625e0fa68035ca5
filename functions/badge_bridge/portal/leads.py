"""The leads that are made for customers who have no card yet, each once.

Each is made under a mark of its customer, and whoever wants to make one looks for that mark first. That is not enough
where two processes look at the same time, or where an add brought no answer and the portal is still working on it. So
the customer's lead is held in the store from before the look until the outcome is known, or must be.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from badge_bridge.errors import InDoubt, OutcomeUnknown
from badge_bridge.holding import LASTING
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls, Holds
from badge_bridge.portal.crm_items import TYPE_IDS, CrmItems
from badge_bridge.portal.flights import Flights
from badge_bridge.portal.origins import ORIGINATOR, lead_origin_of
from badge_bridge.portal.owner_search import Customer, Found, Owner
from badge_bridge.portal.phone_variants import phone_variants
from badge_bridge.portal.rows import inside, misread, one_id

__all__ = ["ADD", "HOLD", "LOOK_AGAIN", "Leads"]

ADD = "crm.item.add"

HOLD = 200.0
"""Seconds that a lead is held: an attempt takes up to 75, and the portal works on a request for up to 60 more."""

LOOK_AGAIN = 20.0
"""Seconds until somebody who has found a lead held tries again."""


class Leads:
    """Makes leads in one portal. `clock` returns unix seconds; `holds` is the store, None where nobody shares it."""

    def __init__(self, client: Calls, items: CrmItems, *, holds: Holds | None, clock: Callable[[], float]) -> None:
        self._client = client
        self._items = items
        self._holds = holds
        self._clock = clock
        self._under_way: Flights[str, Found] = Flights("make a lead")

    async def make(self, customer: Customer, title: str, *, asked: list[Exchange] | None = None) -> Found:
        """The open lead that the bridge has made for this customer, else a new one with his number and e-mail.

        No owner where the customer has neither: nothing would tell his lead from another's. A text without digits,
        as providers send for a withheld number, is none. Callers that come together share one lead.

        Raises:
            InDoubt: another process makes it now, or an earlier add brought no answer.
            PortalError: as `PortalClient.call`. After an `OutcomeUnknown` call it again: it looks before it makes one.
            StoreUnavailable: as `PortalClient.call`.
        """
        reached_by = customer if phone_variants(customer.phone) else replace(customer, phone="")
        origin = lead_origin_of(reached_by.phone, reached_by.email)
        if not origin:
            return Found(None, "there is neither a number nor an e-mail address to make a lead with")
        found, _ = await self._under_way.share(origin, lambda: self._alone(origin, reached_by, title, asked))
        return found

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self._under_way.aclose()

    async def _alone(self, origin: str, customer: Customer, title: str, asked: list[Exchange] | None) -> Found:
        """Look or make it while nobody else does. Whoever is stopped, or hears nothing, leaves it held."""
        if self._holds is None:
            return await self._look_or_make(origin, customer, title, asked)
        name, holder, now = f"{LASTING}lead/{self._client.name}/{origin}", secrets.token_hex(8), self._clock()
        if not await self._holds.hold(name, holder=holder, now=now, seconds=HOLD):
            raise InDoubt(
                f"portal {self._client.name}: a lead for this customer is being made, or its add brought no answer",
                until=now + LOOK_AGAIN,
            )
        try:
            found = await self._look_or_make(origin, customer, title, asked)
        except OutcomeUnknown as error:
            if error.is_over or error.method != ADD:
                await self._holds.let_go(name, holder=holder)
            raise
        except Exception:
            await self._holds.let_go(name, holder=holder)
            raise
        await self._holds.let_go(name, holder=holder)
        return found

    async def _look_or_make(self, origin: str, customer: Customer, title: str, asked: list[Exchange] | None) -> Found:
        lead = await self._made_before(origin, asked)
        if lead is not None:
            return Found(lead, f"open lead {lead.id}, which the bridge made for this customer before")
        lead = await self._make(origin, customer, title, asked)
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

    async def _make(self, origin: str, customer: Customer, title: str, asked: list[Exchange] | None) -> Owner:
        reached_by = (("PHONE", customer.phone), ("EMAIL", customer.email))
        fields = {
            "title": title,
            "fm": [{"typeId": type_, "valueType": "WORK", "value": value} for type_, value in reached_by if value],
            "originatorId": ORIGINATOR,
            "originId": origin,
        }
        result = await self._client.call(ADD, {"entityTypeId": TYPE_IDS["lead"], "fields": fields}, asked=asked)
        made = inside(result, "item")
        number = one_id(made.get("id"))
        if number is None:
            raise misread(self._client.name, ADD, "was answered without an id", code="no id")
        return Owner("lead", number, one_id(made.get("assignedById")))
