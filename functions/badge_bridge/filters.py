"""Which events an operator means: what is typed behind the options of a command or into the fields of a page, read in
one way for both.

`phone`            a telephone number in any spelling, an e-mail address, or what else a source says who it was
`since` `until`    when it was received, as `typed_times` reads it
`source` `type` `state` `rule`  as in `store.wanted.Wanted`; `outcome` as its `result`
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast, get_args

from badge_bridge.closeness import suggest
from badge_bridge.errors import SettingsError
from badge_bridge.events import CALL_TYPES, LEG
from badge_bridge.outcomes import Result
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.senders import covers
from badge_bridge.spellings import E164, one_number, plain
from badge_bridge.store.protocol import State, Store, StoredEvent
from badge_bridge.store.wanted import Wanted
from badge_bridge.typed_times import in_words, read_time

__all__ = [
    "Field",
    "SeveralKeys",
    "WrongFilter",
    "by_key",
    "doubts",
    "latest_at_all",
    "name_of_rule",
    "read_filters",
    "read_state",
    "the_one",
]

Field = Literal["phone", "since", "until", "source", "type", "state", "outcome", "rule"]


class WrongFilter(SettingsError):
    """What was typed for a field makes no sense: the text says why, `field` which one."""

    def __init__(self, text: str, field: Field) -> None:
        super().__init__(text)
        self.field = field


class SeveralKeys(SettingsError):
    """What was typed is how several keys begin: the text lists them."""


def read_filters(
    rules: Callable[[], RulesFile],
    *,
    phone: str | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
    type_: str | None = None,
    state: str | None = None,
    outcome: str | None = None,
    rule: str | None = None,
    legs: bool = True,
    now: float,
    **zone: Any,
) -> Wanted:
    """What the fields mean, each as it was typed; None leaves all. `rules` is called where a number is to be read as in
    the countries of the sources; `zone` may be as that of `read_time`.

    Names of sources, types and rules are taken as they are, since an event may have come while they existed; `doubts`
    tells of them.

    Raises:
        WrongFilter: one of them makes no sense.
    """
    found = Wanted(
        state=read_state(state),
        source=source,
        type=type_,
        customer=None if phone is None else _customer(rules, phone),
        rule=rule,
        result=_outcome(outcome),
        since=None if since is None else _moment("since", since, now, **zone),
        until=None if until is None else _moment("until", until, now, **zone),
        legs=legs,
    )
    if found.since is not None and found.until is not None and found.until <= found.since:
        at = zone.get("zone")
        raise WrongFilter(
            f"until {until} is not later than since {since}: they were understood as {in_words(found.until, at)} and "
            f"{in_words(found.since, at)}",
            "until",
        )
    return found


def name_of_rule(typed: str, rules: RulesFile) -> str:
    """The name of the rule that is meant: one that looks as what was typed, whether its accents are part of their
    letters or stand behind them, which depends on the keyboard; else what was typed.
    """
    names = [rule.name for rule in rules.rules]
    if typed in names:
        return typed
    looks = unicodedata.normalize("NFC", typed)
    return next((name for name in names if unicodedata.normalize("NFC", name) == looks), typed)


def read_state(text: str | None) -> State | None:
    """One of the states of an event, or None for all.

    Raises:
        WrongFilter: there is no such state.
    """
    if text is not None and text not in get_args(State):
        raise WrongFilter(f"there is no state {text!r}; {suggest(text, get_args(State))}", "state")
    return cast("State | None", text)


async def by_key(store: Store, beginning: str, *, limit: int) -> tuple[Sequence[StoredEvent], bool]:
    """The events whose keys begin with what was typed, newest first, and whether there are more than this limit."""
    keys = await store.keys(beginning, limit=limit + 1)
    found = await asyncio.gather(*(store.get(key) for key in keys[:limit]))
    events = [one for one in found if one is not None]
    return sorted(events, key=lambda one: (one.received_at, one.key), reverse=True), len(keys) > limit


async def the_one(store: Store, typed: str, *, listed: int) -> StoredEvent | None:
    """The event whose key was typed, or whose key alone begins so; None where there is none.

    Raises:
        SeveralKeys: several begin so; lists up to so many.
    """
    found = await store.get(typed)
    if found is not None:
        return found
    keys = await store.keys(typed, limit=listed + 1)
    if len(keys) > 1:
        raise SeveralKeys(", ".join(keys[:listed]) + (" and more" if len(keys) > listed else ""))
    return await store.get(keys[0]) if keys else None


async def latest_at_all(store: Store, wanted: Wanted) -> float | None:
    """When the latest event of the customer was received, whatever else was asked for: unix seconds, None without one.

    For who found none of this customer: then it is the other filters that leave out what is there.
    """
    if wanted.customer is None:
        return None
    page = await store.list(Wanted(customer=wanted.customer, legs=wanted.legs), limit=1)
    return page.events[0].received_at if page.events else None


def doubts(wanted: Wanted, rules: RulesFile, *, is_known: bool = False) -> Iterator[str]:
    """What somebody should know who looked for these events and found none: sentences about names that the rules file
    does not have, and about a customer who is none, unless he `is_known` to have events.
    """
    if wanted.source is not None and wanted.source not in rules.sources:
        yield f"the rules file has no source {wanted.source!r}; {suggest(wanted.source, rules.sources)}"
    if wanted.type is not None and not _is_known(wanted.type, rules):
        known = (*CALL_TYPES, *(kind for rule in rules.rules for kind in rule.on if not kind.endswith("*")))
        yield f"no rule is for events of the type {wanted.type!r}; {suggest(wanted.type, dict.fromkeys(known))}"
    names = [rule.name for rule in rules.rules]
    if wanted.rule is not None and wanted.rule not in names:
        yield f"the rules file has no rule {wanted.rule!r}; {suggest(wanted.rule, names)}"
    if wanted.customer is not None and not is_known:
        yield from _doubted(wanted.customer)


def _is_known(type_: str, rules: RulesFile) -> bool:
    return type_ in (*CALL_TYPES, LEG) or any(covers(kind, type_) for rule in rules.rules for kind in rule.on)


def _doubted(customer: str) -> Iterator[str]:
    if E164.fullmatch(customer):
        yield f"{customer} was looked for as a whole number; a part of one finds nothing, so write all its digits"
    elif "@" not in customer:
        yield f"{customer!r} is neither a telephone number nor an e-mail address, and was looked for as it is written"


def _customer(rules: Callable[[], RulesFile], phone: str) -> str:
    if E164.fullmatch(number := plain(phone).strip()):
        return number  # it needs no rules file to be understood
    if "@" in phone or not any(character.isdigit() for character in phone):
        return phone  # nor does this; where it has no digits, it may be a name
    try:
        return one_number(rules(), phone)
    except SettingsError as error:
        raise WrongFilter(str(error), "phone") from error


def _outcome(text: str | None) -> Result | None:
    if text is not None and text not in get_args(Result):
        raise WrongFilter(f"there is no outcome {text!r}; {suggest(text, get_args(Result))}", "outcome")
    return cast("Result | None", text)


def _moment(field: Literal["since", "until"], text: str, now: float, **zone: Any) -> float:
    try:
        return read_time(text, now=now, **zone)
    except SettingsError as error:
        raise WrongFilter(str(error), field) from error
