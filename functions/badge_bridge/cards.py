"""What a rule does on a card: attach a badge for one event, clear it again for a later one, or take it back.

Order is call time: an event attaches nothing where a later one has cleared it already. That is asked before adding, and
once more after the ledger has the id. A clearing event is in the store before it is processed, so either it finds the
row, or this second look finds it; there is no gap between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from badge_bridge.attaching import BUDGET, Attaching, Deed, Reached, join_of, owner_of, told_drift
from badge_bridge.customers import meant
from badge_bridge.doubts import Doubts, loop_time
from badge_bridge.errors import CallRefused, EarlierRulesUnusable
from badge_bridge.events import Event
from badge_bridge.outcomes import Asked
from badge_bridge.portal import Portal
from badge_bridge.rulesfile import Rule, RulesFile
from badge_bridge.store.protocol import Attachment, Claim, Store

__all__ = ["Cards"]


class Cards:
    """The rules' deeds in the portals. `clock` returns unix seconds, `steady` seconds that only ever pass; `budget` is
    how many one attempt takes at most; `doubts` are those of the process, which begin here if None. For what it gives
    them, `by` hands on those and the rules file of `now`.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        portals: Mapping[str, Portal],
        store: Store,
        clock: Callable[[], float],
        steady: Callable[[], float] = loop_time,
        budget: float = BUDGET,
        doubts: Doubts | None = None,
        now: RulesFile | None = None,
    ) -> None:
        self._rules = rules
        self._now = now or rules
        self._names = frozenset(rule.name for rule in rules.rules)
        self._clearing = self._names | {rule.name for rule in self._now.rules}
        """The rules that take their own badges off."""
        self._portals = portals
        self._store = store
        self._clock = clock
        self._budget = budget
        self._doubts = doubts or Doubts(clock=clock, steady=steady, budget=budget)
        self._attaching = Attaching(
            rules=rules, portals=portals, store=store, clock=clock, doubts=self._doubts, budget=budget
        )

    def by(self, rules: RulesFile) -> Cards:
        """The same by a rules file of before: its rules and badges, in the portals of now."""
        return Cards(
            rules=rules,
            portals=self._portals,
            store=self._store,
            clock=self._clock,
            budget=self._budget,
            doubts=self._doubts,
            now=self._now,
        )

    async def act(self, rule: Rule, claim: Claim, asked: Asked) -> Reached:
        """Do what a matching rule says about an event that is leased.

        Raises:
            PortalError, StoreUnavailable, InDoubt: it did not come to an end; doing it again later doubles nothing.
            EarlierRulesUnusable: the portal is one of then.
            LeaseLost: the event is not this attempt's any more.
        """
        portal = self._portals.get(rule.portal)
        if portal is None:
            raise EarlierRulesUnusable(
                f"portal {rule.portal}: the rules file does not have it any more, and the rule of then acts in it",
                "name it again",
            )
        if rule.attach is None:
            ensured = await portal.badges.ensure(self._rules.badges[rule.badge], asked=asked)
            return Reached("ensured", ensured.how + told_drift(ensured))
        join, unjoined = join_of(rule, claim.event)
        reached = await self._attaching.attach(Deed(rule, rule.attach, claim, portal, join, asked))
        return replace(reached, reason=reached.reason + unjoined)

    async def clear(self, rule: Rule, event: Event, asked: Asked) -> Reached | None:
        """Complete what `rule` has attached for earlier events that this one clears; None where there is nothing.

        Raises:
            PortalError, StoreUnavailable: not all of it was cleared; what was is known and not cleared again.
        """
        join, _ = join_of(rule, event)
        found = await self._store.open_attachments(join, before=event.time.timestamp()) if join else []
        rows = [row for row in found if row.portal == rule.portal and self._is_cleared_by(rule, row)]
        if not rows:
            return None
        ended = await asyncio.gather(*(self.close(row, asked) for row in rows), return_exceptions=True)
        told = [one for one in ended if isinstance(one, str)]
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure
        return Reached("cleared", "; ".join(told), owner_of(rows[-1]), rows[-1].activity)

    async def withdrawable(self, key: str, event: Event, *, kept: Collection[Rule]) -> list[tuple[Attachment, str]]:
        """What was attached for an event, or may have been, and does not belong on its card any more, each with the
        reason: the rule is not among those to be `kept`, or the card is another customer's.
        """
        rules = {rule.name: rule for rule in kept}
        rows = [row for row in await self._store.attachments(key) if row.closed_at is None]
        found = [(row, self._why_withdrawn(row, event, rules.get(row.rule))) for row in rows]
        return [(row, why) for row, why in found if why]

    def _why_withdrawn(self, row: Attachment, event: Event, rule: Rule | None) -> str:
        if row.rule not in self._names:
            return f"rule {row.rule!r} is not in the rules file any more"
        if rule is None:
            return f"rule {row.rule!r} does not match this event any more"
        if rule.portal != row.portal:
            return f"rule {row.rule!r} is for portal {rule.portal} now"
        return "the call turned out to be another customer's" if _is_of_another(row, rule, event) else ""

    async def withdraw(self, row: Attachment, claim: Claim, asked: Asked) -> Reached:
        """Take back what was attached for an event that turned out to be another one; it may be attached anew.

        Raises:
            PortalError, StoreUnavailable, InDoubt: it is not known to be completed.
            LeaseLost: as `act`.
        """
        if row.portal not in self._portals:
            raise CallRefused(
                f"portal {row.portal}: it is not in the rules file any more, so that the badge on {owner_of(row)} "
                "stays there; name it again and redrive the event, or complete its activity by hand",
                portal=row.portal,
                method="",
            )
        known: Attachment | None = row
        if row.activity is None:
            known = await self._attaching.find_doubtful(row, claim, asked)
        if known is None:
            return Reached("cleared", "it was never added", owner_of(row))
        how = await self._attaching.complete(known, asked)
        taken_back = replace(known, activity=None, closed_at=self._clock(), taken_back=known.taken_back + 1)
        await self._attaching.write(taken_back, claim)
        return Reached("cleared", how, owner_of(known), known.activity)

    async def close(self, row: Attachment, asked: Asked) -> str:
        """As `Attaching.close`."""
        return await self._attaching.close(row, asked)

    def _is_cleared_by(self, rule: Rule, row: Attachment) -> bool:
        """The rule's own, and what a rule has attached that the file has no longer: nobody else would clear it."""
        return row.rule == rule.name or row.rule not in self._clearing


def _is_of_another(row: Attachment, rule: Rule, event: Event) -> bool:
    """Whether the card of a row is not that of the event's customer. What is not known moves no badge."""
    if rule.attach is None:
        return False
    if row.customer:
        looked_for = meant(rule.attach, event)
        return bool(looked_for) and looked_for != row.customer
    join, _ = join_of(rule, event)
    return bool(join and row.join) and join != row.join
