"""Looking for an activity by its mark: the filter, the way without it, and what must not count as "not there"."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from badge_bridge.errors import AccessRefused, CallRefused, OutcomeUnknown
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.activity_lookup import GET, LIST, ActivityLookup
from badge_bridge.portal.origins import origin_of
from support.scripted_portal import Listed, ScriptedPortal, lost, refused

ORIGIN = origin_of("reception:1", "missed call")


class Timeline(ScriptedPortal):
    """Activities of several deals, listed as a portal does: fifty in a page, filtered by what it takes."""

    def __init__(self, *, by_mark: Literal["works", "ignored", "refused"] = "works", carried: bool = True) -> None:
        super().__init__()
        self.by_mark = by_mark
        self.carried = carried
        self.rows: dict[int, dict[str, Any]] = {}
        self.answers = {LIST: self.list, GET: self.get}

    def put(self, numbers: Sequence[int], *, deal: int = 41, origin: str = "other", originator: str = "") -> None:
        for number in numbers:
            mark = {"ORIGINATOR_ID": originator or "badge-bridge", "ORIGIN_ID": origin}
            card = {"OWNER_TYPE_ID": "2", "OWNER_ID": str(deal), "PROVIDER_ID": "CONFIGURABLE_REST_APP"}
            self.rows[number] = {"ID": str(number), **card, **mark}

    def list(self, params: dict[str, Any]) -> Any:
        where = dict(params["filter"])
        if "ORIGIN_ID" in where and self.by_mark == "refused":
            return refused("")
        if self.by_mark == "ignored":
            where = {name: value for name, value in where.items() if not name.startswith("ORIGIN")}
        after = where.pop(">ID", 0)
        matching = [row for row in self.rows.values() if all(row[name] == str(value) for name, value in where.items())]
        rows = sorted((row for row in matching if int(row["ID"]) > after), key=lambda row: int(row["ID"]))
        names = [name for name in params["select"] if self.carried or not name.startswith("ORIGIN")]
        shown = [{name: row[name] for name in names if name in row} for row in rows]
        return Listed(shown[:50], next=50 if len(shown) > 50 else None, total=len(shown))

    def get(self, params: dict[str, Any]) -> Any:
        row = self.rows.get(params["id"])
        if row is None:
            return refused("NOT_FOUND")
        fields = {"originatorId": row["ORIGINATOR_ID"], "originId": row["ORIGIN_ID"]}
        return {"activity": {"id": params["id"], "fields": fields}}


async def found(lookup: ActivityLookup, asked: list[Exchange] | None = None) -> list[int]:
    return list(await lookup.find(ORIGIN, owner_type=2, owner_id=41, asked=asked))


async def test_one_call_tells_when_the_portal_filters_by_the_mark() -> None:
    """Found or not, the card itself is not gone through."""
    portal = Timeline()
    portal.put(range(1, 121))
    lookup = ActivityLookup(portal)
    asked: list[Exchange] = []
    assert await found(lookup, asked) == []
    portal.put([130], origin=ORIGIN)
    assert await found(lookup, asked) == [130]
    assert [exchange.method for exchange in asked] == [LIST, LIST]
    assert portal.sent[0][1]["filter"] == {
        "PROVIDER_ID": "CONFIGURABLE_REST_APP",
        "ORIGINATOR_ID": "badge-bridge",
        "ORIGIN_ID": ORIGIN,
    }


@pytest.mark.parametrize("carried", [True, False], ids=["rows tell", "rows do not tell"])
@pytest.mark.parametrize("by_mark", ["works", "ignored", "refused"])
async def test_one_of_120_activities_is_found_whatever_the_portal_does_with_the_mark(
    by_mark: Literal["works", "ignored", "refused"], carried: bool
) -> None:
    """The last of three pages has it; that another deal is full of activities changes nothing."""
    portal = Timeline(by_mark=by_mark, carried=carried)
    portal.put(range(1, 240, 2))
    portal.put(range(300, 400), deal=42)
    portal.put([239], origin=ORIGIN)
    assert await found(ActivityLookup(portal)) == [239]
    by_card = [params["filter"] for params in portal.params(LIST) if "OWNER_ID" in params["filter"]]
    assert [one[">ID"] for one in by_card] == ([] if by_mark == "works" else [0, 99, 199])
    assert all(one["OWNER_ID"] == 41 for one in by_card)


async def test_all_are_found_when_several_have_the_mark_on_several_pages() -> None:
    """The lowest comes first: it was there first."""
    portal = Timeline(by_mark="refused")
    portal.put(range(1, 121))
    portal.put([118, 60, 3], origin=ORIGIN)
    assert await found(ActivityLookup(portal)) == [3, 60, 118]


@pytest.mark.parametrize("carried", [True, False], ids=["rows tell", "rows do not tell"])
async def test_the_mark_of_another_program_does_not_count(carried: bool) -> None:
    """An origin is unique together with its originator only."""
    portal = Timeline(carried=carried)
    portal.put([7], origin=ORIGIN, originator="crm-import")
    portal.by_mark = "ignored"
    assert await found(ActivityLookup(portal)) == []


async def test_the_filter_is_given_up_once_and_for_all_when_the_card_shows_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next look goes to the card at once, and the log has said why."""
    portal = Timeline(by_mark="refused")
    portal.put([7], origin=ORIGIN)
    lookup = ActivityLookup(portal)
    assert await found(lookup) == [7]
    assert await found(lookup) == [7]
    assert ["ORIGIN_ID" in params["filter"] for params in portal.params(LIST)] == [True, False, False]
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "portal main" in record.getMessage()
    assert "refuses it (no code)" in record.getMessage()


