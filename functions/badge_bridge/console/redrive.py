"""Trying events again: one, some that were ticked, or all that a search finds.

The first two are done at once. Of a search it is told first how many events it is about and how they ended; then each
press of the button does the next `AT_ONCE`, and the page counts what was done. A search ends at the moment at which it
was counted, and goes from the newest event to the oldest, so that nothing is met twice, whatever comes in meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from badge_bridge.console.answers import Senseless
from badge_bridge.console.desk import Desk
from badge_bridge.console.done import Done, lead_to
from badge_bridge.console.events import read_place
from badge_bridge.console.forms import read_form
from badge_bridge.console.paths import HOME
from badge_bridge.console.rendering import event_href
from badge_bridge.console.searching import Search, list_query, read_search
from badge_bridge.console.sessions import Session
from badge_bridge.life import write_place
from badge_bridge.moments import iso
from badge_bridge.plural import counted
from badge_bridge.redriving import KINDS, Kind, left_alone, redrive_each
from badge_bridge.resuming import waits_for
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import State, Store, StoredEvent
from badge_bridge.store.wanted import Wanted

__all__ = ["AT_ONCE", "MOST_COUNTED", "MOST_PICKED", "confirm", "redrive"]

AT_ONCE = 1000
"""Events of a search that one press of the button redrives."""

MOST_PICKED = 1000
"""Events that are ticked."""

MOST_COUNTED = 2000
"""Events that are looked at to say how many there are."""

TAKEN: Sequence[State] = ("dead", "ignored", "done")
"""The states of which a search redrives. What waits is tried by itself; the legs of a call are judged with it."""

_PAGE = 1000
_EVENTS = f"{HOME}/events"


@dataclass(frozen=True, slots=True)
class _Redriven:
    """How many events are tried again, and how many were left as they are by why."""

    count: int
    left: Counter[Kind]


async def confirm(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/redrive?...`: how many events a search finds, by how they ended, from `before` on.

    Raises:
        Senseless: a parameter makes no sense.
        StoreUnavailable: the store cannot be read.
    """
    query = request.query_params
    search, wanted = _as_of(read_search(query), desk.rules, desk.clock())
    before = query.get("before", "")
    states: Counter[State] = Counter()
    looked, place, left = 0, read_place(before), _read_left(query)
    while looked < MOST_COUNTED:
        page = await desk.store.list(wanted, limit=_PAGE, before=place)
        states.update(one.state for one in page.events)
        looked, place = looked + max(len(page.events), _PAGE if page.reached is not None else 1), page.more
        if place is None:
            break
    return {
        "search": asdict(search),
        "before": before,
        "so_far": {"redriven": _number(query, "so_far"), "left": left, "because": left_alone(left)},
        "count": sum(states[state] for state in TAKEN),
        "states": {state: states[state] for state in TAKEN if states[state]},
        "left_alone": {state: count for state, count in sorted(states.items()) if state not in TAKEN},
        "is_all": place is None,
        "at_once": AT_ONCE,
        "with": "then" if _by_rules_of_then(query) else "now",
        "can_redrive": desk.may_change,
    }


async def redrive(desk: Desk, request: Request, session: Session | None) -> Response:
    """Do what a form says, and lead back to where it was.

    Raises:
        Senseless: it says nothing that could be done.
        StoreUnavailable: the store cannot be read or written; what was done until then is done.
    """
    if not desk.may_change:
        raise Senseless("this console only reads; use `badge-bridge events redrive` where the store may be written")
    form = {name: values[0] for name, values in (await read_form(request)).items()}
    keys = (await read_form(request)).get("key", ())
    then = _by_rules_of_then(form)
    if len(keys) > MOST_PICKED:
        raise Senseless(f"at most {MOST_PICKED:,} events are redriven at once", "key")
    if keys:
        told = await _each(desk, keys, then=then)
        at, query = _back_to(form, keys)
        return lead_to(session, at, query, await _told(desk, told))
    if form.get("all") != "1" and "back" in form:
        none = Done("No event was redriven: tick some, or redrive all that match.")
        return lead_to(session, _EVENTS, list_query(form["back"]), none)
    if form.get("all") != "1":
        raise Senseless("no event was chosen: tick some, or redrive all that the search finds", "key")
    return await _some_of(desk, session, read_search(form), form, then=then)


