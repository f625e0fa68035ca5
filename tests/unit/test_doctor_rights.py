"""What the doctor says of credentials, rights, methods, and of what the rules name and the portal has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from badge_bridge.errors import CallRefused, LimitReached, OutcomeUnknown, PortalPaused, PortalUnreachable
from badge_bridge.portal import Badge, activities, badges, owners
from badge_bridge.portal.badges import parameters
from badge_bridge.portal.codes import ASK_FOR_CRM_ADMIN
from badge_bridge.portal.doctor import lanes_of, methods_of
from badge_bridge.portal.doctor.network import Heard
from badge_bridge.portal.doctor.rights import Rights
from support.badge_registry import DELETE, LIST, denied
from support.doctored import ATTACHING, MISSED, NOT_THERE, healthy, uses

NO_ADMIN = {"ID": "7", "ADMIN": False, "NAME": "Max"}


def paused_by(cause: Exception) -> PortalPaused:
    pause = PortalPaused("portal main rests", portal="main", method="profile", lane="main", until=0.0)
    pause.__cause__ = cause
    return pause


async def test_a_dead_credential_ends_the_examination() -> None:
    """The portal's reason and its mend are told once, and what needs the credential is skipped."""
    patient = healthy()
    patient.portal.others["profile"] = denied("profile", "NO_AUTH_FOUND", mend="Make a new one.")
    checks = await patient.examine()
    assert checks["credential"].status == "failed"
    assert checks["credential"].found == "profile was refused with NO_AUTH_FOUND."
    assert checks["credential"].mend == "Make a new one."
    assert {check.status for name, check in checks.items() if name in {"user", "scopes", "badges"}} == {"skipped"}
    assert patient.portal.sent == [("profile", {})]


async def test_the_answer_that_caused_a_pause_is_told_instead_of_the_pause() -> None:
    """A pause says only that the portal rests; its cause says what to do."""
    patient = healthy()
    patient.portal.others["profile"] = paused_by(denied("profile", "user_access_error", mend="Open the application."))
    check = (await patient.examine())["credential"]
    assert (check.found, check.mend) == ("profile was refused with user_access_error.", "Open the application.")


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (
            PortalUnreachable("portal main: no connection", portal="main", method="profile", code=""),
            "firewall or proxy",
        ),
        (LimitReached("portal main: x", portal="main", method="profile", code="QUERY_LIMIT_EXCEEDED"), "Wait a minute"),
        (OutcomeUnknown("portal main: x", portal="main", method="profile", code="timeout"), "in a few minutes"),
        (LimitReached("portal main: blocked", portal="main", method="profile", code="OVERLOAD_LIMIT"), ""),
    ],
)
async def test_each_kind_of_failure_has_its_mend(error: Exception, mend: str) -> None:
    """Unreachable, over its limits, unknown: each says what one does; a block by hand says it in its own words."""
    patient = healthy()
    patient.portal.others["profile"] = error
    check = (await patient.examine())["credential"]
    assert check.status == "failed"
    assert not check.found.startswith("portal main")
    assert mend in check.mend if mend else check.mend == ""


@pytest.mark.parametrize(
    ("method", "answer", "failing"),
    [
        ("profile", [], "credential"),
        ("scope", {"crm": 1}, "scopes"),
        ("method.get", True, "methods"),
        ("app.info", [], "application"),
    ],
)
async def test_an_answer_that_cannot_be_read_fails_its_check(method: str, answer: object, failing: str) -> None:
    """What is not documented is not guessed at."""
    patient = healthy()
    patient.portal.others[method] = answer
    check = (await patient.examine(**ATTACHING))[failing]
    assert check.status == "failed"
    assert f"{method} was answered with something else than is documented" in check.found


