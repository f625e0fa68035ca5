"""The portal's own record of calls: a row for each that has ended (Bitrix24 docs, "voximplant.statistic.get").

Rows are read upwards by ID and not by `start`: what is written meanwhile shifts no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.portal.calling import Calls, SingleCalls
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.crm_items import PAGE
from badge_bridge.portal.rows import misread, one_id, rows_of

__all__ = ["EndedCall", "EndedCalls", "ended_calls", "newest_call"]


@dataclass(frozen=True, slots=True)
class EndedCall:
    """One row; `columns` are named in upper case and are texts or null."""

    id: int
    columns: Mapping[str, Any]

    @property
    def call_id(self) -> str:
        """CALL_ID, by which the portal's events name the call; empty where there is none."""
        return str(self.columns.get("CALL_ID") or "")


@dataclass(frozen=True, slots=True)
class EndedCalls:
    """One page; `more` may follow."""

    calls: Sequence[EndedCall]
    more: bool


async def ended_calls(client: Calls, *, first: int) -> EndedCalls:
    """The calls whose ID is `first` or higher, lowest first, up to a page of them.

    Raises:
        OutcomeUnknown: also where the rows are not those, or not in that order; else as `PortalClient.call`.
    """
    params = {"FILTER": {">=ID": first}, "SORT": "ID", "ORDER": "ASC"}
    page = await client.call_page(STATISTICS, params)
    calls = _calls(page.result)
    ids = [call.id for call in calls]
    if ids != sorted(ids) or any(number < first for number in ids):
        said = "was answered with other rows than FILTER, SORT and ORDER ask for"
        raise misread(client.name, STATISTICS, said, code="unreadable")
    return EndedCalls(calls, more=page.next is not None or len(calls) >= PAGE)


async def newest_call(client: SingleCalls) -> EndedCall | None:
    """The call with the highest ID; None where there is none yet. Raises what `PortalClient.call` does."""
    calls = _calls(await client.call(STATISTICS, {"SORT": "ID", "ORDER": "DESC"}))
    return max(calls, key=lambda call: call.id, default=None)


def _calls(result: object) -> list[EndedCall]:
    return [EndedCall(number, row) for row in rows_of(result) if (number := one_id(row.get("ID")))]
