"""Activities that carry badges: added once, found by their mark, mended where the portal refuses a part, completed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.errors import AccessRefused, CallRefused, OutcomeUnknown
from badge_bridge.portal.activities import Activities, NewActivity, OwnerGone, content, origin_of
from badge_bridge.portal.badges import Badge, Badges
from badge_bridge.portal.card import Facts, build_layout
from badge_bridge.portal.owners import Owner
from support.scripted_portal import Listed, ScriptedPortal, lost, refused

ADD = "crm.activity.configurable.add"
UPDATE = "crm.activity.configurable.update"
LIST = "crm.activity.list"
GET = "crm.activity.configurable.get"
BADGE_GET = "crm.activity.badge.get"

BADGE = Badge("bb_missed", "Call status", "Missed", "failure")
ORIGIN = origin_of("reception:1", "missed call")
LAYOUT = build_layout(
    title={"en": "Missed call", "de": "Verpasst"},
    text=None,
    facts=Facts(time=datetime(2026, 11, 25, 12, tzinfo=UTC), caller="+4930901820"),
    icon="call",
    logo="call-incoming",
    call_back="+4930901820",
)
CONTENT = content(badge=BADGE.code, origin_id=ORIGIN, responsible=7, layout=LAYOUT)
NEW = NewActivity(Owner("deal", 41, 7), BADGE, ORIGIN, CONTENT)
ADDED = {"activity": {"id": 901}}
KNOWN = {"badge": {"code": "bb_missed", "title": "Call status", "value": "Missed", "type": "failure"}}


def activities(portal: ScriptedPortal) -> Activities:
    return Activities(portal, Badges(portal, clock=lambda: 0.0))


def scripted(answers: dict[str, Any]) -> tuple[ScriptedPortal, Activities]:
    portal = ScriptedPortal()
    portal.answers = {BADGE_GET: KNOWN, **answers}
    return portal, activities(portal)


def row(number: int, origin: str = "other", **more: Any) -> dict[str, Any]:
    return {"ID": str(number), "ORIGINATOR_ID": "badge-bridge", "ORIGIN_ID": origin, **more}


async def test_an_activity_is_added_with_its_mark_on_the_card_of_its_owner() -> None:
    """Owner, badge, mark and responsible person are in the one call that is made."""
    portal, ours = scripted({ADD: ADDED})
    assert (await ours.add(NEW, look_first=False)).id == 901
    (sent,) = portal.params(ADD)
    assert (sent["ownerTypeId"], sent["ownerId"]) == (2, 41)
    assert sent["fields"] == {
        "badgeCode": "bb_missed",
        "completed": "N",
        "isIncomingChannel": "Y",
        "originatorId": "badge-bridge",
        "originId": ORIGIN,
        "responsibleId": 7,
    }
    assert "+4930901820" not in ORIGIN


async def test_an_add_that_brought_no_answer_is_not_repeated() -> None:
    """Whoever tries again must look first; here it is sent once."""
    portal, ours = scripted({ADD: lost(ADD)})
    with pytest.raises(OutcomeUnknown):
        await ours.add(NEW, look_first=False)
    assert portal.methods() == ["activity.configurable.add"]


async def test_an_activity_that_is_there_already_is_adopted_when_it_is_looked_for_first() -> None:
    """The answer was lost, the activity is not."""
    portal, ours = scripted({LIST: [Listed([row(901, ORIGIN)])]})
    added = await ours.add(NEW, look_first=True)
    assert (added.id, added.how) == (901, "found")
    assert portal.params(ADD) == []


async def test_the_lowest_of_several_is_adopted_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has made doubles; that is said, and nothing is made worse."""
    _, ours = scripted({LIST: [Listed([row(905, ORIGIN), row(901, ORIGIN)])]})
    added = await ours.add(NEW, look_first=True)
    assert (added.id, added.doubles) == (901, (905,))
    assert "905" in caplog.text


@pytest.mark.parametrize(
    "first", [[row(1), row(2), row(3), row(4)], [row(1)], refused("INVALID_ARG_VALUE"), refused("")], ids=repr
)
async def test_the_card_is_gone_through_when_the_filter_is_of_no_use(first: Any) -> None:
    """The portal passes over the filter or refuses it: ids are compared here, page by page, and it is asked no more."""
    pages = [
        Listed([row(number) for number in range(1, 51)], next=50),
        Listed([row(number) for number in range(51, 101)], next=100),
        Listed([row(number) for number in range(101, 120)] + [row(120, ORIGIN)]),
    ]
    portal, ours = scripted({LIST: [first if isinstance(first, Exception) else Listed(first), *pages, *pages]})
    found = await ours.find(ORIGIN, owner_type=2, owner_id=41)
    assert found is not None
    assert found.id == 120
    filters = [params["filter"] for params in portal.params(LIST)]
    assert [one.get(">ID") for one in filters] == [None, 0, 50, 100]
    assert filters[1]["OWNER_ID"] == 41
    await ours.find(ORIGIN, owner_type=2, owner_id=41)
    assert len(portal.params(LIST)) == 7, "the filter is not tried again"


