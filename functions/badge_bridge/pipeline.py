"""The story of one event: accept(delivery) -> process(claim) -> and sweep(), which finds what waits.

accept    a provider's request is checked, read, written durably and only then answered (`accepting.py`).
join      where several deliveries tell of one call, one of its legs waits for all, and makes one event of them when the
          call is over (`calls.py`).
process   a leased event meets the rules; what they ask for is done in the portal; how it ended is written down.
sweep     what is due is leased: fresh events, retries whose time has come, events whose holder vanished.
          Beside it, calls that a Bitrix24 portal never told of are fetched from what it keeps of calls, and enter
          as if they had been told (`backfill/`). What is over for longer than the rules file says is deleted
          (`retention.py`).

Everything that can go wrong between two of these lines is covered by the store: an event is in it before the provider
hears 2xx, and stays `waiting` or `working` until its last word is written. A crash costs time, never an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from badge_bridge import retry
from badge_bridge.accepting import Accepting
from badge_bridge.archive import FEW, Archive
from badge_bridge.attaching import BUDGET, Reached
from badge_bridge.calls import Calls
from badge_bridge.cards import Cards
from badge_bridge.doubts import Doubts, loop_time
from badge_bridge.errors import BridgeError, CallRefused, LeaseLost, OutcomeUnknown, StoreUnavailable
from badge_bridge.ignoring import why_ignored
from badge_bridge.meters import Meters
from badge_bridge.observability.event_line import log_event, log_left_out
from badge_bridge.outcomes import NOT_EVALUATED, Role
from badge_bridge.portal import Portal, refusal_in
from badge_bridge.rulesfile import Rule, RulesFile
from badge_bridge.settling import Progress, settle
from badge_bridge.sources.base import Delivery, Reply, Source
from badge_bridge.store.protocol import Claim, Settlement, Store

__all__ = ["Pipeline"]

logger = logging.getLogger("badge_bridge.pipeline")

LEASE = 90.0
"""Seconds that one attempt holds an event; longer than `BUDGET`, so that a live attempt is never taken over."""

SETTLE_AGAIN = 1.0
"""Seconds between tries to write the end of an attempt while the store cannot be written."""


@dataclass(frozen=True, slots=True)
class _Deed:
    """What an attempt does for one rule, by the names that its outcome is told with."""

    rule: str
    role: Role
    badge: str
    portal: str
    because: str = ""
    """Why, where the rule does not say it."""


@dataclass(frozen=True, slots=True)
class _Judges:
    """The rules that judge an event, and what does on cards what they say."""

    rules: RulesFile
    cards: Cards


class Pipeline:
    """Binds the rules, sources, portals and the store; keeps no state of its own but what it counts in `meters`.

    `random` returns a float in [0, 1), `steady` seconds that only ever pass; `wake` tells the dispatcher about new
    keys, and without any, that something else may be due now; `doubts` are as for `Cards`, and the rest of what it
    takes is as for `Accepting`.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        sources: Mapping[str, Source[Any]],
        portals: Mapping[str, Portal],
        store: Store,
        wake: Callable[[Sequence[str]], Awaitable[None]],
        clock: Callable[[], float],
        random: Callable[[], float],
        notice: Callable[[], None] = lambda: None,
        steady: Callable[[], float] = loop_time,
        application_tokens: Callable[..., Awaitable[Sequence[str]]] | None = None,
        token_refused: Callable[..., None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        budget: float = BUDGET,
        doubts: Doubts | None = None,
        meters: Meters | None = None,
    ) -> None:
        self._meters = meters or Meters()
        self.accepting = Accepting(
            rules=rules,
            sources=sources,
            store=store,
            wake=wake,
            clock=clock,
            notice=notice,
            application_tokens=application_tokens,
            token_refused=token_refused,
            meters=self._meters,
        )
        self.archive = Archive(store, clock=clock, steady=steady)
        self._rules = rules
        self._calls = Calls(rules=rules, sources=sources, store=store, clock=clock)
        self._cards = Cards(
            rules=rules, portals=portals, store=store, clock=clock, steady=steady, budget=budget, doubts=doubts
        )
        self._cards_by = lru_cache(maxsize=FEW)(self._cards.by)
        self._store = store
        self._wake = wake
        self._clock = clock
        self._random = random
        self._sleep = sleep
        self._budget = budget

    def source(self, name: str, method: str, path: str = "") -> Source[Any]:
        """The source behind `/hooks/{name}`, as `Accepting.source`."""
        return self.accepting.source(name, method, path)

    async def accept(self, source: Source[Any], delivery: Delivery) -> Reply:
        """Check, read and store one delivery, as `Accepting.accept`."""
        return await self.accepting.accept(source, delivery)

    async def sweep(self, limit: int) -> Sequence[Claim]:
        """Lease up to `limit` events that are due now, oldest first."""
        log_left_out()
        now = self._clock()
        due = await self._store.next_due(now=now)
        if due is None or due > now:
            return ()
        claims = await self._store.claim_due(now=now, lease=LEASE, limit=limit)
        self._meters.taken.add(by=len(claims))
        return claims

    async def process(self, claim: Claim) -> Settlement | None:
        """Do what the rules say about one leased event, and write down how that ended: as returned, or not at all where
        the lease was lost meanwhile.

        Raises:
            StoreUnavailable: nothing could be written down while the lease lasted; the event is taken up again.
        """
        progress = Progress(claim, started_at=self._clock())
        judged_by = claim.rules if claim.event.leg is None else ""
        try:
            await self.archive.keep(self._rules)
            if claim.failures > len(retry.SCHEDULE):
                progress.decisions.append(retry.GiveUp(f"{claim.failures} attempts ended without a result"))
            elif claim.event.leg is not None:
                await self._join(progress)
            else:
                await self._follow_rules(progress)
            settlement = settle(progress, ended_at=self._clock(), rules_hash=judged_by or self._rules.hash)
            held = progress.is_settled or await self._settle(claim, settlement)
        except LeaseLost:
            held = False
        except asyncio.CancelledError:
            # The process stops. Nothing is wrong with the event, and whoever comes next need not wait for the lease.
            await asyncio.shield(self._store.give_back(claim))
            raise
        if held:
            self._count(claim, settlement)
            _tell_settled(progress, settlement)
        elif claim.event.leg is None:
            logger.warning("%s: the lease was taken over meanwhile; its new holder decides", claim.key)
        # A leg that is not held any more was joined by another one of its call, as it should be.
        if progress.judged:
            await self._wake([progress.judged])
        if claim.lane:
            # A half-open lane lets one event through at a time: there is room for the next one now, whichever it is.
            await self._wake([])
        return settlement if held else None

    def _count(self, claim: Claim, settlement: Settlement) -> None:
        source, end = claim.event.source, settlement.state
        waits = "retry" if settlement.failed else "paused"
        self._meters.attempts.add(source, waits if end == "waiting" else end)
        if end == "done":
            self._meters.done.observe(settlement.ended_at - claim.received_at, source)
        for one in settlement.outcomes:
            self._meters.outcomes.add(one.rule, one.role, one.badge, one.portal, one.result)

    async def _settle(self, claim: Claim, settlement: Settlement) -> bool:
        """Write the end of an attempt, again and again while the lease lasts: the work is done, its record is not."""
        while True:
            try:
                return await self._store.settle(claim, settlement)
            except StoreUnavailable as error:
                if self._clock() + SETTLE_AGAIN >= claim.leased_until:
                    raise
                logger.warning("%s: its outcome could not be stored yet: %s", claim.key, error)
                await self._sleep(SETTLE_AGAIN)

    async def _join(self, progress: Progress) -> None:
        """Take up one leg of a call; the rules meet the judgement of the whole call."""
        try:
            joined = await self._calls.join(progress.claim)
        except Exception as error:  # noqa: BLE001 - whatever fails, the leg must keep its place
            progress.decisions.append(self._decide(error, progress, "joining it"))
        else:
            progress.joined, progress.judged, progress.is_settled = joined.settlement, joined.wake, joined.is_settled

    async def _follow_rules(self, progress: Progress) -> None:
        # By the event loop's clock, which does not jump.
        deadline = loop_time() + self._budget
        event = progress.claim.event
        try:
            judges = await self._judges(progress.claim.rules)
            judgements = judges.rules.judge(event)
        except Exception as error:  # noqa: BLE001 - an event that cannot be judged must not go round unseen
            progress.decisions.append(self._decide(error, progress, "judging it"))
            return
        clearing = judges.rules.clearing(event)
        progress.ignored_because = why_ignored(event, judgements, clearing)
        deeds: list[tuple[Rule, Role]] = [
            (judgement.rule, "act") for judgement in judgements if judgement.result == "matched"
        ]
        deeds += [(rule, "clear") for rule in clearing]
        finished = {(outcome.rule, outcome.role) for outcome in progress.claim.outcomes}
        for judgement in judgements:
            if judgement.problem is not None and (judgement.rule.name, "act") not in finished:
                progress.reached(judgement.rule.name, "ignored", reason=f"{NOT_EVALUATED}{judgement.problem}")
        left: Collection[str] = ()
        if progress.claim.revision and progress.claim.attempt > 1 and event.type != "call.unknown":
            # The event may have said something else before. What cannot be told any more takes nothing back.
            kept = [judgement.rule for judgement in judgements if judgement.result != "not matched"]
            left = await self._withdraw(kept, judges, progress, deadline)
        for rule, role in deeds:
            # A badge goes to another card only once it has left the first one.
            if (rule.name, role) not in finished and not (role == "act" and rule.name in left):
                await self._apply(rule, role, judges, progress, deadline)

    async def _judges(self, rules: str) -> _Judges:
        """Those of now, or those of the rules file that has this hash."""
        if rules in ("", self._rules.hash):
            return _Judges(self._rules, self._cards)
        then = await self.archive.of_then(rules)
        return _Judges(then, self._cards_by(then))

    async def _withdraw(
        self, kept: Collection[Rule], judges: _Judges, progress: Progress, deadline: float
    ) -> Collection[str]:
        """Take back what the event does not say any more; the rules whose badges could not be taken back yet."""
        claim = progress.claim
        try:
            rows = await judges.cards.withdrawable(claim.key, claim.event, kept=kept)
        except StoreUnavailable as error:
            progress.decisions.append(self._decide(error, progress, "withdrawing"))
            return [rule.name for rule in kept]
        left = []
        for row, why in rows:
            deed = _Deed(row.rule, "withdraw", row.badge, row.portal, because=why)
            if not await self._do(judges.cards.withdraw(row, claim, progress.asked), deed, progress, deadline):
                left.append(row.rule)
        return left

    async def _apply(self, rule: Rule, role: Role, judges: _Judges, progress: Progress, deadline: float) -> None:
        """Let one rule act or clear."""
        claim, asked = progress.claim, progress.asked
        if role == "clear":
            work: Awaitable[Reached | None] = judges.cards.clear(rule, claim.event, asked)
        else:
            work = judges.cards.act(rule, claim, asked)
        deed = _Deed(rule.name, role, judges.rules.badges[rule.badge].code, rule.portal)
        await self._do(work, deed, progress, deadline)

    async def _do(self, work: Awaitable[Reached | None], deed: _Deed, progress: Progress, deadline: float) -> bool:
        """Whether the work came to its end. A failure becomes a decision, so that the others still have their turn.

        Raises:
            LeaseLost: no other has one.
        """
        try:
            async with asyncio.timeout_at(deadline):
                reached = await work
        except TimeoutError:
            # What was refused and did not come to its next try would be so again, and for ever.
            refused = any(refusal_in(one.answer) is CallRefused for one in progress.asked)
            error = _out_of_time(deed.portal, was_sent=progress.asked.was_cut_off or refused)
            decision = self._decide(error, progress, deed.rule)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails, the event must keep its place
            decision = self._decide(error, progress, deed.rule)
        else:
            if reached is not None:
                self._tell_reached(deed, reached, progress)
            return True
        progress.decisions.append(decision)
        if isinstance(decision, retry.GiveUp):
            self._tell_reached(deed, Reached("failed", decision.reason), progress)
        return False

    def _tell_reached(self, deed: _Deed, reached: Reached, progress: Progress) -> None:
        if deed.because and reached.result != "failed":
            reached = replace(reached, reason=f"{reached.reason}; {deed.because}")
        progress.reached(deed.rule, role=deed.role, badge=deed.badge, portal=deed.portal, **asdict(reached))

    def _decide(self, error: Exception, progress: Progress, what: str) -> retry.Decision:
        if not isinstance(error, BridgeError):
            logger.error("%s: %s failed unexpectedly", progress.claim.key, what, exc_info=error)
        return retry.decide(error, failures=progress.claim.failures, now=self._clock(), random=self._random)


def _out_of_time(portal: str, *, was_sent: bool) -> BridgeError:
    """The portal did not answer in time; or it was our own queue that took so long, which is not the event's fault."""
    if was_sent:
        message = f"portal {portal}: no answer within the time of an attempt"
        return OutcomeUnknown(message, portal=portal, method="")
    return retry.NotSent(f"portal {portal}: it did not come to this event's turn within the time of an attempt")


def _tell_settled(progress: Progress, settlement: Settlement) -> None:
    claim = progress.claim
    log_event(
        key=claim.key,
        source=claim.event.source,
        provider=claim.event.provider,
        type=claim.event.type,
        caller=claim.event.caller,
        state=settlement.state,
        attempt=claim.attempt,
        failures=claim.failures + settlement.failed,
        waited=progress.started_at - claim.received_at,
        took=settlement.ended_at - progress.started_at,
        outcomes=settlement.outcomes,
        asked=settlement.asked,
        reason=settlement.reason,
        due=settlement.due,
        failed=settlement.failed,
        lane=settlement.lane,
        rules_hash=settlement.rules_hash,
    )
