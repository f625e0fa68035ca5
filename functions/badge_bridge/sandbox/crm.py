"""The living CRM: items and activities, indexed by what methods look for, so that thousands of them cost nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Literal

from badge_bridge.sandbox.crm_seed import OWNER_TYPES, Activity, Company, Contact, Deal, Item, ItemKind, LastIds, Lead
from badge_bridge.sandbox.seed import Seed

__all__ = ["Communication", "Crm"]

Communication = Literal["PHONE", "EMAIL"]

_EXTENSION = re.compile(r"\s*(?:[;,#]|ext|x).*$", re.IGNORECASE)


class _Index:
    """Ids by a key, in the order in which they came."""

    def __init__(self) -> None:
        self._ids: defaultdict[Hashable, dict[int, None]] = defaultdict(dict)

    def add(self, keys: Iterable[Hashable], number: int) -> None:
        for key in keys:
            self._ids[key][number] = None

    def drop(self, keys: Iterable[Hashable], number: int) -> None:
        for key in keys:
            self._ids[key].pop(number, None)

    def of(self, keys: Iterable[Hashable]) -> dict[int, None]:
        """The ids of several keys, each once."""
        return {number: None for key in keys for number in self._ids.get(key, ())}


class Crm:
    """Items by kind and id, activities by id. Records are replaced as a whole, by `put` and `put_activity`."""

    def __init__(self, seed: Seed) -> None:
        self.stages = seed.stages
        self.leads: dict[int, Lead] = {}
        self.deals: dict[int, Deal] = {}
        self.contacts: dict[int, Contact] = {}
        self.companies: dict[int, Company] = {}
        self.activities: dict[int, Activity] = {}
        self._of_kind: Mapping[ItemKind, dict[int, Any]] = {
            "lead": self.leads,
            "deal": self.deals,
            "contact": self.contacts,
            "company": self.companies,
        }
        self._last: dict[str, int] = seed.last_ids.model_dump()
        self._highest: defaultdict[str, int] = defaultdict(int)
        self._reached = _Index()
        self._deals_with = _Index()
        self._activities_on = _Index()
        self._activities_from = _Index()
        items: tuple[Item, ...] = (*seed.leads, *seed.deals, *seed.contacts, *seed.companies)
        for item in items:
            self.put(item)
        for activity in seed.activities:
            if activity.owner_id in self._of_kind[OWNER_TYPES[activity.owner_type_id]]:
                self.put_activity(activity)

    def to_seed(self) -> Mapping[str, Any]:
        """The fields of a seed that this keeps."""
        return {
            "leads": tuple(self.leads.values()),
            "deals": tuple(self.deals.values()),
            "contacts": tuple(self.contacts.values()),
            "companies": tuple(self.companies.values()),
            "activities": tuple(self.activities.values()),
            "last_ids": LastIds(**self._last),
        }

    def new_id(self, kind: ItemKind | Literal["activity"]) -> int:
        """A number that no record of this kind has or has had."""
        self._last[kind] = max(self._last[kind], self._highest[kind]) + 1
        return self._last[kind]

    def items(self, kind: ItemKind) -> Mapping[int, Any]:
        return self._of_kind[kind]

    def item(self, owner_type_id: int, number: int) -> Item | None:
        """The item with the portal's type number and this id; None where either is unknown."""
        kind = OWNER_TYPES.get(owner_type_id)
        found: Item | None = self._of_kind[kind].get(number) if kind else None
        return found

    def put(self, item: Item) -> None:
        """Add an item, or replace the one with its id."""
        kind = _kind(item)
        before = self._of_kind[kind].get(item.id)
        if before is not None:
            self._reached.drop(_reachable_by(kind, before), item.id)
            self._deals_with.drop(_customers(before), item.id)
        self._of_kind[kind][item.id] = item
        self._highest[kind] = max(self._highest[kind], item.id)
        self._reached.add(_reachable_by(kind, item), item.id)
        self._deals_with.add(_customers(item), item.id)

    def put_activity(self, activity: Activity) -> None:
        """Add an activity, or replace the one with its id."""
        self._forget(self.activities.get(activity.id))
        self.activities[activity.id] = activity
        self._highest["activity"] = max(self._highest["activity"], activity.id)
        self._activities_on.add([_owner(activity)], activity.id)
        self._activities_from.add(_origin(activity), activity.id)

    def drop_activity(self, number: int) -> None:
        """Delete an activity; its id is not given again."""
        self._last["activity"] = max(self._last["activity"], self._highest["activity"])
        self._forget(self.activities.pop(number, None))

    def _forget(self, activity: Activity | None) -> None:
        if activity is not None:
            self._activities_on.drop([_owner(activity)], activity.id)
            self._activities_from.drop(_origin(activity), activity.id)

    def reached_by(self, kind: ItemKind, by: Communication, values: Iterable[str]) -> list[int]:
        """Ids of items with one of these numbers or addresses, compared as they are written, save for an extension."""
        return sorted(self._reached.of((kind, by, _spelling(by, value)) for value in values))

    def deals_with(self, kind: ItemKind, numbers: Iterable[int]) -> dict[int, None]:
        """Ids of the deals of these contacts or companies."""
        return self._deals_with.of((kind, number) for number in numbers)

    def activities_on(self, owner_type_id: int, owner_ids: Iterable[int]) -> dict[int, None]:
        return self._activities_on.of((owner_type_id, number) for number in owner_ids)

    def activities_from(self, origin_ids: Iterable[str]) -> dict[int, None]:
        """Ids of the activities with one of these origin ids, of whatever originator."""
        return self._activities_from.of(origin_ids)


def _kind(item: Item) -> ItemKind:
    match item:
        case Lead():
            return "lead"
        case Deal():
            return "deal"
        case Contact():
            return "contact"
        case Company():
            return "company"


def _reachable_by(kind: ItemKind, item: Item) -> list[Hashable]:
    if isinstance(item, Deal):
        return []
    return [
        *((kind, "PHONE", _spelling("PHONE", phone)) for phone in item.phones),
        *((kind, "EMAIL", _spelling("EMAIL", email)) for email in item.emails),
    ]


def _spelling(by: Communication, value: str) -> str:
    return _EXTENSION.sub("", value.strip()) if by == "PHONE" else value.strip().lower()


def _customers(item: Item) -> list[Hashable]:
    if not isinstance(item, Deal):
        return []
    company = [("company", item.company_id)] if item.company_id is not None else []
    return [*(("contact", number) for number in item.contact_ids), *company]


def _owner(activity: Activity) -> Hashable:
    return activity.owner_type_id, activity.owner_id


def _origin(activity: Activity) -> list[Hashable]:
    return [activity.origin_id] if activity.origin_id else []
