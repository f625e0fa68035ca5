"""Activities that carry badges: added once, found by their mark, mended where the portal refuses a part, completed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.errors import AccessRefused, CallRefused, OutcomeUnknown
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.activities import Activities, Added, NewActivity, OwnerGone, content, origin_of
from badge_bridge.portal.badges import Badge, Badges
from badge_bridge.portal.card import Facts, build_layout
from badge_bridge.portal.owners import Owner
from support.scripted_portal import Listed, ScriptedPortal, lost, refused

ADD = "crm.activity.configurable.add"
UPDATE = "crm.activity.configurable.update"
LIST = "crm.activity.list"
GET = "crm.activity.configurable.get"
BADGE_GET = "crm.activity.badge.get"
BADGE_ADD = "crm.activity.badge.add"

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


@pytest.mark.parametrize("code", ["WRONG_FIELD_VALUE", "NOT_FOUND", "SOMETHING_NEW", "BX_INVALID_VALUE", "0"])
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


async def test_nothing_is_learned_when_leaving_the_button_out_did_not_help() -> None:
    """Something else was refused; each thing was tried once, and the next activity has its button again."""
    portal, ours = scripted({ADD: [refused("WRONG_FIELD_VALUE")] * 3 + [ADDED]})
    with pytest.raises(CallRefused):
        await ours.add(NEW, look_first=False)
    assert portal.methods() == [
        *("activity.configurable.add", "activity.badge.get"),
        *("activity.configurable.add", "activity.configurable.add"),
    ]
    await ours.add(NEW, look_first=False)
    assert ["footer" in params["layout"] for params in portal.params(ADD)] == [True, True, False, True]


async def test_the_portal_is_asked_for_the_badge_when_it_was_taken_for_known() -> None:
    """A refusal ends the ten minutes for which a badge is known: one that is gone is added before the next try."""
    missing = refused("NOT_FOUND")
    portal, _ = scripted({BADGE_GET: [KNOWN, missing], BADGE_ADD: KNOWN, ADD: [refused("WRONG_FIELD_VALUE"), ADDED]})
    badges = Badges(portal, clock=lambda: 0.0)
    assert (await badges.ensure(BADGE)).how == "present"
    assert (await badges.ensure(BADGE)).how == "known"
    asked: list[Exchange] = []
    assert await Activities(portal, badges).add(NEW, look_first=False, asked=asked) == Added(901, "added")
    assert [exchange.method for exchange in asked] == [ADD, BADGE_GET, BADGE_ADD, ADD]


async def test_a_badge_that_cannot_be_made_is_what_is_told() -> None:
    """The right that is missing for the badge is the reason, not the refusal of the activity."""
    portal, ours = scripted({ADD: refused("SOMETHING_NEW"), BADGE_GET: refused("ACCESS_DENIED")})
    with pytest.raises(AccessRefused):
        await ours.add(NEW, look_first=False)
    assert len(portal.params(ADD)) == 1


async def test_an_activity_is_not_sent_again_when_the_second_answer_is_lost() -> None:
    """Even after a refusal that was mended: from here on it may be there."""
    portal, ours = scripted({ADD: [refused("WRONG_LANG"), lost(ADD)]})
    with pytest.raises(OutcomeUnknown):
        await ours.add(NEW, look_first=False)
    assert len(portal.params(ADD)) == 2


async def test_an_activity_is_added_when_a_look_does_not_find_it() -> None:
    """The lost one was never carried out."""
    portal, ours = scripted({LIST: [Listed([])], ADD: ADDED})
    assert await ours.add(NEW, look_first=True) == Added(901, "added")
    assert portal.methods() == ["activity.list", "activity.configurable.add"]


async def test_nothing_is_added_when_the_look_before_fails() -> None:
    """Not knowing is no reason to add a second one."""
    portal, ours = scripted({LIST: lost(LIST), ADD: ADDED})
    with pytest.raises(OutcomeUnknown):
        await ours.add(NEW, look_first=True)
    assert portal.params(ADD) == []


@pytest.mark.parametrize("answer", [None, True, {}, {"activity": []}, {"activity": {"id": 0}}], ids=ascii)
async def test_the_outcome_is_unknown_when_a_new_activity_has_no_id(answer: Any) -> None:
    """It is there, and a look by its mark will tell under which id."""
    _, ours = scripted({ADD: answer})
    with pytest.raises(OutcomeUnknown, match="without an id"):
        await ours.add(NEW, look_first=False)


async def test_an_id_is_taken_when_it_comes_as_text() -> None:
    """As it does out of a batch."""
    _, ours = scripted({ADD: {"activity": {"id": "901"}}})
    assert (await ours.add(NEW, look_first=False)).id == 901


def test_no_responsible_person_is_named_when_none_is_known() -> None:
    """The portal takes its own choice; an empty value would be refused."""
    fields = json.loads(content(badge="b", origin_id="o", responsible=None, layout=LAYOUT))["fields"]
    assert "responsibleId" not in fields


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


async def test_an_activity_is_completed_without_its_badge_when_the_portal_no_longer_has_it() -> None:
    """A badge that was deleted must not keep its activity open; none is made anew for that."""
    portal, ours = scripted({UPDATE: [refused("WRONG_FIELD_VALUE"), ADDED]})
    assert await ours.complete(901, CONTENT) == "completed"
    first, second = portal.params(UPDATE)
    assert "badgeCode" in first["fields"]
    assert second["fields"] == {name: value for name, value in first["fields"].items() if name != "badgeCode"}
    assert second["layout"] == first["layout"]
    assert portal.params(BADGE_GET) == []


async def test_an_activity_is_completed_without_what_the_portal_was_found_to_refuse() -> None:
    """What was learned when adding holds for completing; what is kept of the activity still has the button."""
    portal, ours = scripted({ADD: [refused("ENUM_FIELD"), ADDED], UPDATE: ADDED})
    await ours.add(NEW, look_first=False)
    assert await ours.complete(901, CONTENT) == "completed"
    assert "footer" in json.loads(CONTENT)["layout"]
    (sent,) = portal.params(UPDATE)
    assert "footer" not in sent["layout"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(lost(UPDATE), OutcomeUnknown), (refused("ACCESS_DENIED"), AccessRefused), (refused("100"), CallRefused)],
    ids=["lost", "right", "call"],
)
async def test_completing_fails_as_the_portal_says(error: Exception, kind: type[Exception]) -> None:
    """A lost answer and a missing right prove nothing; what is refused is read, and is still open."""
    portal, ours = scripted({UPDATE: error, GET: {"activity": {"id": 901, "fields": {"completed": False}}}})
    with pytest.raises(kind):
        await ours.complete(901, CONTENT)
    assert len(portal.params(UPDATE)) == 1
    assert len(portal.params(GET)) == (kind is CallRefused)


@pytest.mark.parametrize("code", ["WRONG_FIELD_VALUE", "ERROR_WRONG_APPLICATION", "ALGETY_COMPLETED"])
@pytest.mark.parametrize(
    "read",
    [*({"activity": {"id": 901, "fields": {"completed": yes}}} for yes in (True, "Y", "1", 1)), refused("NOT_FOUND")],
    ids=["true", "Y", "1 as text", "1", "deleted"],
)
async def test_an_activity_that_is_over_is_gone_whatever_the_portal_says_to_completing_it(code: str, read: Any) -> None:
    """Somebody has completed or deleted it by hand, or the answer to an earlier try was lost."""
    _, ours = scripted({UPDATE: refused(code), GET: read})
    assert await ours.complete(901, CONTENT) == "gone"


@pytest.mark.parametrize("read", [refused("ACCESS_DENIED"), refused("ERROR_WRONG_CONTEXT"), {"activity": []}, None])
async def test_a_refusal_stands_when_the_activity_cannot_be_read(read: Any) -> None:
    """Nobody knows then that the badge is off the card."""
    _, ours = scripted({UPDATE: refused("100"), GET: read})
    with pytest.raises(CallRefused):
        await ours.complete(901, CONTENT)


async def test_an_activity_of_another_application_is_told_with_what_to_do() -> None:
    """A local application that was deleted and made anew is another one."""
    _, ours = scripted({UPDATE: refused("ERROR_WRONG_APPLICATION"), GET: {"activity": {"id": 901, "fields": {}}}})
    with pytest.raises(CallRefused, match="complete the activity by hand"):
        await ours.complete(901, CONTENT)
