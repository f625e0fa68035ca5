"""What came of an event and what happens next, in sentences for whoever was asked why a card shows no badge."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from badge_bridge.customers import customer_of
from badge_bridge.events import Leg
from badge_bridge.ignoring import why
from badge_bridge.moments import span
from badge_bridge.outcomes import Outcome, latest
from badge_bridge.portal.reasons import in_words, parse
from badge_bridge.rulesfile import Badge
from badge_bridge.store.protocol import Attachment, Attempt, Pause, Redrive, StoredEvent

__all__ = [
    "came_of",
    "ended",
    "in_short",
    "lateness",
    "next_step",
    "of_leg",
    "plainly",
    "redriven",
    "unbelieved",
]

_PARTIES = {
    "": "",
    "customer": "the customer's connection",
    "agent": "somebody of ours",
    "machine": "a menu, a queue or a machine",
}
_CLAUSE = re.compile(r"(?:;|\.) ")
_WAITS = re.compile(r"portal (\S+): (\S+) waits for lane (\S+): (.+)", re.DOTALL)
"""The reason of what waits for a pause that it did not cause (`Lanes`): whose, of what, for what, and why."""

_PROMPT = 1.0
"""Seconds within which something is received as it happens."""

_LATE = 60.0
"""Seconds after which what is due was forgotten by those who should work on it."""


def came_of(
    stored: StoredEvent,
    rows: Iterable[Attachment],
    badges: Mapping[str, Badge],
    *,
    now: float,
    in_a_list: bool = False,
) -> str:
    """What came of it, with a full stop. `rows` are the event's in the ledger, which say what is on a card still;
    `badges` are by code, `now` in unix seconds. In a list its reason is told `in_short`.
    """
    if in_a_list:
        stored = replace(stored, reason=in_short(stored.reason))
    match stored.state:
        case "working":
            return "Being worked on."
        case "waiting":
            return _waiting(stored, now)
        case "done":
            closed = {row.rule for row in rows if row.closed_at is not None}
            said = [_did(outcome, badges, closed) for outcome in latest(stored.outcomes) if outcome.result != "ignored"]
            return " ".join(said) or "Done."
        case _:
            return _sentence(stored.reason or stored.state)


def next_step(stored: StoredEvent, pause: Pause | None, *, now: float) -> str:
    """What happens next, or what to do so that something does; empty where nothing is left to do. `pause` is that of
    the lane it waits for.
    """
    match stored.state:
        case "waiting":
            return _until(stored, pause, now)
        case "working":
            return "Look again in a moment."
        case "dead":
            return "It is not tried again by itself. Mend what the reason says, then redrive it."
        case "ignored":
            return _of_ignored(stored)
        case "joined":
            return "What came of the whole call is told by the event that its legs were joined to."
        case _:
            return ""


def _of_ignored(stored: StoredEvent) -> str:
    """By why it was ignored: what one of them mends is of no use for another."""
    match why(stored.reason):
        case "no rule":
            return (
                f"If a rule should be for it, write {stored.event.type} under `on` of one, and nothing else than "
                f"{stored.event.source} under its `source`; then redrive the event."
            )
        case "not evaluated":
            return "Mend the condition as the reason says, in the rules file; then redrive the event."
        case "not true":
            return (
                "If a rule should have acted, see which part of its condition failed; "
                "change the rules file, then redrive the event."
            )
        case "nothing to clear":
            return (
                "Nothing is left to do, unless a badge of the customer is on a card still: "
                "then see by what the rule's `clear.same` joins the two."
            )
        case None:
            return _of_no_card(stored)


def _of_no_card(stored: StoredEvent) -> str:
    """The rules matched, and the CRM has no card of the kinds that they name."""
    customer = customer_of(stored.event)
    if known := customer.phone or customer.email:
        return (
            f"The CRM has no card for it. Enter {known} there at a contact, a company, a lead or a deal, or open a "
            "deal or a lead where the reason asks for an open one; then redrive the event."
        )
    return (
        "The CRM has no card for it, and there is no telephone number and no e-mail address to find one by, "
        "as when a caller withholds his number. If the event names a card, see that it is there; then redrive "
        "the event."
    )


def in_short(text: str) -> str:
    """What a reason says first, where it stands in full elsewhere: its first clause, with a mark for the rest."""
    first, *rest = _CLAUSE.split(text, maxsplit=1)
    return f"{first} …" if rest and rest[0] else text


def plainly(reason: str) -> str:
    """A reason as a person reads it: that of a call which found its portal paused names a lane and a code."""
    waits = _WAITS.fullmatch(reason)
    return f"{waits[2]} waits for {waits[3]}, which is paused: {in_words(waits[4])}" if waits else reason


def ended(attempt: Attempt) -> str:
    """How an attempt ended."""
    match attempt.result:
        case "working":
            return "Under way."
        case "lost":
            return "Whoever worked on it vanished, or took too long; somebody else has taken it up."
        case "given back":
            return "The process that worked on it was stopped; it was due again at once."
        case "waiting":
            return _sentence(plainly(attempt.reason) or "it is tried again")
        case result:
            return _sentence(f"{result}: {attempt.reason}" if attempt.reason else result)


def of_leg(leg: Leg) -> str:
    """What one leg says of its call, in half a sentence."""
    over = {"": "", "leg": "" if leg.state == "ended" else "which ended", "call": "with which the call ended"}[leg.ends]
    spoke = "two people spoke" if leg.human else ""
    facts = [_PARTIES[leg.party], leg.state, leg.outcome.replace("_", " "), spoke, over]
    return ", ".join(dict.fromkeys(fact for fact in facts if fact)) or "nothing that decides"


def lateness(seconds: float, told_time: str | None = None) -> str:
    """How long after it happened it was received, in half a sentence; `told_time` as in `unbelieved`."""
    if told_time:
        return f"and this moment counts, {unbelieved(told_time)}"
    if seconds > _PROMPT:
        return f"{span(seconds)} after it happened"
    if seconds < -_PROMPT:
        return f"{span(-seconds)} before the time that it tells, so one of the two clocks is wrong"
    return "as it happened"


def unbelieved(told_time: str) -> str:
    """Why the moment of receipt counts instead of `Event.told_time`, in ISO 8601; words that go on after the former."""
    return f"since the time that it tells cannot be true: {told_time}"


def redriven(redrive: Redrive) -> str:
    """How an event was redriven, in half a sentence."""
    way = {"console": "from the console", "command": "by a command"}.get(redrive.by, "")
    which = f"with the rules of then ({redrive.rules})" if redrive.rules else "with the rules of now"
    return f"{way}, {which}" if way else which


def _waiting(stored: StoredEvent, now: float) -> str:
    if stored.event.leg is not None:
        return "Waits for the rest of its call."
    because = f": {stored.reason}" if stored.reason else ""
    if stored.lane:
        return _sentence(f"waits for {stored.lane}, which is paused{_why_paused(stored)}")
    if stored.attempts == 0:
        return "Waits for its first attempt."
    if stored.due <= now:
        return _sentence(f"is due again now{because}")
    return _sentence(f"is tried again in {span(stored.due - now)}{because}")


def _why_paused(stored: StoredEvent) -> str:
    """Without what is said already: for what it waits, and whose that is."""
    waits = _WAITS.fullmatch(stored.reason)
    portal = stored.lane.partition("/")[0]
    why = in_words(waits[4]) if waits else stored.reason.removeprefix(f"portal {portal}: ")
    return f": {why}" if why else ""


def _until(stored: StoredEvent, pause: Pause | None, now: float) -> str:
    if stored.event.leg is not None:
        return f"The call is judged from all its legs, {_in(stored.due - now)} at the latest."
    if stored.lane and pause is not None:
        portal = stored.lane.partition("/")[0]
        rest, by_hand = " now", ""
        if pause.until > now:
            rest = f" in {span(pause.until - now)}"
            by_hand = f"; when it is mended, `badge-bridge resume {portal}` ends the pause at once"
        reason = parse(pause.reason).message
        # The event that met the trouble has told of it, those that came later have not.
        met = any(attempt.reason == reason for attempt in stored.history)
        why = "" if met else f"Paused because: {_sentence(reason.removeprefix(f'portal {portal}: '))} "
        return (
            f"It goes on by itself when {stored.lane} can be used again; that is tried{rest}. {why}"
            f"What to mend there is told by `badge-bridge doctor --portal {portal}`{by_hand}."
        )
    if stored.due + _LATE < now:
        return f"It is due since {span(now - stored.due)}, and nobody has taken it up: see that `serve` runs."
    return f"It is tried again by itself {_in(stored.due - now)}."


def _in(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds >= 1 else "in a moment"


def _did(outcome: Outcome, badges: Mapping[str, Badge], closed: Container[str]) -> str:
    badge = f"Badge {_named(outcome.badge, badges)}"
    match outcome.result:
        case "badged":
            if outcome.rule in closed:
                return f"{badge} was on {outcome.owner}, and was taken off since."
            return f"{badge} is on {outcome.owner}."
        case "cleared":
            if not outcome.reason:
                return _sentence(f"{badge} was taken off {outcome.owner}".rstrip())
            on = f" on {outcome.owner}" if outcome.owner and outcome.owner not in outcome.reason else ""
            return _sentence(f"{badge}{on}: {outcome.reason}")
        case "ensured":
            return f"{badge} exists in portal {outcome.portal}."
        case _:
            return _sentence(f"{outcome.rule} {outcome.result}: {outcome.reason}")


def _named(code: str, badges: Mapping[str, Badge]) -> str:
    """What people read on the card, in English or the first language; the code where the file has no such badge."""
    badge = badges.get(code)
    if badge is None:
        return code
    value = badge.value
    return value if isinstance(value, str) else value.get("en") or next(iter(value.values()), code)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ":", "…")) else f"{text}."
