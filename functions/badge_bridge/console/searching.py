"""What an operator looks for, as the address of a page says it.

`phone`            a telephone number in any spelling, or an e-mail address: whose events
`source` `type` `state` `result` `rule`  as in `store.wanted.Wanted`
`legs`             `1`: the legs of calls that were joined, too
`since` `until`    when it was received: `2026-11-27T09:00`, in UTC unless an offset says otherwise
`within`           received in the last `hour`, `day`, `week` or `month`, where there is no `since`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import cast, get_args
from urllib.parse import urlencode

from badge_bridge.console.answers import Senseless
from badge_bridge.errors import SettingsError
from badge_bridge.life import read_state
from badge_bridge.outcomes import Result
from badge_bridge.rulesfile import RulesFile
from badge_bridge.spellings import one_number, readings
from badge_bridge.store.protocol import State
from badge_bridge.store.wanted import Wanted

__all__ = ["NAMES", "WITHIN", "Search", "possible_numbers", "read_search"]

WITHIN: Mapping[str, float] = {"hour": 3600.0, "day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}
"""Seconds."""

_LONGEST = 500
"""Characters of a value; names and addresses are shorter."""


@dataclass(frozen=True, slots=True)
class Search:
    """The fields of the search form as they were filled in; an empty one leaves all."""

    phone: str = ""
    since: str = ""
    until: str = ""
    within: str = ""
    source: str = ""
    type: str = ""
    state: str = ""
    result: str = ""
    rule: str = ""
    legs: str = ""

    def query(self, **others: object) -> str:
        """As the query of an address, without what is empty; `others` are further parameters."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return urlencode({name: value for name, value in {**given, **others}.items() if value or value == 0})

    def wanted(self, rules: RulesFile, *, now: float) -> Wanted:
        """What the store is asked for; `now` in unix seconds.

        Raises:
            Senseless: a field makes no sense.
        """
        return Wanted(
            state=_state(self.state),
            source=self.source or None,
            type=self.type or None,
            customer=_customer(rules, self.phone) if self.phone else None,
            rule=self.rule or None,
            result=_result(self.result),
            since=_since(self, now),
            until=_moment(self.until, "until"),
            legs=_legs(self.legs),
        )


NAMES = tuple(one.name for one in fields(Search))


def read_search(query: Mapping[str, str]) -> Search:
    """The search that these parameters say; others than `NAMES` are left to whoever knows them.

    Raises:
        Senseless: one is longer than anything that is stored.
    """
    given = {name: query.get(name, "").strip() for name in NAMES}
    for name, value in given.items():
        if len(value) > _LONGEST:
            raise Senseless(f"{name} is longer than {_LONGEST} characters", name)
    return Search(**given)


def possible_numbers(rules: RulesFile, phone: str) -> list[str]:
    """The numbers that are meant, where there may be several."""
    return [number for number in readings(rules, phone) if number.startswith("+")]


def _customer(rules: RulesFile, phone: str) -> str:
    if "@" in phone or not any(character.isdigit() for character in phone):
        return phone
    try:
        return one_number(rules, phone)
    except SettingsError as error:
        raise Senseless(str(error), "phone") from error


def _state(text: str) -> State | None:
    try:
        return read_state(text or None)
    except SettingsError as error:
        raise Senseless(str(error), "state") from error


def _result(text: str) -> Result | None:
    if text and text not in get_args(Result):
        raise Senseless(f"result is one of {', '.join(get_args(Result))}", "result")
    return cast("Result", text) if text else None


def _legs(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise Senseless("legs is 1 or 0", "legs")
    return text == "1"


def _since(search: Search, now: float) -> float | None:
    if search.within and search.within not in WITHIN:
        raise Senseless(f"within is one of {', '.join(WITHIN)}", "within")
    if search.since or not search.within:
        return _moment(search.since, "since")
    return now - WITHIN[search.within]


def _moment(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Senseless(f"{name} is no time; write it as 2026-11-27T09:00, in UTC", name) from None