async def test_rows_that_do_not_tell_their_origin_are_read_one_by_one() -> None:
    """Whether a list carries ORIGIN_ID is not documented; the activity itself does."""
    fields = {1: "other", 2: ORIGIN}

    def read(params: dict[str, Any]) -> Any:
        return {
            "activity": {
                "id": params["id"],
                "fields": {"originatorId": "badge-bridge", "originId": fields[params["id"]]},
            }
        }

    rows = [{"ID": "1"}, {"ID": "2"}]
    _, ours = scripted({LIST: [Listed(rows)], GET: read})
    found = await ours.find(ORIGIN, owner_type=2, owner_id=41)
    assert found is not None
    assert found.id == 2


async def test_nothing_is_found_when_the_portal_has_no_activity_with_the_mark() -> None:
    """An empty answer of a filter that works is an answer."""
    portal, ours = scripted({LIST: [Listed([])]})
    assert await ours.find(ORIGIN, owner_type=2, owner_id=41) is None
    assert len(portal.params(LIST)) == 1


@pytest.mark.parametrize("code", ["WRONG_FIELD_VALUE", "NOT_FOUND", "SOMETHING_NEW"])
async def test_the_badge_is_ensured_anew_when_the_portal_refuses_an_activity_with_it(code: str) -> None:
    """Somebody has deleted the badge while it was taken for known; the activity is sent once more."""
    portal, ours = scripted({ADD: [refused(code), ADDED]})
    assert (await ours.add(NEW, look_first=False)).id == 901
    assert portal.methods() == ["activity.configurable.add", "activity.badge.get", "activity.configurable.add"]


async def test_the_call_button_is_left_out_when_the_portal_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    """Learned once: the next activity goes without it from the start, and the log says so once."""
    refusals = [refused("WRONG_FIELD_VALUE"), refused("WRONG_FIELD_VALUE"), ADDED, ADDED]
    portal, ours = scripted({ADD: refusals})
    await ours.add(NEW, look_first=False)
    await ours.add(NEW, look_first=False)
    with_button = ["footer" in params["layout"] for params in portal.params(ADD)]
    assert with_button == [True, True, False, False]
    assert caplog.text.count("buttons that call") == 1


async def test_texts_in_one_language_are_sent_when_the_portal_lacks_another() -> None:
    """A language that is not installed refuses the whole layout."""
    portal, ours = scripted({ADD: [refused("WRONG_LANG"), ADDED]})
    await ours.add(NEW, look_first=False)
    assert portal.params(ADD)[-1]["layout"]["header"]["title"] == "Missed call"


async def test_a_gone_owner_is_told_when_the_badge_is_not_the_reason() -> None:
    """Another owner may be looked for."""
    _, ours = scripted({ADD: [refused("NOT_FOUND"), refused("NOT_FOUND")]})
    with pytest.raises(OwnerGone, match="deal 41"):
        await ours.add(NEW, look_first=False)


async def test_a_missing_right_is_not_tried_around() -> None:
    """What a person has to grant is raised at once."""
    portal, ours = scripted({ADD: refused("ACCESS_DENIED")})
    with pytest.raises(AccessRefused):
        await ours.add(NEW, look_first=False)
    assert len(portal.sent) == 1


async def test_completing_sends_all_of_the_activity_again() -> None:
    """Whether unsent fields keep their values is not documented."""
    portal, ours = scripted({UPDATE: ADDED})
    assert await ours.complete(901, CONTENT) == "completed"
    (sent,) = portal.params(UPDATE)
    assert sent["fields"] == {**json.loads(CONTENT)["fields"], "completed": "Y"}
    assert sent["layout"] == json.loads(CONTENT)["layout"]


@pytest.mark.parametrize("answer", [refused("NOT_FOUND"), [refused("NOT_FOUND"), refused("NOT_FOUND")]], ids=["1", "2"])
async def test_an_activity_that_somebody_deleted_is_gone(answer: Any) -> None:
    """It carries no badge any more, which is what was wanted."""
    _, ours = scripted({UPDATE: answer})
    assert await ours.complete(901, CONTENT) == "gone"


async def test_an_activity_of_another_application_is_told_with_what_to_do() -> None:
    """A local application that was deleted and made anew is another one."""
    _, ours = scripted({UPDATE: refused("ERROR_WRONG_APPLICATION")})
    with pytest.raises(CallRefused, match="complete the activity by hand"):
        await ours.complete(901, CONTENT)
