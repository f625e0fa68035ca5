"""Configurable activities and activity lists in the sandbox: what the documentation says, and what can be switched."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.sandbox.application_seed import Application
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_SECRET, OUTSIDER_TOKEN, Token
from support.sandbox_calls import Caller, changed

ADD = "crm.activity.configurable.add"
UPDATE = "crm.activity.configurable.update"
GET = "crm.activity.configurable.get"
LIST = "crm.activity.list"

TEXT = {"type": "text", "properties": {"value": "x"}}
BADGE = {"code": "bb_missed", "title": "Call status", "value": "Missed", "type": "failure"}
FIELDS = {"badgeCode": "bb_missed", "completed": "N", "isIncomingChannel": "Y", "originatorId": "us", "originId": "1"}


def layout(**parts: Any) -> dict[str, Any]:
    whole = {"icon": {"code": "call"}, "header": {"title": "Missed"}}
    body = {"logo": {"code": "call-incoming"}, "blocks": {"a": TEXT}}
    return {**whole, "body": body, **parts}


def new(fields: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    return {"ownerTypeId": 2, "ownerId": 41, "fields": {**FIELDS, **(fields or {})}, "layout": layout(), **parts}


def caller(**variants: Any) -> Caller:
    return Caller(SandboxPortal(changed(badges=[BADGE], limits=None, variants=variants), clock=lambda: 1_795_000_000.0))


async def test_an_activity_is_added_read_and_completed() -> None:
    """Ids are numbers; what was not set comes back as the documentation shows it."""
    portal = caller()
    added = await portal.call(ADD, **new())
    number = added["activity"]["id"]
    assert added == {"activity": {"id": number}}
    read = (await portal.call(GET, id=number))["activity"]
    assert (read["ownerTypeId"], read["ownerId"]) == (2, 41)
    assert read["fields"]["badgeCode"] == "bb_missed"
    assert read["fields"]["completed"] is False
    assert read["fields"]["originId"] == "1"
    await portal.call(UPDATE, id=number, fields={**FIELDS, "completed": "Y"}, layout=layout())
    assert (await portal.call(GET, id=number))["activity"]["fields"]["completed"] is True


async def test_two_adds_with_one_origin_make_two_activities() -> None:
    """Nothing is idempotent there."""
    portal = caller()
    first, second = [(await portal.call(ADD, **new()))["activity"]["id"] for _ in range(2)]
    assert first != second
    rows = await portal.call(LIST, filter={"ORIGINATOR_ID": "us", "ORIGIN_ID": "1"}, select=["ID", "ORIGIN_ID"])
    assert rows == [{"ID": str(first), "ORIGIN_ID": "1"}, {"ID": str(second), "ORIGIN_ID": "1"}]


async def test_an_inbound_webhook_may_not_attach() -> None:
    """The three methods are for applications alone."""
    portal = Caller(SandboxPortal(), webhook=f"1/{ADMINISTRATOR_SECRET}")
    assert await portal.code(ADD, **new()) == "ERROR_WRONG_CONTEXT"


TAGS = {name: {"title": "t", "type": "success"} for name in ("a", "b", "c")}
ACTION = {"type": "redirect", "uri": "/crm/"}
BUTTONS = {name: {"title": "t", "type": "primary", "action": ACTION} for name in ("a", "b", "c")}


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"ownerTypeId": 2, "ownerId": 999}, "NOT_FOUND"),
        ({"layout": {}}, "ERROR_EMPTY_LAYOUT"),
        ({"layout": layout(icon={})}, "FIELD_IS_REQUIRED"),
        ({"layout": layout(colour="red")}, "FIELD_IS_REDUNDANT"),
        ({"layout": layout(header={"title": "t", "tags": {"a": {"title": "t", "type": "lavender"}}})}, "ENUM_FIELD"),
        ({"layout": layout(header={"title": "t", "tags": TAGS})}, "TOO_MANY_ITEMS"),
        ({"layout": layout(footer={"buttons": BUTTONS})}, "TOO_MANY_ITEMS"),
        ({"layout": layout(body={"logo": {"code": "call"}, "blocks": {"a.b": TEXT}})}, "KEY_CONTAIN_WRONG_SYMBOLS"),
        ({"layout": layout(header={"title": {"xx": "t"}})}, "WRONG_LANG"),
        ({"fields": {**FIELDS, "responsibleId": "nobody"}}, "WRONG_FIELD_VALUE"),
        (
            {"fields": {**FIELDS, "deadline": "2026-12-01T10:00:00+00:00"}},
            "INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.get("layout", value)),
)
async def test_a_mistake_is_refused_with_the_documented_code(parts: dict[str, Any], code: str) -> None:
    """The schema is strict, and nothing is added."""
    portal = caller()
    before = len(portal.portal.seed.activities)
    assert await portal.code(ADD, **{**new(), **parts}) == code
    assert len(portal.portal.seed.activities) == before


async def test_a_missing_parameter_has_a_code_of_digits() -> None:
    """Owner and layout are required."""
    parts = new()
    del parts["ownerId"]
    assert await caller().code(ADD, **parts) == "100"


async def test_another_application_may_not_change_an_activity() -> None:
    """Only the one that made it; a local application that was made anew is another one."""
    other = Token(access_token="other-token", user_id=1, client_id="local.other", scopes=("crm",))
    seed = changed(badges=[BADGE])
    seed = seed.model_copy(
        update={
            "tokens": (*seed.tokens, other),
            "applications": (
                *seed.applications,
                Application(client_id="local.other", client_secret="s", application_token="t", scopes=("crm",)),
            ),
        }
    )
    portal = SandboxPortal(seed)
    number = (await Caller(portal).call(ADD, **new()))["activity"]["id"]
    theirs = Caller(portal, token="other-token")
    assert await theirs.code(UPDATE, id=number, fields=FIELDS, layout=layout()) == "ERROR_WRONG_APPLICATION"


async def test_a_user_without_access_to_the_crm_may_not_add() -> None:
    """Item access is checked."""
    assert await Caller(SandboxPortal(), token=OUTSIDER_TOKEN).code(ADD, **new()) == "ACCESS_DENIED"


@pytest.mark.parametrize(
    ("variant", "parts", "code"),
    [
        ({"unknown_badge_code": "WRONG_FIELD_VALUE"}, {"fields": {"badgeCode": "nobody"}}, "WRONG_FIELD_VALUE"),
        ({"unknown_badge_code": "NOT_FOUND"}, {"fields": {"badgeCode": "nobody"}}, "NOT_FOUND"),
        ({"unknown_badge_code": "accepted"}, {"fields": {"badgeCode": "nobody"}}, None),
        (
            {"tel_links": "refused"},
            {
                "layout": layout(
                    footer={"buttons": {"a": {**BUTTONS["a"], "action": {"type": "redirect", "uri": "tel:+49"}}}}
                )
            },
            "WRONG_FIELD_VALUE",
        ),
        (
            {"tel_links": "accepted"},
            {
                "layout": layout(
                    footer={"buttons": {"a": {**BUTTONS["a"], "action": {"type": "redirect", "uri": "tel:+49"}}}}
                )
            },
            None,
        ),
    ],
    ids=["badge wrong", "badge not found", "badge accepted", "tel refused", "tel accepted"],
)
async def test_what_is_not_documented_of_an_add_can_be_switched(
    variant: dict[str, Any], parts: dict[str, Any], code: str | None
) -> None:
    """A client has to work either way."""
    portal = caller(**variant)
    if code is None:
        assert (await portal.call(ADD, **{**new(), **parts}))["activity"]["id"] > 0
    else:
        assert await portal.code(ADD, **{**new(), **parts}) == code


async def test_a_partial_update_can_be_switched() -> None:
    """Accepted it changes the named field alone; refused it is told that the layout is empty."""
    for variant in ("accepted", "refused"):
        portal = caller(partial_update=variant)
        number = (await portal.call(ADD, **new()))["activity"]["id"]
        if variant == "refused":
            assert await portal.code(UPDATE, id=number, fields={"completed": "Y"}, layout={}) == "ERROR_EMPTY_LAYOUT"
        else:
            await portal.call(UPDATE, id=number, fields={"completed": "Y"})
            read = (await portal.call(GET, id=number))["activity"]["fields"]
            assert (read["completed"], read["badgeCode"]) == (True, "bb_missed")


async def test_the_filter_by_origin_can_be_switched() -> None:
    """It works, is passed over, or is refused; and rows may not carry what they were selected for."""
    where = {"filter": {"ORIGIN_ID": "nobody"}, "select": ["ID", "ORIGIN_ID"]}
    for variant in ("works", "ignored", "refused"):
        portal = caller(origin_filter=variant)
        await portal.call(ADD, **new())
        if variant == "refused":
            await portal.code(LIST, **where)
        else:
            rows = await portal.call(LIST, **where)
            assert bool(rows) == (variant == "ignored")
    portal = caller(origin_in_lists="left-out")
    await portal.call(ADD, **new())
    assert all("ORIGIN_ID" not in row for row in await portal.call(LIST, select=["ID", "ORIGIN_ID"]))


async def test_lists_have_pages_of_fifty_with_total_and_next() -> None:
    """`start` gives the next page; `start: -1` counts nothing."""
    portal = caller()
    for number in range(60):
        await portal.call(ADD, **new({"originId": str(number)}))
    where = {"filter": {"ORIGINATOR_ID": "us"}, "order": {"ID": "ASC"}}
    first = await portal.envelope(LIST, **where)
    assert (len(first["result"]), first["next"], first["total"]) == (50, 50, 60)
    second = await portal.envelope(LIST, **where, start=first["next"])
    assert (len(second["result"]), "next" in second) == (10, False)
    last = second["result"][-1]["ID"]
    beyond = await portal.envelope(LIST, filter={"ORIGINATOR_ID": "us", ">ID": last}, start=-1)
    assert beyond["result"] == []
    assert "next" not in beyond


async def test_a_deleted_activity_is_gone() -> None:
    """Deleting answers true; updating it afterwards finds nothing."""
    portal = caller()
    number = (await portal.call(ADD, **new()))["activity"]["id"]
    assert await portal.call("crm.activity.delete", id=number) is True
    assert await portal.code(UPDATE, id=number, fields=FIELDS, layout=layout()) == "NOT_FOUND"
