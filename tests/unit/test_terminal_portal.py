"""What `sync` and `doctor` print in a terminal."""

from __future__ import annotations

import pytest

from badge_bridge.portal import Badge
from badge_bridge.portal.doctor import Check
from badge_bridge.portal.sync import Done, plan
from badge_bridge.terminal_portal import print_checks, print_done, print_plan

MISSED = Badge("bb_missed", {"en": "Call", "de": "Anruf"}, "Missed", "failure")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def lines(out: str) -> list[str]:
    return [line.rstrip() for line in out.splitlines()]


def test_plan_shows_what_is_missing_different_and_unused(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each badge that differs, both sides of each difference, and a count of the others."""
    paid, late = Badge("bb_paid", "Order", "Paid", "success"), Badge("bb_late", "x", "y", "warning")
    print_plan("main", plan([MISSED, paid, late], [Badge("bb_paid", "Order", "Paid", "primary"), late]))
    assert lines(capsys.readouterr().out) == [
        "portal main 1 of 3 badges found as in the rules file",
        "  bb_missed  missing    {en: 'Call', de: 'Anruf'} / 'Missed' (failure)",
        "  bb_paid    different  type: 'success' in the rules file, 'primary' in the portal",
    ]
    print_plan("main", plan([], [late]), to_stderr=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "portal main no badges wanted\n" in told.err
    assert "bb_late  unused  'x' / 'y' (warning)" in told.err


def test_plan_is_one_line_when_nothing_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no empty table below it."""
    print_plan("main", plan([MISSED], [MISSED]))
    assert capsys.readouterr().out == "portal main 1 of 1 badge found as in the rules file\n"


def test_codes_are_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code can be copied however wide the terminal is."""
    monkeypatch.setenv("COLUMNS", "50")
    print_plan("main", plan([Badge("bb_a_rather_long_code", "t" * 40, "v", "failure")], []))
    assert "bb_a_rather_long_code" in capsys.readouterr().out


def test_what_was_done_is_told_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """With what was unusual about it, or why it was not done."""
    print_done(Done("bb_a", "add", done=True))
    print_done(Done("bb_b", "delete", done=True, told="it was gone already"))
    print_done(Done("bb_c", "replace", done=False, told="portal main: no"))
    assert capsys.readouterr().out.splitlines() == [
        "  ✓ added bb_a",
        "  ✓ deleted bb_b (it was gone already)",
        "  ✗ bb_c was not replaced: portal main: no",
    ]


def test_checks_stand_below_their_heading_with_what_mends_them(capsys: pytest.CaptureFixture[str]) -> None:
    """The mend is below what was found, and the last line counts."""
    checks = [
        Check("rules file", "ok", "can be read"),
        Check("clock", "warning", "off", "Set it."),
        Check("scopes", "failed", "crm is missing", "Add it."),
        Check("badges", "skipped", "not looked at, since scopes failed"),
    ]
    print_checks({"portal main": checks})
    assert lines(capsys.readouterr().out) == [
        "portal main",
        "  ✓  rules file  can be read",
        "  !  clock       off",
        "                 → Set it.",
        "  ✗  scopes      crm is missing",
        "                 → Add it.",
        "  -  badges      not looked at, since scopes failed",
        "1 failed, warnings: 1.",
    ]


def test_what_is_found_stays_on_its_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script finds it whole, and no blanks behind what is shorter."""
    monkeypatch.delenv("COLUMNS")
    found = "x" * 60 + " and " + "y" * 60
    print_checks({"portal main": [Check("clock", "ok", found), Check("scopes", "failed", "none", "Add it.")]})
    print_plan("main", plan([Badge("bb_a", "t", "v" * 100, "failure"), MISSED], []))
    assert capsys.readouterr().out.splitlines() == [
        "portal main",
        f"  ✓  clock   {found}",
        "  ✗  scopes  none",
        "             → Add it.",
        "1 failed, warnings: 0.",
        "portal main 0 of 2 badges found as in the rules file",
        f"  bb_a       missing  't' / '{'v' * 100}' (failure)",
        "  bb_missed  missing  {en: 'Call', de: 'Anruf'} / 'Missed' (failure)",
    ]


@pytest.mark.parametrize(
    ("status", "line"), [("ok", "All is well."), ("skipped", "All is well."), ("warning", "All is well; warnings: 1.")]
)
def test_last_line_says_whether_all_is_well(capsys: pytest.CaptureFixture[str], status: str, line: str) -> None:
    """Warnings are counted and do not make it ill."""
    print_checks({"bridge": [Check("store", status, "x")]})  # type: ignore[arg-type] # one of the literals above
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_a_portals_texts_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither escape sequences nor the markup of the printing library get through."""
    hostile = Badge("bb_x", "\x1b]0;owned\x07", "[red]v[/red]", "failure")
    print_plan("main", plan([], [hostile]))
    print_done(Done("bb_\x1b[2Jx", "delete", done=False, told="\x9b31mno"))
    print_checks({"portal main": [Check("user", "ok", "calls run as \x1b[31m[bold]Max[/bold]")]})
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "[red]v[/red]" in out
    assert "[bold]Max[/bold]" in out


def test_each_of_several_things_has_a_line_in_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    """Two secrets that are not set are two lines, and none of them looks like what mends them."""
    print_checks({"bridge": [Check("secrets", "failed", "r:3:1: A is not set\n→ r:4:1: B is not set", "Set them.")]})
    assert lines(capsys.readouterr().out)[1:-1] == [
        "  ✗  secrets  r:3:1: A is not set",
        "              · → r:4:1: B is not set",
        "              → Set them.",
    ]