async def test_the_user_is_named_with_his_rank() -> None:
    """Whoever reads it knows whose rights count."""
    patient = healthy()
    assert (await patient.examine())["user"].found == "calls run as Olga Petrova (user 1), a portal administrator"
    patient.portal.others["profile"] = {"ID": "7", "ADMIN": "N"}
    said = (await patient.examine())["user"].found
    assert said == "calls run as a user without a name (user 7), not a portal administrator"


async def test_without_scope_crm_nothing_of_the_crm_is_looked_at() -> None:
    """The missing scope is the one failure, with what was granted and where to add it."""
    patient = healthy()
    patient.portal.others["scope"] = ["telephony", "im"]
    checks = await patient.examine(**ATTACHING)
    assert checks["scopes"].found == "crm is missing, granted: im, telephony"
    assert "adds the permission crm" in checks["scopes"].mend
    failures = [name for name, check in checks.items() if check.status == "failed"]
    assert failures == ["scopes"]
    assert checks["badges"].found == "not looked at, since scopes failed"


async def test_scope_telephony_is_wanted_only_where_the_portals_telephony_reports() -> None:
    """Its lack is a warning that hides no other method, and is nothing at all without such a source."""
    patient = healthy()
    patient.portal.others["scope"] = ["crm"]
    assert (await patient.examine())["scopes"].status == "ok"
    checks = await patient.examine(telephony=True)
    assert checks["scopes"].status == "warning"
    assert "adds the permission telephony" in checks["scopes"].mend
    assert checks["methods"].found == "all 2 that the rules lead to can be called"


async def test_methods_are_asked_for_in_lower_case() -> None:
    """`method.get` knows names in lower case only, and some are written otherwise."""
    portal = healthy().portal
    rights = Rights(
        portal,
        methods=("crm.item.list", "telephony.externalCall.register"),
        telephony=True,
        attaches=False,
        application=False,
        new_code=lambda: NOT_THERE,
    )
    await rights.scopes()
    assert (await rights.methods()).status == "ok"
    asked = [params["name"] for method, params in portal.sent if method == "method.get"]
    assert asked == ["crm.item.list", "telephony.externalcall.register"]


def test_methods_are_those_that_the_bridge_calls() -> None:
    """With everything in use it is each method of the portal's parts; less use, fewer methods."""
    every = {*badges.METHODS, *owners.METHODS, *activities.METHODS}
    assert set(methods_of(uses(attaches=True, makes_leads=True, telephony=True))) == every
    assert set(methods_of(uses(attaches=True))) == every - {"crm.item.add", "voximplant.statistic.get"}
    assert methods_of(uses()) == badges.METHODS
    assert lanes_of("main", uses())[0] == "main"
    assert len(lanes_of("main", uses())) == 1 + len(badges.METHODS)


@pytest.mark.parametrize(
    ("answer", "found", "mend"),
    [
        ({"isExisting": False, "isAvailable": False}, "the portal does not know crm.activity.badge.add", "Module"),
        ({"isExisting": True, "isAvailable": False}, "may not call crm.activity.badge.add", "Developer resources"),
    ],
)
async def test_a_method_that_cannot_be_called_is_named(answer: Mapping[str, bool], found: str, mend: str) -> None:
    """One that is unknown and one that is not open to the credential are mended in different places."""
    patient = healthy()
    well = {"isExisting": True, "isAvailable": True}
    patient.portal.others["method.get"] = lambda params: answer if params["name"].endswith("badge.add") else well
    check = (await patient.examine())["methods"]
    assert check.status == "failed"
    assert found in check.found
    assert "badge.get" not in check.found
    assert mend in check.mend


async def test_an_administrator_is_not_probed() -> None:
    """The right comes with the rank, and nothing is deleted."""
    patient = healthy()
    assert (await patient.examine())["CRM administrator"].status == "ok"
    assert DELETE not in [method for method, _ in patient.portal.sent]