def _by_rules_of_then(fields: Mapping[str, str]) -> bool:
    """Which rules judge what is redriven; those of now where nothing is said."""
    which = fields.get("with", "now")
    if which not in ("now", "then"):
        raise Senseless(f"there are rules of now and of then, and none of {which!r}", "with")
    return which == "then"


async def _some_of(
    desk: Desk, session: Session | None, search: Search, form: Mapping[str, str], *, then: bool
) -> Response:
    """The next events of a search."""
    wanted = search.wanted(desk.rules, now=desk.clock())
    if wanted.until is None:
        raise Senseless("a search that is redriven ends at some moment: say until when", "until")
    before = _Redriven(_number(form, "so_far"), _read_left(form))
    found, place = await _next(desk.store, wanted, read_place(form.get("before", "")))
    told = await _each(desk, [one.key for one in found], then=then)
    count, left = before.count + told.count, before.left + told.left
    if place is None:
        # With its state, though those that were redriven have another one now: what failed again at once is found so,
        # and of the others the page says where they are.
        return lead_to(session, _EVENTS, search.query(), await _told(desk, _Redriven(count, left)))
    so_far = {"so_far": count, "left": _write_left(left), "with": "then" if then else "now"}
    return RedirectResponse(f"{HOME}/redrive?{search.query(before=write_place(place), **so_far)}", 303)


async def _next(
    store: Store, wanted: Wanted, before: tuple[float, str] | None
) -> tuple[Sequence[StoredEvent], tuple[float, str] | None]:
    """Up to `AT_ONCE` events that a search redrives, and where to go on."""
    found: list[StoredEvent] = []
    place, pages = before, 0
    while len(found) < AT_ONCE and pages * _PAGE < MOST_COUNTED:
        page = await store.list(wanted, limit=AT_ONCE - len(found), before=place)
        found += [one for one in page.events if one.state in TAKEN]
        place, pages = page.more, pages + 1
        if place is None:
            break
    return found, place


async def _each(desk: Desk, keys: Sequence[str], *, then: bool) -> _Redriven:
    said = await redrive_each(desk.store, keys, clock=desk.clock, then=then, by="console")
    desk.streams.forget()
    left = Counter(refusal.kind for refusal in said.values() if refusal)
    return _Redriven(len(said) - left.total(), left)


async def _told(desk: Desk, done: _Redriven) -> Done:
    """In words; and where something is paused, that this is waited for."""
    said = f"{counted(done.count, 'event')} will be tried again"
    if done.count:
        by_hand = "its button on Now"
        waits = await waits_for(desk.store, desk.rules.portals, now=desk.clock(), by_hand=by_hand)
        said += f". {waits}" if waits else " at once"
    said += "."
    if done.left:
        said += f" {counted(done.left.total(), 'was', 'were')} left alone: {left_alone(done.left)}."
    return Done(said, done.count)


def _as_of(search: Search, rules: RulesFile, now: float) -> tuple[Search, Wanted]:
    """The search with an end, so that what comes in later is not of it, and with a beginning that stays."""
    wanted = search.wanted(rules, now=now)
    wanted = wanted if wanted.until is not None else replace(wanted, until=now)
    since, until = ("" if at is None else iso(at) for at in (wanted.since, wanted.until))
    return replace(search, since=since, until=until, within=""), wanted


def _back_to(form: Mapping[str, str], keys: Sequence[str]) -> tuple[str, str]:
    """Path and query of where the form was: the event's own page, or the list with its search."""
    if "back" in form:
        return _EVENTS, list_query(form["back"])
    search = list_query(form.get("search", ""))
    return event_href(keys[0]), urlencode({"search": search}) if search else ""


def _write_left(left: Mapping[Kind, int]) -> str:
    """How many were left alone by why, in an address: `leg.2_open.1`."""
    return "_".join(f"{kind}.{count}" for kind, count in sorted(left.items()))


def _read_left(given: Mapping[str, str]) -> Counter[Kind]:
    left: Counter[Kind] = Counter()
    for part in filter(None, given.get("left", "").split("_")):
        name, _, number = part.partition(".")
        kind = next((kind for kind in KINDS if kind == name), None)
        if kind is None:
            raise Senseless("left must be what the page before told", "left")
        left[kind] += _number({"left": number}, "left")
    return left


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Senseless(f"{name} must be a whole number", name)
    return int(text)
