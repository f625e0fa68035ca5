"""Attaching a badge to a card: exactly one activity for one event and one rule, whatever is killed whenever.

It rests on the ledger (`Store.attach`). A row is written before the activity is added, and completed when its id is
known. Whoever finds a row without an id looks the activity up by its origin before adding it (Bitrix24 docs,
"crm.activity.configurable.add": nothing there is idempotent), and believes that it is not there only once the portal
can no longer be working on it.

An attempt writes to the ledger under its lease, and adds nothing that it could not write down. Where its lease ends
before it does, since a clock was put forward or the process stood still, either its row is there when the next attempt
looks, or it is refused and stops (`LeaseLost`). What it has sent by then nobody can call back: the next one finds the
row without an id, waits until the portal must have ended the request, and looks the activity up.

That rests on an attempt sending nothing after its `BUDGET`, which the event loop sees to. It is not certain of what
the process had handed to its machine before both stood still, for longer than a doubt lasts. Nor is it where a
clock was put forward before the process began that takes over, and the one before lives on (`doubts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, TypeVar

from badge_bridge.cel import EvaluationError
from badge_bridge.customers import customer_of, given, meant
from badge_bridge.doubts import Doubts
from badge_bridge.errors import CallRefused, InDoubt, LeaseLost, OutcomeUnknown, PortalError
from badge_bridge.events import Event
from badge_bridge.outcomes import Asked, Result
from badge_bridge.portal import (
    Customer,
    Ensured,
    Facts,
    Found,
    NewActivity,
    Owner,
    OwnerGone,
    Portal,
    WantedOwner,
    build_layout,
    content,
    kind_of,
    origin_of,
    refusal_in,
)
from badge_bridge.rulesfile import Attach, Rule, RulesFile
from badge_bridge.store.protocol import Attachment, Claim, Store

__all__ = ["BUDGET", "FORGOTTEN_FOR", "Attaching", "Deed", "Reached", "join_of", "owner_of", "told_drift"]

A = TypeVar("A")
B = TypeVar("B")

BUDGET = 75.0
"""Seconds that one attempt may take."""

FORGOTTEN_FOR = 7 * 86_400.0
"""Seconds after a restore during which every badge is looked for before it is attached: longer than senders try
again."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of one rule for one event."""

    result: Result
    reason: str
    owner: str = ""
    activity: int | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """One rule, one attempt at an event, and the portal in which it is done; `asked` gathers what that was asked."""

    rule: Rule
    attach: Attach
    claim: Claim
    portal: Portal
    join: str
    asked: Asked
    taken_back: int = 0
    """How often a badge of this rule was taken back from the event's card."""

    @property
    def key(self) -> str:
        return self.claim.key

    @property
    def event(self) -> Event:
        return self.claim.event

    @property
    def customer(self) -> Customer:
        return customer_of(self.event)