async def test_the_crm_right_is_probed_by_deleting_what_is_not_there() -> None:
    """NOT_FOUND shows the right; the code is one that nobody has."""
    patient = healthy()
    patient.portal.others["profile"] = NO_ADMIN
    assert (await patient.examine())["CRM administrator"].status == "ok"
    assert (DELETE, {"code": NOT_THERE}) in patient.portal.sent
    assert list(patient.portal.badges) == [MISSED.code]


@pytest.mark.parametrize("is_paused", [False, True])
async def test_a_missing_crm_right_is_told_with_the_place_to_grant_it(is_paused: bool) -> None:
    """ACCESS_DENIED to the probe, or a pause for it, is the missing right."""
    patient = healthy()
    patient.portal.others["profile"] = NO_ADMIN
    refusal = denied(DELETE, mend=ASK_FOR_CRM_ADMIN)
    patient.portal.instead[DELETE] = [paused_by(refusal) if is_paused else refusal]
    check = (await patient.examine())["CRM administrator"]
    assert (check.status, check.mend) == ("failed", ASK_FOR_CRM_ADMIN)


@pytest.mark.parametrize(("listing", "told"), [([], "can be looked up, but not added"), ([denied(LIST)], "neither")])
async def test_a_user_without_any_crm_right_is_told_from_one_without_this_right(listing: list[Any], told: str) -> None:
    """Whoever may not even look badges up is not told that he may."""
    patient = healthy()
    patient.portal.others["profile"] = NO_ADMIN
    patient.portal.instead[DELETE] = [denied(DELETE)]
    patient.portal.instead[LIST] = listing
    check = (await patient.examine())["CRM administrator"]
    assert check.status == "failed"
    assert told in check.found


async def test_another_refusal_of_the_probe_is_no_missing_right() -> None:
    """What the probe is refused for otherwise is told as it is; a success is told as telling nothing."""
    patient = healthy()
    patient.portal.others["profile"] = NO_ADMIN
    patient.portal.instead[DELETE] = [denied(DELETE, "user_access_error", mend="Open it.")]
    assert (await patient.examine())["CRM administrator"].mend == "Open it."
    patient.portal.instead[DELETE] = [lambda _: True]
    assert (await patient.examine())["CRM administrator"].status == "warning"


@pytest.mark.parametrize("code", ["ACCESS_DENIED", "WRONG_AUTH_TYPE", "ERROR_WRONG_CONTEXT"])
async def test_a_webhook_cannot_attach(code: str) -> None:
    """Where a rule attaches, a credential without an application's context is a failure with the way to one."""
    patient = healthy()
    patient.portal.others["app.info"] = denied("app.info", code)
    check = (await patient.examine(**ATTACHING))["application"]
    assert check.status == "failed"
    assert "local application" in check.mend
    assert "portals.main.oauth" in check.mend


@pytest.mark.parametrize(("installed", "status"), [(True, "ok"), (False, "failed"), ("N", "failed"), (None, "ok")])
async def test_an_application_has_to_be_installed_completely(installed: object, status: str) -> None:
    """Until its installation is finished the portal tells it of no event."""
    patient = healthy()
    patient.application = True
    patient.portal.others["app.info"] = {"CODE": "local.app", "INSTALLED": installed}
    check = (await patient.examine())["application"]
    assert check.status == status
    assert "local.app" in check.found


async def test_an_unknown_icon_is_told_with_the_one_that_is_meant() -> None:
    """A typing mistake is answered with the nearest code."""
    patient = healthy()
    check = (await patient.examine(**{**ATTACHING, "icons": ("call-incomming-missed",)}))["icons and logos"]
    assert check.status == "failed"
    assert check.found == "there is no icon call-incomming-missed, did you mean call-incoming-missed?"
    assert "icon or logo" in check.mend


async def test_a_logo_is_not_taken_for_an_icon() -> None:
    """Each kind is compared with its own list."""
    patient = healthy()
    check = (await patient.examine(**{**ATTACHING, "logos": ("info",)}))["icons and logos"]
    assert "there is no logo info, known are call-incoming" in check.found


