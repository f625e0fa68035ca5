"""Looking an activity up by our mark, after the answer to its add was lost.

`crm.activity.list` takes the fields of an activity as its filter, and ORIGIN_ID is one; no sample uses it, so a portal
may pass over it or refuse it (Bitrix24 docs, "crm.activity.list", "crm.activity.fields"). So ids are always compared
here, and where the filter is of no use, all activities of the card are gone through. Whether rows carry ORIGIN_ID is
not certain either; where they do not, the activities are read one by one.

That there is no such activity is said only where all that could be one was seen: whoever asks would add it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from badge_bridge.errors import AccessRefused, CallRefused, NotFound
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.origins import ORIGINATOR
from badge_bridge.portal.rows import inside, is_completed, misread, one_id, rows_of

__all__ = ["GET", "LIST", "ActivityLookup"]

logger = logging.getLogger("badge_bridge.portal")

LIST = "crm.activity.list"
GET = "crm.activity.configurable.get"

_PROVIDER = {"PROVIDER_ID": "CONFIGURABLE_REST_APP"}
_SELECT = ["ID", "ORIGINATOR_ID", "ORIGIN_ID", "OWNER_TYPE_ID", "OWNER_ID", "COMPLETED"]
_FEW = 3
"""Rows without ORIGIN_ID that are still read one by one: the filter has found an activity and perhaps its doubles."""


class _NoFilter(Exception):
    """The filter by our mark is of no use; the text says what the portal does with it."""


class ActivityLookup:
    """Looks for activities in one portal. Every method raises what `PortalClient.call` does."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._filters = True
        """Whether the portal filters by ORIGIN_ID, as far as known. A filter that was refused where the card could be
        gone through shows that it does not; where both are refused, the filter was not the reason."""

    async def find(
        self, origin_id: str, *, owner_type: int, owner_id: int, asked: list[Exchange] | None
    ) -> Sequence[int]:
        """The ids of the activities with this mark, the lowest first; usually one or none.

        `owner_type` and `owner_id` are the card that it was added to, which is gone through where filtering fails.
        """
        card = {**_PROVIDER, "OWNER_TYPE_ID": owner_type, "OWNER_ID": owner_id}
        if not self._filters:
            return sorted(await self._on_card(card, origin_id, asked))
        try:
            return sorted(await self._by_filter(origin_id, asked))
        except _NoFilter as why:
            found = await self._on_card(card, origin_id, asked)
            self._give_up_filtering(why)
            return sorted(found)

    async def is_over(self, activity: int, asked: list[Exchange] | None) -> bool:
        """Whether an activity is known to be completed or not there; a portal that refuses to say so says nothing."""
        try:
            fields = await self._fields(activity, asked)
        except NotFound:
            return True
        except (AccessRefused, CallRefused):
            return False
        return is_completed(fields)

    async def _on_card(self, card: Mapping[str, Any], origin_id: str, asked: list[Exchange] | None) -> set[int]:
        found: set[int] = set()
        async for rows in self._pages(card, asked):
            found |= await self._ours(rows, origin_id, asked)
        return found

    async def _by_filter(self, origin_id: str, asked: list[Exchange] | None) -> set[int]:
        """What the filter finds; raises `_NoFilter` where that may not be all."""
        where = {**_PROVIDER, "ORIGINATOR_ID": ORIGINATOR, "ORIGIN_ID": origin_id}
        try:
            result = await self._client.call(LIST, _list_params(where), asked=asked)
        except (CallRefused, NotFound) as refusal:
            raise _NoFilter(f"refuses it ({refusal.code or 'no code'})") from refusal
        rows = rows_of(result)
        if len(rows) <= _FEW or all("ORIGIN_ID" in row for row in rows):
            found = await self._ours(rows, origin_id, asked)
            if found or not rows:
                return found
        raise _NoFilter("passes over it")

    def _give_up_filtering(self, why: _NoFilter) -> None:
        if self._filters:
            self._filters = False
            logger.warning(
                "portal %s: %s cannot filter by ORIGIN_ID: the portal %s; cards are gone through instead",
                self._client.name,
                LIST,
                why,
            )

    async def _pages(
        self, where: Mapping[str, Any], asked: list[Exchange] | None
    ) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """All rows. Each page begins behind the last id, so that nothing slips through while others are added."""
        last = 0
        while True:
            page = await self._client.call_page(LIST, _list_params({**where, ">ID": last}), asked=asked)
            rows = rows_of(page.result)
            yield rows
            if page.next is None:
                return
            reached = max((one_id(row.get("ID")) or 0 for row in rows), default=0)
            if reached <= last:
                said = f"says that more follows, but does not go on behind id {last}"
                raise misread(self._client.name, LIST, said, code="no end")
            last = reached

    async def _ours(self, rows: Sequence[Mapping[str, Any]], origin_id: str, asked: list[Exchange] | None) -> set[int]:
        """The ids of the rows with this mark; those that do not tell are read, all at once."""
        told = {number for row in rows if (number := one_id(row.get("ID"))) and _is_ours(row, origin_id)}
        untold = {number for row in rows if (number := one_id(row.get("ID"))) and "ORIGIN_ID" not in row}
        read = await asyncio.gather(*(self._has_mark(number, origin_id, asked) for number in sorted(untold)))
        return told | {number for number, has in zip(sorted(untold), read, strict=True) if has}

    async def _has_mark(self, activity: int, origin_id: str, asked: list[Exchange] | None) -> bool:
        try:
            fields = await self._fields(activity, asked)
        except NotFound:
            return False
        return (fields.get("originatorId"), fields.get("originId")) == (ORIGINATOR, origin_id)

    async def _fields(self, activity: int, asked: list[Exchange] | None) -> Mapping[str, Any]:
        """The fields of an activity; none where the answer is of another shape."""
        result = await self._client.call(GET, {"id": activity}, asked=asked)
        return inside(inside(result, "activity"), "fields")


def _list_params(where: Mapping[str, Any]) -> dict[str, Any]:
    return {"filter": dict(where), "select": _SELECT, "order": {"ID": "ASC"}}


def _is_ours(row: Mapping[str, Any], origin_id: str) -> bool:
    """Whether a row has our mark; the originator counts where the row tells it."""
    return row.get("ORIGIN_ID") == origin_id and row.get("ORIGINATOR_ID", ORIGINATOR) == ORIGINATOR