class Attaching:
    """What `Cards` attaches and closes with; its parameters are those of `Cards`, and its `doubts`."""

    def __init__(
        self,
        *,
        rules: RulesFile,
        portals: Mapping[str, Portal],
        store: Store,
        clock: Callable[[], float],
        doubts: Doubts,
        budget: float,
    ) -> None:
        self._rules = rules
        self._portals = portals
        self._store = store
        self._clock = clock
        self._doubts = doubts
        self._budget = budget

    async def attach(self, deed: Deed) -> Reached:
        """Put the badge on the card that the event belongs on, unless it is there, or was cleared already.

        Raises:
            PortalError, StoreUnavailable, InDoubt: it did not come to an end; doing it again later doubles nothing.
            LeaseLost: the event is not this attempt's any more.
        """
        row = await self._row(deed)
        if row is not None and row.activity is not None:
            return await self._attached_before(row, deed)
        if row is not None and row.closed_at is None:
            found = await self.find_doubtful(row, deed.claim, deed.asked)
            if found is not None:
                return await self._confirm(deed, found, "an earlier attempt had added it")
        deed = replace(deed, taken_back=row.taken_back if row else 0)
        if self._may_be_forgotten(deed.event):
            forgotten = await self._find_forgotten(deed)
            if forgotten is not None:
                return await self._confirm(deed, forgotten, "it was attached before the store was restored")
        later = await self._later(deed)
        if later:
            return Reached("cleared", f"never attached: {later}")
        added, how = await self._add(deed)
        return Reached("ignored", how) if added is None else await self._confirm(deed, added, how)

    async def _attached_before(self, row: Attachment, deed: Deed) -> Reached:
        if row.closed_at is not None:
            return Reached("cleared", "it was attached and cleared before", owner_of(row), row.activity)
        if deed.claim.since and await self._was_taken_off(row, deed):
            # Who redrives it asks what is so now. That somebody has taken it off is a decision of his, and stays.
            said = f"somebody has taken it off in the portal: activity {row.activity} is completed or deleted"
            return Reached("cleared", said, owner_of(row), row.activity)
        return await self._confirm(deed, await self._told_anew(row, deed), "it was attached before")

    async def _was_taken_off(self, row: Attachment, deed: Deed) -> bool:
        """Whether the portal says so; then the ledger says it too."""
        assert row.activity is not None, "a row without an activity is not on a card"
        if not await self._portals[row.portal].activities.is_over(row.activity, asked=deed.asked):
            return False
        await self._store.close_attachment(row.key, row.rule, now=self._clock(), activity=row.activity)
        return True

    def _may_be_forgotten(self, event: Event) -> bool:
        """Whether its badge may be on a card without a row in the ledger, since the store is a backup put in place.

        A sender may deliver once more what the backup does not know. When that happened is what the sender says; where
        he says nothing it looks as if it happened now, so for a time it is looked for whatever it says.
        """
        restored_at = self._store.restored_at
        if restored_at is None:
            return False
        return event.time.timestamp() <= restored_at or self._clock() < restored_at + FORGOTTEN_FOR

    async def _find_forgotten(self, deed: Deed) -> Attachment | None:
        """Its activity by the mark, which is the same as then, with a row made anew; None where there is none."""
        card, _ = given(deed.attach, deed.event)
        found = await deed.portal.owners.find(deed.customer, WantedOwner(deed.attach.to, card), asked=deed.asked)
        if found.owner is None:
            return None
        badge = self._rules.badges[deed.rule.badge]
        row = _new_row(deed, badge.code, found.owner, sent_at=None)
        return await self.find_doubtful(row, deed.claim, deed.asked)

    async def _told_anew(self, row: Attachment, deed: Deed) -> Attachment:
        """The row as later events shall find it, where a call that was judged anew has another time or join."""
        known = replace(row, time=deed.event.time.timestamp(), join=deed.join)
        if known != row:
            await self.write(known, deed.claim)
        return known

    async def _row(self, deed: Deed) -> Attachment | None:
        return next((row for row in await self._store.attachments(deed.key) if row.rule == deed.rule.name), None)

    async def write(self, row: Attachment, claim: Claim) -> None:
        """Write a row of the event that an attempt works on.

        Raises:
            LeaseLost: nothing was written.
            StoreUnavailable: as `Store.attach`.
        """
        if not await self._store.attach(row, claim=claim):
            raise LeaseLost(f"{claim.key}: the lease of attempt {claim.attempt} was taken over meanwhile")

    async def find_doubtful(self, row: Attachment, claim: Claim, asked: Asked) -> Attachment | None:
        """What an earlier attempt may have added: the completed row, or None where it certainly added nothing.

        Raises:
            PortalError, StoreUnavailable, InDoubt, LeaseLost: as `attach`.
        """
        look = self._doubts.look()
        try:
            found = await self._portals[row.portal].activities.find(
                origin_of(row.key, row.rule, row.taken_back),
                owner_type=row.owner_type,
                owner_id=row.owner_id,
                asked=asked,
            )
        except CallRefused as refusal:
            # Giving up here would leave a badge on a card that nobody takes away any more: it may be possible later.
            raise PortalError(
                f"{refusal} (an earlier attempt may have added the activity, which has to be looked up)",
                portal=refusal.portal,
                method=refusal.method,
                code=refusal.code,
                status=refusal.status,
            ) from refusal
        if found is not None:
            return await self._know(row, found.id, claim)
        sent_at = None if row.sent_at is None else look.left(row.sent_at)
        if sent_at is not None and look.now < look.ends(sent_at):
            await self.write(replace(row, sent_at=sent_at), claim)
            raise InDoubt(
                f"portal {row.portal}: an earlier attempt to add an activity brought no answer, and until the portal "
                "must have ended it, nobody knows that it is not there",
                until=look.ends(sent_at),
            )
        await self._let_go(row, claim)
        return None

    async def _let_go(self, row: Attachment, claim: Claim) -> None:
        """Nothing was added. What was taken back before stays known, since the mark of the next one depends on it.

        Without its lease an attempt changes nothing: the row may be another's by now.
        """
        if row.taken_back:
            await self._store.attach(replace(row, sent_at=None, closed_at=self._clock()), claim=claim)
        else:
            await self._store.unattach(row.key, row.rule, claim=claim)

    async def _add(self, deed: Deed) -> tuple[Attachment | None, str]:
        """The completed row of a new activity and how its card was found; no row where there is no card."""
        try:
            return await self._add_to(deed, await self._owner(deed))
        except OwnerGone:
            # What was found may be a minute old.
            deed.portal.owners.forget(deed.customer)
            return await self._add_to(deed, await self._owner(deed))

    async def _owner(self, deed: Deed) -> Found:
        """The owner, looked for while the badge is ensured."""
        card, not_given = given(deed.attach, deed.event)
        wanted = WantedOwner(deed.attach.to, card)
        badge = self._rules.badges[deed.rule.badge]
        if deed.claim.since and not deed.claim.failures:
            # It was redriven, maybe since somebody has entered the customer just now.
            deed.portal.owners.forget(deed.customer)
        ensured, found = await _both(
            deed.portal.badges.ensure(badge, asked=deed.asked),
            deed.portal.owners.find(deed.customer, wanted, asked=deed.asked),
        )
        if found.owner is None and deed.attach.on_missing == "lead":
            title = deed.attach.title.fill(deed.event)
            one = title if isinstance(title, str) else next(iter(title.values()))
            found = await deed.portal.owners.create_lead(deed.customer, one, asked=deed.asked)
        return replace(found, how=found.how + not_given + told_drift(ensured))

    async def _add_to(self, deed: Deed, found: Found) -> tuple[Attachment | None, str]:
        if found.owner is None:
            return None, found.how
        badge = self._rules.badges[deed.rule.badge]
        # It may wait for its turn until the attempt ends, and nobody is told when it leaves.
        row = _new_row(deed, badge.code, found.owner, sent_at=self._doubts.look().now + self._budget)
        await self.write(row, deed.claim)
        before = len(deed.asked)
        new = NewActivity(found.owner, badge, origin_of(row.key, row.rule, row.taken_back), row.content)
        try:
            added = await deed.portal.activities.add(new, look_first=False, asked=deed.asked)
        except OutcomeUnknown as error:
            await self.write(replace(row, sent_at=None if error.is_over else self._clock()), deed.claim)
            raise
        except PortalError:
            await self._let_go(row, deed.claim)
            raise
        except asyncio.CancelledError:
            # Cut off; where nothing was sent that was not refused, it was certainly not added.
            if not deed.asked.under_way and all(refusal_in(one.answer) for one in deed.asked[before:]):
                await self._let_go(row, deed.claim)
            raise
        return await self._know(row, added.id, deed.claim), found.how

    async def _know(self, row: Attachment, activity: int, claim: Claim) -> Attachment:
        known = replace(row, activity=activity, sent_at=None)
        await self.write(known, claim)
        return known

    async def _confirm(self, deed: Deed, row: Attachment, how: str) -> Reached:
        """Look once more for an event that clears this one: it may have come while the activity was added."""
        later = await self._later(deed)
        if later:
            return Reached("cleared", f"{await self.close(row, deed.asked)}: {later}", owner_of(row), row.activity)
        return Reached("badged", how, owner_of(row), row.activity)

    async def _later(self, deed: Deed) -> str:
        """Which later event has cleared this one; empty where none has."""
        if not deed.join:
            return ""
        for key, event in await self._store.joined(deed.join, after=deed.event.time.timestamp(), limit=1000):
            clearing = self._rules.clearing(event)
            # By what it says now: an event that was judged anew is still found by what it said before.
            if any(
                (rule.name, rule.portal) == (deed.rule.name, deed.rule.portal) and join_of(rule, event)[0] == deed.join
                for rule in clearing
            ):
                return f"{event.type} of {_moment(event)} came later ({key})"
        return ""

    async def close(self, row: Attachment, asked: Asked) -> str:
        """Complete one activity; says in half a sentence how that ended.

        Raises:
            PortalError, StoreUnavailable: it is not known to be completed.
        """
        how = await self.complete(row, asked)
        await self._store.close_attachment(row.key, row.rule, now=self._clock(), activity=row.activity)
        return how

    async def complete(self, row: Attachment, asked: Asked) -> str:
        """As `close`, and the ledger is left as it is."""
        assert row.activity is not None, "a row without an activity is not open"
        how = await self._portals[row.portal].activities.complete(row.activity, row.content, asked=asked)
        said = "completed" if how == "completed" else "was gone already"
        return f"activity {row.activity} on {owner_of(row)} {said}"


