"""Rows of a portal's call statistics, as they are asked for and as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from badge_bridge.errors import OutcomeUnknown
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.ended_calls import ended_calls, newest_call


@dataclass
class Page:
    result: Any
    next: int | None = None
    total: int | None = None


@dataclass
class Statistics:
    """A portal that has one answer."""

    page: Page
    name: str = "main"
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    async def call_page(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        asked: list[Exchange] | None = None,
    ) -> Page:
        assert method == "voximplant.statistic.get"
        self.asked.append(params or {})
        return self.page

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Any:
        return (await self.call_page(method, params, asked=asked)).result


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"ID": str(number), "CALL_ID": f"call-{number}"} for number in numbers]


async def test_calls_are_asked_for_by_their_number_upwards() -> None:
    """In upper case, as this method alone has it, and without an offset."""
    portal = Statistics(Page(rows(7, 9), next=50))
    found = await ended_calls(portal, first=7)
    assert portal.asked == [{"FILTER": {">=ID": 7}, "SORT": "ID", "ORDER": "ASC"}]
    assert [(call.id, call.call_id) for call in found.calls] == [(7, "call-7"), (9, "call-9")]
    assert found.more


@pytest.mark.parametrize(("count", "more"), [(49, False), (50, True)])
async def test_a_full_page_may_go_on_although_nothing_says_so(count: int, more: bool) -> None:
    """The presence of next is the signal; a page that is full without it costs one more request, a lost call more."""
    assert (await ended_calls(Statistics(Page(rows(*range(1, count + 1)))), first=1)).more is more


@pytest.mark.parametrize("numbers", [(9, 8), (6, 7)], ids=["order", "filter"])
async def test_other_rows_than_those_asked_for_are_not_read(numbers: Sequence[int]) -> None:
    """A watermark must not move over rows that were left out."""
    with pytest.raises(OutcomeUnknown, match="other rows than FILTER, SORT and ORDER ask for"):
        await ended_calls(Statistics(Page(rows(*numbers))), first=7)


@pytest.mark.parametrize("nothing", [[], None, {}, False])
async def test_no_calls_come_in_any_shape(nothing: object) -> None:
    """PHP has several for nothing."""
    assert (await ended_calls(Statistics(Page(nothing)), first=1)).calls == []
    assert await newest_call(Statistics(Page(nothing))) is None


async def test_the_newest_call_has_the_highest_number() -> None:
    """A row without a number is none, and a call without an id has an empty one."""
    newest = await newest_call(Statistics(Page([{"ID": 12, "CALL_ID": None}, *rows(11), {"CALL_ID": "x"}])))
    assert newest is not None
    assert (newest.id, newest.call_id) == (12, "")
