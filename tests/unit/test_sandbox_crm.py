"""The sandbox's customers: duplicates, items, call statistics, pictures, and the kanban that shows the badges."""

from __future__ import annotations

import re
from typing import Any

import pytest

from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import OUTSIDER_TOKEN, Contact, Lead, default_seed
from support.sandbox_calls import Caller, changed

FIND = "crm.duplicate.findbycomm"
ITEMS = "crm.item.list"


def caller(**parts: Any) -> Caller:
    return Caller(SandboxPortal(changed(**parts), clock=lambda: 1_795_000_000.0))


async def test_customers_are_found_by_number_and_by_address() -> None:
    """Only the keys with hits are there; ids are numbers; nothing found is an array."""
    portal = caller()
    assert await portal.call(FIND, type="PHONE", values=["+4917139200011"]) == {"CONTACT": [1]}
    assert await portal.call(FIND, type="EMAIL", values=["tom@alder-finch.example"]) == {"CONTACT": [2]}
    assert await portal.call(FIND, type="PHONE", values=["+493023125001"], entity_type="COMPANY") == {"COMPANY": [1]}
    assert await portal.call(FIND, type="PHONE", values=["+10000000000"]) == []


async def test_a_number_in_another_format_is_not_found() -> None:
    """The portal compares the whole number as it is written."""
    assert await caller().call(FIND, type="PHONE", values=["017139200011"]) == []


async def test_types_after_twenty_hits_are_left_out() -> None:
    """Leads hide contacts and companies without a word."""
    number = "+4930901820"
    leads = [Lead(id=number_, title="t", phones=(number,)).model_dump() for number_ in range(1, 21)]
    contacts = [*default_seed().contacts, Contact(id=50, name="C", phones=(number,))]
    portal = caller(leads=leads, contacts=[one.model_dump() for one in contacts])
    found = await portal.call(FIND, type="PHONE", values=[number])
    assert set(found) == {"LEAD"}
    assert await portal.call(FIND, type="PHONE", values=[number], entity_type="CONTACT") == {"CONTACT": [50]}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"type": "PHONE", "values": "+49"}, "Communication values is not defined"),
        ({"values": ["+49"]}, "Communication type is not defined"),
    ],
)
async def test_an_error_of_findbycomm_is_a_sentence(params: dict[str, Any], code: str) -> None:
    """The field `error` holds it."""
    assert await caller().code(FIND, **params) == code


async def test_open_deals_of_a_contact_are_listed_the_newest_first() -> None:
    """Names in camelCase, numeric ids, `result.items`, won and lost deals left out."""
    where = {
        "filter": {"contactId": 3, "stageSemanticId": "P"},
        "order": {"id": "desc"},
        "select": ["id", "contactIds"],
    }
    answer = await caller().envelope(ITEMS, entityTypeId=2, **where)
    assert answer["result"] == {"items": [{"id": 45, "contactIds": [3, 4]}]}
    assert answer["total"] == 1


async def test_all_contacts_of_a_deal_can_be_filtered_by_unless_switched_off() -> None:
    """The documentation does not say; the refusal is that of an unknown name."""
    where = {"entityTypeId": 2, "filter": {"@contactIds": [4]}, "select": ["id"]}
    assert (await caller().call(ITEMS, **where))["items"] == [{"id": 45}]
    refusing = caller(variants={"contact_ids_filter": "refused"})
    assert await refusing.code(ITEMS, **where) == "INVALID_ARG_VALUE"


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({">id": 43}, [44, 45]),
        ({"@id": [41, 44]}, [41, 44]),
        ({"!stageSemanticId": "P"}, [43, 44]),
        ({"%title": "garden"}, [44, 45]),
        ({"closed": "N"}, [41, 42, 45]),
        ({"0": {"logic": "OR", "0": {"contactId": 1}, "1": {"companyId": 2}}}, [41, 42, 43]),
    ],
    ids=str,
)
async def test_filters_take_prefixes_and_logic(where: dict[str, Any], ids: list[int]) -> None:
    """As the documentation lists them."""
    items = (await caller().call(ITEMS, entityTypeId=2, filter=where, select=["id"], order={"id": "asc"}))["items"]
    assert [item["id"] for item in items] == ids


async def test_a_lead_is_made_with_its_number_and_found_again() -> None:
    """`fm` takes numbers; `originatorId` and `originId` are kept and can be filtered by."""
    portal = caller()
    fields = {
        "title": "Missed call",
        "fm": [{"typeId": "PHONE", "valueType": "WORK", "value": "+4930901820"}],
        "originatorId": "us",
        "originId": "1",
    }
    made = (await portal.call("crm.item.add", entityTypeId=1, fields=fields))["item"]["id"]
    assert await portal.call(FIND, type="PHONE", values=["+4930901820"]) == {"LEAD": [made]}
    listed = await portal.call(ITEMS, entityTypeId=1, filter={"originatorId": "us", "originId": "1"}, select=["id"])
    assert listed["items"] == [{"id": made}]