def join_of(rule: Rule, event: Event) -> tuple[str, str]:
    """What joins the event with others, and what to say where that cannot be evaluated."""
    try:
        return rule.join(event), ""
    except EvaluationError as error:
        return "", f"; nothing will clear it, since clear.same gives no value: {error.message}"


def _new_row(deed: Deed, badge: str, owner: Owner, *, sent_at: float | None) -> Attachment:
    attach, event = deed.attach, deed.event
    layout = build_layout(
        title=attach.title.fill(event),
        text=attach.text.fill(event) if attach.text else None,
        facts=Facts(time=event.time, caller=event.caller, line=event.line, reason=event.reason),
        icon=attach.icon,
        logo=attach.logo,
        call_back=deed.customer.phone if attach.button else "",
    )
    return Attachment(
        key=deed.key,
        rule=deed.rule.name,
        portal=deed.rule.portal,
        badge=badge,
        owner_type=owner.type_id,
        owner_id=owner.id,
        time=event.time.timestamp(),
        join=deed.join,
        content=content(
            badge=badge,
            origin_id=origin_of(deed.key, deed.rule.name, deed.taken_back),
            responsible=owner.responsible,
            layout=layout,
        ),
        sent_at=sent_at,
        customer=meant(attach, event),
        taken_back=deed.taken_back,
    )


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Two things side by side; both end before an error of either is raised, so that nothing goes on unseen."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    for result in (one, two):
        if isinstance(result, BaseException):
            raise result
    return one, two


def owner_of(row: Attachment) -> str:
    return f"{kind_of(row.owner_type)} {row.owner_id}"


def told_drift(ensured: Ensured) -> str:
    """How the portal's badge differs from the one in the rules file; it is used as it is."""
    return f", but with another {' and '.join(one.field for one in ensured.drift)}" if ensured.drift else ""


def _moment(event: Event) -> str:
    return event.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
