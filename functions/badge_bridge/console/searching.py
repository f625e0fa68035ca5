"""What an operator looks for, as the address of a page says it.

`phone`            as in `filters`; or an event's key, or how one begins
`source` `type` `state` `outcome` `rule`  as in `filters`
`legs`             `1`: the legs of calls that were joined, too
`since` `until`    as in `filters`, in UTC unless an offset says otherwise
`within`           received in the last `hour`, `day`, `week` or `month`, where there is no `since`
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC
from urllib.parse import parse_qsl, urlencode

from badge_bridge.console.answers import Senseless
from badge_bridge.filters import WrongFilter, by_key, doubts, latest_at_all, name_of_rule, read_filters
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Listing, Store
from badge_bridge.store.wanted import Place, Wanted

__all__ = ["NAMES", "WITHIN", "Found", "Search", "find", "list_query", "read_search"]

WITHIN: Mapping[str, str] = {"hour": "1h", "day": "24h", "week": "7 days", "month": "30 days"}
"""The `since` that each stands for."""

_KEY = re.compile(r"[^\s:@]+:[0-9a-f]+")
"""As `events.event_key` makes them, or how one begins; `tel:4930123` may be a number as well."""

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
    outcome: str = ""
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
        if self.legs not in ("", "0", "1"):
            raise Senseless("legs is 1 or 0", "legs")
        if self.within and self.within not in WITHIN:
            raise Senseless(f"within is one of {', '.join(WITHIN)}", "within")
        try:
            return read_filters(
                lambda: rules,
                phone=self.phone or None,
                since=self.since or WITHIN.get(self.within),
                until=self.until or None,
                source=self.source or None,
                type_=self.type or None,
                state=self.state or None,
                outcome=self.outcome or None,
                rule=name_of_rule(self.rule, rules) if self.rule else None,
                legs=self.legs == "1",
                now=now,
                zone=UTC,
            )
        except WrongFilter as error:
            said = str(error)
            if error.field == "phone" and _KEY.fullmatch(self.phone):
                said = f"{self.phone!r} is no telephone number, and no key of an event that could be found by it"
            raise Senseless(said, error.field) from error


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


def list_query(given: str) -> str:
    """The query of a page of the list, of what a form or an address says that it is; empty where it is none."""
    return urlencode([(name, value) for name, value in parse_qsl(given) if name in {*NAMES, "limit", "before"}])


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    page: Listing
    customer: str | None
    """Whose events these are, where a customer was looked for."""
    notes: Sequence[str]
    """What may be wrong with a search that found nothing, or why not all is here: sentences."""
    latest: float | None = None
    """Where nothing was found of a customer who has events: when the latest was received, in unix seconds."""


async def find(
    store: Store, search: Search, rules: RulesFile, *, now: float, limit: int, before: Place | None
) -> Found:
    """A page of what is looked for. Where an event's key or its beginning was typed as the phone, those events.

    Raises:
        Senseless: a field makes no sense.
        StoreUnavailable: the store cannot be read.
    """
    if _KEY.fullmatch(search.phone):
        events, there_are_more = await by_key(store, search.phone, limit=limit)
        notes = ["not all whose keys begin so are here; type more of the one that is meant"] if there_are_more else []
        if events:
            return Found(Listing(tuple(events), None), None, notes)
    wanted = search.wanted(rules, now=now)
    page = await store.list(wanted, limit=limit, before=before)
    notes, latest = [], None
    if not page.events and before is None:
        latest = await latest_at_all(store, wanted)
        is_empty = latest is None and not (await store.list(limit=1)).events
        is_known = latest is not None
        notes = (
            ["nothing was received yet"] if is_empty and search.query() else [*doubts(wanted, rules, is_known=is_known)]
        )
    return Found(page, wanted.customer, notes, latest)
