"""What the rules make the bridge use in each portal: for those who look before the first event comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from badge_bridge.rulesfile.rules import Badge, Rule, RulesFile

__all__ = ["Usage", "usage"]

_OWN_TELEPHONY = "bitrix24"
"""The provider whose events tell of calls that the portal itself keeps a record of."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used in one portal; everything is in the order of the file and without repeats."""

    badges: tuple[Badge, ...]
    """Those that a rule puts there. One that no rule names is used nowhere."""
    attaches: bool
    """Whether a rule puts a badge on a card."""
    makes_leads: bool
    """Whether a rule makes a lead where a customer has no card."""
    icons: tuple[str, ...]
    logos: tuple[str, ...]
    telephony: bool
    """Whether the portal's own telephony reports to a source."""


def usage(rules: RulesFile) -> Mapping[str, Usage]:
    """What the rules use, by the name of the portal; each portal of the file is there."""
    portal_of = rules.portal_of
    acting: dict[str, list[Rule]] = {name: [] for name in rules.portals}
    for rule in rules.rules:
        for portal in dict.fromkeys(_portals(rule, portal_of)):
            acting[portal].append(rule)
    telephony = {
        portal_of[name]
        for name, source in rules.sources.items()
        if getattr(source, "provider", "") == _OWN_TELEPHONY and portal_of[name]
    }
    return {name: _usage(rules, acting[name], telephony=name in telephony) for name in rules.portals}


def _portals(rule: Rule, portal_of: Mapping[str, str]) -> Iterator[str]:
    """Where a rule acts: on its own portal, else on those of its sources."""
    if rule.portal:
        yield rule.portal
    else:
        yield from (portal_of[source] for source in rule.sources or portal_of)


def _usage(rules: RulesFile, acting: list[Rule], *, telephony: bool) -> Usage:
    names = {rule.badge for rule in acting}
    attaching = [rule.attach for rule in acting if rule.attach is not None]
    return Usage(
        badges=tuple(badge for name, badge in rules.badges.items() if name in names),
        attaches=bool(attaching),
        makes_leads=any(attach.on_missing == "lead" for attach in attaching),
        icons=tuple(dict.fromkeys(attach.icon for attach in attaching)),
        logos=tuple(dict.fromkeys(attach.logo for attach in attaching)),
        telephony=telephony,
    )
