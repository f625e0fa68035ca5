"""What the rules make the bridge use in each portal: for those who look before the first event comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from badge_bridge.rulesfile.rules import Badge, Rule, RulesFile

__all__ = ["Fetching", "Usage", "fetching", "usage"]

_OWN_TELEPHONY = "bitrix24"
"""The provider whose events tell of calls that the portal itself keeps a record of."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """Whether calls of a portal whose event was lost are fetched."""

    source: str = ""
    """The source that they become events of; empty where they are not fetched."""
    is_demanded: bool = False
    """The file says so, and does not leave it to what the portal allows."""
    why_not: str = ""
    is_undecided: bool = False
    """They are not fetched since the file leaves open for which source."""


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
    fetching: Fetching = Fetching()


def usage(rules: RulesFile) -> Mapping[str, Usage]:
    """What the rules use, by the name of the portal; each portal of the file is there."""
    portal_of = rules.portal_of
    acting: dict[str, list[Rule]] = {name: [] for name in rules.portals}
    for rule in rules.rules:
        for portal in dict.fromkeys(_portals(rule, portal_of)):
            acting[portal].append(rule)
    fetched = fetching(rules)
    telephony = {portal for portal in rules.portals if _own_sources(rules, portal)}
    return {
        name: _usage(rules, acting[name], telephony=name in telephony, fetched=fetched[name]) for name in rules.portals
    }


def fetching(rules: RulesFile) -> Mapping[str, Fetching]:
    """Which portals' lost calls are fetched, by the name of the portal; each portal of the file is there.

    A call that is told to two sources is two events. So where a portal has several, what is fetched can be for one of
    them only, and which that is nobody but the file can say.
    """
    return {portal: _fetching(_own_sources(rules, portal)) for portal in rules.portals}


def _own_sources(rules: RulesFile, portal: str) -> Mapping[str, object]:
    """The options of the sources that the portal itself reports to."""
    return {
        name: source
        for name, source in rules.sources.items()
        if rules.portal_of[name] == portal and getattr(source, "provider", "") == _OWN_TELEPHONY
    }


def _fetching(sources: Mapping[str, object]) -> Fetching:
    said = {name: getattr(source, "backfill", None) for name, source in sources.items()}
    demanded = [name for name in said if said[name]]
    wanted = demanded or [name for name in said if said[name] is None]
    if len(wanted) == 1:
        return Fetching(wanted[0], is_demanded=bool(demanded))
    if wanted:
        what = "say backfill: true" if demanded else "may take them"
        why_not = f"the sources {' and '.join(wanted)} {what}; write backfill: true at the one that calls report to"
        return Fetching(why_not=why_not, is_undecided=True)
    return Fetching(why_not="backfill: false" if said else "no source of provider bitrix24")


def _portals(rule: Rule, portal_of: Mapping[str, str]) -> Iterator[str]:
    """Where a rule acts: on its own portal, else on those of its sources."""
    if rule.portal:
        yield rule.portal
    else:
        yield from (portal_of[source] for source in rule.sources or portal_of)


def _usage(rules: RulesFile, acting: list[Rule], *, telephony: bool, fetched: Fetching) -> Usage:
    names = {rule.badge for rule in acting}
    attaching = [rule.attach for rule in acting if rule.attach is not None]
    return Usage(
        badges=tuple(badge for name, badge in rules.badges.items() if name in names),
        attaches=bool(attaching),
        makes_leads=any(attach.on_missing == "lead" for attach in attaching),
        icons=tuple(dict.fromkeys(attach.icon for attach in attaching)),
        logos=tuple(dict.fromkeys(attach.logo for attach in attaching)),
        telephony=telephony,
        fetching=fetched,
    )
