"""The story of one event: accept(delivery) -> process(claim) -> and sweep(), which finds what waits.

accept    a provider's request is checked, read, written durably and only then answered.
process   a leased event meets the rules; what they ask for is done in the portal; how it ended is written down.
sweep     what is due is leased: fresh events, retries whose time has come, events whose holder vanished.

Everything that can go wrong between two of these lines is covered by the store: an event is in it before the provider
hears 2xx, and stays `waiting` or `working` until its last word is written. A crash costs time, never an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from badge_bridge import retry
from badge_bridge.errors import BridgeError, MethodNotAllowed, OutcomeUnknown, StoreUnavailable, UnknownSource
from badge_bridge.events import Event, event_key
from badge_bridge.observability.event_line import log_accept, log_event, log_left_out
from badge_bridge.outcomes import Outcome, Result
from badge_bridge.portal import Portal
from badge_bridge.rulesfile import Decision, Rule, RulesFile
from badge_bridge.settling import Attempt, settle
from badge_bridge.sources.base import Delivery, Reply, Source
from badge_bridge.store.protocol import Accepted, Claim, Settlement, Store

__all__ = ["Pipeline"]

logger = logging.getLogger("badge_bridge.pipeline")

LEASE = 90.0
"""Seconds that one attempt holds an event; longer than `BUDGET`, so that a live attempt is never taken over."""

BUDGET = 75.0
"""Seconds that one attempt may take."""


class Pipeline:
    """Binds the rules, sources, portals and the store; keeps no state of its own.

    `clock` returns unix seconds, `random` a float in [0, 1); `wake` tells the dispatcher about new keys.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        sources: Mapping[str, Source[Any]],
        portals: Mapping[str, Portal],
        store: Store,
        wake: Callable[[Sequence[str]], None],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._sources = sources
        self._portals = portals
        self._store = store
        self._wake = wake
        self._clock = clock
        self._random = random

    def source(self, name: str, method: str) -> Source[Any]:
        """The source behind `/hooks/{name}`.

        Raises:
            UnknownSource: the rules file has no such source.
            MethodNotAllowed: the provider never sends such a request.
        """
        source = self._sources.get(name)
        if source is None:
            raise UnknownSource("there is no such source")
        if method not in source.methods:
            raise MethodNotAllowed(f"this source takes {' and '.join(sorted(source.methods))}", allowed=source.methods)
        return source

    async def accept(self, source: Source[Any], delivery: Delivery) -> Reply:
        """Check, read and store one delivery; the reply is what its provider expects.

        Raises:
            DeliveryRefused: with the status for the sender; nothing was stored.
            StoreUnavailable: nothing was stored; a provider that hears 503 sends again.
        """
        handshake = source.handshake(delivery)
        if handshake is not None:
            return handshake
        verified = source.verify(delivery)
        batch = [
            Accepted(event_key(source.name, reading.identity), reading.event, verified, delivery.received_at)
            for reading in source.read(delivery)
        ]
        fresh = await self._store.accept(batch)
        new = [accepted.key for accepted, is_new in zip(batch, fresh, strict=True) if is_new]
        if new:
            self._wake(new)
        reply = source.reply()
        for accepted, is_new in zip(batch, fresh, strict=True):
            self._tell_accepted(accepted, reply, is_new=is_new)
        return reply

    def _tell_accepted(self, accepted: Accepted, reply: Reply, *, is_new: bool) -> None:
        log_accept(
            source=accepted.event.source,
            result="accepted" if is_new else "duplicate",
            status=reply.status,
            provider=accepted.event.provider,
            key=accepted.key,
            type=accepted.event.type,
            verified=accepted.verified,
            took=self._clock() - accepted.received_at,
        )

    async def sweep(self, limit: int) -> Sequence[Claim]:
        """Lease up to `limit` events that are due now, oldest first."""
        log_left_out()
        now = self._clock()
        due = await self._store.next_due()
        if due is None or due > now:
            return ()
        return await self._store.claim_due(now=now, lease=LEASE, limit=limit)

    async def process(self, claim: Claim) -> None:
        """Do what the rules say about one leased event, and write down how that ended.

        Raises:
            StoreUnavailable: nothing could be written down; the lease runs out and the event is taken up again.
        """
        attempt = Attempt(claim, started_at=self._clock())
        if claim.failures > len(retry.SCHEDULE):
            attempt.decisions.append(retry.GiveUp(f"given up: {claim.failures} attempts ended without a result"))
        else:
            await self._follow_rules(attempt)
        settlement = settle(attempt, ended_at=self._clock(), rules_hash=self._rules.hash)
        if await self._store.settle(claim, settlement):
            _tell_settled(attempt, settlement)
            if claim.lane:
                # A half-open lane lets one event through at a time: there is room for the next one now.
                self._wake([claim.key])
        else:
            logger.warning("%s: the lease was taken over meanwhile; its new holder decides", claim.key)

    async def _follow_rules(self, attempt: Attempt) -> None:
        # By the event loop's clock, which does not jump.
        deadline = asyncio.get_running_loop().time() + BUDGET
        finished = {outcome.rule for outcome in attempt.claim.outcomes}
        decision = self._rules.matching(attempt.claim.event)
        attempt.ignored_because = _explain(attempt.claim.event, decision)
        for judgement in decision.judgements:
            if judgement.rule.name in finished:
                continue
            if judgement.result == "matched":
                await self._apply(judgement.rule, attempt, deadline)
            elif judgement.problem is not None:
                attempt.outcomes.append(
                    Outcome(
                        rule=judgement.rule.name,
                        result="ignored",
                        reason=f"its condition could not be evaluated: {judgement.problem}",
                        attempt=attempt.claim.attempt,
                    )
                )

    async def _apply(self, rule: Rule, attempt: Attempt, deadline: float) -> None:
        """Let one rule act. A failure becomes a decision, so that the other rules still have their turn."""
        badge = self._rules.badges[rule.badge]
        try:
            async with asyncio.timeout_at(deadline):
                ensured = await self._portals[rule.portal].badges.ensure(badge, asked=attempt.asked)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails, the event must keep its place
            decision = self._decide(error, rule, attempt)
            attempt.decisions.append(decision)
            if not isinstance(decision, retry.GiveUp):
                return
            result: Result = "failed"
            reason = decision.reason
        else:
            result, reason = "ensured", ensured.how
        attempt.outcomes.append(
            Outcome(
                rule=rule.name,
                result=result,
                badge=badge.code,
                portal=rule.portal,
                reason=reason,
                attempt=attempt.claim.attempt,
            )
        )

    def _decide(self, error: Exception, rule: Rule, attempt: Attempt) -> retry.Decision:
        if isinstance(error, TimeoutError):
            error = OutcomeUnknown(
                f"portal {rule.portal}: no answer within the {BUDGET:g} s of an attempt", portal=rule.portal, method=""
            )
        elif not isinstance(error, BridgeError):
            logger.error("%s: rule %r failed unexpectedly", attempt.claim.key, rule.name, exc_info=error)
        return retry.decide(error, failures=attempt.claim.failures, now=self._clock(), random=self._random)


def _explain(event: Event, decision: Decision) -> str:
    """Why nothing is done, for an event that no rule matches."""
    if not decision.judgements:
        return f"no rule is for {event.type} from {event.source}"
    return f"no condition was true: {', '.join(judgement.rule.name for judgement in decision.judgements)}"


def _tell_settled(attempt: Attempt, settlement: Settlement) -> None:
    claim = attempt.claim
    log_event(
        key=claim.key,
        source=claim.event.source,
        provider=claim.event.provider,
        type=claim.event.type,
        state=settlement.state,
        attempt=claim.attempt,
        failures=claim.failures + settlement.failed,
        waited=attempt.started_at - claim.received_at,
        took=settlement.ended_at - attempt.started_at,
        outcomes=settlement.outcomes,
        asked=settlement.asked,
        reason=settlement.reason,
        due=settlement.due,
        failed=settlement.failed,
        lane=settlement.lane,
        rules_hash=settlement.rules_hash,
    )
