"""The runbooks of `serve` itself, its disk and its rules file, played from the trouble to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.on_call import ANNA, on_call
from support.programs import until
from support.runbooks import Runbook

pytestmark = pytest.mark.slow


def test_rules_file_with_mistakes_is_mended_and_taken_up(tmp_path: Path) -> None:
    """The rules of before stay at work meanwhile, and Now lists the mistakes that `check` prints."""
    book = Runbook("A rules file with mistakes was not taken up")
    trouble = book.says("The newest rules file cannot be used; the rules of before are still at work")
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.edit(("badge: missedCall\n", "badge: missedCal\n"), ("startsWith('+49800')", "startsWith('+49171')"))
        until(lambda: trouble in bridge.page(), what="a rules file that cannot be used")
        assert bridge.missed("one") == 200
        bridge.event(ANNA, "done")
        assert bridge.counted("BadgeBridgeRulesRefused") == 1

        printed = bridge.follows(book, "badge-bridge check rules.yaml")
        place, _, mistake = printed.splitlines()[0].removeprefix("rules.yaml:").partition(": ")
        assert f"{place} {mistake}" in bridge.page()
        bridge.takes_up(("badge: missedCal\n", "badge: missedCall\n"))
        assert "missedCal" not in bridge.typed("badge-bridge check rules.yaml")
        assert trouble not in bridge.page()
        assert bridge.missed("two") == 200
        bridge.event(ANNA, "ignored")
    assert book.untyped == {"systemctl reload badge-bridge"}, "there is no systemd here"
