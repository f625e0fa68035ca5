"""What the doctor says of calls whose event was lost: whether they can be fetched, and who gives the right to it."""

from __future__ import annotations

import pytest

from badge_bridge.errors import PortalPaused
from badge_bridge.rulesfile.usage import Fetching
from support.badge_registry import denied
from support.doctored import healthy

STATISTICS = "voximplant.statistic.get"


async def test_it_is_well_where_the_statistics_answer() -> None:
    """One row would do; the source that gets the calls is named."""
    patient = healthy()
    patient.portal.others[STATISTICS] = [{"ID": "7", "CALL_ID": "c"}]
    check = (await patient.examine(fetching=Fetching("office")))["lost calls"]
    assert (check.status, check.found) == ("ok", "fetched from the call statistics, for source office")


@pytest.mark.parametrize(("is_demanded", "status"), [(False, "warning"), (True, "failed")])
@pytest.mark.parametrize("is_paused", [False, True])
async def test_missing_right_is_told_with_its_mend(is_demanded: bool, status: str, is_paused: bool) -> None:
    """It fails only where the rules file asks for it; otherwise it may be switched off as well."""
    patient = healthy()
    error: Exception = denied(STATISTICS, "insufficient_scope", mend="Add the permission telephony.")
    if is_paused:
        paused = PortalPaused("it rests", portal="main", method=STATISTICS, lane=f"main/{STATISTICS}", until=0.0)
        paused.__cause__ = error
        error = paused
    patient.portal.others[STATISTICS] = error
    check = (await patient.examine(fetching=Fetching("office", is_demanded=is_demanded)))["lost calls"]
    assert check.status == status
    assert f"{STATISTICS} was refused with insufficient_scope" in check.found
    assert "Add the permission telephony." in check.mend
    assert ("backfill: false at source office" in check.mend) is not is_demanded


@pytest.mark.parametrize(
    ("fetching", "status", "found", "mend"),
    [
        (Fetching(why_not="backfill: false"), "skipped", "not fetched: backfill: false", ""),
        (
            Fetching(why_not="a and b may take them; write backfill: true at one", is_undecided=True),
            "warning",
            "not fetched: a and b may take them",
            "Write backfill: true at one in the rules file.",
        ),
    ],
    ids=["off", "undecided"],
)
async def test_what_the_rules_file_says_is_told(fetching: Fetching, status: str, found: str, mend: str) -> None:
    """Without asking the portal."""
    patient = healthy()
    check = (await patient.examine(fetching=fetching))["lost calls"]
    assert (check.status, check.found, check.mend) == (status, found, mend)
    assert STATISTICS not in [method for method, _ in patient.portal.sent]