async def test_the_filter_is_not_given_up_when_the_card_is_refused_as_well() -> None:
    """An empty code is also what a missing right is answered with: that says nothing about the filter."""
    portal = Timeline()
    portal.put([7], origin=ORIGIN)
    portal.answers[LIST] = [refused(""), refused(""), portal.list]
    lookup = ActivityLookup(portal)
    with pytest.raises(CallRefused):
        await found(lookup)
    assert await found(lookup) == [7]
    assert "ORIGIN_ID" in portal.sent[-1][1]["filter"]


@pytest.mark.parametrize(
    ("error", "kind"), [(refused("ACCESS_DENIED"), AccessRefused), (lost(LIST), OutcomeUnknown)], ids=["right", "lost"]
)
async def test_a_look_that_failed_is_no_answer(error: Exception, kind: type[Exception]) -> None:
    """It is raised; nobody may take it for "not there", and the card is not tried behind a person's back."""
    portal = Timeline()
    portal.answers[LIST] = error
    with pytest.raises(kind):
        await found(ActivityLookup(portal))
    assert len(portal.sent) == 1


@pytest.mark.parametrize("again", [[{"ID": "50", "ORIGIN_ID": "x"}], []], ids=["the same page", "an empty page"])
async def test_the_outcome_stays_unknown_when_a_list_does_not_come_to_its_end(again: list[dict[str, str]]) -> None:
    """A portal that says more follows, but shows nothing new, has not shown everything; it must not be asked for ever."""
    portal = Timeline()
    page = [{"ID": str(number), "ORIGIN_ID": "x"} for number in range(1, 51)]
    portal.answers[LIST] = [refused("INVALID_ARG_VALUE"), Listed(page, next=50), Listed(again, next=50)]
    with pytest.raises(OutcomeUnknown, match="does not go on behind id 50"):
        await found(ActivityLookup(portal))
    assert len(portal.sent) == 3


@pytest.mark.parametrize(
    "answer",
    [refused("NOT_FOUND"), [], {}, {"activity": []}, {"activity": {"id": 7, "fields": []}}],
    ids=["gone", "list", "empty", "no activity", "no fields"],
)
async def test_an_activity_that_is_gone_when_it_is_read_is_not_ours(answer: Any) -> None:
    """Somebody deletes one between the list and the look at it; the others still count."""
    portal = Timeline(carried=False)
    portal.put([7, 8], origin=ORIGIN)
    portal.answers[GET] = lambda params: answer if params["id"] == 7 else portal.get(params)
    assert await found(ActivityLookup(portal)) == [8]


@pytest.mark.parametrize("result", [None, [], {}, "", False], ids=ascii)
async def test_no_rows_in_any_form_are_none(result: object) -> None:
    """PHP has many words for an empty list."""
    portal = Timeline()
    portal.answers[LIST] = [Listed(result)]
    assert await found(ActivityLookup(portal)) == []


async def test_rows_with_gaps_and_without_ids_are_read() -> None:
    """A list with gaps comes as an object; a row without an id cannot be adopted."""
    portal = Timeline()
    row = {"ORIGIN_ID": ORIGIN, "ORIGINATOR_ID": "badge-bridge"}
    portal.answers[LIST] = {
        "0": {"ID": 9, **row},
        "2": row,
        "3": {"ID": "9", **row},
        "5": {"ID": "4", "ORIGIN_ID": ORIGIN},
    }
    assert await found(ActivityLookup(portal)) == [4, 9]
