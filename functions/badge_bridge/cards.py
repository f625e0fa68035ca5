"""What a rule does on a card: attach a badge for one event, and clear it again for a later one.

Exactly one activity for an event and a rule, whatever is killed whenever, rests on the ledger (`Store.attach`). A row
is written before the activity is added, and completed when its id is known. Whoever finds a row without an id looks
the activity up by its origin before adding it (Bitrix24 docs, "crm.activity.configurable.add": nothing there is
idempotent), and believes that it is not there only once the portal can no longer be working on it.

Order is call time: an event attaches nothing where a later one has cleared it already. That is asked before adding, and
once more after the ledger has the id. A clearing event is in the store before it is processed, so either it finds the
row, or this second look finds it; there is no gap between them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, TypeVar

from badge_bridge.cel import EvaluationError
from badge_bridge.errors import CallRefused, InDoubt, OutcomeUnknown, PortalError
from badge_bridge.events import Event
from badge_bridge.outcomes import Asked, Result
from badge_bridge.portal import (
    E164,
    Customer,
    Ensured,
    Facts,
    Found,
    NewActivity,
    Owner,
    OwnerGone,
    OwnerKind,
    Portal,
    WantedOwner,
    build_layout,
    content,
    kind_of,
    origin_of,
    refusal_in,
)
from badge_bridge.rulesfile import Attach, Rule, RulesFile
from badge_bridge.store.protocol import Attachment, Store

__all__ = ["BUDGET", "CERTAIN_AFTER", "Cards", "Reached"]

A = TypeVar("A")
B = TypeVar("B")

_TELEPHONE = re.compile(r"\+?(?:[\s().\-/]{0,2}[0-9]){6,15}[\s)]{0,2}")
"""E.164, or a number as it was received, which could not be read."""

BUDGET = 75.0
"""Seconds that one attempt may take."""

CERTAIN_AFTER = 65.0
"""Seconds after which an add that brought no answer is over: Bitrix24 ends a request after 60 (docs, "Limits")."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of one rule for one event."""

    result: Result
    reason: str
    owner: str = ""
    activity: int | None = None


@dataclass(frozen=True, slots=True)
class _Deed:
    """One rule, one event, and the portal in which it is done; `asked` gathers what the portal was asked."""

    rule: Rule
    attach: Attach
    key: str
    event: Event
    portal: Portal
    join: str
    asked: Asked
    taken_back: int = 0
    """How often a badge of this rule was taken back from the event's card."""

    @property
    def customer(self) -> Customer:
        return _customer(self.event)