async def test_an_unknown_icon_is_only_a_warning_when_the_list_may_go_on() -> None:
    """A whole page of icons may not be all of them."""
    patient = healthy()
    patient.portal.others["crm.timeline.icon.list"] = {"icons": [{"code": f"icon-{n}"} for n in range(50)]}
    assert (await patient.examine(**ATTACHING))["icons and logos"].status == "warning"


@pytest.mark.parametrize("nothing", [[], {"icons": []}, None])
async def test_an_empty_list_of_icons_is_read_however_php_writes_it(nothing: Any) -> None:
    """Then the code is unknown, and nothing is suggested."""
    patient = healthy()
    patient.portal.others["crm.timeline.icon.list"] = nothing
    check = (await patient.examine(**ATTACHING))["icons and logos"]
    assert check.found == "there is no icon call-incoming-missed"


async def test_missing_and_different_badges_are_a_hint_to_sync() -> None:
    """Both are named; neither is a failure, since the first event adds what is missing."""
    patient = healthy()
    paid = Badge("bb_paid", "Order", "Paid", "success")
    changed = Badge(MISSED.code, "Call", "Unanswered", "failure")
    check = (await patient.examine(badges=(changed, paid)))["badges"]
    assert (check.status, check.found) == ("warning", "missing: bb_paid; different: bb_missed")
    assert "badge-bridge sync" in check.mend
    assert patient.portal.badges == {MISSED.code: parameters(MISSED)}


async def test_used_run_time_is_told_and_much_of_it_is_a_warning() -> None:
    """Half of the ceiling is worth a word, with the time at which it begins to be forgotten."""
    patient = healthy()
    assert (await patient.examine())["limits"].found.startswith("crm.activity.badge.get has used 0.4 s of run time")
    time = {"operating": 301.5, "operating_reset_at": 1_795_345_500}
    patient.network.heard[-1] = Heard(200, json.dumps({"result": {}, "time": time}).encode())
    check = (await patient.examine())["limits"]
    assert check.status == "warning"
    assert "301.5 s" in check.found
    assert "11:05:00 UTC" in check.found


@pytest.mark.parametrize(
    ("heard", "status", "found"),
    [
        (Heard(200, b'{"result": []}'), "ok", "does not say how much"),
        (Heard(200, b'{"result": [], "time": {"operating": true}}'), "ok", "does not say how much"),
        (Heard(503, b'{"error": "OPERATION_TIME_LIMIT"}'), "warning", "OPERATION_TIME_LIMIT: this method has used up"),
        (Heard(500, b"<html>"), "warning", "HTTP 500"),
        (Heard(302, b""), "skipped", "redirects"),
    ],
)
async def test_limits_are_read_from_any_answer(heard: Heard, status: str, found: str) -> None:
    """Answers without a time, refused ones and none that is JSON do not break the examination."""
    patient = healthy()
    patient.network.heard[-1] = heard
    check = (await patient.examine())["limits"]
    assert check.status == status
    assert found in check.found


async def test_limits_are_looked_at_where_the_portal_has_no_badge_yet() -> None:
    """Then the list is asked, and no code that would be answered NOT_FOUND."""
    patient = healthy()
    patient.portal.badges.clear()
    await patient.examine()
    assert patient.network.posted[-1][0].endswith("/crm.activity.badge.list")


async def test_an_unexpected_refusal_fails_its_check_alone() -> None:
    """The others are looked at all the same."""
    patient = healthy()
    refusal = CallRefused("portal main: no", portal="main", method="x", code="ERROR_CORE")
    patient.portal.others["crm.timeline.icon.list"] = refusal
    checks = await patient.examine(**ATTACHING)
    assert (checks["icons and logos"].status, checks["icons and logos"].found) == ("failed", "no")
    assert checks["badges"].status == "ok"
