"""What the rules make the bridge use in each portal."""

from __future__ import annotations

import pytest

from badge_bridge.rulesfile import parse
from badge_bridge.rulesfile.usage import Fetching, Usage, usage
from badge_bridge.sources import OPTIONS

BADGES = """
badges:
  late: {title: t, value: v, type: warning}
  missed: {title: t, value: v, type: failure}
  spare: {title: t, value: v, type: failure}
rules:
"""
ONE = """
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: local.1, client_secret: "${SECRET}"}
sources:
  portal: {provider: bitrix24}
"""
TWO = """
portals:
  east: {webhook: "${EAST}"}
  west: {webhook: "${WEST}"}
sources:
  reception: {provider: twilio, portal: east, secrets: ["${TOKEN}"], public_url: https://b.example.com/hooks/reception}
  warehouse: {provider: twilio, portal: west, secrets: ["${TOKEN}"], public_url: https://b.example.com/hooks/warehouse}
"""


def used(head: str, *rules: str) -> dict[str, Usage]:
    text = head + BADGES + "".join(f"  - {rule}\n" for rule in rules)
    return dict(usage(parse(text, "r", providers=OPTIONS, environ=None)))


def codes(found: Usage) -> list[str]:
    return [badge.code for badge in found.badges]


def test_badges_are_used_where_their_rules_act() -> None:
    """A rule acts on its own portal, else on those of its sources, else on those of all sources."""
    found = used(
        TWO,
        "{name: a, on: call.missed, badge: missed, source: warehouse}",
        "{name: b, on: call.missed, badge: late, source: reception, portal: west}",
    )
    assert {name: codes(one) for name, one in found.items()} == {"east": [], "west": ["bb_late", "bb_missed"]}
    everywhere = used(TWO, "{name: a, on: call.missed, badge: missed}")
    assert {name: codes(one) for name, one in everywhere.items()} == {"east": ["bb_missed"], "west": ["bb_missed"]}


def test_badges_are_in_the_order_of_the_file_and_each_once() -> None:
    """However many rules use one, and a badge that no rule names is used nowhere."""
    found = used(
        ONE,
        "{name: a, on: call.missed, badge: missed}",
        "{name: b, on: call.busy, badge: late}",
        "{name: c, on: call.failed, badge: missed}",
    )
    assert codes(found["main"]) == ["bb_late", "bb_missed"]


def test_attaching_rules_bring_icons_logos_and_leads() -> None:
    """What a card needs is told for the rules that put a badge on one, and without repeats."""
    assert used(ONE, "{name: a, on: call.missed, badge: missed}")["main"].attaches is False
    found = used(
        ONE,
        "{name: a, on: call.missed, badge: missed, attach: {icon: info, logo: call, on_missing: lead}}",
        "{name: b, on: call.busy, badge: late, attach: {icon: info, logo: call-outgoing}}",
    )["main"]
    assert (found.attaches, found.makes_leads) == (True, True)
    assert (found.icons, found.logos) == (("info",), ("call", "call-outgoing"))


def test_telephony_is_used_where_the_portals_own_reports() -> None:
    """A source of another provider does not make a portal's telephony matter."""
    assert used(ONE, "{name: a, on: call.missed, badge: missed}")["main"].telephony
    assert not any(one.telephony for one in used(TWO, "{name: a, on: call.missed, badge: missed}").values())


@pytest.mark.parametrize(
    ("options", "source", "is_demanded", "why_not"),
    [
        ([""], "s0", False, ""),
        ([", backfill: true"], "s0", True, ""),
        ([", backfill: false"], "", False, "backfill: false"),
        (["", ", backfill: false"], "s0", False, ""),
        (["", ", backfill: true"], "s1", True, ""),
        (["", ""], "", False, "s0 and s1 may take them"),
        ([", backfill: true", "", ", backfill: true"], "", False, "s0 and s2 say backfill: true"),
    ],
)
def test_lost_calls_are_fetched_for_one_source(
    options: list[str], source: str, is_demanded: bool, why_not: str
) -> None:
    """The only one that may take them, or the one that says so; a call that two sources hear of is two events."""
    portals = ONE.partition("sources:")[0]
    sources = "".join(f"  s{number}: {{provider: bitrix24{more}}}\n" for number, more in enumerate(options))
    found = used(f"{portals}sources:\n{sources}", "{name: a, on: call.missed, badge: missed}")["main"].fetching
    assert (found.source, found.is_demanded) == (source, is_demanded)
    assert why_not in found.why_not
    assert found.is_undecided is (" and " in why_not)


def test_lost_calls_are_fetched_only_where_the_portals_own_telephony_reports() -> None:
    """Sources of other providers say nothing of a portal's record of calls."""
    assert used(TWO, "{name: a, on: call.missed, badge: missed}")["east"].fetching == Fetching(
        why_not="no source of provider bitrix24"
    )