class Cards:
    """The rules' deeds in the portals. `clock` returns unix seconds, `budget` is how many one attempt takes at most."""

    def __init__(
        self,
        *,
        rules: RulesFile,
        portals: Mapping[str, Portal],
        store: Store,
        clock: Callable[[], float],
        budget: float = BUDGET,
    ) -> None:
        self._rules = rules
        self._names = frozenset(rule.name for rule in rules.rules)
        self._portals = portals
        self._store = store
        self._clock = clock
        self._budget = budget

    async def act(self, rule: Rule, key: str, event: Event, asked: Asked) -> Reached:
        """Do what a matching rule says about an event.

        Raises:
            PortalError, StoreUnavailable, InDoubt: it did not come to an end; doing it again later doubles nothing.
        """
        portal = self._portals[rule.portal]
        if rule.attach is None:
            ensured = await portal.badges.ensure(self._rules.badges[rule.badge], asked=asked)
            return Reached("ensured", ensured.how + _told_drift(ensured))
        join, unjoined = _join(rule, event)
        reached = await self._attach(_Deed(rule, rule.attach, key, event, portal, join, asked))
        return replace(reached, reason=reached.reason + unjoined)

    async def clear(self, rule: Rule, event: Event, asked: Asked) -> Reached | None:
        """Complete what `rule` has attached for earlier events that this one clears; None where there is nothing.

        Raises:
            PortalError, StoreUnavailable: not all of it was cleared; what was is known and not cleared again.
        """
        join, _ = _join(rule, event)
        found = await self._store.open_attachments(join, before=event.time.timestamp()) if join else []
        rows = [row for row in found if row.portal == rule.portal and self._is_cleared_by(rule, row)]
        if not rows:
            return None
        ended = await asyncio.gather(*(self.close(row, asked) for row in rows), return_exceptions=True)
        told = [one for one in ended if isinstance(one, str)]
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure
        return Reached("cleared", "; ".join(told), _owner_of(rows[-1]), rows[-1].activity)

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
            return f"the rules file has no rule {row.rule!r} any more, and the call was judged anew as {event.type}"
        if rule is None:
            return f"the call turned out as {event.type}"
        if rule.portal != row.portal:
            return f"the rule's portal is {rule.portal} now"
        return "the call turned out to be another customer's" if _is_of_another(row, rule, event) else ""

    async def withdraw(self, row: Attachment, asked: Asked) -> Reached:
        """Take back what was attached for an event that turned out to be another one; it may be attached anew.

        Raises:
            PortalError, StoreUnavailable, InDoubt: it is not known to be completed.
        """
        if row.portal not in self._portals:
            raise CallRefused(
                f"portal {row.portal}: it is not in the rules file any more, so that the badge on {_owner_of(row)} "
                "stays there; name it again and redrive the event, or complete its activity by hand",
                portal=row.portal,
                method="",
            )
        known: Attachment | None = row
        if row.activity is None:
            known = await self._find_doubtful(row, asked)
        if known is None:
            return Reached("cleared", "it was never added", _owner_of(row))
        how = await self._complete(known, asked)
        await self._store.attach(
            replace(known, activity=None, closed_at=self._clock(), taken_back=known.taken_back + 1)
        )
        return Reached("cleared", how, _owner_of(known), known.activity)

    async def close(self, row: Attachment, asked: Asked) -> str:
        """Complete one activity; says in half a sentence how that ended.

        Raises:
            PortalError, StoreUnavailable: it is not known to be completed.
        """
        how = await self._complete(row, asked)
        await self._store.close_attachment(row.key, row.rule, now=self._clock())
        return how

    async def _complete(self, row: Attachment, asked: Asked) -> str:
        assert row.activity is not None, "a row without an activity is not open"
        how = await self._portals[row.portal].activities.complete(row.activity, row.content, asked=asked)
        said = "completed" if how == "completed" else "was gone already"
        return f"activity {row.activity} on {_owner_of(row)} {said}"

    def _is_cleared_by(self, rule: Rule, row: Attachment) -> bool:
        """The rule's own, and what a rule has attached that the file has no longer: nobody else would clear it."""
        return row.rule == rule.name or row.rule not in self._names

    async def _attach(self, deed: _Deed) -> Reached:
        row = await self._row(deed)
        if row is not None and row.activity is not None:
            if row.closed_at is not None:
                return Reached("cleared", "it was attached and cleared before", _owner_of(row), row.activity)
            return await self._confirm(deed, await self._told_anew(row, deed), "it was attached before")
        if row is not None and row.closed_at is None:
            found = await self._find_doubtful(row, deed.asked)
            if found is not None:
                return await self._confirm(deed, found, "an earlier attempt had added it")
        later = await self._later(deed)
        if later:
            return Reached("cleared", f"never attached: {later}")
        added, how = await self._add(replace(deed, taken_back=row.taken_back if row else 0))
        return Reached("ignored", how) if added is None else await self._confirm(deed, added, how)

    async def _told_anew(self, row: Attachment, deed: _Deed) -> Attachment:
        """The row as later events shall find it, where a call that was judged anew has another time or join."""
        known = replace(row, time=deed.event.time.timestamp(), join=deed.join)
        if known != row:
            await self._store.attach(known)
        return known

    async def _row(self, deed: _Deed) -> Attachment | None:
        return next((row for row in await self._store.attachments(deed.key) if row.rule == deed.rule.name), None)

    async def _find_doubtful(self, row: Attachment, asked: Asked) -> Attachment | None:
        """What an earlier attempt may have added: the completed row, or None where it certainly added nothing."""
        now = self._clock()
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
            return await self._know(row, found.id)
        # The event is ours, so whoever worked on it before sends nothing any more.
        sent_at = None if row.sent_at is None else min(row.sent_at, now)
        if sent_at is not None and now < sent_at + CERTAIN_AFTER:
            await self._store.attach(replace(row, sent_at=sent_at))
            raise InDoubt(
                f"portal {row.portal}: an earlier attempt to add an activity brought no answer, and until the portal "
                "must have ended it, nobody knows that it is not there",
                until=sent_at + CERTAIN_AFTER,
            )
        await self._let_go(row)
        return None

    async def _let_go(self, row: Attachment) -> None:
        """Nothing was added. What was taken back before stays known, since the mark of the next one depends on it."""
        if row.taken_back:
            await self._store.attach(replace(row, sent_at=None, closed_at=self._clock()))
        else:
            await self._store.unattach(row.key, row.rule)

    async def _add(self, deed: _Deed) -> tuple[Attachment | None, str]:
        """The completed row of a new activity and how its card was found; no row where there is no card."""
        try:
            return await self._add_to(deed, await self._owner(deed))
        except OwnerGone:
            # What was found may be a minute old.
            deed.portal.owners.forget(deed.customer)
            return await self._add_to(deed, await self._owner(deed))

    async def _owner(self, deed: _Deed) -> Found:
        """The owner, looked for while the badge is ensured."""
        given, not_given = _given(deed.attach, deed.event)
        wanted = WantedOwner(deed.attach.to, given)
        badge = self._rules.badges[deed.rule.badge]
        ensured, found = await _both(
            deed.portal.badges.ensure(badge, asked=deed.asked),
            deed.portal.owners.find(deed.customer, wanted, asked=deed.asked),
        )
        if found.owner is None and deed.attach.on_missing == "lead":
            title = deed.attach.title.fill(deed.event)
            one = title if isinstance(title, str) else next(iter(title.values()))
            found = await deed.portal.owners.create_lead(deed.customer, one, asked=deed.asked)
        return replace(found, how=found.how + not_given + _told_drift(ensured))

    async def _add_to(self, deed: _Deed, found: Found) -> tuple[Attachment | None, str]:
        if found.owner is None:
            return None, found.how
        badge = self._rules.badges[deed.rule.badge]
        # It may wait for its turn until the attempt ends, and nobody is told when it leaves.
        row = _new_row(deed, badge.code, found.owner, sent_at=self._clock() + self._budget)
        await self._store.attach(row)
        before = len(deed.asked)
        new = NewActivity(found.owner, badge, origin_of(row.key, row.rule, row.taken_back), row.content)
        try:
            added = await deed.portal.activities.add(new, look_first=False, asked=deed.asked)
        except OutcomeUnknown as error:
            await self._store.attach(replace(row, sent_at=None if error.is_over else self._clock()))
            raise
        except PortalError:
            await self._let_go(row)
            raise
        except asyncio.CancelledError:
            # Cut off; where nothing was sent that was not refused, it was certainly not added.
            if not deed.asked.under_way and all(refusal_in(one.answer) for one in deed.asked[before:]):
                await self._let_go(row)
            raise
        return await self._know(row, added.id), found.how

    async def _know(self, row: Attachment, activity: int) -> Attachment:
        known = replace(row, activity=activity, sent_at=None)
        await self._store.attach(known)
        return known

    async def _confirm(self, deed: _Deed, row: Attachment, how: str) -> Reached:
        """Look once more for an event that clears this one: it may have come while the activity was added."""
        later = await self._later(deed)
        if later:
            return Reached("cleared", f"{await self.close(row, deed.asked)}: {later}", _owner_of(row), row.activity)
        return Reached("badged", how, _owner_of(row), row.activity)

    async def _later(self, deed: _Deed) -> str:
        """Which later event has cleared this one; empty where none has."""
        if not deed.join:
            return ""
        for key, event in await self._store.joined(deed.join, after=deed.event.time.timestamp(), limit=1000):
            clearing = self._rules.clearing(event)
            # By what it says now: an event that was judged anew is still found by what it said before.
            if any(
                (rule.name, rule.portal) == (deed.rule.name, deed.rule.portal) and _join(rule, event)[0] == deed.join
                for rule in clearing
            ):
                return f"{event.type} of {_moment(event)} came later ({key})"
        return ""