async def test_the_old_list_of_deals_has_strings_and_an_empty_error_code() -> None:
    """UPPER_CASE names, all values strings, a plain list."""
    portal = caller()
    assert await portal.call("crm.deal.list", filter={"ID": 41}, select=["ID", "TITLE"]) == [
        {"ID": "41", "TITLE": "Fleet tracking"}
    ]
    portal.token = OUTSIDER_TOKEN
    assert await portal.code("crm.deal.list") == ""


async def test_a_call_has_a_row_that_names_its_customer() -> None:
    """Strings unless null; the filter takes a list as IN."""
    portal = caller()
    await portal.http.post("/_sandbox/calls", json={"phone_number": "+4917139200011", "call_id": "c1"})
    (row,) = await portal.call("voximplant.statistic.get", FILTER={"CALL_ID": "c1"})
    assert (row["CRM_ENTITY_TYPE"], row["CRM_ENTITY_ID"]) == ("CONTACT", "1")
    assert (row["CALL_TYPE"], row["CALL_FAILED_CODE"]) == ("2", "304")


async def test_pictures_can_be_listed_and_an_unknown_one_is_refused() -> None:
    """The codes that a layout may name."""
    portal = caller()
    icons = await portal.call("crm.timeline.icon.list")
    logos = await portal.call("crm.timeline.logo.list")
    assert "call" in {one["code"] for one in icons["icons"]}
    assert "call-incoming" in {one["code"] for one in logos["logos"]}


async def kanban(portal: Caller, **query: str) -> dict[int, dict[str, Any]]:
    boards = (await portal.http.get("/kanban.json", params=query)).json()["boards"]
    return {card["id"]: card for board in boards for column in board["columns"] for card in column["cards"]}


async def attached(portal: Caller, badge: str, **fields: Any) -> int:
    body = {"logo": {"code": "call"}, "blocks": {"a": {"type": "text", "properties": {"value": "x"}}}}
    whole = {"icon": {"code": "call"}, "header": {"title": "t"}, "body": body}
    sent = {"badgeCode": badge, **fields}
    answer = await portal.call("crm.activity.configurable.add", ownerTypeId=2, ownerId=41, fields=sent, layout=whole)
    return int(answer["activity"]["id"])


async def test_a_card_shows_the_newest_open_badge_in_the_readers_language() -> None:
    """Completing it brings out the one below; a deleted badge shows nothing."""
    badges = [
        {"code": "one", "title": "One", "value": {"de": "Eins", "fr": "Un"}, "type": "success"},
        {"code": "two", "title": "Two", "value": "Two", "type": "failure"},
    ]
    portal = caller(badges=badges)
    await attached(portal, "one")
    second = await attached(portal, "two")
    assert (await kanban(portal))[41]["badge"]["code"] == "two"
    await portal.call("crm.activity.configurable.update", id=second, fields={"completed": "Y"})
    assert (await kanban(portal, lang="de"))[41]["badge"]["value"] == "Eins"
    assert (await kanban(portal, lang="ru"))[41]["badge"]["value"] == "Eins"
    await portal.call("crm.activity.badge.delete", code="one")
    assert (await kanban(portal))[41]["badge"] is None


async def test_a_card_has_a_page_of_its_own_where_a_portal_has_it() -> None:
    """All its badges are on it, the latest first; what is not in the CRM has none."""
    badges = [{"code": code, "title": code, "value": code, "type": "failure"} for code in ("one", "two")]
    portal = caller(badges=badges)
    for badge in ("one", "two"):
        await attached(portal, badge)
    page = await portal.http.get("/crm/deal/details/41/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "Sandbox portal" in page.text
    assert "Deal 41" in page.text
    assert re.findall("<b class=.failure.>(.*?)</b>", page.text) == ["TWO", "ONE"]
    contact = next(iter(portal.portal.seed.contacts))
    assert contact.last_name in (await portal.http.get(f"/crm/contact/details/{contact.id}/")).text
    for nothing in ("/crm/deal/details/4100/", "/crm/order/details/41/"):
        assert (await portal.http.get(nothing)).status_code == 404


async def test_the_page_escapes_what_comes_from_others() -> None:
    """A card's title and a badge's texts are text, whatever is in them, and no script but the page's own may run."""
    hostile = '<script>alert("x")</script>'
    badges = [{"code": "one", "title": f"{hostile}t", "value": f"{hostile}v", "type": "failure"}]
    portal = caller(deals=[{"id": 41, "title": f"{hostile}c"}], badges=badges)
    await attached(portal, "one")
    for path in ("/kanban", "/crm/deal/details/41/"):
        page = await portal.http.get(path)
        shown = page.text.lower()  # a badge's value is shown in capitals
        assert hostile not in shown
        for end in "tvc":
            assert f"&lt;/script&gt;{end}" in shown
        assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_simple_crm_has_no_board_of_leads() -> None:
    """As it has no leads."""
    boards = (await caller(crm_mode=2).http.get("/kanban.json")).json()["boards"]
    assert [board["name"] for board in boards] == ["deals"]