def _join(rule: Rule, event: Event) -> tuple[str, str]:
    """What joins the event with others, and what to say where that cannot be evaluated."""
    try:
        return rule.join(event), ""
    except EvaluationError as error:
        return "", f"; nothing will clear it, since clear.same gives no value: {error.message}"


def _is_of_another(row: Attachment, rule: Rule, event: Event) -> bool:
    """Whether the card of a row is not that of the event's customer. What is not known moves no badge."""
    if rule.attach is None:
        return False
    if row.customer:
        meant = _meant(rule.attach, event)
        return bool(meant) and meant != row.customer
    join, _ = _join(rule, event)
    return bool(join and row.join) and join != row.join


def _meant(attach: Attach, event: Event) -> str:
    """By what the event's card is looked for; empty where nothing is known of that."""
    given, _ = _given(attach, event)
    customer = _customer(event)
    return f"{given[0]} {given[1]}" if given else customer.phone or customer.email


def _customer(event: Event) -> Customer:
    own = event.provider == "bitrix24" and event.type.startswith("call.")
    # A subject may be anything, such as an order's number, and must not be looked up as a telephone's.
    subject = event.subject if E164.fullmatch(event.subject) else ""
    party = event.callee if event.direction == "outbound" else event.caller
    return Customer(
        phone=subject or (party if _TELEPHONE.fullmatch(party) else ""),
        email=event.email,
        call_id=event.id if own else "",
    )


def _given(attach: Attach, event: Event) -> tuple[tuple[OwnerKind, int] | None, str]:
    """The card that the event itself names, if it does, and what to say where that cannot be told."""
    try:
        return attach.given(event), ""
    except EvaluationError as error:
        return None, f" (attach.owner gives no id: {error.message})"


def _new_row(deed: _Deed, badge: str, owner: Owner, *, sent_at: float) -> Attachment:
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
        customer=_meant(attach, event),
        taken_back=deed.taken_back,
    )


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Two things side by side; both end before an error of either is raised, so that nothing goes on unseen."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    for result in (one, two):
        if isinstance(result, BaseException):
            raise result
    return one, two


def _owner_of(row: Attachment) -> str:
    return f"{kind_of(row.owner_type)} {row.owner_id}"


def _told_drift(ensured: Ensured) -> str:
    """How the portal's badge differs from the one in the rules file; it is used as it is."""
    return f", but with another {' and '.join(one.field for one in ensured.drift)}" if ensured.drift else ""


def _moment(event: Event) -> str:
    return event.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
